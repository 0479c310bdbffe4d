"""Answers with bytes that are not changed: segments, keys, images."""

from __future__ import annotations

from functools import partial

from aiohttp import web
from multidict import CIMultiDict

from config.contracts.grants import Grant
from config.runtime.access_log import FACTS
from edge import keys
from edge.cache.answering import answered
from edge.cache.call import Found
from edge.cache.prefetch.prefetcher import Prefetcher
from edge.errors import NotFound, OriginFailed
from edge.handlers.found import lend_hit, send_found
from edge.lane.lane import LANE
from edge.origin.files import FileOrigin
from edge.origin.origins import Origin
from edge.origin.upstream import Question
from edge.query import Query
from edge.sessions.cmcd.read import read, read_request
from edge.sessions.cmsd import DYNAMIC, LONGEST_FIELD, STATIC
from edge.target import Target
from edge.tokens.verified import Remembered

# What the origin's answer may tell the viewer.
_TOLD = (
    "Accept-Ranges",
    "Content-Encoding",
    "Content-Type",
    "Content-Range",
    "ETag",
    "Last-Modified",
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


async def segment(
    request: web.Request, origin: Origin, target: Target, query: Query, held: Remembered | None
) -> web.StreamResponse | None:
    """A file as its origin has it, kept for the next viewer; ``None`` for a manifest, which must not pass unread."""
    question = _question(request, target.path, query.rest)
    found = await request.app[keys.CACHE].find(request.app[keys.CALLS].segment(origin, question))
    try:
        request[FACTS]["cache"] = found.result
        if found.status in (404, 410):
            raise NotFound
        if found.status not in _PASSED:
            raise OriginFailed(f"The origin answered with status {found.status}.")
        if found.status == 200 and _type_of(found) in _MANIFEST_TYPES:
            return None
        decided = answered(found, request.headers, request.method)
        hear = None
        if request.method == "GET" and decided.status < 400:
            prefetcher = request.app[keys.PREFETCHER]
            reads = prefetcher.is_active and request.app[LANE].most_said > 0
            said = read_request(query.cmcd, request.headers) if reads else None
            grant = None if held is None else held.grant
            prefetcher.asked(origin, question, found.result, decided.size, grant, said)
            if reads and not origin.is_local:
                hear = partial(_hear, prefetcher, origin, question, decided.size, grant)
        headers: CIMultiDict[str] = CIMultiDict()
        for name in _TOLD:
            if name in decided.headers:
                headers[name] = decided.headers[name]
        _tell_of_object(request, origin, target, found, headers)
        failed = decided.status in (412, 416)
        headers["Cache-Control"] = (
            "no-store" if failed else _cache_control(request, public=origin.public)
        )
        if target.carried is not None:
            # A page of a stranger must not run as one of ours, beside the player and its tokens.
            headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
        if found.age is not None:
            headers["Age"] = str(found.age)
        headers["Cache-Status"] = found.cache_status
        if held is not None or origin.public:
            lend_hit(request, target, held, found, decided, hear=hear)
        return await send_found(request, found, decided, headers, route="segment")
    finally:
        found.body.close()


def _hear(
    prefetcher: Prefetcher,
    origin: Origin,
    question: Question,
    size: int | None,
    grant: Grant | None,
    said: str,
) -> None:
    """What a player says that was answered on the hot lane."""
    prefetcher.asked(origin, question, "hit", size, grant, read(said))


def _tell_of_object(
    request: web.Request, origin: Origin, target: Target, found: Found, headers: CIMultiDict[str]
) -> None:
    """CMSD (CTA-5006): of our files what we know, of others' what their server says."""
    if isinstance(origin, FileOrigin):
        if not request.app[LANE].tells_nobody:
            headers[STATIC] = request.app[LANE].hop.static(target.path)
        return
    for name in (STATIC, DYNAMIC) if found.is_arriving else (STATIC,):
        said = ", ".join(found.headers.getall(name, ()))
        if said and len(said) <= LONGEST_FIELD:
            headers[name] = said


def _question(request: web.Request, path: str, query: str) -> Question:
    # One question for all viewers: nothing that a viewer sends makes another file of it.
    headers = CIMultiDict({"Accept-Encoding": "identity"})
    for name in ("Range", "If-Range"):
        if name in request.headers:
            headers[name] = request.headers[name]
    return Question(method=request.method, path=path, query=query, headers=headers)


def _type_of(found: Found) -> str:
    return found.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _cache_control(request: web.Request, *, public: bool) -> str:
    seconds = int(request.app[keys.SETTINGS].segment_max_age.total_seconds())
    return f"{'public' if public else 'private'}, max-age={seconds}"
