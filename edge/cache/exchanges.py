"""What is being fetched, what of it is kept, and how."""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from multidict import CIMultiDict, CIMultiDictProxy

from config.settings.cache import CacheSettings
from edge import metrics
from edge.cache.bodies import KeptBody, Pieces
from edge.cache.call import Call
from edge.cache.fills import Budget, Fill, Head, Plan
from edge.cache.policy.freshness import Terms, terms_of, worth_keeping
from edge.cache.policy.negative import kept_seconds
from edge.cache.policy.partial import content_range
from edge.cache.policy.storing import storing
from edge.cache.policy.validation import names_a_version, without_conditions
from edge.cache.policy.vary import matches, variant_of
from edge.cache.ranges import Span
from edge.cache.shelf import Shelf
from edge.cache.stored import SLICE_MARK, Stored
from edge.cache.tags import tags_of
from edge.cache.tiers.purge import PART, Purge, base_of
from edge.errors import OriginChanged
from edge.origin.upstream import Question

_MAX_UNSHARED = 4096
_UNSHARED_SECONDS = 5.0


class Exchanges:
    """Fetches of one process by key; each ends by storing what it brought, or by saying why not."""

    def __init__(
        self, shelf: Shelf, settings: CacheSettings, *, clock: Callable[[], float]
    ) -> None:
        self.shelf = shelf
        self.settings = settings
        self.clock = clock
        self._fills: dict[str, Fill] = {}
        self._running: set[Fill] = set()
        self._unshared: OrderedDict[str, float] = OrderedDict()
        self._budget = Budget(settings.fill_bytes, on_change=shelf.reserve)

    def running(self, key: str) -> Fill | None:
        """The fetch under way for ``key``, if one may still join it."""
        fill = self._fills.get(key)
        return None if fill is None or fill.abandoned else fill

    def begin(
        self, call: Call, key: str | None, question: Question, plan: Callable[[Head], Plan]
    ) -> Fill:
        """Start a fetch; others find it by ``key``, nobody if that is ``None``."""

        def decide(head: Head) -> Plan:
            decided = plan(head)
            if not decided.store:
                metrics.CACHE_NOT_STORED.labels(decided.why).inc()
            if key is not None and not decided.shared:
                self._remember_unshared(key)
            return decided

        def done(fill: Fill) -> None:
            self._running.discard(fill)
            if key is not None and self._fills.get(key) is fill:
                del self._fills[key]

        fill = Fill(
            call.upstream,
            question,
            base=call.base,
            plan=decide,
            store=lambda fill, head, decided, chunks: self._store(
                call, fill, head, decided, chunks
            ),
            done=done,
            budget=self._budget,
            max_bytes=self.settings.object_bytes,
            clock=self.clock,
        )
        self._running.add(fill)
        if key is not None:
            self._fills[key] = fill
        return fill

    async def head_of(self, fill: Fill) -> Head:
        """Wait for what the origin says first; whoever stops waiting leaves the fetch."""
        fill.interest += 1
        try:
            return await asyncio.shield(fill.head)
        except BaseException:
            self.leave(fill)
            raise

    def leave(self, fill: Fill) -> None:
        """One who waited has gone."""
        fill.leave(finish_fraction=self.settings.finish_fraction)

    def is_unshared(self, key: str) -> bool:
        """Whether the last answer was for one viewer only: waiting for the next one would be in vain."""
        until = self._unshared.get(key)
        return until is not None and self.clock() < until

    def may_join(self, call: Call, fill: Fill) -> bool:
        """Whether an answer that is arriving is also one to ``call``."""
        plan = fill.plan
        if plan is None or not plan.shared or not fill.body.kept:
            return False
        variant = variant_of(fill.question.headers, fill.head.result().headers, call.profile)
        return variant is not None and matches(variant, call.question.headers)

    def plan(self, call: Call, question: Question, head: Head) -> Plan:
        """Whether an answer is kept, and whether all who wait for it may have it."""
        decided = storing(
            question.method,
            question.headers,
            head.status,
            head.headers,
            call.profile,
            target_url=call.url,
        )
        terms = self.terms(call, head.status, head, head.headers)
        store, first_bytes = decided.store, None
        why: str = decided.why
        if store and not worth_keeping(terms, head.headers):
            store, why = False, "never_fresh"
        if store and not head.framed:
            store, why = False, "unframed"
        if store and head.status == 206 and head.span is None:
            store, why = False, "partial"
        if store and (head.size or 0) > self.settings.object_bytes:
            if call.slicing and _can_be_sliced(head):
                first_bytes = self.settings.slice_bytes
            else:
                store, why = False, "too_large"
        return Plan(
            shared=store,
            store=store,
            terms=terms,
            why=why,
            first_bytes=first_bytes,
            hidden=decided.no_store_fields,
        )

    def terms(self, call: Call, status: int, head: Head, fields: CIMultiDictProxy[str]) -> Terms:
        """How long an answer may be used."""
        return terms_of(
            status,
            fields,
            requested_at=head.requested_at,
            received_at=head.received_at,
            profile=call.profile,
            default_fresh=call.default_fresh if status in (200, 203, 206) else None,
            negative_fresh=kept_seconds(status, fields, call.profile, random=random.random()),
        )

    def kept(self, call: Call, stored: Stored) -> KeptBody:
        """A stored body; what was evicted in the middle of reading is fetched again."""
        return KeptBody(self.shelf, stored, lambda *place: self._again(call, *place))

    def purge(self, purge: Purge) -> None:
        """Keep nothing of what ``purge`` names and is arriving just now: it may be what the purge is about."""
        for fill in list(self._running):
            head = fill.head.result() if fill.plan is not None else None
            tags = () if head is None else tags_of(head.headers, self.settings.tag_fields)
            is_unknown = head is None and purge.kind == "tag"
            if is_unknown or purge.covers(base_of(fill.base), tags):
                self._forget(fill)

    def drop(self, base: str, *, besides: Question) -> None:
        """Forget everything of one URL, also what is just arriving but for the answer that tells of the change."""
        for fill in list(self._running):
            if fill.base == base and fill.question is not besides:
                self._forget(fill)
        self.shelf.drop(base)

    def _forget(self, fill: Fill) -> None:
        """Those who wait for it get it; nobody joins them, and it is not kept."""
        fill.forget()
        for key in [key for key, running in self._fills.items() if running is fill]:
            del self._fills[key]

    def count(self) -> None:
        """Say in the metrics what is under way."""
        metrics.FILLS.set(len(self._running))
        metrics.FILL_BYTES.set(self._budget.used)

    def stats(self) -> dict[str, int]:
        """What is under way."""
        return {"fills": len(self._running), "fill_bytes": self._budget.used}

    async def close(self) -> None:
        """End what is being fetched."""
        tasks = [fill.task for fill in self._running]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _again(self, call: Call, stored: Stored, start: int, stop: int) -> Pieces:
        etag = stored.strong_etag
        if etag is None:
            raise OriginChanged
        offset = stored.span.start if stored.span is not None else 0
        headers = without_conditions(call.question.headers)
        headers["Range"] = f"bytes={offset + start}-{offset + stop - 1}"
        headers["If-Range"] = etag
        question = replace(call.question, method="GET", headers=headers)
        async with call.upstream.ask(question) as reply:
            part = content_range(reply.headers.get("Content-Range"))
            if (
                reply.status != 206
                or part is None
                or part.span != Span(offset + start, offset + stop)
                or reply.headers.get("ETag") != etag
            ):
                raise OriginChanged
            async for chunk in reply.chunks():
                yield chunk

    def _store(
        self, call: Call, fill: Fill, head: Head, plan: Plan, chunks: tuple[bytes, ...]
    ) -> Stored | None:
        variant = variant_of(fill.question.headers, head.headers, call.profile)
        if variant is None:
            return None
        if call.constant:
            variant = ()
        headers = CIMultiDict(head.headers)
        for name in plan.hidden:
            headers.popall(name, None)
        size = sum(map(len, chunks))
        span, complete, status = _placed(head, plan, size)
        if span is None and head.status == 206:
            headers.popall("Content-Range", None)
        stored = Stored(
            key=_key(call.base, variant, span, plan, self.settings.slice_bytes),
            base=call.base,
            status=status,
            reason="OK" if status != head.status else head.reason,
            headers=CIMultiDictProxy(headers),
            variant=variant,
            url=head.url,
            requested_at=head.requested_at,
            received_at=head.received_at,
            terms=plan.terms,
            chunks=chunks,
            size=size,
            tags=tags_of(head.headers, self.settings.tag_fields),
            span=span,
            complete=complete,
        )
        self.shelf.put(stored, on_disk=call.on_disk)
        if span is not None and (plan.as_slice or plan.first_bytes is not None):
            self.keep_meta(call, stored)
        return stored

    def keep_meta(self, call: Call, part: Stored, *, keep: bool = True) -> Stored:
        """The head of a file that is kept in slices, of which ``part`` is one; not kept if that was purged."""
        known = self.shelf.find(call.base, call.question.headers)
        if known is not None and known.sliced and known.is_same_version(part):
            return known
        headers = CIMultiDict(part.headers)
        headers.popall("Content-Range", None)
        headers.popall("Content-Length", None)
        meta = replace(
            part,
            key=call.base,
            status=200,
            reason="OK",
            headers=CIMultiDictProxy(headers),
            chunks=(b"",),
            size=0,
            span=None,
            sliced=True,
            freq=0,
        )
        if keep:
            self.shelf.put(meta, on_disk=call.on_disk)
        return meta

    def _remember_unshared(self, key: str) -> None:
        self._unshared[key] = self.clock() + _UNSHARED_SECONDS
        self._unshared.move_to_end(key)
        if len(self._unshared) > _MAX_UNSHARED:
            self._unshared.popitem(last=False)


def _can_be_sliced(head: Head) -> bool:
    takes_ranges = head.headers.get("Accept-Ranges", "bytes").strip().lower() != "none"
    return head.status == 200 and names_a_version(head.headers) and takes_ranges


def _placed(head: Head, plan: Plan, size: int) -> tuple[Span | None, int | None, int]:
    """Where a body stands in the whole file, the size of that, and the status to keep it under."""
    if plan.first_bytes is not None:
        return Span(0, size), head.size, head.status
    if head.span is None or head.status != 206:
        return None, None, head.status
    span = Span(head.span.start, head.span.start + size)
    # An origin that says more than it sends up to the end: what was sent counts.
    complete = span.stop if head.complete == head.span.stop else head.complete
    if span == Span(0, complete or -1):
        return None, None, 200
    return span, complete, head.status


def _key(base: str, variant: object, span: Span | None, plan: Plan, slice_bytes: int) -> str:
    if span is None:
        return f"{base}{PART}{variant!r}" if variant else base
    if plan.as_slice or plan.first_bytes is not None:
        return slice_key(base, span.start // slice_bytes)
    return f"{base}{PART}{span.start}-{span.stop}"


def slice_key(base: str, index: int) -> str:
    """What the tiers know one slice by."""
    return f"{base}{SLICE_MARK}{index}"
