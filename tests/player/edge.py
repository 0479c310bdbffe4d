"""A stand-in for the edge: the page, one published media, and every refusal on demand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from config.contracts.content_types import content_type_of

TOKEN = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ0ZXN0In0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
BASE = f"/t/{TOKEN}/vod/demo/a1"

REFUSALS = {
    "token-missing": 401,
    "not-allowed": 403,
    "bad-path": 400,
    "unknown-origin": 404,
    "not-found": 404,
    "too-large": 413,
    "origin-failed": 502,
    "origin-timeout": 504,
    "draining": 503,
}

PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self'; style-src 'self'; media-src 'self' blob: http: https:; "
        "connect-src *; worker-src 'self' blob:; img-src 'self' data:"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_PAGE_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as the server got it."""

    target: str
    referer: str | None


@dataclass(slots=True, kw_only=True)
class Edge:
    """Serves the page from ``page`` and the media from ``media``; tests change how it answers."""

    page: Path
    media: Path
    origin: str = ""
    refuse: Callable[[str], str | None] = lambda _path: None
    spoil: Callable[[str], bool] = lambda _path: False
    vendor_missing: bool = False
    seen: list[Seen] = field(default_factory=list)
    told: list[str] = field(default_factory=list)  # CMCD events
    stopped: int = 0
    advice: dict[str, object] | None = None

    def url(self, fragment: str = BASE, *, engine: str | None = None) -> str:
        """The address of the player for ``fragment``."""
        query = f"?engine={engine}" if engine else ""
        return f"{self.origin}/player/{query}#{fragment}"

    def application(self) -> web.Application:
        """The two routes."""
        app = web.Application(middlewares=[self._note])
        app.router.add_get("/player/{path:.*}", self._player)
        app.router.add_post("/t/{token}/{path:.+}", self._told)
        app.router.add_get("/t/{token}/{path:.+}/_kawa_session", self._session)
        app.router.add_get("/t/{token}/{path:.+}", self._stream)
        return app

    @web.middleware
    async def _note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.seen.append(Seen(request.path_qs, request.headers.get("Referer")))
        response = await handler(request)
        response.headers["Cache-Control"] = "no-store"
        return response

    async def _player(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"] or "index.html"
        file = self.page / path
        if not file.is_file() or (self.vendor_missing and path.startswith("vendor/")):
            return refusal("not-found", PAGE_HEADERS)
        return web.Response(
            body=file.read_bytes(), content_type=_PAGE_TYPES[file.suffix], headers=PAGE_HEADERS
        )

    async def _told(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/_kawa_cmcd"):
            self.told += (await request.text()).splitlines()
        elif "stop" in request.query:
            self.stopped += 1
        return web.Response(status=204)

    async def _session(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"advice": self.advice})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        code = self.refuse(path)
        file = self.media / Path(path).name
        if code or not path.startswith("vod/demo/a1/") or not file.is_file():
            return refusal(code or "not-found")
        # A body of the right length that is nothing: what a broken disk may give.
        body = file.read_bytes()
        return web.Response(
            body=bytes(len(body)) if self.spoil(path) else body,
            headers={"Content-Type": content_type_of(path)},
        )


def refusal(code: str, headers: dict[str, str] | None = None) -> web.Response:
    """The edge's refusal; the message repeats the token, as a careless server might."""
    body = {"error": code, "message": f"refused {code} for /t/{TOKEN}/vod/demo/a1"}
    return web.json_response(body, status=REFUSALS.get(code, 429), headers=headers)


@asynccontextmanager
async def running(edge: Edge) -> AsyncIterator[Edge]:
    """Serve ``edge`` on a free port of the loopback interface."""
    runner = web.AppRunner(edge.application(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        edge.origin = f"http://{host}:{port}"
        yield edge
    finally:
        await runner.cleanup()
