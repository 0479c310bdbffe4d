"""Sends bodies: from memory in few large writes, or piece by piece, to clients that may be slow or leave."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable

from aiohttp import hdrs, web

from config.runtime.logging import get_logger
from edge import keys, metrics
from edge.cache.answers import Answer
from edge.errors import EdgeError
from edge.handlers.given import Given
from edge.lane.protocol import Connection
from edge.lane.pump import BodyGone, ClientLeft
from edge.lane.ready import Lent
from edge.sessions.cmcd.cut import cut

log = get_logger(__name__)

Pieces = AsyncGenerator[bytes | memoryview, None]

# Up to here head and body leave in one write: copying costs less than a second write.
_TOGETHER_BYTES = 64 * 1024
# What a sibling process has to take within the time for a write; it waits for a client of its own.
_TIMED_BYTES = 256 * 1024


class ClientTooSlow(ConnectionResetError):
    """The client did not take the next piece of a body in time."""


async def send(
    request: web.Request,
    answer: Answer,
    pieces: Pieces,
    *,
    route: str,
    write_timeout_seconds: float,
) -> web.StreamResponse:
    """Send the head and, for a GET, the body; a body that cannot be completed ends so that the client can tell."""
    response = _head(answer)
    if answer.body is None or request.method == hdrs.METH_HEAD:
        await response.prepare(request)
        return response
    # The first piece before the head: an origin that fails now still gets its own status.
    first = await anext(pieces, b"")
    await response.prepare(request)
    with _Body(request, route, answer) as sent:
        await sent.write(response, first, write_timeout_seconds)
        async for piece in pieces:
            await sent.write(response, piece, write_timeout_seconds)
    return response


async def send_kept(
    request: web.Request,
    answer: Answer,
    lent: Lent,
    *,
    route: str,
    rest: Callable[[int], Pieces],
    write_timeout_seconds: float,
) -> web.StreamResponse:
    """Send an answer whose body lies in memory; ``rest`` reads on from a place if it is evicted meanwhile."""
    body, span, connection = lent.body, answer.body, request.protocol
    if span is None or request.method == hdrs.METH_HEAD:
        response = _head(answer)
        await response.prepare(request)
        return response
    if body is not None and span.size <= _TOGETHER_BYTES:
        return Given(
            request,
            route=route,
            status=answer.status,
            reason=answer.reason or None,
            headers=answer.headers,
            body=body if span.size == len(body) else body[span.start : span.stop],
        )
    if body is None or not isinstance(connection, Connection):
        async with contextlib.aclosing(_until(rest(span.start), span.size)) as pieces:
            return await send(
                request, answer, pieces, route=route, write_timeout_seconds=write_timeout_seconds
            )
    response = _head(answer)
    await response.prepare(request)
    with _Body(request, route, answer) as sent:
        try:
            await connection.send(
                response,
                lent,
                start=span.start,
                stop=span.stop,
                viewing=request.get(keys.VIEWING),
            )
            sent.bytes = span.size
        except ClientLeft as left:
            sent.bytes = left.place - span.start
            raise
        except BodyGone as gone:
            sent.bytes = gone.place - span.start
            size = span.stop - gone.place
            async with contextlib.aclosing(_until(rest(gone.place), size)) as pieces:
                async for piece in pieces:
                    await sent.write(response, piece, write_timeout_seconds)
    return response


async def _until(pieces: Pieces, size: int) -> Pieces:
    """The first ``size`` bytes."""
    async with contextlib.aclosing(pieces):
        async for piece in pieces:
            yield piece[:size]
            size -= len(piece)
            if size <= 0:
                return


def _head(answer: Answer) -> web.StreamResponse:
    response = web.StreamResponse(
        status=answer.status, reason=answer.reason or None, headers=answer.headers
    )
    if answer.body is None:
        if answer.status != 304:
            response.content_length = 0
    elif answer.sized:
        response.content_length = answer.body.size
    return response


class _Body:
    """Counts what is sent of a body, and closes the connection at once when it breaks off."""

    def __init__(self, request: web.Request, route: str, answer: Answer) -> None:
        self._request = request
        self._route = route
        self._expected = answer.body.size if answer.body is not None and answer.sized else None
        self._viewing = request.get(keys.VIEWING)
        self.bytes = 0

    def __enter__(self) -> _Body:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        metrics.BYTES_SENT.labels(self._route).inc(self.bytes)
        if isinstance(error, EdgeError | ConnectionError):
            raise self._cut(error) from error
        if isinstance(error, asyncio.CancelledError):
            self._cut(error)  # the client is gone

    async def write(
        self, response: web.StreamResponse, piece: bytes | memoryview, timeout_seconds: float
    ) -> None:
        """Send a piece."""
        if isinstance(self._request.protocol, Connection):
            # Its watch parts from a client that takes too little.
            await response.write(piece)
            self.count(len(piece))
            return
        whole = memoryview(piece)
        for start in range(0, len(whole), _TIMED_BYTES):
            part = whole[start : start + _TIMED_BYTES]
            try:
                async with asyncio.timeout(timeout_seconds):
                    await response.write(part)
            except TimeoutError:
                raise ClientTooSlow from None
            self.count(len(part))

    def count(self, sent: int) -> None:
        """So many bytes have been handed over."""
        self.bytes += sent
        if self._viewing is not None:
            self._viewing.sent(sent)

    def _cut(self, error: BaseException) -> ConnectionResetError:
        """Close the connection at once: the missing bytes tell the client that the body is not whole."""
        request = self._request
        connection = request.protocol
        slow = isinstance(connection, Connection) and connection.too_slow
        if isinstance(error, EdgeError):
            reason = "origin"
        elif slow or isinstance(error, ClientTooSlow):
            reason = "slow_client"
        else:
            reason = "client_left"
        metrics.BODIES_CUT.labels(reason).inc()
        log.info(
            "body cut",
            reason=reason,
            sent=self.bytes,
            expected=self._expected,
            path=cut(request.raw_path)[0],
        )
        if request.transport is not None:
            request.transport.abort()
        return ConnectionResetError(reason)
