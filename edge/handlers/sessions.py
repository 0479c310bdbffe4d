"""A session's own addresses: its state and advice, its end, and where its player posts events (CTA-5004-B)."""

from __future__ import annotations

from typing import Any

from aiohttp import hdrs, web

from edge import keys, metrics
from edge.errors import BodyTooLarge, MethodNotAllowed, NotFound, StreamEnded
from edge.handlers.entering import open_session
from edge.handlers.received import received
from edge.sessions.cmcd.events import read_events
from edge.sessions.names import COLLECTOR
from edge.sessions.pace import Pace
from edge.sessions.qoe import hear_events
from edge.sessions.viewing import Viewing
from edge.sessions.worker import Sessions
from edge.target import Target
from edge.tokens.verified import Remembered

PACE = web.AppKey("pace", Pace)

_MOST_EVENTS = 256
_NOT_STORED = {hdrs.CACHE_CONTROL: "no-store"}


async def session_request(
    request: web.Request, held: Remembered, target: Target
) -> web.StreamResponse:
    """Answer at one of a session's own addresses, which its token covers."""
    request[keys.ROUTE] = "session"
    sessions = request.app.get(keys.SESSIONS)
    if sessions is None:
        raise NotFound("Sessions are not tracked here.")
    if target.path.rpartition("/")[2] == COLLECTOR:
        return await _collect(request, sessions, held, target)
    if request.method == hdrs.METH_POST and "stop" in target.query.split("&"):
        await sessions.stop(held, target.scope)
        return web.Response(status=204, headers=_NOT_STORED)
    viewing = await _opened(request, held, target)
    return web.json_response(_state(viewing), headers=_NOT_STORED)


async def _collect(
    request: web.Request, sessions: Sessions, held: Remembered, target: Target
) -> web.Response:
    """A player takes 410 as the end of all its reports here, and sends again what was answered with 429."""
    if request.method != hdrs.METH_POST:
        raise MethodNotAllowed
    settings = sessions.settings.cmcd
    try:
        viewing = await _opened(request, held, target)
    except StreamEnded:
        return _collected(410, "ended")
    if not settings.accept:
        return _collected(410, "off")
    now = request.app[keys.CLOCK]()
    if not request.app[PACE].allows(viewing.start.id, now=now):
        return _collected(429, "too_many")
    try:
        body = await received(request, most=settings.batch_bytes)
    except BodyTooLarge:
        metrics.CMCD_POSTS.labels("too_large").inc()
        raise
    hear_events(viewing, read_events(body, most=_MOST_EVENTS), now)
    return _collected(204, "taken")


def _collected(status: int, result: str) -> web.Response:
    metrics.CMCD_POSTS.labels(result).inc()
    return web.Response(status=status, headers=_NOT_STORED)


async def _opened(request: web.Request, held: Remembered, target: Target) -> Viewing:
    viewing = await open_session(request, held, target, is_playlist=False)
    if viewing is None:
        raise NotFound
    return viewing


def _state(viewing: Viewing) -> dict[str, Any]:
    advice = None if viewing.hearing is None else viewing.hearing.advice
    return {
        "session": viewing.start.id,
        "state": "paused" if viewing.paused else "open",
        "started_at": viewing.start.started_at,
        "ends_at": viewing.start.ends_at,
        "advice": None
        if advice is None
        else {"target_height": advice.target_height, "reason": advice.reason},
    }
