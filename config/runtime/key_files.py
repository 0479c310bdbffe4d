"""Files with secrets in them: read by their owner only, changed by one process at a time, never half written."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from config.runtime.jwk import BadKeys

MAX_BYTES = 256 * 1024
_LOCK_SECONDS = 10.0
_LOCK_PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What stood in a file, and who could have read it."""

    data: bytes
    mode: int
    owner: int
    group: int


def read_file(path: Path) -> Content:
    """The whole file, of bounded size, or ``BadKeys``."""
    try:
        # Nothing that would make us wait, such as a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise BadKeys(f"{path}: not a file")
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadKeys(f"{path}: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise BadKeys(f"{path}: larger than {MAX_BYTES} bytes")
    mode = stat.S_IMODE(found.st_mode)
    return Content(data=data, mode=mode, owner=found.st_uid, group=found.st_gid)


def require_owner_only(content: Content, path: Path) -> None:
    """``BadKeys`` if a file with a secret could have been read or changed by others.

    A file of root's that another user reads may have a group, for that is how containers are given their secrets.
    """
    me = os.geteuid()
    if content.owner == 0 and me != 0:
        if content.mode & 0o027:
            raise BadKeys(
                f"{path}: holds a private key and has the mode {content.mode:04o}: "
                "others can read it, or its group can change it (chmod 640, or mode 0440 of a mounted secret)"
            )
    elif content.mode & 0o077:
        raise BadKeys(
            f"{path}: holds a private key and has the mode {content.mode:04o}: others can read it (chmod 600)"
        )


def write_file(path: Path, data: bytes, *, like: Content | None = None) -> None:
    """Replace the file in one step, for its owner only or with the owner and mode of the one that it replaces."""
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if like is not None:
                if (like.owner, like.group) != (os.geteuid(), os.getegid()):
                    os.fchown(descriptor, like.owner, like.group)
                os.fchmod(descriptor, like.mode)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[Path]:
    """The file behind ``path``, which nobody else changes meanwhile; its folder is made if need be."""
    path = path.resolve()  # a link stays one
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise BadKeys(f"{error.filename}: {error.strerror}") from error
    try:
        _lock(descriptor, path.parent)
        yield path
    finally:
        os.close(descriptor)  # and with it the lock


def _lock(descriptor: int, folder: Path) -> None:
    until = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise BadKeys(f"{folder}: another process is changing keys here") from None
            time.sleep(_LOCK_PAUSE_SECONDS)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
