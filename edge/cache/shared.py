"""The shared cache: what may be answered from what is kept, and what must be asked (RFC 9111)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from multidict import CIMultiDict, CIMultiDictProxy

from config.settings.cache import CacheSettings
from edge import metrics
from edge.cache.bodies import ArrivingBody, Body
from edge.cache.call import Call, Found
from edge.cache.exchanges import Exchanges
from edge.cache.fills import Fill, Head, Plan
from edge.cache.policy.directives import (
    NO_REQUEST_DIRECTIVES,
    RequestDirectives,
    request_directives,
)
from edge.cache.policy.freshness import Terms, age
from edge.cache.policy.invalidation import invalidated
from edge.cache.policy.reuse import Verdict, judge, on_error
from edge.cache.policy.status import Forwarded, cache_status
from edge.cache.policy.update import freshened, may_freshen
from edge.cache.policy.validation import conditions_for, is_for_origin, without_conditions
from edge.cache.ranges import NotSatisfiable, Span, first_place, resolve
from edge.cache.shelf import Shelf
from edge.cache.slices import Slices
from edge.cache.stored import Stored
from edge.cache.tiers.purge import Purge
from edge.errors import NotCached, OriginChanged, OriginError, OriginFailed
from edge.origin.upstream import Question

_NOT_MODIFIED, _STALE = "not_modified", "origin_error"


class SharedCache:
    """Answers requests of one process."""

    def __init__(
        self, shelf: Shelf, settings: CacheSettings, *, clock: Callable[[], float], name: str
    ) -> None:
        self._shelf = shelf
        self._settings = settings
        self._clock = clock
        self._name = name
        self._exchanges = Exchanges(shelf, settings, clock=clock)
        self._slices = Slices(self._exchanges)

    async def find(self, call: Call) -> Found:
        """An answer for ``call``, kept or asked for; an ``EdgeError`` if there is none."""
        found = await self.ahead(call)
        metrics.CACHE_ANSWERS.labels(found.result).inc()
        return found

    async def ahead(self, call: Call) -> Found:
        """The same for nobody yet, and so not counted among the answers."""
        try:
            return await self._find(call)
        except OriginChanged:
            # What was kept of the old version is gone by now; no byte of it has been sent.
            return await self._find(call)

    def has(self, call: Call, span: Span | None) -> bool:
        """Whether what ``call`` asks for, these bytes or the whole, is kept or under way; nothing is used.

        What was refused counts for as long as the refusal would be answered with.
        """
        if self._exchanges.running(call.base) is not None:
            return True
        stored = self._shelf.peek(call.base, call.question.headers)
        if stored is not None and stored.status >= 400:
            terms = NO_REQUEST_DIRECTIVES, stored.terms, self._age(stored), call.profile
            return judge(*terms) is Verdict.FRESH
        if span is not None and (stored is None or stored.sliced):
            return self._slices.has(call, span) or (
                stored is None and call.on_disk and self._shelf.holds(call.base)
            )
        return stored is not None or (call.on_disk and self._shelf.holds(call.base))

    def purge(self, purge: Purge) -> int:
        """Forget what ``purge`` names; how many stored responses that were."""
        self._exchanges.purge(purge)
        return self._shelf.purge(purge)

    def count(self) -> None:
        """Say in the metrics what is kept."""
        self._shelf.count()
        self._exchanges.count()

    def stats(self) -> dict[str, int]:
        """What is kept and what is under way."""
        return self._shelf.stats() | self._exchanges.stats()

    async def close(self) -> None:
        """End what is being fetched."""
        await self._exchanges.close()

    async def _find(self, call: Call) -> Found:
        question = call.question
        if question.method not in ("GET", "HEAD"):
            return await self._unsafe(call)
        wants = NO_REQUEST_DIRECTIVES
        if call.profile.obey_request_directives and is_for_origin(question.headers):
            return await self._alone(call, "request", conditional=True)
        if call.profile.obey_request_directives:
            wants = request_directives(question.headers)
        stored = self._shelf.find(call.base, question.headers)
        if stored is None and call.on_disk:
            stored = await self._shelf.find_on_disk(call.base)
        if stored is not None:
            return await self._from_stored(call, stored, wants)
        range_ = question.headers.get("Range") if question.method == "GET" else None
        part = None if range_ is None else self._kept_part(call, range_, wants)
        if part is not None:
            return part
        if wants.only_if_cached:
            raise NotCached
        if question.method == "HEAD":
            return await self._alone(call, "method")
        if wants.no_store:
            return await self._alone(call, "request")
        if range_ is not None and self._exchanges.running(call.base) is None:
            place = first_place(range_)
            if not call.slicing:
                return await self._fetched(call, f"{call.base}\n{range_}", ranged=True)
            if place is not None:
                return await self._first_slice(call, place)
        return await self._fetched(call, call.base, ranged=False)

    # From what is kept.

    async def _from_stored(self, call: Call, stored: Stored, wants: RequestDirectives) -> Found:
        now = self._clock()
        verdict = judge(wants, stored.terms, self._age(stored), call.profile)
        if stored.purged:
            verdict = Verdict.VALIDATE
        if verdict is Verdict.VALIDATE and now < stored.hold_off and self._on_error(call, stored):
            return await self._kept(call, stored, "stale", why="error")
        match verdict:
            case Verdict.FRESH:
                return await self._kept(call, stored, "hit")
            case Verdict.STALE_ALLOWED:
                return await self._kept(call, stored, "stale", why="allowed")
            case Verdict.WHILE_REVALIDATING:
                self._validate(call, stored)
                return await self._kept(call, stored, "stale", why="revalidating")
        if wants.only_if_cached:
            raise NotCached
        return await self._validated(call, stored, wants)

    async def _kept(
        self,
        call: Call,
        stored: Stored,
        result: str,
        *,
        why: str = "",
        asked: bool = False,
        status: int | None = None,
    ) -> Found:
        """An answer from what is kept; ``asked``: the origin was asked first, and said ``status`` if anything."""
        if why:
            metrics.CACHE_STALE.labels(why).inc()
        body: Body = self._exchanges.kept(call, stored)
        if stored.sliced and call.question.method == "GET":
            body = await self._slices.body(call, stored, self._first_byte(call, stored))
        elif stored.sliced:
            body = self._slices.joined(call, stored, None)
        return Found(
            status=stored.status,
            reason=stored.reason,
            headers=stored.headers,
            url=stored.url,
            body=body,
            result=result,
            cache_status=cache_status(
                hit=not asked,
                fwd="stale" if asked else None,
                fwd_status=status,
                detail=why or None,
                name=self._name,
            ),
            age=int(self._age(stored)),
            stored=None if stored.sliced else stored,
        )

    def _first_byte(self, call: Call, meta: Stored) -> int:
        """Where reading will start; a range that cannot be had starts nowhere, so anywhere does."""
        size = meta.complete or 0
        try:
            span = resolve(call.question.headers.get("Range"), size=size)
        except ValueError:
            span = None
        return 0 if span is None else min(span.start, max(0, size - 1))

    def _kept_part(self, call: Call, range_: str, wants: RequestDirectives) -> Found | None:
        """A part that came as the answer to another range and holds this one (RFC 9111 section 3.3)."""
        for part in reversed(self._shelf.parts(call.base)):
            if part.span is None or part.complete is None:
                continue
            try:
                span = resolve(range_, size=part.complete)
            except ValueError:
                continue
            if span is None or span.start < part.span.start or span.stop > part.span.stop:
                continue
            if judge(wants, part.terms, self._age(part), call.profile) is Verdict.FRESH:
                return Found(
                    status=206,
                    reason="Partial Content",
                    headers=part.headers,
                    url=part.url,
                    body=self._exchanges.kept(call, part),
                    result="hit",
                    cache_status=cache_status(hit=True, name=self._name),
                    age=int(self._age(part)),
                    span=part.span,
                    complete=part.complete,
                )
        return None

    # Validation.

    async def _validated(self, call: Call, stored: Stored, wants: RequestDirectives) -> Found:
        fill, first = self._validate(call, stored)
        try:
            await self._exchanges.head_of(fill)
        except OriginChanged:
            raise  # the origin has answered: what is kept is not what it has
        except OriginError:
            if self._on_error(call, stored, wants):
                self._hold_off(stored)
                return await self._kept(call, stored, "stale", why="error", asked=True)
            raise
        plan = fill.plan
        # Of another variant it would say nothing.
        is_about = fill.about == stored.key
        if plan is not None and is_about and plan.why in (_NOT_MODIFIED, _STALE):
            self._exchanges.leave(fill)
            status = fill.head.result().status
            if plan.why == _STALE:
                return await self._kept(
                    call, stored, "stale", why="error", asked=True, status=status
                )
            return await self._kept(call, stored, "revalidated", asked=True, status=status)
        if not first and not self._exchanges.may_join(call, fill):
            self._exchanges.leave(fill)
            return await self._alone(call, "stale")
        return self._joined(call, fill, first=first, fwd="stale")

    def _validate(self, call: Call, stored: Stored) -> tuple[Fill, bool]:
        """The exchange that finds out whether ``stored`` is still the newest; whether it was begun here."""
        running = self._exchanges.running(call.base)
        if running is not None:
            return running, False
        headers = without_conditions(call.question.headers)
        headers.popall("Range", None)
        headers.update(conditions_for(stored.headers))
        question = replace(call.question, method="GET", headers=headers, body=None)

        def plan(head: Head) -> Plan:
            if head.status == 304:
                if not may_freshen(stored.headers, head.headers):
                    self._exchanges.drop(stored.base, besides=question)
                    raise OriginChanged  # it speaks of another version: ask again, for the whole
                if not fill.forgotten:
                    self._freshen(call, stored, head)
                elif stored.chunks is None and not self._shelf.holds(stored.key):
                    raise OriginChanged  # nothing is left of it
                return Plan(shared=True, store=False, terms=stored.terms, why=_NOT_MODIFIED)
            if head.is_error and self._on_error(call, stored):
                self._hold_off(stored)
                return Plan(shared=True, store=False, terms=stored.terms, why=_STALE)
            decided = self._exchanges.plan(call, question, head)
            if decided.store and not fill.forgotten:
                # With all slices and variants of the old version.
                self._exchanges.drop(stored.base, besides=question)
            return decided

        fill = self._exchanges.begin(call, call.base, question, plan)
        fill.about = stored.key
        return fill, True

    def _freshen(self, call: Call, stored: Stored, head: Head) -> None:
        fields = CIMultiDictProxy(freshened(stored.headers, head.headers, profile=call.profile))
        stored.headers = fields
        stored.requested_at, stored.received_at = head.requested_at, head.received_at
        stored.terms = self._exchanges.terms(call, stored.status, head, fields)
        self._shelf.freshened(stored, on_disk=call.on_disk)

    def _on_error(
        self, call: Call, stored: Stored, wants: RequestDirectives = NO_REQUEST_DIRECTIVES
    ) -> bool:
        return on_error(wants, stored.terms, self._age(stored), call.profile)

    def _hold_off(self, stored: Stored) -> None:
        """Leave a failing origin alone for a moment; what is stale serves meanwhile."""
        seconds = self._settings.negative.total_seconds()
        stored.hold_off = self._clock() + seconds * random.uniform(0.5, 1.0)

    # Fetching.

    async def _fetched(self, call: Call, key: str, *, ranged: bool) -> Found:
        """A fetch that others may join, or have begun."""
        if self._exchanges.is_unshared(key):
            return await self._alone(call, "bypass")
        fill = self._exchanges.running(key)
        first = fill is None
        if fill is None:
            question = self._asking(call, ranged=ranged)
            fill = self._exchanges.begin(
                call, key, question, lambda head: self._exchanges.plan(call, question, head)
            )
        await self._exchanges.head_of(fill)
        if not first and not self._exchanges.may_join(call, fill):
            self._exchanges.leave(fill)
            return await self._alone(call, "vary-miss")
        return self._joined(call, fill, first=first, fwd="uri-miss")

    async def _first_slice(self, call: Call, place: int) -> Found:
        """A range of a file that is not known: one whole slice, and with it the size of the file."""
        index = self._slices.index_of(place)
        fill, first = self._slices.first_fill(call, index)
        head = await self._exchanges.head_of(fill)
        plan = fill.plan
        joins = first or self._exchanges.may_join(call, fill)
        if not joins or plan is None or (head.status == 206 and not plan.store):
            self._exchanges.leave(fill)
            return await self._alone(call, "bypass")
        found = self._joined(call, fill, first=first, fwd="uri-miss")
        if head.status != 206 or head.complete is None:
            return found
        if head.span == Span(0, head.complete):
            headers = CIMultiDict(head.headers)
            headers.popall("Content-Range", None)
            fields = CIMultiDictProxy(headers)
            return replace(found, status=200, reason="OK", headers=fields, span=None)
        return self._in_slices(call, fill, plan, found, index=index, complete=head.complete)

    async def _alone(self, call: Call, fwd: Forwarded, *, conditional: bool = False) -> Found:
        """An exchange for this request only, with its conditions if only the origin can judge them."""
        question = call.question
        if question.method == "GET" and not conditional:
            question = self._asking(call, ranged=True)

        def plan(head: Head) -> Plan:
            if call.constant:
                _check_part(question, head)
            return self._exchanges.plan(call, question, head)

        return await self._exchanged(call, question, plan, fwd)

    async def _unsafe(self, call: Call) -> Found:
        """Pass on what may change something, and forget what it may have changed (RFC 9111 section 4.4)."""
        root = call.url[: len(call.url) - len(call.question.target)]

        def plan(head: Head) -> Plan:
            for url in invalidated(call.question.method, head.status, call.url, head.headers):
                if url.startswith(root):
                    base = f"{call.store}/{url[len(root) :]}"
                    self._exchanges.drop(base, besides=call.question)
            return self._exchanges.plan(call, call.question, head)

        return await self._exchanged(call, call.question, plan, "method")

    async def _exchanged(
        self, call: Call, question: Question, plan: Callable[[Head], Plan], fwd: Forwarded
    ) -> Found:
        fill = self._exchanges.begin(call, None, question, plan)
        await self._exchanges.head_of(fill)
        return self._joined(call, fill, first=True, fwd=fwd)

    def _joined(self, call: Call, fill: Fill, *, first: bool, fwd: Forwarded) -> Found:
        head, plan, stored = fill.head.result(), fill.plan, fill.stored
        assert plan is not None  # noqa: S101 - set with the head
        stores = plan.store and (stored is not None or fill.body.kept)
        found = Found(
            status=head.status,
            reason=head.reason,
            headers=head.headers,
            url=head.url,
            framed=head.framed,
            body=ArrivingBody(
                fill,
                lambda kept: self._exchanges.kept(call, kept),
                finish_fraction=self._settings.finish_fraction,
            ),
            result=("miss" if stores else "bypass") if first else "collapsed",
            cache_status=cache_status(
                hit=False,
                fwd=fwd,
                fwd_status=head.status,
                stored=stores,
                collapsed=not first,
                name=self._name,
            ),
            age=_age_on_arrival(plan.terms, head),
            span=head.span,
            complete=head.complete,
        )
        if plan.first_bytes is not None and head.size is not None:
            return self._in_slices(call, fill, plan, found, index=0, complete=head.size)
        return found

    def _in_slices(
        self, call: Call, fill: Fill, plan: Plan, found: Found, *, index: int, complete: int
    ) -> Found:
        """A large file of which ``found`` is one slice that is arriving."""
        head = fill.head.result()
        headers = CIMultiDict(head.headers)
        headers.popall("Content-Range", None)
        part = Stored(
            key="",
            base=call.base,
            status=200,
            reason="OK",
            headers=CIMultiDictProxy(headers),
            url=head.url,
            variant=(),
            requested_at=head.requested_at,
            received_at=head.received_at,
            terms=plan.terms,
            chunks=(b"",),
            size=0,
            complete=complete,
        )
        meta = self._exchanges.keep_meta(call, part, keep=not fill.forgotten)
        return replace(
            found,
            status=200,
            reason="OK",
            headers=CIMultiDictProxy(headers),
            span=None,
            body=self._slices.joined(call, meta, (index, found.body)),
        )

    def _asking(self, call: Call, *, ranged: bool) -> Question:
        """The viewer's question without its conditions, as a rule for the whole file."""
        headers = without_conditions(call.question.headers)
        headers.popall("Range", None)
        if ranged:
            for name in ("Range", "If-Range"):
                if name in call.question.headers:
                    headers[name] = call.question.headers[name]
        return replace(call.question, headers=headers)

    def _age(self, stored: Stored) -> float:
        return age(stored.terms, stored.received_at, self._clock())


def _age_on_arrival(terms: Terms, head: Head) -> int | None:
    """What an answer that has just come says of its age: nothing, unless another cache had it."""
    if "Age" in head.headers or terms.received_age >= 1:
        return int(terms.received_age)
    return None


def _check_part(question: Question, head: Head) -> None:
    """Raise ``OriginFailed`` for a part that was not asked for: passed on, it would be taken for the one that was."""
    if head.status != 206:
        return
    place = first_place(question.headers.get("Range", ""))
    if head.span is None or place is None:
        raise OriginFailed("The origin's part of the file is not one that was asked for.")
    try:
        asked = resolve(question.headers["Range"], size=head.complete or head.span.stop)
    except NotSatisfiable:
        asked = None
    if asked != head.span or head.size not in (None, head.span.size):
        raise OriginFailed("The origin's part of the file is not the one that was asked for.")
