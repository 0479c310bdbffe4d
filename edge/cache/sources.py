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
    alive: bool = True  # False once another version stands in its place, or it had to make room

    @property
    def size_bytes(self) -> int:
        return len(self.document.body) + self.form_bytes + _OVERHEAD_BYTES


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
        self._purges = 0
        self.size_bytes = 0

    def known(self, key: SourceKey, *, max_seconds: float | None = None) -> Source | None:
        """The newest version seen, fresh or not, if it was new at most so many seconds ago."""
        source = self._sources.get(key)
        limit = self._stale_seconds if max_seconds is None else max_seconds
        return None if source is None or self._clock() - source.since > limit else source

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
        """Count a form that was made of ``source``."""
        source.form_bytes += size_bytes
        if self._sources.get(key) is source:
            self.size_bytes += size_bytes
            self._shrink()

    def purge(self, purge: Purge) -> int:
        """Forget what ``purge`` names, or ask for it anew before its next use; how many documents that were."""
        self._purges += 1
        count = 0
        for key, source in list(self._sources.items()):
            origin, path, query = key
            base = f"{origin}/{path}?{query}" if query else f"{origin}/{path}"
            if not purge.covers(base, source.document.tags):
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
        old = self._sources.get(key)
        purges = self._purges
        document = await fetch(None if old is None else old.document)
        now = self._clock()
        max_age = self._default_max_age if document.max_age is None else document.max_age
        fresh_until = now + max_age
        if self._purges != purges:
            fresh_until = now  # it may be what was purged while it came
        good_until = fresh_until + self._stale_seconds
        old = self._sources.get(key)
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
