"""Manifests as origins sent them, fetched once for all viewers, with every form made of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from edge import metrics
from edge.cache.single_flight import SingleFlight
from edge.cache.tiers.purge import Purge
from edge.errors import OriginError
from edge.origin.documents import Document

# (origin, path, query): what one document of an origin is known by.
SourceKey = tuple[str, str, str]

# Bookkeeping beside the bytes: objects, keys, dictionaries.
_OVERHEAD_BYTES = 2048
# Of all bytes, for the forms of one document: viewers choose filters, and must not push out all else with them.
_LARGEST_SHARE = 0.25


@dataclass(slots=True)
class Source:
    """One version of a document; its forms live and die with it."""

    document: Document
    version: int
    fresh_until: float
    good_until: float  # a copy to serve when the origin fails
    since: float  # when this version was first seen
    forms: dict[Any, Any] = field(default_factory=dict)
    notes: dict[object, Any] = field(default_factory=dict)  # what was found out about this version
    form_bytes: int = 0
    alive: bool = True  # False once it was purged, replaced by another version, or had to make room

    @property
    def size_bytes(self) -> int:
        return len(self.document.body) + self.form_bytes + _OVERHEAD_BYTES


@dataclass(slots=True, eq=False)
class _Fetch:
    """One that is under way, and the purges since that may be about it."""

    base: str
    purges: list[Purge] = field(default_factory=list)


class Sources:
    """Bounded by bytes, least recently used out first."""

    def __init__(
        self,
        *,
        max_bytes: int,
        default_max_age: float,
        stale_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._max_bytes = max_bytes
        self._default_max_age = default_max_age
        self._stale_seconds = stale_seconds
        self._clock = clock
        self._sources: OrderedDict[SourceKey, Source] = OrderedDict()
        self._flights: SingleFlight[tuple[SourceKey, str], Source] = SingleFlight()
        self._fetches: set[_Fetch] = set()
        self.size_bytes = 0

    def known(self, key: SourceKey, *, max_seconds: float | None = None) -> Source | None:
        """The newest version seen, fresh or not; with ``max_seconds`` one that was new so lately and not purged."""
        source = self._sources.get(key)
        limit = self._stale_seconds if max_seconds is None else max_seconds
        if source is None or self._clock() - source.since > limit:
            return None
        return source if source.alive or max_seconds is None else None

    async def get(
        self, key: SourceKey, fetch: Callable[[Document | None], Awaitable[Document]]
    ) -> Source:
        """A fresh version, or the last good one while the origin fails; one fetch for all who ask."""
        source = self._sources.get(key)
        if source is not None:
            self._sources.move_to_end(key)
            if self._clock() < source.fresh_until:
                return source
        try:
            return await self._flights.run((key, ""), lambda: self._fetch(key, fetch))
        except OriginError:
            source = self._sources.get(key)
            if source is None or self._clock() >= source.good_until:
                raise
            metrics.MANIFESTS_STALE.inc()
            return source

    async def newer(
        self,
        key: SourceKey,
        directives: str,
        fetch: Callable[[Document | None], Awaitable[Document]],
    ) -> Source:
        """A version that the origin holds back until it has it; all who block on the same one cost one request."""
        return await self._flights.run((key, directives), lambda: self._fetch(key, fetch))

    def fresh_seconds(self, source: Source) -> float:
        """How long a version is still fresh; 0 for one that is not."""
        return max(0.0, source.fresh_until - self._clock())

    def grown(self, key: SourceKey, source: Source, size_bytes: int) -> None:
        """Count what is about to be kept with ``source``; where all of it is too much, what was kept before goes."""
        is_known = self._sources.get(key) is source
        if size_bytes > 0 and source.form_bytes + size_bytes > self._max_bytes * _LARGEST_SHARE:
            if is_known:
                self.size_bytes -= source.form_bytes
            source.form_bytes = 0
            source.forms.clear()
            source.notes.clear()
        source.form_bytes += size_bytes
        if is_known:
            self.size_bytes += size_bytes
            self._shrink()

    def purge(self, purge: Purge) -> int:
        """Forget what ``purge`` names, or ask for it anew before its next use; how many documents that were."""
        for running in self._fetches:
            if purge.kind == "tag" or purge.covers(running.base, ()):
                running.purges.append(purge)
        self._flights.leave(lambda of: purge.kind == "tag" or purge.covers(_base(of[0]), ()))
        count = 0
        for key, source in list(self._sources.items()):
            if not purge.covers(_base(key), source.document.tags):
                continue
            count += 1
            source.alive = False
            source.fresh_until = 0.0
            if not purge.soft:
                del self._sources[key]
                self.size_bytes -= source.size_bytes
        metrics.MANIFEST_BYTES.set(self.size_bytes)
        return count

    def __len__(self) -> int:
        return len(self._sources)

    async def close(self) -> None:
        """Stop what is being fetched."""
        await self._flights.close()

    async def _fetch(
        self, key: SourceKey, fetch: Callable[[Document | None], Awaitable[Document]]
    ) -> Source:
        before = self._sources.get(key)
        running = _Fetch(_base(key))
        self._fetches.add(running)
        try:
            document = await fetch(None if before is None else before.document)
        finally:
            self._fetches.discard(running)
        now = self._clock()
        max_age = self._default_max_age if document.max_age is None else document.max_age
        fresh_until = now + max_age
        good_until = fresh_until + self._stale_seconds
        old = self._sources.get(key)
        if any(purge.covers(running.base, document.tags) for purge in running.purges):
            # It may be what was purged while it came: for those who waited, and kept for nobody.
            return Source(document, 0, now, now, since=now, alive=False)
        if (
            old is not None
            and old.document.body == document.body
            and old.document.url == document.url
        ):
            old.document, old.fresh_until, old.good_until = document, fresh_until, good_until
            old.alive = True
            return old
        version = 1 if old is None else old.version + 1
        source = Source(document, version, fresh_until, good_until, since=now)
        if old is not None:
            old.alive = False
            self.size_bytes -= old.size_bytes
        self._sources[key] = source
        self._sources.move_to_end(key)
        self.size_bytes += source.size_bytes
        self._shrink()
        return source

    def _shrink(self) -> None:
        metrics.MANIFEST_BYTES.set(self.size_bytes)
        while self.size_bytes > self._max_bytes and len(self._sources) > 1:
            _, source = self._sources.popitem(last=False)
            source.alive = False
            self.size_bytes -= source.size_bytes


def _base(key: SourceKey) -> str:
    """What purges call a document."""
    origin, path, query = key
    return f"{origin}/{path}?{query}" if query else f"{origin}/{path}"
