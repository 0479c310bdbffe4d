"""Answers with bytes that are not changed: files of storage, and what other servers send."""

from __future__ import annotations

from aiohttp import ClientResponse, hdrs, web

from config.contracts.content_types import content_type_of
from edge import keys
from edge.cache.answers import Answer, answer
from edge.cache.conditions import Validators
from edge.cache.ranges import Span
from edge.errors import NotFound, OriginFailed
from edge.handlers.bodies import send
from edge.origin.http import HttpOrigin
from edge.origin.origins import FileOrigin

# What a viewer's request may tell the origin, and what the origin's answer may tell the viewer.
_ASKED = (
    hdrs.RANGE,
    hdrs.IF_RANGE,
    hdrs.IF_MATCH,
    hdrs.IF_NONE_MATCH,
    hdrs.IF_MODIFIED_SINCE,
    hdrs.IF_UNMODIFIED_SINCE,
)
_TOLD = (
    hdrs.CONTENT_TYPE,
    hdrs.CONTENT_RANGE,
    hdrs.ACCEPT_RANGES,
    hdrs.ETAG,
    hdrs.LAST_MODIFIED,
)
_PASSED = frozenset({200, 206, 304, 412, 416})
_MANIFEST_TYPES = frozenset(
    {
        "application/vnd.apple.mpegurl",
        "application/x-mpegurl",
        "audio/mpegurl",
        "audio/x-mpegurl",
        "application/dash+xml",
        "application/vnd.apple.steering-list",
        "application/json",
    }
)


async def stored(request: web.Request, origin: FileOrigin, path: str) -> web.StreamResponse:
    """A file of storage, with conditions and ranges decided here."""
    settings = request.app[keys.SETTINGS]
    info = await origin.stat(path)
    decided = answer(
        request.headers,
        Validators(etag=info.etag, modified_at=int(info.modified_at)),
        size=info.size_bytes,
        content_type=content_type_of(path),
        cache_control=_cache_control(request, public=origin.public),
        ranged=request.method == hdrs.METH_GET,
    )
    body = decided.body
    chunks = origin.read(
        path, info=info, start=body.start if body else 0, stop=body.stop if body else 0
    )
    return await send(
        request,
        decided,
        chunks,
        route="segment",
        write_timeout_seconds=settings.write_timeout.total_seconds(),
    )


async def passed_on(
    request: web.Request, origin: HttpOrigin, path: str, query: str
) -> web.StreamResponse | None:
    """What another server answers, as it comes; ``None`` if it is a manifest, which must not pass unread."""
    asked: dict[str, str] = {
        name: request.headers[name] for name in _ASKED if name in request.headers
    }
    settings = request.app[keys.SETTINGS]
    async with origin.open(request.method, path, query, asked) as upstream:
        if upstream.status in (404, 410):
            raise NotFound
        if upstream.status not in _PASSED:
            raise OriginFailed(f"The origin answered with status {upstream.status}.")
        if upstream.status == 200 and upstream.content_type.lower() in _MANIFEST_TYPES:
            return None
        return await send(
            request,
            _answer(request, upstream, public=origin.public),
            origin.chunks(upstream),
            route="segment",
            write_timeout_seconds=settings.write_timeout.total_seconds(),
        )


def _answer(request: web.Request, upstream: ClientResponse, *, public: bool) -> Answer:
    headers: dict[str, str] = {
        name: upstream.headers[name] for name in _TOLD if name in upstream.headers
    }
    headers[hdrs.CACHE_CONTROL] = _cache_control(request, public=public)
    has_body = upstream.status in (200, 206)
    size = upstream.content_length
    if has_body and size is None:
        raise OriginFailed("The origin does not say how long the file is.")
    return Answer(
        status=upstream.status, headers=headers, body=Span(0, size or 0) if has_body else None
    )


def _cache_control(request: web.Request, *, public: bool) -> str:
    seconds = int(request.app[keys.SETTINGS].segment_max_age.total_seconds())
    return f"{'public' if public else 'private'}, max-age={seconds}"
