"""Writes, removes and marks the disk tier's files in the order of the changes, in one thread."""

from __future__ import annotations

import asyncio
import errno
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from config.runtime.logging import get_logger
from config.runtime.tasks import BackgroundTasks
from edge import metrics
from edge.cache.tiers import files
from edge.cache.tiers.entries import DiskEntry
from edge.cache.tiers.switch import Switch

log = get_logger(__name__)

_T = TypeVar("_T")

_CHORES_AT_ONCE = 256
_MOST_STUCK = 65536

_REASONS = {
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.EFBIG: "full",
    errno.EROFS: "readonly",
    errno.EACCES: "readonly",
    errno.EPERM: "readonly",
    errno.EIO: "io",
    errno.ENOENT: "missing",
    errno.ENOTDIR: "missing",
    errno.EEXIST: "missing",
}
# Another process swept the file away while it was being made: no fault of the disk.
_PASSING = {errno.EAGAIN}


@dataclass(frozen=True, slots=True)
class _Write:
    entry: DiskEntry
    head: bytes
    body: bytes


class DiskWriter:
    """What the index has decided and the files do not say yet; a disk that fails is left alone for a while.

    ``is_current`` says whether the index still has an entry, ``lose`` makes it forget one that could not be written.
    """

    def __init__(
        self,
        root: str,
        *,
        owns: Callable[[bytes], bool],
        slot: int,
        most_bytes: int,
        most_writes: int,
        is_current: Callable[[DiskEntry], bool],
        lose: Callable[[DiskEntry], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = root
        self._owns = owns
        self._slot = slot
        self._most_bytes = most_bytes
        self._most_writes = most_writes
        self._is_current = is_current
        self._lose = lose
        self._writes: deque[_Write] = deque()
        self._queued_bytes = 0
        self._removals: deque[str] = deque()
        self._marks: deque[str] = deque()
        self._stuck: deque[str] = deque(maxlen=_MOST_STUCK)  # could not be removed; tried again
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._switch = Switch(clock=clock)
        self._scanned = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="disk-writer")
        self._tasks = BackgroundTasks()

    async def scan(self) -> list[DiskEntry]:
        """What the folder has; nothing if it cannot be used, which is tried again later."""
        try:
            found = await self._in_thread(files.scan, self._root, self._owns)
        except OSError as error:
            self._failed(error)
            return []
        self._scanned = True
        return found

    def start(self) -> None:
        """Begin to carry out what is asked."""
        self._tasks.start("disk-cache", self._work)

    async def close(self, *, seconds: float) -> None:
        """Finish what was asked, within ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await self.settled()
        except TimeoutError:
            log.warning("disk cache closed with work left", writes=len(self._writes))
        await self._tasks.__aexit__(None, None, None)
        self._thread.shutdown(wait=False, cancel_futures=True)

    @property
    def is_on(self) -> bool:
        """Whether the disk takes writes."""
        return self._switch.is_on

    def has_room(self, body_bytes: int) -> bool:
        """Whether a body of this size may wait in memory to be written."""
        return (
            len(self._writes) < self._most_writes
            and self._queued_bytes + body_bytes <= self._most_bytes
        )

    def write(self, entry: DiskEntry, head: bytes, body: bytes) -> None:
        """Make the file of ``entry``."""
        self._queued_bytes += len(body)
        self._writes.append(_Write(entry, head, body))
        self._rouse()

    def remove(self, path: str) -> None:
        """Remove a file."""
        self._removals.append(path)
        self._rouse()

    def mark_stale(self, path: str) -> None:
        """Have a file say that it must be validated before its next use."""
        self._marks.append(path)
        self._rouse()

    async def settled(self) -> None:
        """Return when the files are as the index says; callers set the time limit."""
        await self._idle.wait()

    def _rouse(self) -> None:
        self._idle.clear()
        self._wake.set()

    async def _work(self) -> None:
        """Carry out what the index has decided, in its order: room is made before it is taken."""
        self._wake.set()  # for what a failed run has left
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._removals or self._marks or self._writes:
                removals, marks = _some(self._removals), _some(self._marks)
                if removals or marks:
                    self._stuck.extend(await self._in_thread(_chores, removals, marks))
                if self._writes and not self._removals:
                    await self._write_next()
            self._idle.set()

    async def _write_next(self) -> None:
        write = self._writes.popleft()
        entry = write.entry
        self._queued_bytes -= entry.body_bytes
        if not entry.alive:
            metrics.CACHE_DISK_WRITES.labels("overtaken").inc()
            return
        try:
            if not self._switch.is_on:
                metrics.CACHE_DISK_WRITES.labels("off").inc()
                return
            if not self._scanned:
                await self._empty()
            digest = files.digest_of(entry.key)
            await self._in_thread(
                files.write, self._root, digest, entry.stamp, self._slot, write.head, write.body
            )
        except OSError as error:
            self._failed(error)
        else:
            entry.ready = entry.warm = True
            self._worked()
        finally:
            if not entry.ready:
                self._lose(entry)
            elif not self._is_current(entry):  # removed or replaced meanwhile
                self._removals.append(files.path_in(self._root, entry))
            elif entry.stale:
                self._marks.append(files.path_in(self._root, entry))

    async def _empty(self) -> None:
        """Remove what lies in a folder that was out of reach at the start: it may have been purged since."""
        found = await self._in_thread(files.scan, self._root, self._owns)
        paths = [files.path_in(self._root, entry) for entry in found]
        self._stuck.extend(await self._in_thread(_chores, paths, []))
        self._scanned = True

    async def _in_thread(self, call: Callable[..., _T], *arguments: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *arguments)

    def _worked(self) -> None:
        metrics.CACHE_DISK_WRITES.labels("stored").inc()
        self._switch.worked()
        metrics.CACHE_DISK_OFF.set(0)
        while self._stuck:
            self._removals.append(self._stuck.popleft())

    def _failed(self, error: OSError) -> None:
        reason = _REASONS.get(error.errno or 0, "other")
        metrics.CACHE_DISK_WRITES.labels(reason).inc()
        if error.errno in _PASSING:
            return
        metrics.CACHE_DISK_OFF.set(1)
        pause = self._switch.failed()
        log.warning("disk cache off", reason=reason, error=str(error), seconds=round(pause, 1))


def _some(queue: deque[str]) -> list[str]:
    return [queue.popleft() for _ in range(min(len(queue), _CHORES_AT_ONCE))]


def _chores(removals: list[str], marks: list[str]) -> list[str]:
    """Remove and mark; the files that would not go."""
    stuck = []
    for path in removals:
        try:
            files.remove(path)
        except OSError:
            stuck.append(path)
    for path in marks:
        try:
            files.mark_stale(path)
        except OSError:
            # A file that cannot be marked must not be used after a restart.
            stuck.append(path)
    return stuck
