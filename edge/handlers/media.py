"""Every file of an origin: GET and HEAD of ``/[t/{token}/][f/{filter}/]{origin}/{path…}``."""

from __future__ import annotations

from dataclasses import replace

from aiohttp import hdrs, web

from config.contracts.content_types import is_manifest
from edge import keys
from edge.cache.manifests import Wanted
from edge.content_keys.names import is_license
from edge.errors import NotFound
from edge.handlers.authorise import admitted, is_shielded, read_target
from edge.handlers.content_keys import content_key, store_of
from edge.handlers.manifests import manifest
from edge.handlers.moving import give_next_token, is_by_cookie, moved, must_move
from edge.handlers.segments import segment
from edge.origin.origins import Origin
from edge.query import Query, parse_carried_query, parse_query
from edge.target import Target


async def media(request: web.Request) -> web.StreamResponse:
    """Answer with a file of an origin, if the request's token covers it."""
    if request.method == hdrs.METH_OPTIONS:
        return _preflight(request)
    target, token = read_target(request)
    request[keys.ROUTE] = "manifest" if is_manifest(target.path) else "segment"
    origin, query = _asked(request, target)
    carried = grant = None
    by_cookie = False
    key_store = store_of(request, target)
    if key_store is not None or (not origin.public and not is_shielded(request)):
        if token is not None:
            query = replace(query, token=token)
        admission = await admitted(request, target, query)
        by_cookie = is_by_cookie(request, admission)
        if must_move(admission, is_manifest=request[keys.ROUTE] == "manifest", by_cookie=by_cookie):
            return moved(admission, target, query)
        give_next_token(request, admission, target.scope, by_cookie=by_cookie)
        carried, grant = admission.going_on, admission.grant
    if key_store is not None:
        return await content_key(request, key_store, target)
    if not target.path and target.carried is None:
        raise NotFound
    if request[keys.ROUTE] == "segment":
        answer = await segment(request, origin, target, query, grant)
        if answer is not None:
            return answer
        request[keys.ROUTE] = "manifest"  # its origin says so, although its name does not
    wanted = Wanted(origin=origin, path=target.path, query=query)
    return await manifest(request, target, query, wanted, carried, grant, by_cookie=by_cookie)


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
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS"
            + (", POST" if is_license(request.raw_path) else ""),
            "Access-Control-Allow-Headers": "Authorization, CTA-Common-Access-Token, If-Match, If-Modified-Since, "
            "Content-Type, If-None-Match, If-Range, If-Unmodified-Since, Range, X-Request-Id, CMCD-Object, "
            "CMCD-Request, CMCD-Session, CMCD-Status",
            "Access-Control-Max-Age": "86400",
        },
    )
