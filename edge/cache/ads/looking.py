"""What the rules find in versions of playlists, looked for once by each process and counted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import cached_property

from edge import metrics
from edge.cache.ads.kept import Kept
from edge.cache.ads.treated import Rendition, Version
from edge.cache.bounded import Bounded
from edge.manifests.ads.evidence import Break, Found
from edge.manifests.ads.hls.find import find
from edge.manifests.ads.hls.segments import Segments
from edge.manifests.ads.hls.window import Window
from edge.manifests.ads.rules import Contiguous, Rules
from edge.manifests.limits import Limits

_MOST_BYTES = 64 * 2**20
_MOST_MARKS = 16384
# Beyond this a playlist is looked through in a thread, and not kept: others in the group look again.
LARGE_BYTES = 256 * 1024


class Look:
    """One version of a playlist, looked through."""

    def __init__(
        self, version: Version, segments: Segments, found: Found, contiguous: Contiguous
    ) -> None:
        self.version = version
        self.segments = segments
        self.found = found
        self._contiguous = contiguous

    @cached_property
    def window(self) -> Window:
        """It in numbers, which policies that only tell have no need of."""
        return self.segments.window(self._contiguous)

    @property
    def size_bytes(self) -> int:
        return 3 * len(self.version.body) + 4096


class Looking:
    """The newest versions that were looked through."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._looks: Kept[Look] = Kept(_MOST_BYTES)
        self._counted: Bounded[tuple[Rendition, str], frozenset[str] | int] = Bounded(_MOST_MARKS)

    async def at(self, version: Version, rules: Rules) -> Look:
        """The version with what was found in it."""
        key = (version.rendition, rules.digest)
        known = self._looks.get(key)
        if known is not None and known.version.body == version.body:
            return known
        if len(version.body) > LARGE_BYTES:
            look = await asyncio.to_thread(self._look, version, rules)
        else:
            look = self._look(version, rules)
            self._looks.put(key, look)
        if look.segments.is_media:
            self._count_numbered(key, look)
        return look

    def count_named(self, version: Version, rules: Rules, found: Found) -> None:
        """Count the breaks of an MPD that were not in the version before it."""
        key = (version.rendition, rules.digest)
        before = self._counted.get(key)
        known = before if isinstance(before, frozenset) else frozenset()
        _count(one for one in found.certain if one.key not in known)
        self._counted.put(key, frozenset(one.key for one in found.certain))

    def _look(self, version: Version, rules: Rules) -> Look:
        segments, found = find(version.body, rules, base=version.base, limits=self._limits)
        return Look(version, segments, found, rules.contiguous)

    def _count_numbered(self, key: tuple[Rendition, str], look: Look) -> None:
        """Count the breaks that begin behind those which were counted before."""
        before = self._counted.get(key)
        mark = before if isinstance(before, int) else -1
        if mark < 0 and not look.found.certain:
            return  # most often so, and no number has to be known
        first = look.window.first
        if first + len(look.window) <= mark:
            mark = -1  # the origin began anew
        new, last = [], mark
        for one in look.found.certain:
            if one.first_index is None or one.last_index is None:
                continue
            if first + one.first_index > mark:
                new.append(one)
            last = max(last, first + one.last_index)
        _count(new)
        self._counted.put(key, last)


def _count(breaks: Iterable[Break]) -> None:
    for one in breaks:
        metrics.ADS_BREAKS.labels(one.rule).inc()
        for signal in one.signals:
            metrics.ADS_SIGNALS.labels(signal).inc()
