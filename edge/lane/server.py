"""Serves an application through our connections.

Leans on names of aiohttp that are not public: of ``Server`` ``_kwargs`` and ``_loop``, of ``AppRunner``
``_make_server``, of ``BaseRequest`` ``_cache``. tests/edge/lane/test_private_names.py fails when they change.
"""

from __future__ import annotations

from typing import Any

from aiohttp import HttpVersion11, web
from aiohttp.web_protocol import RequestHandler

from edge.lane.lane import Lane
from edge.lane.protocol import Connection


class LaneServer(web.Server):
    """Makes our connections in place of aiohttp's."""

    def __init__(self, server: web.Server, lane: Lane) -> None:
        super().__init__(
            server.request_handler,
            request_factory=server.request_factory,
            handler_cancellation=server.handler_cancellation,
            loop=server._loop,
            **server._kwargs,
        )
        self._lane = lane

    def __call__(self) -> RequestHandler:
        return Connection(self, lane=self._lane, loop=self._loop, **self._kwargs)


class LaneRunner(web.AppRunner):
    """Serves an application through our connections."""

    __slots__ = ("_lane",)

    def __init__(self, app: web.Application, *, lane: Lane, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        self._lane = lane

    async def _make_server(self) -> web.Server:
        return LaneServer(await super()._make_server(), self._lane)


def answer_in_http11(request: web.BaseRequest) -> None:
    """Let the answer to a request of a version that we do not speak begin with one that we do."""
    request._cache["version"] = HttpVersion11
