"""Answers with a manifest: the ready form for this viewer's filter, in the encoding that was asked for."""

from __future__ import annotations

from aiohttp import hdrs, web
from multidict import CIMultiDict

from edge import keys
from edge.cache.manifests import Recipe, Wanted
from edge.cache.policy.validation import Outcome, viewer_outcome
from edge.cache.sources import Source
from edge.errors import BadPath
from edge.handlers.filtering import allowed_by, filter_of
from edge.handlers.given import Given
from edge.handlers.moving import to_path_form
from edge.lane.lane import LANE
from edge.lane.ready import lend
from edge.query import Query
from edge.sessions.cmsd import STATIC
from edge.target import Target
from edge.tokens.transport import CarriedToken
from edge.tokens.verified import Remembered

GIVEN_UP = "Kawa-Filter-Given-Up"
DEBUG = "Kawa-Debug"  # what an operator wants to know
ADS = "Kawa-Ads"


async def manifest(
    request: web.Request,
    target: Target,
    query: Query,
    wanted: Wanted,
    carried: CarriedToken | None,
    held: Remembered | None,
    by_cookie: bool,
) -> web.Response:
    """A playlist, an MPD, a steering manifest or an asset list; ``by_cookie``: what it leads to needs no token."""
    settings = request.app[keys.SETTINGS]
    # As they are now: advice may change them while the manifest is fetched.
    grant, limits = (None, None) if held is None else (held.grant, held.limits)
    chosen = filter_of(target.filter or "", query.filters, allowed_by(limits))
    moved = carried is not None and not carried.in_path and not by_cookie
    if moved and settings.entry != "in-place" and carried is not None:
        return to_path_form(carried.text, target, query)
    recipe = Recipe(
        filter=chosen,
        ads=request.app[keys.ADS].of(wanted.origin, None if grant is None else grant.ads),
        skip=query.skip,
        patch=query.patch,
        in_path=not moved,
    )
    form, fresh_seconds, source = await request.app[keys.MANIFESTS].form(wanted, recipe)
    public, longest = wanted.origin.public, settings.manifest_max_age.total_seconds()
    headers: dict[str, str] = {
        hdrs.CACHE_CONTROL: _cache_control(min(fresh_seconds, longest), public=public)
    }
    lane = request.app[LANE]
    if not lane.tells_nobody:
        headers[STATIC] = lane.hop.static(target.path)
    if form.given_up:
        headers[GIVEN_UP] = ", ".join(form.given_up)
    if grant is not None and grant.debug and request.headers.get(DEBUG, "").strip() == "ads":
        headers[ADS] = form.ads or "policy=off"
    if form.whole or moved or by_cookie:
        # One viewer's own bytes: nothing that another request could be compared with.
        headers[hdrs.CACHE_CONTROL] = "private, no-store"
        headers[hdrs.CONTENT_TYPE] = form.content_type
        token = carried.text if moved and carried is not None else None
        try:
            body = form.for_viewer(target.scope, _public(request, target), token)
        except ValueError as error:  # a Host that no URL can have
            raise BadPath from error
        return Given(request, route="manifest", body=body, headers=headers)
    body, described = form.chosen(request.headers)
    fresh_until = request.app[keys.CLOCK]() + fresh_seconds
    if held is not None or public:
        lend(
            request,
            target,
            held,
            route="manifest",
            limits=limits,
            lent=LentForm(source, body),
            fresh_seconds=fresh_seconds,
            moving={
                hdrs.CACHE_CONTROL: lambda now: _cache_control(
                    max(0, min(fresh_until - now, longest)), public=public
                )
            },
        )
    return _conditional(request, body, headers | described)


class LentForm:
    """A manifest's bytes, for as long as nothing newer is there."""

    __slots__ = ("_source", "body", "freq")

    def __init__(self, source: Source, body: bytes) -> None:
        self._source = source
        self.body = body
        self.freq = 3  # sources have their own way to tell what is used

    @property
    def alive(self) -> bool:
        return self._source.alive


def _conditional(request: web.Request, body: bytes, headers: dict[str, str]) -> web.Response:
    match viewer_outcome(request.headers, CIMultiDict(headers), 200):
        case Outcome.NOT_MODIFIED:
            headers.pop("Content-Type")
            headers.pop("Content-Encoding", None)
            return web.Response(status=304, headers=headers)
        case Outcome.FAILED:
            return web.Response(status=412, headers={hdrs.CACHE_CONTROL: "no-store"})
    return Given(request, route="manifest", body=body, headers=headers)


def _public(request: web.Request, target: Target) -> str:
    """What the player's documents stand below: this edge, then the token and the filter of the path."""
    base = request.app[keys.SETTINGS].public_url or f"{request.scheme}://{request.host}"
    token = "" if target.token is None else f"/t/{target.token}"
    words = "" if target.filter is None else f"/f/{target.filter}"
    return base.rstrip("/") + token + words


def _cache_control(seconds: float, *, public: bool) -> str:
    # The URL of a protected manifest holds a token: a shared cache downstream must not keep it.
    return f"{'public' if public else 'private'}, max-age={int(seconds)}"
