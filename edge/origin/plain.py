"""Bodies of known length straight from the socket to their reader: aiohttp's parser would copy every byte once more."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from aiohttp import ClientPayloadError, StreamReader, hdrs
from aiohttp.client_proto import ResponseHandler
from aiohttp.helpers import set_exception
from aiohttp.streams import EMPTY_PAYLOAD

# A little less than what event loops read at a time: where so much was, there is more.
_MUCH_BYTES = 250_000
# What is fetched besides: all others wait while it is copied, and both together are what a paused reader may leave.
_MORE_BYTES = 768 * 1024


class PlainBodies(ResponseHandler):
    """Reads heads and chunked bodies as aiohttp does; a body with a Content-Length passes its parser by.

    The parser is let go with the head, so that whatever comes after the body is surplus: it is kept unread, and the
    connection is not used again. Leans on private names: aiohttp is pinned, and tests/edge/origin notices.
    """

    _left = 0  # bytes of a plain body that are still to come
    _fresh: tuple[Any, StreamReader] | None = None  # the head that has just been read
    _fd = -1  # whose bytes are those of the body: not with TLS

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and transport.get_extra_info("sslcontext") is None:
            self._fd = sock.fileno()

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
        if len(data) > left:
            self._tail += data[left:]
            data = data[:left]
        keeps_up = not payload._size  # its reader
        self._add(payload, data)
        if keeps_up and self._left and len(data) >= _MUCH_BYTES:
            self._read_on(payload)

    def _add(self, payload: StreamReader, data: bytes) -> None:
        self._left -= len(data)
        payload.feed_data(data)
        if not self._left:
            payload.feed_eof()

    def _read_on(self, payload: StreamReader) -> None:
        """Fetch what else is there: in one piece, and without the copy that the event loop makes."""
        transport = self.transport
        if self._fd < 0 or transport is None or transport.is_closing():
            return
        try:
            data = os.read(self._fd, min(self._left, _MORE_BYTES))
        except BlockingIOError:
            return
        except OSError:
            # The kernel says it once only, so the event loop will not hear of it.
            transport.abort()
            return
        if data:  # otherwise it has ended, as the event loop is about to find
            self._add(payload, data)

    def pause_reading(self) -> None:
        if self._parser is not None:
            super().pause_reading()
            return
        self._reading_paused = True
        self._pause_transport_reading()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._fd = -1
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
