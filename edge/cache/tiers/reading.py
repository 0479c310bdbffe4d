"""Reads stored objects and believes nothing that its checksum does not confirm.

Files are read, not mapped: a bad sector under a mapping is a SIGBUS that ends the process, under a read an error.
"""

from __future__ import annotations

import os
from typing import NamedTuple, Self

from edge.cache.tiers.entries import DiskEntry
from edge.cache.tiers.files import open_for_reading, read_exactly
from edge.cache.tiers.format import BLOCK_BYTES, Damaged, Head

_PROBE_BYTES = 128 * 1024


class Loaded(NamedTuple):
    """An object as it was written. The view's ``obj`` is a ``bytes`` of just the body."""

    head: bytes
    body: memoryview


class DiskBody:
    """An open object, read in parts; it stays readable when it is evicted meanwhile."""

    def __init__(self, fd: int, head: Head) -> None:
        self._fd = fd
        self._head = head

    @property
    def head(self) -> bytes:
        return self._head.head

    @property
    def size(self) -> int:
        return self._head.preamble.body_bytes

    def read(self, start: int, stop: int) -> memoryview:
        """The bytes of the body from ``start`` to ``stop``, checked; ``Damaged`` if they are not what was written."""
        stop = min(stop, self.size)
        if not 0 <= start < stop:
            return memoryview(b"")
        first = start // BLOCK_BYTES
        begin = first * BLOCK_BYTES
        end = min(-(-stop // BLOCK_BYTES) * BLOCK_BYTES, self.size)
        view = memoryview(read_exactly(self._fd, end - begin, self._head.preamble.body_at + begin))
        self._head.check(view, first_block=first)
        return view[start - begin : stop - begin]

    def is_cached(self, start: int, stop: int) -> bool:
        """Whether reading that would not wait for the disk, as far as one can tell."""
        at = self._head.preamble.body_at
        begin = start // BLOCK_BYTES * BLOCK_BYTES
        end = min(-(-stop // BLOCK_BYTES) * BLOCK_BYTES, self.size)
        return is_cached(self._fd, at + begin, at + end)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the descriptor go; a second time does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def load(path: str, entry: DiskEntry) -> Loaded:
    """The whole object, checked; ``Damaged`` or an ``OSError`` if it cannot be had."""
    fd = open_for_reading(path)
    try:
        return _load(fd, entry)
    finally:
        os.close(fd)


def load_if_cached(path: str, entry: DiskEntry) -> Loaded | None:
    """The same, or ``None`` if that would wait for the disk."""
    fd = open_for_reading(path)
    try:
        return _load(fd, entry) if is_cached(fd, 0, entry.file_bytes) else None
    finally:
        os.close(fd)


def open_body(path: str, entry: DiskEntry) -> DiskBody:
    """The object for reading in parts, its head checked."""
    fd = open_for_reading(path)
    try:
        return DiskBody(fd, _read_head(fd, entry))
    except BaseException:
        os.close(fd)
        raise


def is_cached(fd: int, start: int, stop: int) -> bool:
    """Whether the page cache has these bytes; looks at one in every 128 KiB, the usual step of reading ahead."""
    byte = bytearray(1)
    try:
        for at in range(start, stop, _PROBE_BYTES):
            if os.preadv(fd, [byte], at, os.RWF_NOWAIT) != 1:
                return False
        return start >= stop or os.preadv(fd, [byte], stop - 1, os.RWF_NOWAIT) == 1
    except OSError:  # EAGAIN: it would wait; EOPNOTSUPP: this file system cannot tell
        return False


def _load(fd: int, entry: DiskEntry) -> Loaded:
    head = _read_head(fd, entry)
    view = memoryview(read_exactly(fd, entry.body_bytes, entry.body_at))
    head.check(view)
    return Loaded(head.head, view)


def _read_head(fd: int, entry: DiskEntry) -> Head:
    data = read_exactly(fd, entry.body_at, 0)
    head = Head.parse(data, file_bytes=os.fstat(fd).st_size)
    if head.key != entry.key or head.preamble.stamp != entry.stamp:
        raise Damaged("another object stands under this name")
    if head.preamble.body_bytes != entry.body_bytes:
        raise Damaged("another length than it had")
    return head
