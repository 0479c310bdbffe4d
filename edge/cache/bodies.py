"""Bodies as handlers read them: kept, arriving, or in slices."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Protocol

from edge.cache.fills import Fill
from edge.cache.shelf import PIECE_BYTES, Shelf
from edge.cache.stored import Stored
from edge.errors import OriginFailed

Pieces = AsyncGenerator[bytes | memoryview, None]
# Fetches a part of a body again that was evicted while somebody still read it.
Again = Callable[[Stored, int, int], Pieces]
# Of a body that has just arrived: as it came, so that it does not leave in more pieces than it came in.
_ARRIVED_BYTES = 1024 * 1024


class Body(Protocol):
    """The bytes of an answer, read once; ``close`` must follow."""

    @property
    def size(self) -> int | None:
        """Bytes in all, if that is known."""

    async def at_once(self) -> bytes | None:
        """Every byte, if they can be had without waiting for an origin and are not too many."""

    def read(self, start: int, stop: int | None) -> Pieces:
        """The bytes from ``start`` to ``stop`` (exclusive; ``None`` is the end)."""

    def close(self) -> None:
        """Say that nobody reads this any more."""


class KeptBody:
    """A stored body."""

    def __init__(self, shelf: Shelf, stored: Stored, again: Again) -> None:
        self._shelf = shelf
        self._stored = stored
        self._again = again

    @property
    def size(self) -> int:
        return self._stored.size

    async def at_once(self) -> bytes | None:
        if self._stored.chunks is not None:
            return self._stored.body
        return await self._shelf.load(self._stored)

    async def read(
        self, start: int, stop: int | None, *, in_memory_bytes: int = PIECE_BYTES
    ) -> Pieces:
        end = self.size if stop is None else stop
        kept = self._shelf.pieces(self._stored, start, end, in_memory_bytes=in_memory_bytes)
        async with contextlib.aclosing(kept) as pieces:
            async for piece in pieces:
                start += len(piece)
                yield piece
        if start < end:
            async with contextlib.aclosing(self._again(self._stored, start, end)) as late:
                async for piece in late:
                    yield piece

    def close(self) -> None:
        pass


class ArrivingBody:
    """A body that is still arriving; once it is stored, reading goes on there."""

    def __init__(
        self, fill: Fill, kept: Callable[[Stored], KeptBody], *, finish_fraction: float
    ) -> None:
        self._fill = fill
        self._kept = kept
        self._finish_fraction = finish_fraction
        # At once, so that nothing of a body that is not kept is dropped before the first read.
        self._reader = None if fill.stored is not None else fill.body.reader()
        self._open = True

    @property
    def size(self) -> int | None:
        size = self._fill.head.result().size
        if size is None and self._fill.body.complete:
            return self._fill.body.length
        return size

    async def at_once(self) -> None:
        return None

    async def read(self, start: int, stop: int | None) -> Pieces:
        place = start
        reader = self._reader
        if reader is not None:
            reader.seek(start, stop)
            async for piece in reader:
                yield piece
            place = reader.place
        stored = self._fill.stored
        if stored is not None and (stop is None or place < stop):
            kept = self._kept(stored)
            async for piece in kept.read(place, stop, in_memory_bytes=_ARRIVED_BYTES):
                yield piece

    def close(self) -> None:
        if not self._open:
            return
        self._open = False
        if self._reader is not None:
            self._reader.close()
        self._fill.leave(finish_fraction=self._finish_fraction)


class SlicedBody:
    """A large file, kept and fetched in slices."""

    def __init__(
        self,
        meta: Stored,
        *,
        slice_bytes: int,
        slice_of: Callable[[int], Awaitable[Body]],
        first: tuple[int, Body] | None,
    ) -> None:
        assert meta.complete is not None  # noqa: S101 - that is what makes it the head of slices
        self.size: int = meta.complete
        self._slice_bytes = slice_bytes
        self._slice_of = slice_of
        self._ready = {} if first is None else dict([first])

    async def at_once(self) -> None:
        return None

    async def read(self, start: int, stop: int | None) -> Pieces:
        """Slice after slice, asked for as the reader comes to them."""
        end = self.size if stop is None else stop
        while start < end:
            index = start // self._slice_bytes
            first = index * self._slice_bytes
            body = self._ready.pop(index, None) or await self._slice_of(index)
            try:
                last = min(end, first + self._slice_bytes)
                async for piece in body.read(start - first, last - first):
                    start += len(piece)
                    yield piece
            finally:
                body.close()
            if start < last:
                raise OriginFailed("A slice of the file is too short.")

    def close(self) -> None:
        for body in self._ready.values():
            body.close()
        self._ready.clear()
