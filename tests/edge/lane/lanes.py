"""An edge in a thread of its own, asked over plain sockets with the hot lane on and off."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import uvloop
from aiohttp import web

from config.contracts.sessions import Counted
from config.runtime.keys import KeySet
from config.runtime.serving import listening_socket, serving
from config.settings.load import Settings
from config.settings.shared import ListenSettings
from edge import keys
from edge.app import build_app
from edge.lane.lane import LANE, Lane
from edge.sessions.open import alone

PATIENCE_SECONDS = 20
T = TypeVar("T")

# What differs from one second or one request to the next.
_CHANGING = re.compile(rb"(Date|X-Request-Id|CMSD-Dynamic): [^\r]*|max-age=\d+")
# Of an answer that has just come there is none yet, and a second later there is.
_AGE = re.compile(rb"\r\nAge: \d+")
_TTL = re.compile(rb"(\r\nCache-Status: [^\r]*;ttl=)\d+")
_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)", re.IGNORECASE)


@dataclass
class Edge:
    """A running edge."""

    host: str
    port: int
    app: web.Application
    loop: asyncio.AbstractEventLoop
    lane: Lane = field(init=False)

    def __post_init__(self) -> None:
        self.lane = self.app[LANE]

    def counted_in_all(self) -> Counted:
        """What all sessions together were given, without times."""

        def add() -> Counted:
            total = Counted()
            for viewing in self.app[keys.SESSIONS]._viewings.values():
                total.add(viewing.counted())
            total.active_ms = 0
            return total

        return self.run(add)

    def counted(self, token: str) -> Counted:
        """What the session of a token that covers one title was given, without times, once all that ran has ended."""

        def find() -> Counted:
            held = self.app[keys.TOKENS].remembered(token, now=time.time())
            counted = Counted() if held.session is None else held.session.counted()
            counted.active_ms = 0
            return counted

        return self.run(find)

    def run(self, function: Callable[[], T]) -> T:
        """What ``function`` says in the edge's own thread."""

        async def call() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(PATIENCE_SECONDS)

    def connect(self, *, receive_bytes: int | None = None) -> socket.socket:
        """A new connection."""
        sock = socket.socket()
        if receive_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        sock.settimeout(PATIENCE_SECONDS)
        sock.connect((self.host, self.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def ask(self, *requests: bytes, hot: bool, splits: Sequence[int] = ()) -> list[bytes]:
        """The answers to ``requests`` on one connection, each asked after the last was answered, then the end."""
        self.lane.enabled = hot
        answers = []
        with self.connect() as sock:
            reader = Reader(sock)
            for request in requests:
                with contextlib.suppress(ConnectionError):  # refused before the last piece
                    for piece in cut(request, splits):
                        sock.sendall(piece)
                for method in methods_of(request):
                    answer = reader.answer(method)
                    answers.append(answer)
                    if not answer:
                        return answers
        return answers

    def both(self, *requests: bytes, splits: Sequence[int] = ()) -> list[bytes]:
        """The answers, after it was made sure that both lanes give them."""
        ordinary = [plain(answer) for answer in self.ask(*requests, hot=False, splits=splits)]
        hot = [plain(answer) for answer in self.ask(*requests, hot=True, splits=splits)]
        assert hot == ordinary
        return ordinary


class Reader:
    """Reads one answer after the other."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = b""

    def answer(self, method: bytes) -> bytes:
        """The next answer as it came; what is there if the connection ends."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                return self._take(len(self._buffer))
        head = self._buffer.index(b"\r\n\r\n") + 4
        if self._buffer.startswith(b"HTTP/1.1 100 "):
            return self._take(head) + self.answer(method)
        found = _LENGTH.search(self._buffer[:head])
        status = self._buffer.split(b" ", 2)[1]
        length = (
            0 if method == b"HEAD" or status in (b"304", b"204") else int(found[1] if found else 0)
        )
        while len(self._buffer) < head + length:
            if not self._more():
                break
        return self._take(head + length)

    def rest(self) -> bytes:
        """Whatever still comes until the connection ends."""
        while self._more():
            pass
        return self._take(len(self._buffer))

    def _more(self) -> bool:
        try:
            data = self._sock.recv(1 << 20)
        except ConnectionResetError:
            return False
        self._buffer += data
        return bool(data)

    def _take(self, size: int) -> bytes:
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken


def cut(data: bytes, splits: Sequence[int]) -> list[bytes]:
    """``data`` in pieces that end at ``splits``."""
    places = [0, *sorted({place for place in splits if 0 < place < len(data)}), len(data)]
    return [data[start:stop] for start, stop in itertools.pairwise(places)]


def methods_of(request: bytes) -> list[bytes]:
    """The methods of the (pipelined) requests in ``request``."""
    return [
        head.split(b" ", 1)[0].strip() for head in request.split(b"\r\n\r\n") if b"HTTP/" in head
    ]


def plain(answer: bytes) -> bytes:
    """The answer without what changes from one to the next."""
    if answer.startswith(b"HTTP/1.1 100 "):
        head, end, answer = answer.partition(b"\r\n\r\n")
        return head + end + plain(answer)
    head, end, body = answer.partition(b"\r\n\r\n")
    return _TTL.sub(rb"\1", _AGE.sub(b"", _CHANGING.sub(rb"\1", head))) + end + body


@contextlib.contextmanager
def edge_in_thread(settings: Settings, key_set: KeySet) -> Iterator[Edge]:
    """Serve until the block ends."""
    started: list[Edge] = []
    ready, failures = threading.Event(), list[BaseException]()

    async def serve() -> None:
        app = build_app(settings, key_set=key_set, registry=alone(settings.sessions))
        app[keys.SESSIONS]._reader = None  # what players say is the tests' to read
        sock = listening_socket(ListenSettings(), backlog=128)
        stop = asyncio.Event()
        async with serving(app, sock, settings.edge.http, logged=False, ends_with_client=True):
            host, port = sock.getsockname()
            edge = Edge(host, port, app, asyncio.get_running_loop())
            started.append(edge)
            stops.append(stop)
            ready.set()
            await stop.wait()

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(serve())
        except BaseException as error:
            failures.append(error)
            raise
        finally:
            ready.set()

    stops: list[asyncio.Event] = []
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(PATIENCE_SECONDS)
    if failures:
        raise failures[0]
    try:
        yield started[0]
    finally:
        started[0].loop.call_soon_threadsafe(stops[0].set)
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()
