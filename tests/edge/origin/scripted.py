"""An origin that writes what a test tells it and knows which connections are open, and a way to ask it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from multidict import CIMultiDict
from prometheus_client import REGISTRY

from config.settings.origins import DnsSettings
from config.settings.origins import HttpOrigin as HttpOriginSettings
from edge.origin.http import HttpOrigin, open_http_origin
from edge.origin.resolver import Lookup, Resolver, system_lookup
from edge.origin.upstream import Question

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"

Script = Callable[["Scripted", bytes, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Scripted:
    """A running origin."""

    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)  # of those in chunks, as they came
    connections: int = 0
    open: int = 0
    release: asyncio.Event = field(default_factory=asyncio.Event)  # set at the end: frees who hangs
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until connections or questions are as the test wants them."""
        async with asyncio.timeout(5):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[Scripted]:
    """An origin that calls ``script`` with every request head; it closes when the script or the other side does."""
    origin = Scripted()
    serving: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        origin.connections += 1
        origin.open += 1
        task = asyncio.current_task()
        assert task is not None
        serving.append(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if b"transfer-encoding: chunked" in head.lower():
                    origin.bodies.append(await reader.readuntil(b"0\r\n\r\n"))
                origin.heads.append(head)
                origin.changed.set()
                await _unless_closed(reader, script(origin, head, writer))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            origin.open -= 1
            origin.changed.set()
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    origin.port = server.sockets[0].getsockname()[1]
    try:
        yield origin
        await origin.until(lambda: origin.open == 0)  # the client has left nothing open
    finally:
        origin.release.set()
        server.close()
        async with asyncio.timeout(5):
            await asyncio.gather(*serving, return_exceptions=True)


async def _unless_closed(reader: asyncio.StreamReader, work: Awaitable[None]) -> None:
    """Run a script until its client hangs up."""
    task = asyncio.ensure_future(work)
    try:
        # A small poll of the stream's end: StreamReader has no event for it that leaves its bytes alone.
        # A reset is no end to it, but a fault.
        while not (task.done() or reader.at_eof() or reader.exception()):
            await asyncio.wait({task}, timeout=0.01)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await task


@asynccontextmanager
async def origin_over(
    url: str, *, lookup: Lookup = system_lookup, dns: DnsSettings | None = None, **settings: Any
) -> AsyncIterator[HttpOrigin]:
    """An origin with a name, and so with metrics, of its own."""
    values = {"answer_timeout": 3, "first_byte_timeout": 2, **settings}
    resolver = Resolver(dns or DnsSettings(), lookup=lookup)
    before = asyncio.all_tasks()
    try:
        async with open_http_origin(
            f"cdn-{secrets.token_hex(4)}",
            HttpOriginSettings.model_validate({"kind": "http", "url": url, **values}),
            resolver=resolver,
        ) as origin:
            yield origin
            assert metric("edge_origin_connections", origin=origin.name, state="busy") == 0
            assert metric("edge_origin_connections", origin=origin.name, state="waiting") == 0
    finally:
        await resolver.close()
    left = [task for task in asyncio.all_tasks() - before if _is_clients(task)]
    assert left == []


def _is_clients(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and ("/edge/origin/" in code.co_filename) > (
        "/tests/" in code.co_filename
    )


class Sent:
    """What a viewer sends."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self.fault: Exception | None = None
        self.on_end: Callable[[], None] = lambda: None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._pieces:
            yield piece
        self.on_end()


async def fetch(
    origin: HttpOrigin, path: str = "1.ts", *, method: str = "GET", **options: Any
) -> tuple[int, CIMultiDict[str], bytes]:
    """Ask and read everything."""
    headers = CIMultiDict(options.pop("headers", {}))
    sent = options.pop("body", None)
    body_sent = None if sent is None else Sent(sent)
    question = Question(method=method, path=path, headers=headers, body=body_sent, **options)
    async with origin.ask(question) as reply:
        body = b"".join([chunk async for chunk in reply.chunks()])
        return reply.status, CIMultiDict(reply.headers), body


def metric(name: str, **labels: str) -> float:
    """A sample of this process."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


def results(origin: HttpOrigin) -> dict[str, int]:
    """How the requests to this origin ended."""
    counted: dict[str, int] = {}
    for family in REGISTRY.collect():
        if family.name == "edge_origin_requests":
            for sample in family.samples:
                if sample.labels["origin"] == origin.name and sample.name.endswith("_total"):
                    counted[sample.labels["result"]] = int(sample.value)
    return counted


def answering(answer: bytes, *, close: bool = False) -> Script:
    """A script that gives every question the same answer."""

    async def script(_origin: Scripted, _head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        if close:
            writer.close()

    return script


async def good(_origin: Scripted, _head: bytes, writer: asyncio.StreamWriter) -> None:
    """A script of an origin without faults."""
    writer.write(GOOD)


async def silent(origin: Scripted, _head: bytes, _writer: asyncio.StreamWriter) -> None:
    """A script that never answers."""
    await origin.release.wait()
