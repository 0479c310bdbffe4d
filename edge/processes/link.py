"""A worker's end of the line to its parent: it says that it lives, and hears what it must know."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from config.runtime.logging import get_logger
from edge import metrics

log = get_logger(__name__)

LONGEST_LINE = 2**20
_LOOKS_PER_BEAT = 4

Table = tuple[Path | None, ...]


def encode(message: dict[str, object]) -> bytes:
    """One message as one line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


_BEAT = encode({"beat": True})


class Link:
    """What the parent has said so far."""

    def __init__(
        self, writer: asyncio.StreamWriter, sock: socket.socket, *, beat_seconds: float
    ) -> None:
        self._writer = writer
        self._sock = sock
        self._beat_seconds = beat_seconds
        self._beaten_at = 0.0  # monotonic seconds
        self.serve = asyncio.Event()
        self.leave = asyncio.Event()
        self.linger_seconds = 0.0  # how long idle connections may stay
        self.on_table: Callable[[Table], None] = lambda table: None
        self.on_closing: Callable[[], None] = lambda: None

    def say_prepared(self) -> None:
        """This worker has opened everything, and takes orders on its private socket."""
        self._say({"prepared": True})

    def say_ready(self) -> None:
        """This worker serves."""
        self._say({"ready": True})

    def say_closed(self) -> None:
        """This worker accepts no more connections."""
        self._say({"closed": True})

    def say_failed(self, reason: str) -> None:
        """This worker cannot work with what it was given, and why."""
        self._say({"failed": reason})

    def beat(self) -> None:
        """This worker's event loop runs."""
        self._beaten_at = time.monotonic()
        self._say({"beat": True})

    def progress(self) -> None:
        """This worker works, though its event loop may not come to say so for long: a wall of viewers is one turn.

        Whoever does a piece of the work calls it; a line is written about as often as by the loop, and past it, which
        would keep the line until its turn is over.
        """
        now = time.monotonic()
        if now - self._beaten_at < self._beat_seconds:
            return
        self._beaten_at = now
        transport = self._writer.transport
        if not transport.is_closing() and not transport.get_write_buffer_size():
            with contextlib.suppress(OSError):  # the parent is slower still, or gone
                self._sock.send(_BEAT)

    def hear(self, message: dict[str, object]) -> None:
        """Do what the parent says."""
        match message:
            case {"table": list() as paths}:
                self.on_table(tuple(None if path is None else Path(path) for path in paths))
            case {"serve": True}:
                self.serve.set()
            case {"closing": True}:
                self.on_closing()
            case {"leave": float() | int() as seconds}:
                self.linger_seconds = float(seconds)
                self.leave.set()

    def _say(self, message: dict[str, object]) -> None:
        if not self._writer.is_closing():
            self._writer.write(encode(message))


@asynccontextmanager
async def linked(sock: socket.socket, *, beat_seconds: float) -> AsyncIterator[Link]:
    """The line to the parent; SIGTERM, SIGINT and the parent's end are orders to leave at once."""
    reader, writer = await asyncio.open_unix_connection(sock=sock, limit=LONGEST_LINE)
    link = Link(writer, sock, beat_seconds=beat_seconds)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, link.leave.set)
    tasks = (
        asyncio.create_task(_listen(reader, link), name="parent"),
        asyncio.create_task(_beat(link, beat_seconds), name="heartbeat"),
    )
    try:
        yield link
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        writer.close()


async def _listen(reader: asyncio.StreamReader, link: Link) -> None:
    try:
        while line := await reader.readline():
            link.hear(json.loads(line))
    except ConnectionError:
        log.warning("the line to the parent broke")
    link.leave.set()


async def _beat(link: Link, beat_seconds: float) -> None:
    loop = asyncio.get_running_loop()
    pause = beat_seconds / _LOOKS_PER_BEAT
    while True:
        link.beat()
        for _ in range(_LOOKS_PER_BEAT):
            due = loop.time() + pause
            await asyncio.sleep(pause)
            metrics.LOOP_LAG.observe(max(0.0, loop.time() - due))
