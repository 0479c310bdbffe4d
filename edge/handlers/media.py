"""Every file of an origin: GET and HEAD of ``/[t/{token}/][f/{filter}/]{origin}/{path…}``."""

from __future__ import annotations

from dataclasses import replace

from aiohttp import hdrs, web

from config.contracts.content_types import is_manifest
from edge import keys
from edge.cache.manifests import Wanted
from edge.errors import NotFound
from edge.handlers.authorise import admitted, is_shielded, read_target
from edge.handlers.content_keys import content_key, store_of
from edge.handlers.entering import enter, open_session
from edge.handlers.manifests import manifest
from edge.handlers.moving import give_next_token, is_by_cookie, moved, must_move
from edge.handlers.segments import segment
from edge.handlers.sessions import session_request
from edge.handlers.strict import allowed_methods
from edge.lane.ready import PREFLIGHT
from edge.origin.origins import Origin
from edge.query import Query, parse_carried_query, parse_query
from edge.sessions.names import is_session_path
from edge.target import Target


async def media(request: web.Request) -> web.StreamResponse:
    """Answer with a file of an origin, if the request's token covers it."""
    if request.method == hdrs.METH_OPTIONS:
        return _preflight(request)
    target, token = read_target(request)
    request[keys.ROUTE] = "manifest" if is_manifest(target.path) else "segment"
    origin, query = _asked(request, target)
    carried = held = None
    by_cookie = False
    is_session = is_session_path(target.path)
    key_store = None if is_session else store_of(request, target)
    if key_store is not None or (not origin.public and not is_shielded(request)):
        if token is not None:
            query = replace(query, token=token)
        admission = await admitted(request, target, query)
        by_cookie = is_by_cookie(request, admission)
        if must_move(admission, is_manifest=request[keys.ROUTE] == "manifest", by_cookie=by_cookie):
            return moved(admission, target, query)
        give_next_token(request, admission, target.scope, by_cookie=by_cookie)
        carried, held = admission.going_on, admission.held
        if is_session:
            return await session_request(request, held, target)
        if key_store is None or not is_shielded(request):
            await enter(request, held, target, query)
    if key_store is not None:
        return await content_key(request, key_store, target)
    if is_session or (not target.path and target.carried is None):
        raise NotFound
    if request[keys.ROUTE] == "segment":
        answer = await segment(request, origin, target, query, held)
        if answer is not None:
            return answer
        request[keys.ROUTE] = "manifest"  # its origin says so, although its name does not
        if held is not None:
            await open_session(request, held, target, is_playlist=True)
    wanted = Wanted(origin=origin, path=target.path, query=query)
    return await manifest(request, target, query, wanted, carried, held, by_cookie=by_cookie)


def _asked(request: web.Request, target: Target) -> tuple[Origin, Query]:
    origins = request.app[keys.ORIGINS]
    if target.carried is None:
        return origins.named(target.origin), parse_query(target.query)
    host = origins.carried(target.carried, request.headers)
    own_token = target.token is None and not host.public
    return host, parse_carried_query(target.query, with_token=own_token)


def _preflight(request: web.Request) -> web.Response:
    """Let a page of any site ask with ranges, conditions and a token (CORS preflight)."""
    request[keys.ROUTE] = "preflight"
    methods = request[PREFLIGHT] = allowed_methods(request.raw_path)
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": methods,
            "Access-Control-Allow-Headers": "Authorization, CTA-Common-Access-Token, If-Match, If-Modified-Since, "
            "Content-Type, If-None-Match, If-Range, If-Unmodified-Since, Range, X-Request-Id, CMCD-Object, "
            "CMCD-Request, CMCD-Session, CMCD-Status",
            "Access-Control-Max-Age": "86400",
        },
    )
