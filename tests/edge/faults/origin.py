"""A raw origin that does what its script says, byte by byte: the faults that no HTTP server can be made to show.

    async with scripted_origin(lambda asked: [Send(b"HTTP/1.1 200 OK\\r\\n"), Wait(gate), Reset()]) as origin:
        ...  # origin.url; origin.asked is what came in, in order

The script is called with every request head; the steps it gives are carried out before the next one is read. After
``Reset``, ``Close`` and ``HalfClose`` the connection is done with. Nothing here waits for time, except ``Drip``.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

MAX_HEAD_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request as it came in."""

    head: bytes
    connection: int  # counted from 1: equal numbers came over the same connection

    @property
    def method(self) -> str:
        return self.head.split(b" ", 1)[0].decode("ascii")

    @property
    def target(self) -> str:
        return self.head.split(b" ", 2)[1].decode("ascii")

    def header(self, name: str) -> str | None:
        """The first field of that name."""
        for line in self.head.split(b"\r\n")[1:]:
            key, found, value = line.partition(b":")
            if found and key.decode("latin-1").lower() == name.lower():
                return value.strip().decode("latin-1")
        return None


@dataclass(frozen=True)
class Send:
    """Write these bytes, all at once."""

    data: bytes


@dataclass(frozen=True)
class Drip:
    """Write these bytes one at a time, with a pause after each."""

    data: bytes
    every_seconds: float


@dataclass(frozen=True)
class Wait:
    """Go on when the event is set."""

    event: asyncio.Event


@dataclass(frozen=True)
class Tell:
    """Set the event: the test may go on."""

    event: asyncio.Event


@dataclass(frozen=True)
class Stall:
    """Say nothing more until the other side gives up."""


@dataclass(frozen=True)
class Reset:
    """End the connection with RST (SO_LINGER 0)."""


@dataclass(frozen=True)
class HalfClose:
    """Send FIN, and go on reading until the other side ends too."""


@dataclass(frozen=True)
class Close:
    """End the connection with FIN."""


Step = Send | Drip | Wait | Tell | Stall | Reset | HalfClose | Close
Script = Callable[[Asked], Iterable[Step]]


@dataclass
class ScriptedOrigin:
    """What came in so far, and the script for what comes next; it can be changed while connections are open."""

    script: Script
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    heard: asyncio.Event = field(default_factory=asyncio.Event)  # set at every request

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def targets(self) -> list[str]:
        return [each.target for each in self.asked]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until it is done with."""
        self.connections += 1
        number = self.connections
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while not writer.is_closing():
                asked = Asked(head=await reader.readuntil(b"\r\n\r\n"), connection=number)
                await reader.readexactly(int(asked.header("content-length") or 0))
                self.asked.append(asked)
                self.heard.set()
                for step in self.script(asked):
                    if not await self._carry_out(step, reader, writer):
                        return

    async def _carry_out(
        self, step: Step, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Whether the connection goes on."""
        match step:
            case Send(data):
                writer.write(data)
                await writer.drain()
            case Drip(data, pause):
                for byte in data:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    if await ended(reader, pause):
                        return False
            case Wait(event):
                await event.wait()
            case Tell(event):
                event.set()
            case Stall():
                await ended(reader, None)
                return False
            case HalfClose():
                writer.write_eof()
                await ended(reader, None)
                return False
            case Reset():
                reset(writer)
                return False
            case Close():
                return False
        return True


async def ended(reader: asyncio.StreamReader, seconds: float | None) -> bool:
    """Whether the other side ends the connection within that time; what it still says is thrown away."""
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(seconds):
            while await reader.read(65536):
                pass
            return True
    return False


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection so that the other side sees RST."""
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def parted(writer: asyncio.StreamWriter) -> None:
    """End a connection; what the other side does not take within a second is lost."""
    writer.close()
    with contextlib.suppress(ConnectionError, TimeoutError):
        await asyncio.wait_for(writer.wait_closed(), 1)
    writer.transport.abort()


@asynccontextmanager
async def scripted_origin(script: Script, *, port: int = 0) -> AsyncIterator[ScriptedOrigin]:
    """An origin on a free port, or on the one given; all its connections end with it."""
    origin = ScriptedOrigin(script)
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await origin.serve(reader, writer)
        finally:
            await parted(writer)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(
        accept, "127.0.0.1", port, limit=MAX_HEAD_BYTES, backlog=1024
    )
    origin.port = server.sockets[0].getsockname()[1]
    try:
        yield origin
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def answer(
    body: bytes = b"", *, status: str = "200 OK", framed: bool = True, **headers: str
) -> bytes:
    """A whole answer; underscores in names become hyphens."""
    lines = [
        f"HTTP/1.1 {status}",
        *(f"{name.replace('_', '-')}: {v}" for name, v in headers.items()),
    ]
    if framed:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
