"""Origins that do what a test tells them: a raw one that writes bytes, and a polite one that serves documents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

Script = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_origin(script: Script) -> AsyncIterator[str]:
    """An origin that calls ``script`` with every request head it reads."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await script(head, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@dataclass
class Origin:
    """A polite origin: what it serves can be changed while it runs, and it counts who asks."""

    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    status: int = 200
    gate: asyncio.Event | None = None  # answers wait for it
    url: str = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.raw_path)
        if self.gate is not None:
            await self.gate.wait()
        body = self.files.get(request.path)
        if self.status != 200 or body is None:
            return web.Response(status=self.status if self.status != 200 else 404)
        return web.Response(body=body, headers=self.headers)


@asynccontextmanager
async def polite_origin() -> AsyncIterator[Origin]:
    """An origin on a free port."""
    origin = Origin()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", origin.serve)
    server = TestServer(app)
    async with server:
        origin.url = f"http://127.0.0.1:{server.port}"
        yield origin
