"""An origin that knows ranges, and an edge over it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession, TCPConnector, web
from aiohttp.test_utils import TestServer

from config.runtime.keys import KeySet
from config.settings.load import Settings
from edge.app import build_app
from tests.edge.client import Client

Over = Callable[..., Any]
Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]

SLICE = 64 * 1024
LARGE = b"".join(hashlib.blake2b(bytes([n % 251, n // 251])).digest() for n in range(8 * 1024))


@dataclass
class RangeOrigin:
    """An origin that knows ranges, conditions and versions, and remembers what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    url: str = ""
    takes_ranges: bool = True
    gate: asyncio.Event | None = None  # answers wait for it
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.reached.set()
        if self.gate is not None:
            await self.gate.wait()
        self.asked.append(
            (request.path, request.headers.get("Range"), request.headers.get("If-None-Match"))
        )
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=204)
        body = self.files.get(request.path)
        if body is None:
            return web.Response(status=404)
        etag = f'"{hashlib.blake2b(body, digest_size=6).hexdigest()}"'
        headers = {"ETag": etag, "Content-Type": "video/mp4", **self.headers}
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers=headers)
        wanted = request.headers.get("Range")
        condition = request.headers.get("If-Range", etag)
        if not self.takes_ranges or wanted is None or condition != etag:
            return web.Response(body=body, headers=headers)
        first, last = wanted.removeprefix("bytes=").split("-")
        if int(first) >= len(body):
            return web.Response(status=416, headers={"Content-Range": f"bytes */{len(body)}"})
        stop = min(int(last) + 1, len(body)) if last else len(body)
        headers["Content-Range"] = f"bytes {first}-{stop - 1}/{len(body)}"
        return web.Response(status=206, body=body[int(first) : stop], headers=headers)


@asynccontextmanager
async def edge_over(
    settings: Settings, key_set: KeySet, url: str, cache: dict[str, Any], **edge: Any
) -> AsyncIterator[tuple[Client, web.Application]]:
    changed = Settings.model_validate(
        {
            "var_dir": settings.var_dir,
            "edge": {
                "origins": {"cdn": {"kind": "http", "url": url, "public": True}},
                "cache": {"slice_bytes": SLICE, "object_bytes": 2 * SLICE, **cache},
                **edge,
            },
        }
    )
    server = TestServer(build_app(changed, key_set=key_set))
    connector = TCPConnector(force_close=True)
    async with server, ClientSession(connector=connector, auto_decompress=False) as session:
        yield Client(session, server), server.app


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[str]:
    """The URL of an origin that answers everything so."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", serve)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}"
