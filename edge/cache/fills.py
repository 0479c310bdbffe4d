"""One exchange with an upstream, shared by everybody who wants its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from multidict import CIMultiDict, CIMultiDictProxy

from edge import metrics
from edge.cache.arriving import Arriving
from edge.cache.policy.dates import http_date
from edge.cache.policy.forwarding import kept
from edge.cache.policy.freshness import Terms
from edge.cache.policy.partial import content_range
from edge.cache.policy.validation import strong_etag
from edge.cache.ranges import Span
from edge.cache.stored import Stored
from edge.errors import EdgeError, OriginChanged, OriginFailed, OriginTimeout
from edge.origin.upstream import Question, Reply, Upstream

_MOST_RESUMPTIONS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What an upstream said before its body."""

    status: int
    reason: str
    headers: CIMultiDictProxy[str]  # end-to-end fields only
    url: str
    requested_at: float
    received_at: float
    size: int | None  # bytes of the body; None if only its end tells
    span: Span | None  # of a 206, its place in the whole
    complete: int | None
    framed: bool

    @property
    def is_error(self) -> bool:
        """Whether a stale answer would be better (RFC 5861 section 4)."""
        return self.status in (500, 502, 503, 504)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to become of an answer, decided when its head is there."""

    shared: bool  # whether others may have it too
    store: bool
    terms: Terms
    why: str
    first_bytes: int | None = None  # keep only so much and end: the rest comes as slices
    hidden: frozenset[str] = frozenset()  # fields that are not kept
    as_slice: bool = False


class Budget:
    """How many bytes of arriving bodies one process holds."""

    def __init__(self, max_bytes: int, *, on_change: Callable[[int], None]) -> None:
        self._max_bytes = max_bytes
        self._on_change = on_change
        self.used = 0

    def has_room(self, count: int) -> bool:
        """Whether so many more may be held."""
        return self.used + count <= self._max_bytes

    def take(self, count: int) -> bool:
        """Count so many more; False if that is too many."""
        self.used += count
        self._on_change(self.used)
        return self.used <= self._max_bytes

    def give(self, count: int) -> None:
        """So many are held no longer."""
        self.used -= count
        self._on_change(self.used)


class Fill:
    """Runs in a task of its own, so that whoever asked first may leave."""

    def __init__(
        self,
        upstream: Upstream,
        question: Question,
        *,
        base: str,
        plan: Callable[[Head], Plan],
        store: Callable[[Fill, Head, Plan, tuple[bytes, ...]], Stored | None],
        done: Callable[[Fill], None],
        budget: Budget,
        max_bytes: int,
        clock: Callable[[], float],
    ) -> None:
        self.question = question
        self.base = base
        self.head: asyncio.Future[Head] = asyncio.get_running_loop().create_future()
        self.body = Arriving(kept=True)
        self.plan: Plan | None = None
        self.interest = 0  # requests that wait for this
        self.abandoned = False  # it is ending: nobody may join any more
        self.stored: Stored | None = None
        self.about: str | None = None  # the key of what it validates
        self._upstream = upstream
        self._decide = plan
        self._store = store
        self._done = done
        self._budget = budget
        self._max_bytes = max_bytes
        self._clock = clock
        self._held = 0
        self.forgotten = False  # purged or changed since it was asked
        self._task = asyncio.create_task(self._run(), name=f"fill {question.path[:80]}")

    @property
    def task(self) -> asyncio.Task[None]:
        return self._task

    def forget(self) -> None:
        """Serve those who wait, and keep nothing."""
        self.forgotten = True

    def leave(self, *, finish_fraction: float) -> None:
        """One who waited has gone; a fill that nobody wants ends, unless most of it is there."""
        self.interest -= 1
        if self.interest > 0 or self._task.done():
            return
        plan = self.plan
        if plan is not None and plan.store and self.body.kept:
            size = self.head.result().size
            if size is None or self.body.length >= finish_fraction * size:
                return
        metrics.FILLS_ABANDONED.inc()
        self.abandoned = True
        self._task.cancel()

    async def _run(self) -> None:
        try:
            await self._exchange()
        except EdgeError as error:
            self._fail(error)
        finally:
            if not self.body.complete:
                # Cancelled, or a fault of ours, which the event loop's log will show: nobody waits in vain.
                self._fail(OriginFailed("The fetch ended before its time."))
            self._budget.give(self._held)
            self._held = 0
            self._done(self)

    def _fail(self, error: Exception) -> None:
        if self.body.error is not None:
            return
        if not self.head.done():
            self.head.set_exception(error)
            self.head.exception()  # seen, even if nobody waits any more
        self.body.fail(error)

    async def _exchange(self) -> None:
        requested_at = self._clock()
        question = self.question
        resumptions = 0
        while True:
            try:
                async with self._upstream.ask(question) as reply:
                    if not self.head.done():
                        self._begin(reply, requested_at)
                    else:
                        self._check_resumed(reply)
                    await self._take(reply)
                self._end()
                return
            except (OriginFailed, OriginTimeout):
                resumptions += 1
                rest = self._rest()
                if rest is None or resumptions > _MOST_RESUMPTIONS:
                    raise
                metrics.FILLS_RESUMED.inc()
                question = rest

    def _begin(self, reply: Reply, requested_at: float) -> None:
        span, complete = None, None
        if reply.status == 206:
            part = content_range(reply.headers.get("Content-Range"))
            if part is not None:
                span, complete = part.span, part.size
        length = reply.headers.get("Content-Length")
        fields = kept(reply.headers)
        # What siblings tell one another, no origin may say.
        for name in [name for name in fields if name.lower().startswith("kawa-")]:
            fields.popall(name, None)
        # RFC 9110 section 6.6.1: whoever passes on an answer without a date gives it one.
        if "Date" not in fields:
            fields["Date"] = http_date(self._clock())
        head = Head(
            status=reply.status,
            reason=reply.reason,
            headers=CIMultiDictProxy(fields),
            url=reply.url,
            requested_at=requested_at,
            received_at=self._clock(),
            size=int(length) if length is not None and length.isdigit() else None,
            span=span,
            complete=complete,
            framed=reply.framed,
        )
        plan = self._decide(head)
        if plan.store and plan.first_bytes is None and not self._budget.has_room(head.size or 0):
            # No room for all who want to be remembered now: this one passes by.
            plan = replace(plan, store=False, why="no_room")
        self.plan = plan
        if not plan.store:
            self.body.unkeep()
        self.head.set_result(head)

    async def _take(self, reply: Reply) -> None:
        plan = self.plan
        assert plan is not None  # noqa: S101 - set when the head came
        if reply.status in (204, 304) or self.question.method == "HEAD":
            return
        async for chunk in reply.chunks():
            if plan.first_bytes is not None and self.body.length + len(chunk) >= plan.first_bytes:
                self.body.feed(chunk[: plan.first_bytes - self.body.length])
                return
            first = self.body.length == 0
            self.body.feed(chunk)
            if first:
                await asyncio.sleep(0)  # whoever waits for the first byte goes first
            if self.body.kept:
                self._held += len(chunk)
                if not self._budget.take(len(chunk)) or self.body.length > self._max_bytes:
                    self._give_up_keeping()
            elif self.interest > 0:
                await self.body.room()
            else:
                raise OriginFailed("Nobody waits for this, and it is not kept.")

    def _give_up_keeping(self) -> None:
        self.body.unkeep()
        self._budget.give(self._held)
        self._held = 0

    def _end(self) -> None:
        head, plan = self.head.result(), self.plan
        if (
            head.size is not None
            and plan is not None
            and plan.first_bytes is None
            and self.question.method != "HEAD"
            and head.status not in (204, 304)
            and self.body.length != head.size
        ):
            raise OriginFailed("The origin's body does not have the length that it announced.")
        if plan is not None and plan.store and self.body.kept and not self.forgotten:
            self.stored = self._store(self, head, plan, self.body.chunks())
        self.body.finish()
        if self.stored is not None:
            self.body.release()

    def _rest(self) -> Question | None:
        """How to ask for what is missing of a broken body; ``None`` if it cannot be had safely."""
        if not self.head.done() or self.head.exception() is not None or self.body.length == 0:
            return None
        head = self.head.result()
        etag = strong_etag(head.headers)
        if head.status not in (200, 206) or etag is None or head.size is None:
            return None
        if self.question.method != "GET" or (head.status == 206 and head.span is None):
            return None
        start = (head.span.start if head.span else 0) + self.body.length
        stop = (head.span.start if head.span else 0) + head.size
        headers = CIMultiDict(self.question.headers)
        headers["Range"] = f"bytes={start}-{stop - 1}"
        headers["If-Range"] = etag
        return replace(self.question, headers=headers)

    def _check_resumed(self, reply: Reply) -> None:
        head = self.head.result()
        start = (head.span.start if head.span else 0) + self.body.length
        part = content_range(reply.headers.get("Content-Range"))
        if (
            reply.status != 206
            or part is None
            or part.span.start != start
            or reply.headers.get("ETag") != head.headers.get("ETag")
        ):
            # Another version: the two must never stand in one body.
            raise OriginChanged
