"""Parts of files: large ones kept in slices, and ranges that an origin was asked for as they were."""

from __future__ import annotations

from dataclasses import replace

from multidict import CIMultiDict

from edge.cache.bodies import ArrivingBody, Body, SlicedBody
from edge.cache.call import Call
from edge.cache.exchanges import Exchanges, slice_key
from edge.cache.fills import Fill, Head, Plan
from edge.cache.policy.validation import names_a_version, without_conditions
from edge.cache.ranges import Span
from edge.cache.stored import Stored
from edge.errors import OriginChanged
from edge.origin.upstream import Question

_MOST_LOOKED_FOR = 64


class Slices:
    """Finds and fetches slices."""

    def __init__(self, exchanges: Exchanges) -> None:
        self._exchanges = exchanges
        self._size = exchanges.settings.slice_bytes

    def index_of(self, place: int) -> int:
        """The slice that the byte at ``place`` is in."""
        return place // self._size

    async def body(self, call: Call, meta: Stored, place: int) -> Body:
        """A body that is read from ``place`` on; ``OriginChanged`` if the file is another one by now."""
        index = self.index_of(place)
        first = await self.slice(call, meta, index)
        return self.joined(call, meta, (index, first))

    def joined(self, call: Call, meta: Stored, first: tuple[int, Body] | None) -> Body:
        """The whole file, of which one slice may be at hand."""

        async def slice_of(index: int) -> Body:
            return await self.slice(call, meta, index)

        return SlicedBody(meta, slice_bytes=self._size, slice_of=slice_of, first=first)

    def has(self, call: Call, span: Span) -> bool:
        """Whether all slices with these bytes are kept or under way; nothing is used."""
        indices = range(self.index_of(span.start), self.index_of(span.stop - 1) + 1)
        return len(indices) <= _MOST_LOOKED_FOR and all(
            self._exchanges.running(key) is not None or self._exchanges.shelf.holds(key)
            for key in (slice_key(call.base, index) for index in indices)
        )

    async def slice(self, call: Call, meta: Stored, index: int) -> Body:
        """One slice of the version that ``meta`` describes, kept or fetched."""
        key = slice_key(call.base, index)
        shelf = self._exchanges.shelf
        stored = shelf.slice_in_memory(key)
        if stored is None and call.on_disk:
            stored = await shelf.find_on_disk(key)
        if stored is not None and stored.is_same_version(meta) and stored.alive:
            return self._exchanges.kept(call, stored)
        fill = self._exchanges.running(key)
        if fill is None:
            fill = self._fetch(call, meta, index, key)
        await self._exchanges.head_of(fill)
        return self._arriving(call, fill)

    def first_fill(self, call: Call, index: int) -> tuple[Fill, bool]:
        """Ask for one slice of a file that is not known yet; whether it was asked for here."""
        key = slice_key(call.base, index)
        running = self._exchanges.running(key)
        if running is not None:
            return running, False
        question = self._question(call, index)
        whole = replace(call, slicing=False)  # a 200 to a range: this origin knows no ranges

        def plan(head: Head) -> Plan:
            decided = self._exchanges.plan(whole, question, head)
            if head.status != 206 or not decided.store:
                return decided
            if not self._is_slice(head, index) or not names_a_version(head.headers):
                return replace(decided, store=False, shared=False, why="partial")
            return replace(decided, as_slice=True)

        return self._exchanges.begin(call, key, question, plan), True

    def _fetch(self, call: Call, meta: Stored, index: int, key: str) -> Fill:
        question = self._question(call, index)
        validator = meta.strong_etag or meta.headers.get("Last-Modified")
        if validator is not None:
            question.headers["If-Range"] = validator

        def plan(head: Head) -> Plan:
            if (
                head.status != 206
                or not self._is_slice(head, index)
                or head.complete != meta.complete
                or not _is_same(head, meta)
            ):
                # Another version: nothing of the old one may be used any more.
                if head.status in (200, 206, 404, 410, 416):
                    self._exchanges.drop(call.base, besides=question)
                raise OriginChanged
            return Plan(shared=True, store=True, terms=meta.terms, why="", as_slice=True)

        return self._exchanges.begin(call, key, question, plan)

    def _question(self, call: Call, index: int) -> Question:
        headers: CIMultiDict[str] = without_conditions(call.question.headers)
        start = index * self._size
        headers["Range"] = f"bytes={start}-{start + self._size - 1}"
        return replace(call.question, method="GET", headers=headers)

    def _is_slice(self, head: Head, index: int) -> bool:
        span, complete = head.span, head.complete
        start = index * self._size
        return (
            span is not None
            and complete is not None
            and span == Span(start, min(start + self._size, complete))
            and head.size in (None, span.size)
        )

    def _arriving(self, call: Call, fill: Fill) -> ArrivingBody:
        return ArrivingBody(
            fill,
            lambda stored: self._exchanges.kept(call, stored),
            finish_fraction=self._exchanges.settings.finish_fraction,
        )


def _is_same(head: Head, meta: Stored) -> bool:
    """Whether a part is of that version: by its tag and its date, which it may leave out (RFC 9110 section 15.3.7)."""
    if head.headers.get("ETag") != meta.headers.get("ETag"):
        return False
    modified = head.headers.get("Last-Modified")
    return meta.strong_etag is not None or modified in (None, meta.headers.get("Last-Modified"))
