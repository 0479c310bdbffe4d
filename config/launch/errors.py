"""What ends a command with one line and exit status 1."""

from __future__ import annotations


class CommandFailed(RuntimeError):
    """A person can do something about it, and the message says what it is."""
