"""What can be wrong with the tokens that people give to the command line."""

from __future__ import annotations

from config.launch.errors import CommandFailed
from config.runtime.processes import WrongUse


class NotAToken(CommandFailed):
    """This is neither a token of a scheme that is known nor a URL with one."""


class NotMinted(WrongUse):
    """What was asked for cannot be signed, or would be refused."""
