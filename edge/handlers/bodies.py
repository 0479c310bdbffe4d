"""Sends a file of an origin as a body whose every piece has a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import hdrs, web

from config.runtime.logging import get_logger
from edge import metrics
from edge.cache.answers import Answer
from edge.errors import EdgeError

log = get_logger(__name__)


class ClientTooSlow(ConnectionResetError):
    """The client did not take the next piece of a body in time."""


async def send(
    request: web.Request,
    answer: Answer,
    chunks: AsyncIterator[bytes],
    *,
    route: str,
    write_timeout_seconds: float,
) -> web.StreamResponse:
    """Send the head and, for a GET, the body; a body that cannot be completed ends so that the client can tell."""
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    if answer.body is None:
        response.content_length = 0 if answer.status != 304 else None
        await response.prepare(request)
        return response
    response.content_length = answer.body.size
    if request.method == hdrs.METH_HEAD:
        await response.prepare(request)
        return response
    # The first piece before the head: an origin that fails now still gets its own status.
    first = await anext(chunks, b"")
    await response.prepare(request)
    counter = metrics.BYTES_SENT.labels(route)
    sent = 0
    try:
        await _write(response, first, write_timeout_seconds)
        sent += len(first)
        async for chunk in chunks:
            await _write(response, chunk, write_timeout_seconds)
            sent += len(chunk)
    except EdgeError as error:
        raise _cut(request, "origin", sent, answer.body.size) from error
    except ClientTooSlow as error:
        raise _cut(request, "slow_client", sent, answer.body.size) from error
    except ConnectionError as error:
        raise _cut(request, "client_left", sent, answer.body.size) from error
    finally:
        counter.inc(sent)
    return response


def _cut(request: web.Request, reason: str, sent: int, expected: int) -> ConnectionResetError:
    """Close the connection at once: the missing bytes tell the client that the body is not whole."""
    metrics.BODIES_CUT.labels(reason).inc()
    log.info("body cut", reason=reason, sent=sent, expected=expected, path=request.raw_path)
    if request.transport is not None:
        request.transport.abort()
    return ConnectionResetError(reason)


async def _write(response: web.StreamResponse, chunk: bytes, timeout_seconds: float) -> None:
    try:
        async with asyncio.timeout(timeout_seconds):
            await response.write(chunk)
    except TimeoutError:
        raise ClientTooSlow from None
