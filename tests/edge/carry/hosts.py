"""Servers that remember what they were asked, and a player that resolves references as players do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urljoin

from aiohttp import web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDict

from edge.manifests.uris import split
from edge.origin.carried.names import Host, Signer
from tests.edge.client import Client

SECRET = "0123456789abcdef0123456789abcdef"
Answer = tuple[int, CIMultiDict[str], bytes]
Play = Callable[..., Awaitable[Answer]]


@dataclass
class Server:
    """Serves ``files`` by their raw path and query."""

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    headers: list[CIMultiDict[str]] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    max_age: int = 60
    url: str = ""

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.raw_path)
        self.headers.append(CIMultiDict(request.headers))
        if request.raw_path in self.moved:
            return web.Response(status=302, headers={"Location": self.moved[request.raw_path]})
        body = self.files.get(request.raw_path)
        if body is None:
            return web.Response(status=404)
        kind = "application/json" if body.startswith(b"{") else "application/octet-stream"
        fields = {"Cache-Control": f"max-age={self.max_age}", "Content-Type": kind}
        return web.Response(body=body, headers=fields)


@asynccontextmanager
async def recording() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_route("*", r"/{path:[\s\S]*}", server.serve)
    running = TestServer(app)
    async with running:
        server.url = f"http://127.0.0.1:{running.port}"
        yield server


@dataclass
class Stage:
    via: Server  # behind the origins cdn and twin
    far: Server  # behind no origin
    other: Server  # behind the origin two, below /deep
    client: Client
    play: Play


def player_of(client: Client) -> Play:
    async def play(document: str, reference: str = "", **headers: str) -> Answer:
        """What ``reference`` in the document at this path leads to."""
        target = urljoin(f"http://edge{document}", reference).removeprefix("http://edge")
        return await client.ask(target, **headers)

    return play


def carried(url: str, *, via: str = "cdn", secret: str = SECRET) -> str:
    """The path of a URL at an edge with that secret."""
    parts = split(url)
    host = Host.of(via, parts)
    query = "" if parts.query is None else f"?{parts.query}"
    return f"/{host.mount(Signer(secret).mac(host))}{parts.path or '/'}{query}"
