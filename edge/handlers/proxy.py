"""A plain caching proxy for one public origin: any method, any path, no token, nothing rewritten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from aiohttp import ClientError, web
from multidict import CIMultiDict

from config.runtime.access_log import FACTS
from config.settings.edge import EdgeSettings
from config.settings.origins import HttpOrigin
from edge import keys
from edge.cache.answering import answered
from edge.cache.policy.forwarding import is_loop, onward
from edge.cache.policy.status import appended
from edge.errors import BadPath, BadRequest, BodyTooSlow, LoopDetected
from edge.handlers.found import send_found
from edge.origin.carried.names import MARK
from edge.origin.upstream import Question

_MAX_TARGET_CHARS = 8000


def is_proxied(settings: EdgeSettings, raw_target: str) -> bool:
    """Whether the root origin answers, and not the handlers of Kawa's own addresses."""
    if settings.root_origin is None:
        return False
    others = settings.all_origins.keys() - {settings.root_origin}
    if not others:
        return True
    first = raw_target[1:].partition("?")[0].partition("/")[0]
    if first == MARK:
        return not any(
            isinstance(origin, HttpOrigin) and origin.unlisted == "carry"
            for origin in settings.origins.values()
        )
    return first not in others and first not in ("t", "f", "player")


async def proxy(request: web.Request) -> web.StreamResponse:
    """Answer for the root origin."""
    request[keys.ROUTE] = "proxy"
    name = request.app[keys.SETTINGS].root_origin or ""
    origin = request.app[keys.ORIGINS].named(name)
    if is_loop(request.headers, request.app[keys.NODE]):
        raise LoopDetected
    path, _, query = _origin_form(request.raw_path).partition("?")
    seconds = request.app[keys.SETTINGS].http.body_timeout.total_seconds()
    question = Question(
        method=request.method,
        path=path,
        query=query,
        headers=onward(request.headers, via=request.app[keys.NODE]),
        body=_Body(request, seconds=seconds) if request.body_exists else None,
    )
    found = await request.app[keys.CACHE].find(request.app[keys.CALLS].proxy(origin, question))
    try:
        request[FACTS]["cache"] = found.result
        decided = answered(found, request.headers, request.method)
        headers: CIMultiDict[str] = decided.headers
        if found.age is not None:
            headers["Age"] = str(found.age)
        headers["Cache-Status"] = appended(headers.get("Cache-Status"), found.cache_status)
        headers["Via"] = _via(headers.get("Via"), request.app[keys.NODE])
        return await send_found(request, found, decided, headers, route="proxy")
    finally:
        found.body.close()


def _origin_form(raw: str) -> str:
    if len(raw) > _MAX_TARGET_CHARS:
        raise BadPath("The address is too long.")
    if raw[:7].lower() == "http://" or raw[:8].lower() == "https://":
        raw = "/" + raw.partition("://")[2].partition("/")[2]
    if not raw.startswith("/") or "#" in raw:
        raise BadPath
    return raw[1:]


def _via(earlier: str | None, node: str) -> str:
    own = f"1.1 {node}"
    return own if earlier is None else f"{earlier}, {own}"


class _Body:
    """What the viewer sends; whoever stops sending is refused, and no origin suffers from it."""

    def __init__(self, request: web.Request, *, seconds: float) -> None:
        self._content = request.content
        self._seconds = seconds
        self.fault: Exception | None = None
        self.on_end: Callable[[], None] = lambda: None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            try:
                async with asyncio.timeout(self._seconds):
                    chunk = await self._content.readany()
            except TimeoutError as error:
                self.fault = BodyTooSlow()
                raise self.fault from error
            except (ClientError, ConnectionError) as error:
                self.fault = BadRequest("The request's body broke off.")
                raise self.fault from error
            if not chunk:
                self.on_end()
                return
            yield chunk
