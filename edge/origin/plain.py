"""Bodies of known length straight from the socket to their reader: aiohttp's parser would copy every byte once more."""

from __future__ import annotations

from typing import Any

from aiohttp import ClientPayloadError, StreamReader, hdrs
from aiohttp.client_proto import ResponseHandler
from aiohttp.helpers import set_exception
from aiohttp.streams import EMPTY_PAYLOAD


class PlainBodies(ResponseHandler):
    """Reads heads and chunked bodies as aiohttp does; a body with a Content-Length passes its parser by.

    The parser is let go with the head, so that whatever comes after the body is surplus: it is kept unread, and the
    connection is not used again. Leans on private names: aiohttp is pinned, and tests/edge/origin notices.
    """

    _left = 0  # bytes of a plain body that are still to come
    _fresh: tuple[Any, StreamReader] | None = None  # the head that has just been read

    def feed_data(self, data: tuple[Any, StreamReader], size: int = 0) -> None:
        self._fresh = None if self._buffer else data  # two heads at once are no plain answer
        super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        left = self._left
        if not left:
            super().data_received(data)
            if self._fresh is not None:
                self._pass_by(*self._fresh)
            return
        payload = self._payload
        if payload is None or not data:
            return
        if len(data) < left:
            self._left = left - len(data)
            payload.feed_data(data)
            return
        self._left = 0
        if len(data) > left:
            self._tail += data[left:]
            data = data[:left]
        payload.feed_data(data)
        payload.feed_eof()

    def pause_reading(self) -> None:
        if self._parser is not None:
            super().pause_reading()
            return
        self._reading_paused = True
        self._pause_transport_reading()

    def connection_lost(self, exc: BaseException | None) -> None:
        payload = self._payload
        if self._left and payload is not None:
            self._left = 0
            cut = ClientPayloadError(f"Response payload is not completed: {exc!r}")
            set_exception(payload, cut)
        super().connection_lost(exc)

    def _pass_by(self, message: Any, payload: StreamReader) -> None:
        self._fresh = None
        length = message.headers.get(hdrs.CONTENT_LENGTH)
        if (
            length is None
            or message.chunked
            or message.upgrade
            or payload is EMPTY_PAYLOAD
            or payload.is_eof()
            or payload.exception() is not None
            or self._reading_paused
            or self._upgraded
        ):
            return
        self._left = int(length) - payload.total_bytes
        self._parser = None
        if self._left and payload.total_bytes:
            # Until somebody has had the first bytes, the next ones would only keep them waiting; reading goes on
            # with the first read from the payload.
            self.pause_reading()
