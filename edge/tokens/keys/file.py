"""Keys in a file, which is read again when it changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from config.runtime.key_files import read_file, write_file
from config.runtime.keys import BadKeys, KeySet
from config.runtime.logging import get_logger
from edge import metrics
from edge.tokens.keys.source import Current

log = get_logger(__name__)

POLL_SECONDS = 2.0
_LEAST_SECONDS_BETWEEN_LOOKS = 0.2
_READS = 5  # as often may it be replaced meanwhile

Version = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    version: Version
    keys: KeySet
    data: bytes


class FileKeys:
    """The keys of a JWK Set file; as long as it is bad, those that it held last."""

    def __init__(
        self,
        name: str,
        path: Path,
        current: Current,
        *,
        checked: Path | None = None,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._path = path
        self._checked = checked  # a copy that was good
        self._current = current
        self._clock = clock
        self._timer = timer
        self._version: Version | None = None
        self._looked_at = float("-inf")
        self._turn = asyncio.Lock()
        self._said = ""  # what was logged of a bad file: once, not every other second

    def current(self) -> KeySet:
        """The keys that hold now; reads nothing."""
        return self._current.get()

    async def load(self) -> None:
        """Read the file, or else the copy that was good; ``BadKeys`` if neither can be used."""
        try:
            self._use(await asyncio.to_thread(_read, self._path))
        except BadKeys as error:
            if self._checked is None:
                raise
            copy = await asyncio.to_thread(_read, self._checked)
            self._refused(error)
            self._current.replace(copy.keys, read_at=copy.version[0] / 1e9)

    async def watch(self) -> None:
        """Look at the file every other second until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await self.look()

    async def wanted(self, key_id: str) -> bool:
        """Whether a key that was missing stands in the file now, after a look that begins no earlier than this.

        All who ask within a moment share one; ``look`` takes as long as a disk does.
        """
        if key_id not in self.current().keys:
            asked_at = self._timer()
            async with self._turn:
                if self._looked_at < asked_at:
                    early = self._looked_at + _LEAST_SECONDS_BETWEEN_LOOKS - self._timer()
                    await asyncio.sleep(max(0.0, early))
                    await self._look()
        return key_id in self.current().keys

    async def look(self) -> None:
        """Read the file if it has changed."""
        async with self._turn:
            await self._look()

    async def refresh(self) -> bool:
        """Read the file, changed or not, and say whether its keys are in use."""
        async with self._turn:
            self._version = None
            return await self._look()

    async def _look(self) -> bool:
        self._looked_at = self._timer()
        version = await asyncio.to_thread(_version, self._path)
        if version is not None and version == self._version:
            self._current.get()  # one of them may have ended
            self._current.confirm(read_at=self._clock())
            return True
        try:
            read = await asyncio.to_thread(_read, self._path)
        except BadKeys as error:
            self._refused(error)
            return False
        self._use(read)
        await asyncio.to_thread(self._renew_copy, read.data)
        log.info("keys read", source=self._name, keys=sorted(read.keys.keys))
        return True

    def _use(self, read: _Read) -> None:
        self._version = read.version
        self._current.replace(read.keys, read_at=self._clock())
        self._said = ""
        metrics.KEYS_REFRESHES.labels(self._name, "ok").inc()

    def _refused(self, error: BadKeys) -> None:
        metrics.KEYS_REFRESHES.labels(self._name, "bad").inc()
        if str(error) != self._said:
            self._said = str(error)
            log.error(
                "new keys cannot be used, the old ones are", source=self._name, error=str(error)
            )

    def _renew_copy(self, data: bytes) -> None:
        """So that a worker that begins while the file is bad begins with what was good last, and not before that."""
        if self._checked is None:
            return
        try:
            write_file(self._checked, data)
        except OSError as error:
            log.warning("copy of keys not written", source=self._name, error=error.strerror)


def _version(path: Path) -> Version | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size


def _read(path: Path) -> _Read:
    for _ in range(_READS):
        version = _version(path)
        content = read_file(path)
        if version is not None and version == _version(path):
            keys = KeySet.in_file(content, path)
            return _Read(version=version, keys=keys, data=content.data)
    raise BadKeys(f"{path}: changed while it was read")
