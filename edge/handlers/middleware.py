"""What happens around every request: ids, refusals as answers, the same fields on every answer, counting."""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import hdrs, web
from multidict import CIMultiDict

from config.runtime.access_log import CLIENT, FACTS
from config.runtime.logging import REQUEST_ID, SESSION_ID, get_logger
from edge import keys, metrics
from edge.errors import (
    EdgeError,
    MethodNotAllowed,
    NoSessions,
    NotAllowed,
    NotFound,
    StreamRefused,
    TokenMissing,
    VersionNotSupported,
)
from edge.handlers.client import address_of
from edge.handlers.given import Given
from edge.handlers.proxy import is_proxied, proxy
from edge.handlers.strict import METHODS, refusal_of
from edge.lane.lane import LANE
from edge.lane.server import answer_in_http11

log = get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}\Z")

# Players run on other sites and must see ranges and caching; a token in a URL must not leave in a Referer.
COMMON_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Accept-Ranges, Age, CMSD-Dynamic, CMSD-Static, Content-Length, Content-Range, "
    "CTA-Common-Access-Token, Date, ETag, X-Request-Id",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "no-referrer",
    "Timing-Allow-Origin": "*",
    "X-Content-Type-Options": "nosniff",
}


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, count it, and leave facts for the access log."""
    given = request.headers.get("X-Request-Id", "")
    request_id = given if _REQUEST_ID.match(given) else uuid.uuid4().hex
    REQUEST_ID.set(request_id)
    SESSION_ID.set("")
    request[FACTS] = {"request_id": request_id}
    address = address_of(request)
    request[CLIENT] = "" if address is None else str(address)
    request[keys.ROUTE] = "none"
    request.app[keys.PROGRESS]()
    started = request[keys.STARTED] = time.perf_counter()
    status_class = "aborted"
    with metrics.REQUESTS_RUNNING.track_inprogress():
        try:
            response = await handler(request)
            status_class = f"{response.status // 100}xx"
            return response
        finally:
            route = request[keys.ROUTE]
            method = request.method if request.method in METHODS else "other"
            metrics.REQUESTS.labels(route, method, status_class).inc()
            metrics.REQUEST_SECONDS.labels(route).observe(time.perf_counter() - started)
            if keys.GRANT in request:
                request[FACTS]["session_id"] = request[keys.GRANT].session


@web.middleware
async def errors_to_responses(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every refusal into an answer with a code; anything unexpected into a logged 500."""
    try:
        proxied = is_proxied(request.app[keys.SETTINGS], request.raw_path)
        refusal = refusal_of(request, any_method=proxied)
        if refusal is not None:
            raise refusal
        return await (proxy if proxied else handler)(request)
    except EdgeError as error:
        return refusal_response(request, error)
    except web.HTTPNotFound:
        return refusal_response(request, NotFound())  # a target such as '*', which no route knows
    except (ConnectionError, asyncio.CancelledError):
        raise  # the client left
    except Exception:
        log.exception("request failed")
        return refusal_response(request, EdgeError("Something went wrong here."))


def refusal_response(request: web.Request, error: EdgeError) -> web.Response:
    """The answer to a refused request."""
    metrics.REFUSALS.labels(error.code).inc()
    request[FACTS]["refusal"] = error.code
    if error.__cause__ is not None and error.status >= 500:
        log.warning("origin failed", code=error.code, cause=str(error.__cause__))
    instead = request.get(keys.INSTEAD)
    if instead is not None:
        headers = CIMultiDict(instead.headers)
        headers[hdrs.CACHE_CONTROL] = "no-store"
        return web.Response(status=instead.status, headers=headers)
    # Whoever tries tokens out learns nothing from the answer; the cause is counted and logged.
    is_alike = isinstance(error, NotAllowed) and not isinstance(error, TokenMissing)
    shown = NotAllowed() if is_alike else error
    body: dict[str, Any] = {"error": shown.code, "message": str(shown)}
    if isinstance(shown, StreamRefused):
        body["playing"] = [one.to_json() for one in shown.playing]
    response = Given(
        request,
        route=None,
        status=error.status,
        body=json.dumps(body).encode(),
        headers={"Cache-Control": "no-store", "Content-Type": "application/json; charset=utf-8"},
    )
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(METHODS)
    if error.code in ("bad-request", "version-not-supported", "method-not-allowed"):
        # What follows on this connection may be the body that we refuse to read.
        response.force_close()
    if isinstance(error, VersionNotSupported):
        answer_in_http11(request)
    if isinstance(error, NoSessions):
        response.headers[hdrs.RETRY_AFTER] = "2"
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


async def add_common_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Put the fields that every answer carries on an answer about to be sent."""
    if request.get(keys.ROUTE) != "proxy":
        response.headers.update(COMMON_HEADERS)
        response.headers.pop(hdrs.SERVER, None)
        _allow_cookies(request, response)
    is_own = keys.GIVEN in request and response.status < 400
    if is_own:
        # One viewer's next token: nobody keeps it, and nobody else is given it.
        response.headers.add(*request[keys.GIVEN])
        response.headers[hdrs.CACHE_CONTROL] = "private, no-store"
    if FACTS in request:
        # A plain answer carries no id: its bytes are the same for everybody.
        request_id = request[FACTS]["request_id"]
        if response.status >= 400 or request.headers.get("X-Request-Id") == request_id:
            response.headers["X-Request-Id"] = request_id
    if LANE in request.app and not is_own:
        request.app[LANE].answers.complete(request, response)


def _allow_cookies(request: web.Request, response: web.StreamResponse) -> None:
    """Let pages that the settings name play with cookies: never every page (Fetch standard, section 3.3.5)."""
    page_origins = request.app[keys.SETTINGS].page_origins
    if not page_origins:
        return
    response.headers.add(hdrs.VARY, hdrs.ORIGIN)
    origin = request.headers.get(hdrs.ORIGIN)
    if origin in page_origins:
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_CREDENTIALS] = "true"
