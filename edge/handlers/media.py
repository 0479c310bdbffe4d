"""Every file of an origin: GET and HEAD of ``/[t/{token}/][f/{filter}/]{origin}/{path…}``."""

from __future__ import annotations

from aiohttp import hdrs, web

from config.contracts.content_types import is_manifest
from edge import keys
from edge.cache.manifests import Wanted
from edge.errors import NotFound
from edge.handlers.authorise import authorised, is_shielded
from edge.handlers.manifests import manifest
from edge.handlers.segments import segment
from edge.origin.origins import Origin
from edge.query import Query, parse_carried_query, parse_query
from edge.target import Target, parse_target


async def media(request: web.Request) -> web.StreamResponse:
    """Answer with a file of an origin, if the request's token covers it."""
    if request.method == hdrs.METH_OPTIONS:
        return _preflight(request)
    target = parse_target(request.raw_path)
    request[keys.ROUTE] = "manifest" if is_manifest(target.path) else "segment"
    origin, query = _asked(request, target)
    carried = grant = None
    if not origin.public and not is_shielded(request):
        carried, grant = authorised(request, target, query)
    if not target.path and target.carried is None:
        raise NotFound
    if request[keys.ROUTE] == "segment":
        answer = await segment(request, origin, target, query, grant)
        if answer is not None:
            return answer
        request[keys.ROUTE] = "manifest"  # its origin says so, although its name does not
    wanted = Wanted(origin=origin, path=target.path, query=query)
    return await manifest(request, target, query, wanted, carried, grant)


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
            "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
            "Access-Control-Allow-Headers": "Authorization, If-Match, If-Modified-Since, "
            "If-None-Match, If-Range, If-Unmodified-Since, Range, X-Request-Id, CMCD-Object, "
            "CMCD-Request, CMCD-Session, CMCD-Status",
            "Access-Control-Max-Age": "86400",
        },
    )
