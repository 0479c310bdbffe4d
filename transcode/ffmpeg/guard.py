"""Becomes the given program, niced, and is killed by the kernel when the worker that started it dies.

Run as a file, not imported: ``python -I -S guard.py PARENT_PID PROGRAM ARGUMENT…``. Without it an encoder
would outlive a worker that was killed, and compete with its own replacement.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # prctl(2); kept over execve(2)
_NICENESS = 5  # heartbeats and progress come before encoding
_COMMAND_NOT_FOUND = 127


def main() -> None:
    """Replace this process by the program."""
    parent, argv = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel was told
        raise SystemExit(1)
    os.nice(_NICENESS)
    try:
        os.execv(argv[0], argv)  # noqa: S606 - the list was built by the worker
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error.strerror}\n")
        raise SystemExit(_COMMAND_NOT_FOUND) from error


if __name__ == "__main__":
    main()
