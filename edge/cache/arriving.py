"""A body that is just arriving: one writer, any number of readers at their own places."""

from __future__ import annotations

import asyncio
import copy
from bisect import bisect_right

# How far a body that is not kept may run ahead of its slowest reader.
_WINDOW_BYTES = 1024 * 1024
# The most of such a body that a reader gets at a time: its client sets the pace, and a piece has a deadline.
_PIECE_BYTES = 256 * 1024
_MOST_CHUNKS = 64


class Arriving:
    """Bytes in the order of their arrival.

    A body that is ``kept`` stays whole in memory until it is complete; one that is not is dropped behind its
    readers, and its writer waits for them.
    """

    def __init__(self, *, kept: bool) -> None:
        self.kept = kept
        self.length = 0  # bytes that have arrived
        self.complete = False
        self.released = False
        self.error: Exception | None = None
        self._chunks: list[bytes] = []
        self._starts: list[int] = []
        self._places: dict[Reader, int] = {}
        self._news: asyncio.Event | None = None  # there is one while somebody waits for it
        self._moved: asyncio.Event = asyncio.Event()

    @property
    def readers(self) -> int:
        return len(self._places)

    def feed(self, chunk: bytes) -> None:
        """Add the next bytes."""
        self._starts.append(self.length)
        self._chunks.append(chunk)
        self.length += len(chunk)
        self._tell()

    def finish(self) -> None:
        """Say that the body is whole."""
        self.complete = True
        self._tell()

    def fail(self, error: Exception) -> None:
        """End every reader with ``error`` where the bytes end."""
        self.error = error
        self._tell()

    def release(self) -> None:
        """Hold the bytes no longer: they are stored, and readers go on there."""
        self.released = True
        self._chunks, self._starts = [], []
        self._tell()

    def unkeep(self) -> None:
        """Drop what every reader has: the body turned out to be too large to keep."""
        self.kept = False
        self._trim()

    def chunks(self) -> tuple[bytes, ...]:
        """Every byte; in few pieces, and not copied together unless they are many."""
        if len(self._chunks) <= _MOST_CHUNKS:
            return tuple(self._chunks) or (b"",)
        return (b"".join(self._chunks),)

    async def room(self) -> None:
        """Wait until the readers of a body that is not kept have come near."""
        while not self.kept:
            nearest = min(self._places.values(), default=self._starts[0] if self._starts else 0)
            if self.length - nearest < _WINDOW_BYTES:
                return
            self._moved.clear()
            await self._moved.wait()

    def reader(self, start: int = 0, stop: int | None = None) -> Reader:
        """Someone who wants the bytes from ``start`` to ``stop`` (exclusive; ``None`` is the end)."""
        return Reader(self, start, stop)

    def _piece(self, place: int, stop: int | None) -> bytes | memoryview:
        index = bisect_right(self._starts, place) - 1
        chunk, skipped = self._chunks[index], place - self._starts[index]
        end = len(chunk) if stop is None else min(len(chunk), stop - self._starts[index])
        if not self.kept:
            end = min(end, skipped + _PIECE_BYTES)
        if skipped == 0 and end == len(chunk):
            return chunk
        return memoryview(chunk)[skipped:end]

    def _trim(self) -> None:
        self._moved.set()
        nearest = min(self._places.values(), default=0)
        done = bisect_right(self._starts, nearest) - 1
        if done > 0:
            del self._chunks[:done], self._starts[:done]

    def _tell(self) -> None:
        if self._news is not None:
            self._news.set()
            self._news = None

    async def _next(self) -> None:
        """Wait until something has changed."""
        if self._news is None:
            self._news = asyncio.Event()
        await self._news.wait()


class Reader:
    """Iterates over pieces as they come; must be closed."""

    def __init__(self, body: Arriving, start: int, stop: int | None) -> None:
        self._body = body
        self._stop = stop
        self.place = body._places[self] = start

    def __aiter__(self) -> Reader:
        return self

    async def __anext__(self) -> bytes | memoryview:
        body = self._body
        while self._stop is None or self.place < self._stop:
            if body.released:
                break
            if self.place < body.length:
                piece = body._piece(self.place, self._stop)
                self.place += len(piece)
                body._places[self] = self.place
                if not body.kept:
                    body._trim()
                return piece
            if body.complete:
                break
            if body.error is not None:
                raise copy.copy(body.error)  # one each: a traceback grows with every raise
            await body._next()
        raise StopAsyncIteration

    def seek(self, start: int, stop: int | None) -> None:
        """Go to another place, before the first read."""
        self.place = self._body._places[self] = start
        self._stop = stop

    def close(self) -> None:
        """Let the writer go on without this reader."""
        self._body._places.pop(self, None)
        self._body._moved.set()
