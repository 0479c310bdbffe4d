"""An answer of another server as it comes: its head, and a body that is given up when it stalls or trickles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from aiohttp import ClientError, ClientResponse, StreamReader, hdrs
from aiohttp.http_exceptions import HttpProcessingError

from edge.errors import OriginError, OriginTimeout
from edge.origin.faults import fault_of
from edge.origin.upstream import Fields

_LOOKS = 4  # in one idle time


class Stalled(Exception):
    """No bytes, or too few, for too long."""


class HttpReply:
    """One answer; ``end`` hands its connection back, or drops it if the body was not read whole."""

    __slots__ = (
        "_ended",
        "_idle_seconds",
        "_min_rate",
        "_watch",
        "answer",
        "bytes",
        "fault",
        "framed",
        "url",
    )

    def __init__(
        self,
        answer: ClientResponse,
        *,
        framed: bool,
        idle_seconds: float,
        min_rate: float,
        ended: Callable[[HttpReply], None],
    ) -> None:
        self.answer = answer
        self.url = str(answer.url)
        self.framed = framed
        self.bytes = 0  # of the body, so far
        self.fault: OriginError | None = None  # what broke the body off
        self._idle_seconds = idle_seconds
        self._min_rate = min_rate
        self._ended: Callable[[HttpReply], None] | None = ended
        self._watch: _Watch | None = None

    @property
    def status(self) -> int:
        return self.answer.status

    @property
    def reason(self) -> str:
        return self.answer.reason or ""

    @property
    def headers(self) -> Fields:
        return self.answer.headers

    async def chunks(self) -> AsyncIterator[bytes]:
        """Whatever is there, as soon as it is; time that the reader takes is not counted against the origin."""
        content = self.answer.content
        chunked = hdrs.TRANSFER_ENCODING in self.answer.headers
        watch = self._watch = _Watch(content, idle=self._idle_seconds, min_rate=self._min_rate)
        clock = watch.loop.time
        try:
            while True:
                watch.waiting_since = before = clock()
                # readany would copy pieces together; readchunk would give small chunks of HTTP one by one.
                chunk = await content.readany() if chunked else (await content.readchunk())[0]
                watch.waiting_since = None
                if not chunk:
                    return
                size = len(chunk)
                watch.waited += clock() - before
                watch.bytes += size
                self.bytes += size
                yield chunk
        except Stalled as error:
            self.fault = OriginTimeout(
                "The origin's body stopped or came too slowly.", result="stall"
            )
            raise self.fault from error
        except (ClientError, HttpProcessingError, OSError) as error:
            self.fault = fault_of(error)
            raise self.fault from error
        finally:
            watch.close()

    def end(self) -> None:
        """Nobody reads on; calling it twice is fine."""
        if self._ended is None:
            return
        if self._watch is not None:
            self._watch.close()
        if self.answer.content.at_eof():
            self.answer.release()
        else:
            self.answer.close()
        ended, self._ended = self._ended, None
        ended(self)


class _Watch:
    """One timer for a whole body: a deadline per piece would cost more than the piece."""

    __slots__ = (
        "_content",
        "_handle",
        "_idle",
        "_min_rate",
        "bytes",
        "loop",
        "waited",
        "waiting_since",
    )

    def __init__(self, content: StreamReader, *, idle: float, min_rate: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.waiting_since: float | None = None  # None: the reader is busy with a piece
        self.waited = 0.0  # in this stretch
        self.bytes = 0
        self._content = content
        self._idle = idle
        self._min_rate = min_rate
        self._handle = self.loop.call_later(idle / _LOOKS, self._look)

    def close(self) -> None:
        self._handle.cancel()

    def _look(self) -> None:
        waiting = 0.0 if self.waiting_since is None else self.loop.time() - self.waiting_since
        stretch = self.waited + waiting
        slow = stretch >= self._idle and self.bytes < self._min_rate * stretch
        if waiting >= self._idle or (slow and waiting):
            self._content.set_exception(Stalled())
            return
        if stretch >= self._idle:
            self.waited = -waiting  # what is being waited for belongs to the stretch before
            self.bytes = 0
        self._handle = self.loop.call_later(self._idle / _LOOKS, self._look)
