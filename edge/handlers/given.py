"""Answers with a whole body, counted when it has been handed over and not before."""

from __future__ import annotations

from typing import Any

from aiohttp import hdrs, web

from edge import keys, metrics


class Given(web.Response):
    """A body from memory that counts for its route, if there is one, and for the request's session."""

    def __init__(self, request: web.Request, *, route: str | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._route = route
        self._viewing = request.get(keys.VIEWING)
        self._uncounted = 0
        if request.method != hdrs.METH_HEAD and isinstance(self.body, bytes):
            self._uncounted = len(self.body)

    async def write_eof(self, data: bytes = b"") -> None:
        """Send the body."""
        await super().write_eof(data)
        sent, self._uncounted = self._uncounted, 0
        if sent and self._route is not None:
            metrics.BYTES_SENT.labels(self._route).inc(sent)
        if sent and self._viewing is not None:
            self._viewing.sent(sent)
