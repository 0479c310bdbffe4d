"""The copy of what is revoked on this machine's disk: for a start without Redis, or where there is none."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from config.contracts.revocations import MOST_BYTES, NotARevocation, Revocation
from config.runtime.logging import get_logger

log = get_logger(__name__)

_SPARE_LINES = 1000


class Copy:
    """A file of one line for each revocation, appended to, and written anew when most of it is out of date.

    Its time of change is when all that was revoked anywhere was last known. Used by one thread at a time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = 0

    @property
    def certain_at(self) -> float:
        """When the copy was last known to be complete, in seconds since the epoch; 0 if there is none."""
        try:
            return self._path.stat().st_mtime
        except OSError:
            return 0.0

    def read(self) -> Iterator[Revocation]:
        """What was written; a line that broke off, as in a power failure, is passed over."""
        damaged = 0
        try:
            with self._path.open("rb") as file:
                while line := file.readline(MOST_BYTES):
                    try:
                        yield Revocation.parse(line)
                    except NotARevocation:
                        damaged += 1
        except FileNotFoundError:
            return
        except OSError as error:
            log.error("the copy of revocations cannot be read", error=str(error))
        if damaged:
            log.error("lines of the copy of revocations are damaged", lines=damaged)

    def needs_writing_anew(self, live: int) -> bool:
        """Whether most lines say what is no longer so."""
        return self._lines > 2 * live + _SPARE_LINES

    def append(self, revocations: Iterable[Revocation]) -> None:
        """Write these too; an ``OSError`` if they may not be there after a power failure."""
        lines = [_line(revocation) for revocation in revocations]
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        self._write(self._path, flags, lines)
        self._lines += len(lines)

    def write_anew(self, revocations: Iterable[Revocation]) -> None:
        """Have only these; the old copy stays until the new one is whole."""
        at = self.certain_at
        lines = [_line(revocation) for revocation in revocations]
        temporary = self._path.with_name(self._path.name + ".new")
        temporary.unlink(missing_ok=True)
        self._write(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, lines)
        os.utime(temporary, (at, at))
        temporary.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._lines = len(lines)

    def touch(self, certain_at: float) -> None:
        """Say when it was complete; 0: nobody knows."""
        with contextlib.suppress(FileNotFoundError):
            os.utime(self._path, (certain_at, certain_at))

    def _write(self, path: Path, flags: int, lines: list[bytes]) -> None:
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())


def _line(revocation: Revocation) -> bytes:
    return revocation.to_text().encode() + b"\n"
