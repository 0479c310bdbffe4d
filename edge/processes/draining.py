"""A worker that is about to leave says so in every answer, so that no client sends it one request too many."""

from __future__ import annotations

import asyncio

from aiohttp import hdrs, web

from edge.lane.lane import Lane

_LOOK_SECONDS = 0.02


class Draining:
    """Whether this process wants no further requests on connections that it has."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self.on = False

    def begin(self) -> None:
        """From now on every answer is its connection's last, and takes the way on which that is said."""
        self.on = True
        self._lane.enabled = False

    async def close_after(self, _request: web.Request, response: web.StreamResponse) -> None:
        """Tell the client that this connection ends with this answer."""
        if self.on:
            response.force_close()
            response.headers[hdrs.CONNECTION] = "close"


async def accept_no_more(runner: web.AppRunner) -> None:
    """Take no new connections; those that are there stay."""
    for site in list(runner.sites):
        await site.stop()


async def until_idle_left(runner: web.AppRunner, *, seconds: float) -> None:
    """Give clients that ask nothing just now this long to learn from an answer that they must go."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    # aiohttp tells nobody when the last connection closes.
    while runner.server is not None and runner.server.connections and loop.time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_SECONDS)
