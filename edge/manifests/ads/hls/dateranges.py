"""Breaks by EXT-X-DATERANGE: SCTE-35 in its attributes, and what stitchers announce."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from edge.manifests.ads.evidence import Evidence, Family
from edge.manifests.ads.hls.lengths import Lengths
from edge.manifests.ads.hls.ranges import INTERSTITIAL, Range
from edge.manifests.ads.hls.segments import Segments
from edge.manifests.ads.rules import DateRange, Rule, Splice
from edge.manifests.ads.scte35 import decode, marks

_NEAR = 100_000  # microseconds
_MICRO = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """What a date range says by one signal of one rule."""

    signal: str
    family: Family
    weight: int
    without_pdt: int
    seconds: Decimal | None
    max_seconds: Decimal


def announced(known: Range, rule: Rule) -> Announced | None:
    """What a rule takes a date range for; ``None``: for nothing."""
    if known.attributes.get("CLASS") == INTERSTITIAL:
        return None
    splice = rule.splice
    if splice is not None and "daterange" in splice.tags:
        found = _spliced(known, splice)
        if found is not None:
            return found
    for signal in rule.of(DateRange):
        if signal.names(known.attributes):
            return Announced(
                signal="daterange",
                family=signal.family,
                weight=signal.weight,
                without_pdt=signal.without_pdt,
                seconds=known.seconds,
                max_seconds=splice.max_seconds if splice is not None else _LONGEST,
            )
    return None


_LONGEST = Decimal(600)  # of a stitcher's range that has neither length nor end
_Attribute = Literal["SCTE35-OUT", "SCTE35-CMD"]


def _spliced(known: Range, splice: Splice) -> Announced | None:
    names: tuple[_Attribute, ...] = ("SCTE35-OUT", "SCTE35-CMD")
    for name in names:
        text = known.attributes.get(name)
        if text is None:
            continue
        cue = decode(text)
        opens = [m for m in marks(cue, splice.types, inserts=splice.inserts) if m.kind == "opens"]
        # A placeholder that no decoder reads is taken at its attribute's word; SCTE35-CMD has none to give.
        if not opens and (cue is not None or name == "SCTE35-CMD"):
            continue
        payload = next((mark.seconds for mark in opens if mark.seconds is not None), None)
        return Announced(
            signal="daterange-out" if name == "SCTE35-OUT" else "daterange-cmd",
            family="splice",
            weight=splice.weight_of("daterange"),
            without_pdt=0,
            seconds=payload if known.seconds is None else known.seconds,
            max_seconds=splice.max_seconds,
        )
    return None


def read(
    segments: Segments,
    found: Sequence[Range],
    rule: Rule,
    *,
    lengths: Lengths,
    ends: Mapping[int, int],
) -> tuple[list[Evidence], list[str]]:
    """A rule's evidence, and sentences about what lies behind the last segment.

    ``ends`` are the positions at which markers opened something, and those before which they closed it.
    """
    evidence: list[Evidence] = []
    behind: list[str] = []
    placer = _Placer(segments, lengths, rule.label, ends)
    for known in found:
        told = announced(known, rule)
        if told is None or told.seconds == 0:
            continue
        piece = placer.evidence(known, told)
        if piece is not None:
            evidence.append(piece)
        elif placer.is_next(known, told):
            behind.append(f"{known.what} announces a break behind the last segment")
    return evidence, behind


class _Placer:
    """Finds the segments that a date range is about."""

    def __init__(
        self, segments: Segments, lengths: Lengths, rule: str, ends: Mapping[int, int]
    ) -> None:
        self._segments = segments
        self._moments = segments.moments
        self._total = len(segments)
        self._lengths = lengths
        self._rule = rule
        self._ends = ends

    def evidence(self, known: Range, told: Announced) -> Evidence | None:
        """For the segments that it is about, if there are any in the window."""
        if self._moments and known.start is not None:
            return self._by_date(known, told, known.start)
        if not known.at < self._total:
            return None
        if not self._moments and told.without_pdt:
            return self._by_place(known, told, told.without_pdt, ", by its place")
        return self._by_place(known, told, told.weight, ": no dates say for which", doubt=True)

    def is_next(self, known: Range, told: Announced) -> bool:
        """Whether what follows the last segment is what it is about."""
        if not self._total or not self._moments or known.start is None:
            return known.at >= self._total
        last = self._moments.micros(self._total - 1)
        if last is None:
            return False
        end = last + int(self._segments.seconds(self._total - 1) * _MICRO)
        stop = self._stop(known, told, known.start)
        return known.start <= end + _NEAR and (stop is None or end < stop - _NEAR)

    def _stop(self, known: Range, told: Announced, start: int) -> int | None:
        """When it ends, if anything tells."""
        end = None if told.seconds is None else start + int(told.seconds * _MICRO)
        if known.end is not None:
            end = known.end if end is None else min(end, known.end)
        return end

    def _by_date(self, known: Range, told: Announced, start: int) -> Evidence | None:
        end = self._stop(known, told, start)
        hit = self._moments.between(start - _NEAR, None if end is None else end - _NEAR)
        if hit is None:
            if 0 < known.at < self._total:
                return self._by_place(
                    known, told, told.weight, ": its dates miss the segments", doubt=True
                )
            return None
        low, high = hit
        if end is None:
            high = self._lengths.end(low, told.max_seconds, high + 1) - 1
        if known.closed_at is not None and known.closed_at > low:
            high = min(high, known.closed_at - 1)
        closed = self._ends.get(low)  # the encoder's own word, where both announce one break
        if closed is not None:
            high = min(high, closed - 1)
        begins = self._moments.micros(low)
        return self._evidence(
            known,
            told,
            low,
            high,
            told.weight,
            " announces a break",
            open_start=low == 0 and begins is not None and begins - start > _NEAR,
            open_end=high == self._total - 1 and self._goes_on(known, end),
        )

    def _goes_on(self, known: Range, end: int | None) -> bool:
        """Whether a break that has the last segment goes on behind it."""
        if known.closed_at is not None:
            return False
        last = self._moments.micros(self._total - 1)
        if end is None or last is None:
            return True
        return last + int(self._segments.seconds(self._total - 1) * _MICRO) < end - _NEAR

    def _by_place(
        self, known: Range, told: Announced, weight: int, why: str, *, doubt: bool = False
    ) -> Evidence:
        seconds = told.max_seconds if told.seconds is None else told.seconds
        stop = self._lengths.end(known.at, seconds, self._total)
        reached = stop < self._total or self._lengths.reach(known.at, stop, seconds)
        return self._evidence(
            known,
            told,
            known.at,
            max(stop - 1, known.at),
            weight,
            f" announces a break{why}",
            open_end=not reached,
            doubt=doubt,
        )

    def _evidence(
        self,
        known: Range,
        told: Announced,
        first: int,
        last: int,
        weight: int,
        what: str,
        *,
        open_start: bool = False,
        open_end: bool = False,
        doubt: bool = False,
    ) -> Evidence:
        return Evidence(
            first=first,
            last=last,
            rule=self._rule,
            signal=told.signal,
            family=told.family,
            weight=weight,
            sentence=known.what + what,
            key=f"daterange:{known.id}",
            seconds=told.seconds,
            open_start=open_start,
            open_end=open_end,
            ambiguous=doubt,
        )
