"""Sends what the cache has found, and lends it to the hot lane."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace

from aiohttp import web
from multidict import CIMultiDict

from edge import keys
from edge.cache.answers import Answer
from edge.cache.call import Found
from edge.cache.policy.freshness import age
from edge.cache.stored import Stored
from edge.handlers.bodies import send, send_kept
from edge.lane.ready import Hear, Lent, lend
from edge.target import Target
from edge.tokens.verified import Remembered


async def send_found(
    request: web.Request,
    found: Found,
    decided: Answer,
    headers: CIMultiDict[str],
    *,
    route: str,
) -> web.StreamResponse:
    """Send the head and the bytes that go with it."""
    answer = replace(decided, headers=headers)
    seconds = request.app[keys.SETTINGS].write_timeout.total_seconds()
    stored = found.stored
    lent: Lent | None = stored
    if stored is not None and stored.chunks is None:
        # A small part is read by itself.
        wanted = decided.size if request.method == "GET" else 0
        lent = await _brief(found) if (wanted or 0) * 2 > stored.size else None
    if lent is not None and decided.size is not None:
        return await send_kept(
            request,
            answer,
            lent,
            route=route,
            rest=lambda start: found.body.read(start, None),
            write_timeout_seconds=seconds,
        )
    pieces = found.body.read(decided.start, decided.stop)
    async with contextlib.aclosing(pieces):
        return await send(request, answer, pieces, route=route, write_timeout_seconds=seconds)


class _Brief:
    """A body from the disk for as long as it takes to hand it to the kernel; what is left then is read again."""

    __slots__ = ("alive", "body", "freq")

    def __init__(self, body: bytes) -> None:
        self.body: bytes | None = body
        self.alive = True
        self.freq = 0

    def drop(self) -> None:
        """A slow client must not keep it."""
        self.body = None


async def _brief(found: Found) -> _Brief | None:
    body = await found.body.at_once()
    if body is None:
        return None
    brief = _Brief(body)
    loop = asyncio.get_running_loop()
    loop.call_soon(loop.call_soon, brief.drop)
    return brief


def lend_hit(
    request: web.Request,
    target: Target,
    held: Remembered | None,
    found: Found,
    decided: Answer,
    *,
    hear: Hear | None = None,
) -> None:
    """Let the hot lane give a file that lies in memory."""
    stored = found.stored
    if stored is None or found.result != "hit" or stored.chunks is None or decided.status != 200:
        return
    now = request.app[keys.CLOCK]()
    lend(
        request,
        target,
        held,
        route="segment",
        limits=None if held is None else held.limits,
        lent=stored,
        fresh_seconds=stored.terms.fresh_seconds - age(stored.terms, stored.received_at, now),
        moving={"Age": _age_of(stored)},
        rest=lambda start: found.body.read(start, None),
        hear=hear,
    )


def _age_of(stored: Stored) -> Callable[[float], str]:
    return lambda now: str(int(age(stored.terms, stored.received_at, now)))
