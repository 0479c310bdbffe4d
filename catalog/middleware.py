"""What happens around every request: its id, its log line, its metrics, its errors, CORS."""

from __future__ import annotations

import re
import time
import uuid

from aiohttp import web
from aiohttp.typedefs import Handler

from catalog import keys, metrics
from catalog.answers import answer
from catalog.errors import CatalogError
from config.runtime.access_log import FACTS, UNLOGGED
from config.runtime.logging import REQUEST_ID, get_logger

log = get_logger(__name__)

# A token that a confused client put into the path or the request id.
_LOGIN_TOKEN = re.compile(r"cat_[A-Za-z0-9_-]{16,}")
_PLAIN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_QUIET = ("/health/live", "/health/ready")

_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": (
        "Location, Retry-After, Tus-Checksum-Algorithm, Tus-Extension, Tus-Max-Size, Tus-Resumable,"
        " Tus-Version, Upload-Expires, Upload-Length, Upload-Offset, X-Request-Id"
    ),
}
_PREFLIGHT = {
    **_CORS,
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PATCH, PUT, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": (
        "Authorization, Content-Type, Tus-Resumable, Upload-Checksum, Upload-Length, Upload-Metadata,"
        " Upload-Offset, X-HTTP-Method-Override, X-Request-Id"
    ),
    "Access-Control-Max-Age": "7200",
}


@web.middleware
async def observed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, count its answer, and leave facts for the access log."""
    given = request.headers.get("X-Request-Id", "")
    plain = _PLAIN_ID.match(given) and not _LOGIN_TOKEN.search(given)
    request_id = given if plain else uuid.uuid4().hex
    token = REQUEST_ID.set(request_id)
    request[FACTS] = {"request_id": request_id}
    if request.path in _QUIET:
        request[UNLOGGED] = True
    started = time.perf_counter()
    status = 499  # the client left, or the program stops
    try:
        response = await handler(request)
        status = response.status
        response.headers["X-Request-Id"] = request_id
        return response
    finally:
        seconds = time.perf_counter() - started
        route = _route_of(request)
        metrics.REQUESTS.labels(route, _method(request), f"{status // 100}xx").inc()
        metrics.REQUEST_SECONDS.labels(route, _method(request)).observe(seconds)
        if keys.CALLER in request:
            request[FACTS]["user"] = request[keys.CALLER].user.public_id
        REQUEST_ID.reset(token)


@web.middleware
async def cors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let pages of any origin call: what is private needs a token, which no browser adds by itself."""
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        return web.Response(status=204, headers=_PREFLIGHT)
    response = await handler(request)
    for name, value in _CORS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Cache-Control", "no-store")
    return response


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every failure into the contract's shape."""
    try:
        return await handler(request)
    except CatalogError as error:
        if error.status >= 500:
            log.warning("request failed", code=error.code, cause=_name_of(error.__cause__))
        return answer(error.to_json(), status=error.status, headers=error.headers())
    except web.HTTPException as error:
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        code = (error.reason or "error").lower().replace(" ", "-")
        return answer({"message": error.reason, "code": code}, status=error.status, headers=headers)
    except Exception:
        metrics.CRASHES.inc()
        log.exception("request crashed")
        return answer(CatalogError().to_json(), status=500)


def _name_of(error: BaseException | None) -> str | None:
    return None if error is None else type(error).__name__


def _route_of(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return "unmatched" if resource is None else resource.canonical


def _method(request: web.Request) -> str:
    known = ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS")
    return request.method if request.method in known else "other"
