"""The disk tier: whole objects in files, and an index of them in memory."""

from __future__ import annotations

import builtins
import errno
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from config.runtime.logging import get_logger
from edge import metrics
from edge.cache.tiers import files, reading
from edge.cache.tiers.bases import Bases
from edge.cache.tiers.entries import DiskEntry
from edge.cache.tiers.format import PREAMBLE_BYTES, Damaged, encode_head
from edge.cache.tiers.purge import Purge
from edge.cache.tiers.readers import Readers, TooManyReads
from edge.cache.tiers.reading import DiskBody, Loaded
from edge.cache.tiers.s3fifo import MOST_FREQ, S3Fifo
from edge.cache.tiers.switch import Switch
from edge.cache.tiers.writing import DiskWriter

log = get_logger(__name__)

INLINE_BYTES = (
    4 * 2**20
)  # what is read and checked in less than a millisecond if no disk is waited for
_READ_SECONDS = 5.0
_CLOSE_SECONDS = 5.0
_ENTRY_BYTES = 4096  # of an inode and a name, about


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of memory and time the disk may take."""

    entries: int = 500_000  # of the index, some 0.6 KiB of memory each
    queued_bytes: int = 64 * 2**20
    queued_count: int = 1024
    reads_count: int = 256
    read_seconds: float = _READ_SECONDS
    close_seconds: float = _CLOSE_SECONDS


class DiskTier:
    """Objects of one process in a folder that several may share; each has the keys that ``owns`` gives it.

    The index is changed at once, the files a little later in the order of the changes. Whatever fails on
    the disk is counted and costs a miss, never a request.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int,
        owns: Callable[[bytes], bool] = lambda digest: True,
        slot: int = 0,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = str(folder)
        self._limits = limits or Limits()
        self._index: S3Fifo[DiskEntry] = S3Fifo(
            max_bytes=max_bytes,
            max_count=self._limits.entries,
            overhead_bytes=_ENTRY_BYTES,
            on_evict=self._evicted,
        )
        self._bases = Bases()
        self._writer = DiskWriter(
            self._root,
            owns=owns,
            slot=slot,
            most_bytes=self._limits.queued_bytes,
            most_writes=self._limits.queued_count,
            is_current=lambda entry: self._index.peek(entry.key) is entry,
            lose=self._lose,
            clock=clock,
        )
        self._reading = Switch(clock=clock)
        self._last_stamp = 0
        self._readers = Readers(
            most_reads=self._limits.reads_count, seconds=self._limits.read_seconds
        )

    @classmethod
    async def open(
        cls,
        folder: Path,
        *,
        max_bytes: int,
        owns: Callable[[bytes], bool] = lambda digest: True,
        slot: int = 0,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> DiskTier:
        """The tier, with everything in the folder that is whole; a folder that cannot be used is tried again later."""
        tier = cls(folder, max_bytes=max_bytes, owns=owns, slot=slot, limits=limits, clock=clock)
        await tier._start()
        return tier

    async def close(self) -> None:
        """Finish what was begun, within a few seconds."""
        await self._writer.close(seconds=self._limits.close_seconds)
        self._readers.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    # What is there

    @property
    def bytes(self) -> int:
        """What the files take, and those that are about to be written."""
        return self._index.bytes

    @property
    def is_on(self) -> bool:
        """Whether the disk takes writes."""
        return self._writer.is_on

    def __len__(self) -> int:
        return len(self._index)

    def keys(self) -> list[str]:
        """Every key."""
        return [entry.key for entry in self._index]

    def with_base(self, base: str) -> list[str]:
        """The keys of all variants and slices of one URL."""
        return self._bases.of(base)

    def with_prefix(self, prefix: str) -> list[str]:
        """The keys that start with it."""
        return [entry.key for entry in self._index if entry.key.startswith(prefix)]

    def with_tag(self, tag: str) -> list[str]:
        """The keys of what bears the tag."""
        return [entry.key for entry in self._index if tag in entry.tags]

    def find(self, key: str) -> DiskEntry | None:
        """What can be loaded under this key."""
        entry = self._index.peek(key)
        return entry if entry is not None and entry.ready and self._reading.is_on else None

    def touch(self, key: str) -> None:
        """Note that the object was used, though from memory: what leaves memory last is worth keeping here."""
        self._index.get(key)

    def wants(self, key: str) -> bool:
        """Whether the key was evicted lately for want of use."""
        return self._index.wants(key)

    # Reading

    async def load(self, entry: DiskEntry) -> Loaded | None:
        """Head and body, checked; ``None`` if the object is not there any more or not as it was written."""
        if not self._may_read(entry):
            return None
        path = self._path(entry)
        if entry.warm and entry.file_bytes <= INLINE_BYTES:
            with _Failures(self, entry):
                loaded = reading.load_if_cached(path, entry)
                if loaded is not None:
                    self._has_read(entry)
                    return loaded
        if not entry.alive:
            return None
        with _Failures(self, entry):
            loaded = await self._readers.run(lambda: reading.load(path, entry))
            self._has_read(entry)
            return loaded
        return None

    async def open_body(self, entry: DiskEntry) -> DiskBody | None:
        """The object for reading in parts, to be closed; ``None`` like ``load``."""
        if not self._may_read(entry):
            return None
        path = self._path(entry)
        with _Failures(self, entry):
            if entry.warm:
                body = reading.open_body(path, entry)
            else:
                body = await self._readers.run(
                    lambda: reading.open_body(path, entry), unwanted=DiskBody.close
                )
            self._has_read(entry)
            return body
        return None

    async def read(
        self, entry: DiskEntry, body: DiskBody, start: int, stop: int
    ) -> memoryview | None:
        """A part of an open object, checked; ``None`` if it cannot be had."""
        with _Failures(self, entry):
            if stop - start <= INLINE_BYTES and body.is_cached(start, stop):
                return body.read(start, stop)
            return await self._readers.run(lambda: body.read(start, stop))
        return None

    # Changing

    def write(
        self, key: str, head: builtins.bytes, tags: tuple[str, ...], body: builtins.bytes
    ) -> bool:
        """Keep an object in place of what had its key; whether it was taken. Whatever it replaces is gone at once."""
        reason = self._refusal(len(body))
        if reason is not None:
            self.remove(key)
            metrics.CACHE_DISK_WRITES.labels(reason).inc()
            return False
        stamp = self._next_stamp()
        try:
            start = encode_head(key, head, tags, body, stamp=stamp)
        except ValueError:
            self.remove(key)
            metrics.CACHE_DISK_WRITES.labels("too_large").inc()
            return False
        entry = DiskEntry(
            key=key,
            tags=tags,
            meta_bytes=len(start) - PREAMBLE_BYTES,
            body_bytes=len(body),
            stamp=stamp,
        )
        old = self._index.peek(key)
        kept = self._index.put(entry)
        if old is not None:
            self._gone(old)
        if not kept:
            metrics.CACHE_DISK_WRITES.labels("too_large").inc()
            return False
        self._bases.add(key)
        self._writer.write(entry, start, body)
        return True

    def remove(self, key: str) -> bool:
        """Forget an object, also one that is still to be written; whether there was one."""
        entry = self._index.remove(key)
        if entry is not None:
            self._gone(entry)
        return entry is not None

    def mark_stale(self, key: str) -> bool:
        """Have an object validated before its next use, also after a restart; whether there was one."""
        entry = self._index.peek(key)
        if entry is None:
            return False
        if not entry.stale:
            entry.stale = True
            self._writer.mark_stale(self._path(entry))
        return True

    def purge(self, purge: Purge) -> int:
        """Forget or mark what ``purge`` names; how many objects. ``settled`` tells when the files say so too."""
        if purge.kind == "url":
            keys = self.with_base(purge.value)
        else:
            keys = [entry.key for entry in self._index if purge.matches(entry)]
        for key in keys:
            if purge.soft:
                self.mark_stale(key)
            else:
                self.remove(key)
        return len(keys)

    async def settled(self) -> None:
        """Return when the files are as the index says; callers set the time limit."""
        await self._writer.settled()

    # Inside

    async def _start(self) -> None:
        for entry in await self._writer.scan():
            self._last_stamp = max(self._last_stamp, entry.stamp)
            if self._index.put(entry):
                self._bases.add(entry.key)
            else:
                self._gone(entry)
        self._writer.start()

    def _path(self, entry: DiskEntry) -> str:
        return files.path_in(self._root, entry)

    def _next_stamp(self) -> int:
        self._last_stamp = max(self._last_stamp + 1, time.time_ns())
        return self._last_stamp

    def _refusal(self, body_bytes: int) -> str | None:
        if not self._writer.is_on:
            return "off"
        if not self._index.fits(body_bytes):
            return "too_large"
        if not self._writer.has_room(body_bytes):
            return "busy"
        return None

    def _evicted(self, entry: DiskEntry) -> None:
        entry.alive = False
        metrics.CACHE_EVICTIONS.labels("disk").inc()
        self._gone(entry)

    def _gone(self, entry: DiskEntry) -> None:
        """The index has let go of ``entry``; its file follows."""
        self._bases.discard(entry.key)
        # What is still to be written is skipped then, or removed when it has been written.
        if entry.ready:
            self._writer.remove(self._path(entry))

    def _lose(self, entry: DiskEntry) -> None:
        """The file of ``entry`` is no good."""
        if entry.alive and self._index.peek(entry.key) is entry:
            self.remove(entry.key)

    def _may_read(self, entry: DiskEntry) -> bool:
        return entry.alive and entry.ready and self._reading.is_on

    def _has_read(self, entry: DiskEntry) -> None:
        entry.warm = True
        if entry.freq < MOST_FREQ:
            entry.freq += 1
        self._reading.worked()
        metrics.CACHE_DISK_READS.labels("hit").inc()

    def _read_failed(self, entry: DiskEntry, error: Exception) -> None:
        match error:
            case Damaged():
                reason = "damaged"
                self._lose(entry)
            case FileNotFoundError() | NotADirectoryError():
                # Of an entry that is not alive any more this is no surprise.
                reason = "gone"
                self._lose(entry)
            case TimeoutError():
                reason = "late"
                self._reading.failed()
            case TooManyReads():
                reason = "busy"
            case OSError(errno=errno.EIO):
                reason = "io"
                self._lose(entry)
            case _:
                reason = "other"  # descriptors used up, for one: the object may be sound
        metrics.CACHE_DISK_READS.labels(reason).inc()
        if reason in ("damaged", "io", "late"):
            log.warning("disk cache read failed", reason=reason, error=str(error))


class _Failures:
    """What goes wrong while reading becomes a count and a miss."""

    __slots__ = ("_entry", "_tier")

    def __init__(self, tier: DiskTier, entry: DiskEntry) -> None:
        self._tier = tier
        self._entry = entry

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if not isinstance(error, (Damaged, OSError, TooManyReads)):
            return False
        self._tier._read_failed(self._entry, error)
        return True
