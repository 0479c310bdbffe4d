"""Folders for Unix sockets, whose paths end at 107 bytes (unix(7))."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

_LONGEST_FOLDER = 107 - len("/.s.PGSQL.5432.lock")


class UnsafeFolder(RuntimeError):
    """The folder for sockets belongs to someone else."""


def socket_folder(folder: Path, name: str) -> Path:
    """A private folder for sockets inside ``folder``, or a short one of the same identity if that is too long."""
    wanted = folder.absolute() / "run"
    if len(os.fsencode(wanted)) > _LONGEST_FOLDER:
        digest = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:12]
        wanted = Path(tempfile.gettempdir()) / f"kawa-{name}-{os.geteuid()}-{digest}"
    wanted.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = wanted.lstat()
    # Root may have given it to the server's user; anyone else owns it himself.
    if not stat.S_ISDIR(status.st_mode) or (os.geteuid() != 0 and status.st_uid != os.geteuid()):
        raise UnsafeFolder(f"{wanted} is not a folder of this user")
    return wanted
