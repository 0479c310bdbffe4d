"""Brings a request into its viewer's session, if this edge follows sessions."""

from __future__ import annotations

from aiohttp import web

from config.contracts.content_types import is_manifest
from edge import keys
from edge.handlers.asked import place_of
from edge.handlers.client import address_of
from edge.query import Query
from edge.sessions.cmcd.cut import said_by
from edge.sessions.naming import Facts, rendition_of
from edge.sessions.viewing import Viewing
from edge.target import Target
from edge.tokens.verified import Remembered


async def enter(
    request: web.Request, held: Remembered, target: Target, query: Query
) -> Viewing | None:
    """Count a request for media in its session, which it may open; a ``StreamRefused`` if that may not play now."""
    is_playlist = is_manifest(target.path)
    viewing = await open_session(request, held, target, is_playlist=is_playlist)
    if viewing is None:
        return None
    if request[keys.ROUTE] == "key":
        viewing.requests += 1
        return viewing
    rendition = "" if is_playlist else rendition_of(target.scope)
    viewing.asked(request.app[keys.CLOCK](), manifest=is_playlist, rendition=rendition)
    cmcd = request.app[keys.SESSIONS].settings.cmcd
    if cmcd.accept:
        said = said_by(query.cmcd, request.headers)
        if said is not None and len(said) <= cmcd.most_bytes:
            viewing.say(said)
    return viewing


async def open_session(
    request: web.Request, held: Remembered, target: Target, *, is_playlist: bool
) -> Viewing | None:
    """The session of a request for whatever belongs to it, which is a sign of life but not counted.

    ``is_playlist``: it may be refused, for there may be too many.
    """
    sessions = request.app.get(keys.SESSIONS)
    if sessions is None:
        return None
    viewing = await sessions.entered(
        held, target.scope, lambda: _facts(request), is_manifest=is_playlist
    )
    request[keys.VIEWING] = viewing
    return viewing


def _facts(request: web.Request) -> Facts:
    return Facts(
        user_agent=request.headers.get("User-Agent", ""),
        address=address_of(request),
        country=place_of(request).country,
    )
