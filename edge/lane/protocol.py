"""Connections to viewers: aiohttp's, with the hot lane in front and a guard behind.

With ``edge/lane/server.py`` all that leans on names of aiohttp that are not public. Of ``RequestHandler``: ``_parser``
(``feed_data``, ``message_consumed``), ``_waiter``, ``_messages``, ``_upgraded``, ``_payload_parser``, ``_close``,
``_force_close``, ``_request_count``, ``_manager``, ``_keepalive_timeout``, ``_next_keepalive_close_time``,
``_process_keepalive``, ``_drain_helper``; of ``StreamResponse``: ``_payload_writer``.
tests/edge/lane/test_private_names.py fails when they change.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import Any, cast

from aiohttp import hdrs, web
from aiohttp.http import HttpProcessingError, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler

from config.runtime.access_log import JsonAccessLog
from edge.errors import BadRequest
from edge.handlers.strict import allowed_methods
from edge.lane.heads import codings_of, is_preflight
from edge.lane.lane import Lane
from edge.lane.pump import ClientLeft, Pump
from edge.lane.ready import Lent
from edge.lane.slow import SlowAnswer
from edge.lane.way import Way
from edge.sessions.cmcd.cut import cut, cut_fields, is_clean, said_by
from edge.sessions.cmsd import Link
from edge.sessions.viewing import Viewing
from edge.tokens.verified import Remembered

# What a client may send while it still receives an answer, before it is not read any further.
_MOST_HELD_BYTES = 64 * 1024
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 2\r\n"
    b"Cache-Control: no-store\r\nConnection: close\r\n\r\n"
)
_END = b"\r\n\r\n"


class Connection(RequestHandler):
    """One viewer's connection."""

    __slots__ = (
        "_at_start",
        "_fd",
        "_held",
        "_is_over",
        "_lane",
        "_pump",
        "_sent",
        "_slow",
        "_way",
        "network",
        "too_slow",
    )

    def __init__(self, manager: web.Server, *, lane: Lane, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self._lane = lane
        self._fd = -1
        self._at_start = True  # the parser waits for the first byte of a request
        self._is_over = True  # the last answer of the ordinary way, and the connection lives on
        self._held = b""
        self._pump: Pump | None = None
        self._slow: SlowAnswer | None = None  # of the hot lane; the ordinary way has a pump
        self._sent: asyncio.Future[None] | None = None  # waited for at the end of the process
        self._way: Way | None = None  # made once somebody asks about it
        self.network = ""
        self.too_slow = False

    # -- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the client, or tell it that there are too many."""
        real = cast(asyncio.Transport, transport)
        if not self._lane.admit(self, real):
            self._force_close = True
            real.write(_BUSY)
            real.close()
            return
        # Whatever the kernel does not take at once waits for it: we are told when, and hold one piece.
        real.set_write_buffer_limits(high=0)
        sock = real.get_extra_info("socket")
        if sock is not None and real.get_extra_info("sslcontext") is None:
            self._fd = sock.fileno()
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let everything go that belonged to the connection."""
        self._lane.left(self)
        self._lane.watch.waiting.pop(self, None)
        self._held = b""
        if self._way is not None:
            self._way.close()
            self._way = None
        if self._sent is not None and not self._sent.done():
            self._sent.set_result(None)
        if self._pump is not None:
            self._pump.end(exc or ConnectionResetError("The client left."))
        if self._slow is not None:
            self._slow.end(exc or ConnectionResetError("The client left."))
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The kernel has no more room for this client."""
        super().pause_writing()
        if self.transport is not None:
            self._lane.watch.waiting[self] = self.transport

    def resume_writing(self) -> None:
        """Everything that waited has gone."""
        self._lane.watch.waiting.pop(self, None)
        super().resume_writing()
        if self._pump is not None:
            self._pump.more()
        elif self._slow is not None:
            self._slow.more()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Refuse what cannot be read, as everything else is refused: the library's own words repeat the request."""
        answer = super().handle_error(request, status, exc, message)
        if status >= 500:
            return answer
        error = BadRequest()
        answer = web.json_response(
            {"error": error.code, "message": str(error)},
            status=status,
            headers={"Cache-Control": "no-store"},
        )
        answer.force_close()
        return answer

    def data_received(self, data: bytes) -> None:
        """Answer at once what lies ready; leave everything else to the ordinary way, exactly as it came."""
        if self._is_sending():
            self._hold(data)
            return
        waiter = self._waiter
        if (
            (not self._is_over if waiter is None else waiter.done())
            or self._messages
            or self._close
            or self._force_close
            or self._upgraded
            or self._payload_parser is not None
            or self._parser is None
            or self._fd < 0
            or not self._lane.enabled
        ):
            self._at_start = self._is_over = False
            super().data_received(data)
            return
        if self._at_start:
            # A head that a parser has read before, byte for byte, and a target that is looked up as a whole.
            end = data.find(b" HTTP/1.1\r\n")
            head = data[end:]
            codings = self._lane.heads.known.get(head)
            said: str | None = None
            if codings is None:
                head, said = cut_fields(head)
                if said is not None:
                    codings = self._lane.heads.known.get(head)
            if (
                codings is not None
                and data.startswith(b"GET ")
                and self._give(data[4:end].decode("latin-1"), codings, said, data)
            ):
                return
        self._read(data)

    # -- the hot lane

    def _read(self, data: bytes) -> None:
        """Let the parser read, and answer a plain request; otherwise hand on what it has read."""
        parser = self._parser
        assert parser is not None  # noqa: S101 - for the type checker; the caller looked
        try:
            read = parser.feed_data(data)
        except HttpProcessingError as error:
            self._hand_on(_Read(error), data)
            return
        messages, upgraded, _ = read
        self._at_start = False
        if len(messages) == 1 and not upgraded:
            message, payload = messages[0]
            if payload is EMPTY_PAYLOAD and data.endswith(_END):
                # Nothing of another request can be in the parser: what it has read ends where a head ends.
                self._at_start = True
                if self._answered(message, data):
                    parser.message_consumed()
                    return
        self._hand_on(_Read(read), data)

    def _answered(self, message: RawRequestMessage, data: bytes) -> bool:
        codings = codings_of(
            message.method,
            message.version,
            message.headers,
            should_close=message.should_close or message.upgrade,
        )
        if codings is None:
            return message.method == hdrs.METH_OPTIONS and self._preflighted(message, data)
        mark = f"GET {message.path}".encode("utf-8", "surrogateescape")
        if data.startswith(mark + b" HTTP/1.1\r\n") and data.find(_END) == len(data) - len(_END):
            head, _ = cut_fields(data[len(mark) :])
            self._lane.heads.remember(head, codings)
        said = None
        if data.find(b"CMCD-") >= 0 or data.find(b"cmcd-") >= 0:
            said = said_by(None, message.headers)
        return self._give(message.path, codings, said, data)

    def _preflighted(self, message: RawRequestMessage, data: bytes) -> bool:
        """Answer a browser that asks what it may ask, which it does for each URL."""
        lane, transport = self._lane, self.transport
        if (
            not lane.answers_preflights
            or not message.path.startswith("/")
            or transport is None
            or transport.is_closing()
            or transport.get_write_buffer_size()
            or not is_preflight(
                message.method,
                message.version,
                message.headers,
                should_close=message.should_close or message.upgrade,
            )
        ):
            return False
        ready = lane.answers.preflights.get(allowed_methods(message.path))
        if ready is None:
            return False
        head = ready.head_at(lane.clock())
        self._request_count += 1
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        lane.counts.preflights.requests += 1
        if lane.is_logged():
            self._log(message.path, len(head), data, None, method=message.method, status=204)
        transport.write(head)
        return True

    def _hand_on(self, read: _Read, data: bytes) -> None:
        self._is_over = False
        parser = self._parser
        self._parser = cast(Any, read)
        try:
            super().data_received(data)
        finally:
            self._parser = parser

    def _give(self, target: str, codings: str, said: str | None, data: bytes) -> bool:
        """Answer with what lies ready for ``target``; False if there is nothing that this request may have.

        ``said`` is what the player says of itself in fields; what stands in the target counts before it.
        """
        lane = self._lane
        now = lane.clock()
        plain = target
        if "?" in target:
            plain, value = cut(target)
            if value is not None:
                # No parser need have read it, and a target without it may lie ready.
                if not is_clean(value) or len(target) > lane.longest_target:
                    return False
                said = value
        held: Remembered | None = None
        viewing: Viewing | None = None
        if plain.startswith("/t/"):
            end = plain.find("/", 3)
            held = lane.tokens.held(plain[3:end], now=now)
            if held is None:
                return False
            ready = lane.answers.get((plain[end:], held.limits, codings))
            if (
                ready is None
                or ready.scope is None
                or not held.grant.covers(ready.scope)
                or (now >= held.renews_at and ready.route == "manifest")
            ):
                return False
            if lane.follows_sessions:
                viewing = held.session or held.session_for(ready.scope)
                # Whoever begins, has ended or is to be offered less now is looked at by others.
                if (
                    viewing is None
                    or viewing.ended is not None
                    or (
                        ready.route == "manifest"
                        and (not viewing.admitted or viewing.cap != held.cap)
                    )
                ):
                    return False
        else:
            ready = lane.answers.get((plain, None, codings))
            if ready is None or ready.scope is not None:
                return False
        loop_now = self._loop.time()
        lent = ready.lent
        transport = self.transport
        if (
            loop_now >= ready.until
            or not lent.alive
            or (body := lent.body) is None
            or transport is None
            or transport.is_closing()
            or transport.get_write_buffer_size()
        ):
            return False
        if lent.freq < 3:
            lent.freq += 1
        if held is not None:
            lane.counts.tokens += 1
        if viewing is not None:
            viewing.asked(now, manifest=ready.rendition is None, rendition=ready.rendition or "")
            if said is not None and len(said) <= lane.most_said:
                viewing.say(said)
        if said is not None and ready.hear is not None and len(said) <= lane.most_said:
            lane.hear(ready, said)
        self._request_count += 1
        self._next_keepalive_close_time = loop_now + self._keepalive_timeout
        head = ready.head_at(now)
        if (said is not None and lane.tells_those_who_ask) or lane.tells_all:
            head = head[:-2] + self._way_through(transport).field(viewing, now=loop_now)
        if lane.is_logged():
            self._log(target, len(head) + ready.size, data, held)
        try:
            sent = os.writev(self._fd, (head, body))
        except BlockingIOError:
            sent = 0
        except OSError:
            transport.abort()
            return True
        if sent == len(head) + ready.size:
            counts = lane.counts.routes[ready.route]
            counts.requests += 1
            counts.bytes += ready.size
            if viewing is not None:
                viewing.bytes += ready.size
            return True
        self._slow = SlowAnswer(self, ready, viewing)
        self._slow.begin(transport, self._fd, head, sent)
        return True

    def has_given(self, error: BaseException | None) -> None:
        """An answer that took its time is over: go on with what came meanwhile, or let the client see that it broke."""
        self._slow = None
        if error is not None:
            # The missing bytes tell the client that the body is not whole.
            if self.transport is not None:
                self.transport.abort()
            return
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        self._let_go()

    async def drained(self) -> None:
        """Return when the kernel has taken what was written."""
        await self._drain_helper()

    def _log(
        self,
        target: str,
        wire_bytes: int,
        data: bytes,
        held: Remembered | None,
        *,
        method: str = hdrs.METH_GET,
        status: int = 200,
    ) -> None:
        logger = self.access_logger
        if not self._logging_enabled or not isinstance(logger, JsonAccessLog):
            return
        _, _, agent = data.partition(b"\r\nUser-Agent: ")
        logger.hit(
            remote=self._lane.viewer(self._peer() or "", data),
            method=method,
            target=target,
            status=status,
            wire_bytes=wire_bytes,
            session="" if held is None else held.grant.session,
            agent=agent.partition(b"\r\n")[0].decode("latin-1"),
        )

    def link(self) -> Link | None:
        """What the kernel knows of the way to the viewer; ``None`` if it ends at a proxy, or nobody knows."""
        transport = self.transport
        if self._way is None and (transport is None or transport.is_closing()):
            return None
        return self._way_through(cast(asyncio.Transport, transport)).link()

    def _way_through(self, transport: asyncio.Transport) -> Way:
        if self._way is None:
            self._way = Way(self._lane, transport, self._fd, self._peer())
        return self._way

    def _peer(self) -> str | None:
        peer = self.peername
        return str(peer[0]) if isinstance(peer, tuple) and peer else None

    # -- while an answer is on its way

    def _hold(self, data: bytes) -> None:
        self._held += data
        if len(self._held) >= _MOST_HELD_BYTES and not self._buffer_paused:
            self._pause_reading_for_buffer()

    def _let_go(self) -> None:
        """Read what the client has sent while it received an answer."""
        if self._sent is not None and not self._sent.done():
            self._sent.set_result(None)
        held, self._held = self._held, b""
        if self._buffer_paused:
            self._resume_reading_for_buffer()
        if held and self.transport is not None:
            self.data_received(held)

    def _is_sending(self) -> bool:
        return self._pump is not None or self._slow is not None

    def _process_keepalive(self) -> None:
        """Not idle while the client still receives."""
        transport = self.transport
        if self._is_sending() or (transport is not None and transport.get_write_buffer_size()):
            self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        super()._process_keepalive()

    async def shutdown(self, timeout: float | None = 15.0) -> None:
        """Let an answer that is on its way reach its client first."""
        self._close = True
        if self._is_sending():
            self._sent = self._loop.create_future()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._sent
        await super().shutdown(timeout)

    # -- for the ordinary way

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Nothing of what a client does wrong is worth a traceback: refusals are counted, cut bodies logged."""
        if not isinstance(kw.get("exc_info"), ConnectionError | HttpProcessingError):
            super().log_exception(*args, **kw)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send what is left of an answer; the hot lane need not wait until aiohttp waits for the next request."""
        finished = await super().finish_response(request, resp, start_time)
        self._is_over = (
            finished[0].keep_alive is True and not finished[1] and not request.body_exists
        )
        return finished

    async def send(
        self,
        response: web.StreamResponse,
        lent: Lent,
        *,
        start: int,
        stop: int,
        viewing: Viewing | None = None,
    ) -> None:
        """Send a part of a body from memory after ``response``'s head; ``BodyGone`` says where a rest begins.

        What the kernel takes is counted for ``viewing`` while it leaves.
        """
        transport = self.transport
        if transport is None or self._fd < 0:
            raise ConnectionResetError("The client left.")
        done: asyncio.Future[None] = self._loop.create_future()

        def finished(error: BaseException | None) -> None:
            self._pump = None
            writer = response._payload_writer
            if writer is not None:
                writer.output_size += pump.handed - start
            if done.done():
                return
            if error is None:
                done.set_result(None)
            else:
                left = isinstance(error, OSError)
                done.set_exception(ClientLeft(pump.handed) if left else error)

        pump = Pump(
            transport,
            self._fd,
            lent,
            start=start,
            stop=stop,
            finished=finished,
            viewing=viewing,
        )
        self._pump = pump
        if not transport.get_write_buffer_size():
            pump.more()
        try:
            await done
        finally:
            pump.end(None)
            self._let_go()


class _Read:
    """What the parser has read already, for aiohttp to read it again."""

    __slots__ = ("_result",)

    def __init__(self, result: Any) -> None:
        self._result = result

    def feed_data(self, _data: bytes) -> Any:
        if isinstance(self._result, HttpProcessingError):
            raise self._result
        return self._result
