"""Asks the servers of one origin: in time, within the budget for second tries, one after the other or side by side."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from aiohttp import ClientResponse, ClientSession, hdrs
from multidict import CIMultiDict
from prometheus_client import Counter
from yarl import URL

from edge import metrics
from edge.errors import OriginDown, OriginError, OriginTimeout
from edge.origin.breaker import State
from edge.origin.connector import FRESH, REUSED
from edge.origin.failover import Server, Servers
from edge.origin.faults import translated
from edge.origin.framing import is_framed
from edge.origin.hedging import first_head
from edge.origin.redirects import Redirects
from edge.origin.reply import HttpReply
from edge.origin.retry import Lateness, RetryBudget
from edge.origin.upstream import Question

_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS"})
_SECOND_MAY_KNOW = frozenset({500, 502, 503, 504})
_BACK_OFF_SECONDS = (0.05, 0.2)


class Limits(NamedTuple):
    """In seconds and bytes per second."""

    head: float
    held_back: float
    all_heads: float
    idle: float
    min_rate: float


class Request(NamedTuple):
    """A question as one server gets it."""

    url: str
    headers: CIMultiDict[str]


Prepare = Callable[[Server, Question], Awaitable[Request]]


class Asker:
    """What is common to every origin that is asked over HTTP."""

    def __init__(
        self,
        name: str,
        session: ClientSession,
        servers: Servers,
        *,
        limits: Limits,
        retry_ratio: float,
        hedge: bool,
        prepare: Prepare,
        redirects: Redirects,
        again: frozenset[int] = frozenset(),
    ) -> None:
        self._name = name
        self._session = session
        self._servers = servers
        self._limits = limits
        self._budget = RetryBudget(retry_ratio)
        self._lateness = Lateness()
        self._hedge = hedge
        self._prepare = prepare
        self._redirects = redirects
        self._again = again  # statuses after which the same server is asked once more
        self._loop = asyncio.get_running_loop()
        self._seconds = metrics.ORIGIN_SECONDS.labels(name)
        self._bytes = metrics.BYTES_FROM_ORIGIN.labels(name)
        self._results: dict[str, Counter] = {}

    def has_room(self, taken: int) -> bool:
        """Whether the server that would be asked is well, and has places to spare with so many more taken."""
        for server in self._servers.order(self._loop.time())[:1]:
            well = server.breaker.state(self._loop.time()) is State.CLOSED
            return well and server.places.has_room(taken)
        return False

    def tell_of_places(self, *, waiting: Callable[[], None], free: Callable[[], None]) -> None:
        """Call ``waiting`` when a question has to wait for a place, ``free`` when a place is free again."""
        for server in self._servers.all:
            server.places.on_waiting, server.places.on_free = waiting, free

    async def head(self, question: Question) -> HttpReply:
        """The first good head, or an ``OriginError``; whoever gets it must end it."""
        now = self._loop.time()
        self._budget.asked(now)
        limits = self._limits
        deadline = now + (
            limits.held_back if question.held_back else max(limits.all_heads, limits.head)
        )
        servers = self._servers.order(now)
        if not servers:
            self._count("breaker")
            raise OriginDown(result="breaker", unsent=True)
        delay = self._lateness.delay if self._hedge else None
        if delay is None or question.method != hdrs.METH_GET or question.held_back:
            return await self._in_order(servers, question, deadline)
        return await first_head(
            partial(self._in_order, servers, question, deadline),
            partial(self._in_order, [*servers[1:], servers[0]], question, deadline),
            delay=delay,
            allowed=partial(self._may_repeat, "hedge"),
        )

    async def _in_order(
        self, servers: list[Server], question: Question, deadline: float
    ) -> HttpReply:
        can_repeat = question.method in _IDEMPOTENT and question.body is None
        for position, server in enumerate(servers):
            last = position == len(servers) - 1
            try:
                reply = await self._attempt(server, question, deadline)
            except OriginError as error:
                if last or self._loop.time() >= deadline:
                    raise
                # What the origin has not seen costs it nothing to be asked elsewhere.
                if not error.unsent and not (can_repeat and self._may_repeat(error.result)):
                    raise
                if error.unsent:
                    metrics.RETRIES.labels(self._name, error.result).inc()
                continue
            if not can_repeat or reply.status not in _SECOND_MAY_KNOW:
                return reply
            if last or not self._may_repeat("5xx"):
                return await self._once_more(server, question, deadline, reply)
            reply.end()
        raise OriginTimeout(result="first_byte_timeout")

    async def _once_more(
        self, server: Server, question: Question, deadline: float, reply: HttpReply
    ) -> HttpReply:
        """What a server says that asked for patience, after a little of it; what it said already if it may not."""
        if reply.status not in self._again or not self._may_repeat("slow_down"):
            return reply
        reply.end()
        await asyncio.sleep(random.uniform(*_BACK_OFF_SECONDS))
        return await self._attempt(server, question, deadline)

    async def _attempt(self, server: Server, question: Question, deadline: float) -> HttpReply:
        """One server's answer; a used connection that turns out to be closed is one no more than once."""
        started = self._loop.time()
        if not server.breaker.allows(started):
            self._count("breaker")
            raise OriginDown(result="breaker", unsent=True)
        taken = False
        try:
            await server.places.take(within=deadline - started)
            taken = True
            seconds = deadline - self._loop.time()
            if not question.held_back:
                seconds = min(seconds, self._limits.head)
            answer = await self._answer(server, question, seconds)
        except OriginError as error:
            if taken:
                server.places.give()
            if question.body is not None and question.body.fault is not None:
                server.breaker.abandoned()  # the viewer failed, not the origin
                raise question.body.fault from error
            self._count(error.result)
            server.failed(error, self._loop.time())
            raise
        except BaseException:
            if taken:
                server.places.give()
            server.breaker.abandoned()
            raise
        now = self._loop.time()
        server.answered(answer.status, now)
        self._lateness.took(now - started)
        self._seconds.observe(now - started)
        return self._reply(server, answer)

    def _reply(self, server: Server, answer: ClientResponse) -> HttpReply:
        def ended(reply: HttpReply) -> None:
            server.places.give()
            self._bytes.inc(reply.bytes)
            if reply.fault is not None:
                server.failed(reply.fault, self._loop.time())
                self._count(reply.fault.result)
            else:
                self._count(_result_of(reply.status))

        reply = HttpReply(
            answer,
            framed=False,
            idle_seconds=self._limits.idle,
            min_rate=self._limits.min_rate,
            ended=ended,
        )
        try:
            reply.framed = is_framed(answer)
        except OriginError as error:
            reply.fault = error
            reply.end()
            raise
        return reply

    async def _answer(self, server: Server, question: Question, seconds: float) -> ClientResponse:
        repeatable = question.method in _IDEMPOTENT and question.body is None
        # What must not be sent twice is not sent where its fate may stay unknown: on a used connection.
        FRESH.set(not repeatable)
        try:
            async with asyncio.timeout(seconds) as deadline:
                if question.body is not None:
                    # The origin's time begins when it has everything; until then the body has limits of its own.
                    deadline.reschedule(None)
                    question.body.on_end = lambda: deadline.reschedule(self._loop.time() + seconds)
                try:
                    with translated():
                        return await self._sent(server, question)
                except OriginError as error:
                    given_up = REUSED.get() and error.result == "reset" and not error.unsent
                    if not (repeatable and given_up and self._may_repeat("stale")):
                        raise
                    self._count(error.result)
                FRESH.set(True)
                with translated():
                    return await self._sent(server, question)
        except TimeoutError as error:
            raise OriginTimeout(result="first_byte_timeout") from error

    async def _sent(self, server: Server, question: Question) -> ClientResponse:
        """The head of an answer, after the redirects that may be followed."""
        request = await self._prepare(server, question)
        url, headers = request
        left = self._redirects.most if question.method in ("GET", "HEAD") else 0
        while True:
            REUSED.set(False)
            answer = await self._session.request(
                question.method,
                URL(url, encoded=True),
                headers=headers,
                data=question.body,
                allow_redirects=False,
            )
            if not left or not self._redirects.asks_for_one(answer):
                return answer
            left -= 1
            try:
                url, headers = self._redirects.followed(url, answer, headers)
            finally:
                answer.close()

    def _may_repeat(self, reason: str) -> bool:
        if not self._budget.take(self._loop.time()):
            return False
        metrics.RETRIES.labels(self._name, reason).inc()
        return True

    def _count(self, result: str) -> None:
        counter = self._results.get(result)
        if counter is None:
            counter = self._results[result] = metrics.ORIGIN_REQUESTS.labels(self._name, result)
        counter.inc()


def _result_of(status: int) -> str:
    if status < 400:
        return "ok"
    return "4xx" if status < 500 else "5xx"
