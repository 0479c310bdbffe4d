"""Manifests, init and media segments: GET and HEAD of ``/[t/{token}/]{origin}/{path…}``."""

from __future__ import annotations

import time
from datetime import timedelta

from aiohttp import hdrs, web

from config.contracts.content_types import content_type_of, is_manifest
from config.runtime.logging import SESSION_ID
from config.runtime.storage.base import ObjectInfo
from edge import keys
from edge.cache.answers import answer
from edge.cache.conditions import Validators
from edge.errors import ManifestTooLarge, NotFound, PathNotCovered, TokenMissing
from edge.handlers.bodies import send
from edge.origin.origins import Origin
from edge.target import Target, parse_target
from edge.tokens.transport import CarriedToken, find_token


async def media(request: web.Request) -> web.StreamResponse:
    """Answer with a file of an origin, if the request's token covers it."""
    if request.method == hdrs.METH_OPTIONS:
        return _preflight(request)
    target = parse_target(request.raw_path)
    route = request[keys.ROUTE] = "manifest" if is_manifest(target.path) else "segment"
    origin = request.app[keys.ORIGINS].named(target.origin)
    if not origin.public:
        carried = _authorised(request, target)
        if route == "manifest" and not carried.in_path:
            return _to_path_form(carried, target)
    if not target.path:
        raise NotFound
    return await _file(request, origin, target.path, route)


def _authorised(request: web.Request, target: Target) -> CarriedToken:
    carried = find_token(
        path_token=target.token,
        query=request.query,
        headers=request.headers,
        cookies=request.cookies,
    )
    if carried is None:
        raise TokenMissing
    grant = request.app[keys.TOKENS].grant_of(carried.text, now=time.time())
    request[keys.GRANT] = grant
    SESSION_ID.set(grant.session)
    if not grant.covers(target.scope):
        raise PathNotCovered
    return carried


def _to_path_form(carried: CarriedToken, target: Target) -> web.Response:
    """Send the player to where relative URIs inherit the token."""
    return web.Response(
        status=302,
        headers={
            hdrs.LOCATION: f"/t/{carried.text}{target.scope}",
            hdrs.CACHE_CONTROL: "no-store",
        },
    )


async def _file(request: web.Request, origin: Origin, path: str, route: str) -> web.StreamResponse:
    settings = request.app[keys.SETTINGS]
    info = await origin.stat(path)
    if route == "manifest" and info.size_bytes > settings.manifest_max_bytes:
        raise ManifestTooLarge
    max_age = settings.manifest_max_age if route == "manifest" else settings.segment_max_age
    decided = answer(
        request.headers,
        _validators(info),
        size=info.size_bytes,
        content_type=content_type_of(path),
        cache_control=_cache_control(max_age, public=origin.public),
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
        route=route,
        write_timeout_seconds=settings.write_timeout.total_seconds(),
    )


def _validators(info: ObjectInfo) -> Validators:
    return Validators(etag=info.etag, modified_at=int(info.modified_at))


def _cache_control(max_age: timedelta, *, public: bool) -> str:
    # The URL of a protected file holds a token: a shared cache downstream must not keep it.
    return f"{'public' if public else 'private'}, max-age={int(max_age.total_seconds())}"


def _preflight(request: web.Request) -> web.Response:
    """Let a page of any site ask with ranges, conditions and a token (CORS preflight)."""
    request[keys.ROUTE] = "preflight"
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
            "Access-Control-Allow-Headers": "Authorization, If-Match, If-Modified-Since, If-None-Match, "
            "If-Range, If-Unmodified-Since, Range, X-Request-Id, CMCD-Object, CMCD-Request, CMCD-Session, CMCD-Status",
            "Access-Control-Max-Age": "86400",
        },
    )
