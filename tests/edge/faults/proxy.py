"""A TCP proxy that does to a connection what networks do; the names are those of Toxiproxy's toxics.

    async with fault_proxy(origin.port, seed=1) as proxy:
        proxy.toxics = [Latency(0.02, jitter=0.01), Slicer(100)]     # towards the client; changed while running
        proxy.upstream_toxics = [Timeout()]                          # towards the server

Every piece that passes goes through the toxics of its direction in their order. All chance comes from the seed, and
nothing waits except the toxic whose very effect that is.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.edge.faults.origin import parted, reset

READ_BYTES = 64 * 1024


@dataclass(frozen=True)
class Latency:
    """Each piece comes later, by up to ``jitter`` more or less."""

    seconds: float
    jitter: float = 0


@dataclass(frozen=True)
class Bandwidth:
    """No more than so many bytes per second."""

    bytes_per_second: int


@dataclass(frozen=True)
class SlowClose:
    """The end of the connection is told so much later."""

    seconds: float


@dataclass(frozen=True)
class Timeout:
    """A black hole: nothing passes any more; after that time, if one is given, the connection ends."""

    seconds: float | None = None


@dataclass(frozen=True)
class ResetPeer:
    """Both sides are reset when the next piece comes, or so long after it."""

    seconds: float = 0


@dataclass(frozen=True)
class Slicer:
    """Pieces are cut into about ``size`` bytes, up to ``variation`` more or less, with a pause after each."""

    size: int
    variation: int = 0
    delay_seconds: float = 0


@dataclass(frozen=True)
class LimitData:
    """After so many bytes of a connection the connection ends: truncation."""

    bytes: int


Toxic = Latency | Bandwidth | SlowClose | Timeout | ResetPeer | Slicer | LimitData


@dataclass
class FaultProxy:
    """The toxics in force, and how often somebody connected."""

    target: int
    chance: random.Random
    toxics: list[Toxic] = field(default_factory=list)
    upstream_toxics: list[Toxic] = field(default_factory=list)
    port: int = 0
    connections: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def reset_all(self) -> None:
        """Reset every open connection on both sides."""
        for writer in self._open:
            reset(writer)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection and its other half, until both directions ended."""
        self.connections += 1
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            reset(writer)
            return
        self._open |= {writer, far_writer}
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(reader, far_writer, writer, up=True))
                both.create_task(self._pass(far_reader, writer, far_writer, up=False))
        finally:
            self._open -= {writer, far_writer}
            await parted(far_writer)

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        back: asyncio.StreamWriter,
        *,
        up: bool,
    ) -> None:
        passed = 0
        try:
            while data := await reader.read(READ_BYTES):
                for piece, pause in self._pieces(data, up=up):
                    for toxic in self._in_force(up=up):
                        match toxic:
                            case Latency(seconds, jitter):
                                await asyncio.sleep(seconds + self.chance.uniform(-jitter, jitter))
                            case Bandwidth(rate):
                                await asyncio.sleep(len(piece) / rate)
                            case Timeout(seconds):
                                await self._hole(reader, seconds)
                                return
                            case ResetPeer(seconds):
                                await asyncio.sleep(seconds)
                                reset(writer)
                                reset(back)
                                return
                            case LimitData(limit) if passed + len(piece) >= limit:
                                writer.write(piece[: limit - passed])
                                await writer.drain()
                                back.close()
                                return
                    writer.write(piece)
                    passed += len(piece)
                    await writer.drain()
                    if pause:
                        await asyncio.sleep(pause)
            for toxic in self._in_force(up=up):
                if isinstance(toxic, SlowClose):
                    await asyncio.sleep(toxic.seconds)
        except ConnectionError:
            pass
        finally:
            with contextlib.suppress(OSError, RuntimeError):
                if writer.can_write_eof() and not writer.is_closing():
                    writer.write_eof()

    def _pieces(self, data: bytes, *, up: bool) -> list[tuple[bytes, float]]:
        for toxic in self._in_force(up=up):
            if isinstance(toxic, Slicer):
                pieces, start = [], 0
                while start < len(data):
                    size = toxic.size + self.chance.randint(-toxic.variation, toxic.variation)
                    pieces.append((data[start : start + max(1, size)], toxic.delay_seconds))
                    start += max(1, size)
                return pieces
        return [(data, 0)]

    def _in_force(self, *, up: bool) -> list[Toxic]:
        return list(self.upstream_toxics if up else self.toxics)

    async def _hole(self, reader: asyncio.StreamReader, seconds: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while await reader.read(READ_BYTES):
                    pass


@asynccontextmanager
async def fault_proxy(target: int, *, seed: int = 0, port: int = 0) -> AsyncIterator[FaultProxy]:
    """A proxy on a free port in front of ``target``; all its connections end with it."""
    proxy = FaultProxy(target=target, chance=random.Random(seed))
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await proxy.serve(reader, writer)
        finally:
            await parted(writer)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", port, backlog=1024)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
