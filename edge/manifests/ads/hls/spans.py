"""Openings and closings of breaks, joined to runs of segments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial

from edge.manifests.ads.evidence import Evidence, Family
from edge.manifests.ads.hls.lengths import Lengths, Walk

What = Callable[[], str]  # a tag for a person, made when somebody reads it


@dataclass(slots=True, kw_only=True)
class Opening:
    """A break that has begun and, so far, has no end."""

    at: int
    signal: str
    weight: int
    what: What  # 'line 12: EXT-X-CUE-OUT'
    key: str = ""
    seconds: Decimal | None = None  # declared, from ``at`` on
    open_start: bool = False
    walk: Walk | None = None  # over its seconds, as far as somebody has asked


@dataclass(slots=True, kw_only=True)
class Spans:
    """What is open, by signal and key; what has ended is evidence."""

    rule: str
    family: Family
    total: int
    lengths: Lengths
    max_seconds: Decimal  # of what has neither end nor declared length
    evidence: list[Evidence] = field(default_factory=list)
    announced: list[str] = field(default_factory=list)
    _open: dict[str, dict[str, Opening]] = field(default_factory=dict)

    def open(self, opening: Opening) -> None:
        """A break begins; one of the same signal and key ends there."""
        known = self._open.setdefault(opening.signal, {})
        before = known.pop(opening.key, None)
        if before is not None:
            self._close(before, opening.at, ", until %s opens another", opening.what)
        known[opening.key] = opening

    def walked(self, opening: Opening, seconds: Decimal) -> Walk:
        """How far a break's seconds reach, as declared."""
        if opening.walk is None:
            opening.walk = self.lengths.walk(opening.at, seconds)
        return opening.walk

    def has(self, *signals: str) -> bool:
        """Whether something of these signals is open."""
        return any(self._open.get(signal) for signal in signals)

    @property
    def has_any(self) -> bool:
        """Whether anything is open."""
        return any(self._open.values())

    def opened(self, signal: str, key: str) -> Opening | None:
        """What is open of a signal and a key."""
        return self._open.get(signal, {}).get(key)

    def run_out(self, key: str) -> None:
        """Whatever has this key has ended by its length."""
        for known in self._open.values():
            opening = known.pop(key, None)
            if opening is not None:
                self._expire(opening)

    def close(self, key: str, at: int, what: What) -> bool:
        """Whatever has this key ends before a position; whether anything did."""
        closed = False
        for known in self._open.values():
            opening = known.pop(key, None)
            if opening is not None:
                self._close(opening, at, ", closed by %s", what)
                closed = True
        return closed

    def close_all(self, at: int, what: What) -> list[Opening]:
        """Everything that is open ends before a position."""
        closed = [opening for known in self._open.values() for opening in known.values()]
        self._open.clear()
        for opening in closed:
            self._close(opening, at, ", closed by %s", what)
        return closed

    def finish(self) -> None:
        """Nothing more comes: what is still open ends by its length, or goes on behind the last segment."""
        for known in self._open.values():
            for opening in known.values():
                self._expire(opening)
        self._open.clear()

    def doubt(self, first: int, last: int, signal: str, weight: int, says: What) -> None:
        """Note what may be ad material and is left alone."""
        if first <= last:
            self.evidence.append(
                Evidence(
                    first=first,
                    last=last,
                    rule=self.rule,
                    signal=signal,
                    family=self.family,
                    weight=weight,
                    says=says,
                    ambiguous=True,
                )
            )

    def _close(self, opening: Opening, at: int, how: str, what: What) -> None:
        """It ends before a position: ``how`` by what tag, if its own length has not ended it before."""
        stop = min(at, self.total)
        seconds = opening.seconds
        end = stop if seconds is None else self.walked(opening, seconds).end(stop)
        self._note(opening, end, how if end == stop else "", what)
        if opening.seconds and end < stop:
            says = partial(_behind_its_seconds, opening)
            self.doubt(end, stop - 1, opening.signal, opening.weight, says)

    def _expire(self, opening: Opening) -> None:
        if opening.at >= self.total:
            self.announced.append(f"{opening.what()} opens a break behind the last segment")
            return
        if opening.seconds is None:
            walk, how = self.lengths.walk(opening.at, self.max_seconds), ", which nothing closes"
        else:
            walk, how = self.walked(opening, opening.seconds), ""
        end = walk.end(self.total)
        self._note(opening, end, how, open_end=not walk.is_over(self.total))

    def _note(
        self,
        opening: Opening,
        end: int,
        how: str,
        what: What | None = None,
        *,
        open_end: bool = False,
    ) -> None:
        if end <= opening.at:
            return
        self.evidence.append(
            Evidence(
                first=opening.at,
                last=end - 1,
                rule=self.rule,
                signal=opening.signal,
                family=self.family,
                weight=opening.weight,
                says=partial(_opened, opening, how, what),
                key=opening.key if ":" in opening.key else "",
                seconds=opening.seconds,
                open_start=opening.open_start,
                open_end=open_end,
            )
        )


def _opened(opening: Opening, how: str, what: What | None) -> str:
    verb = "goes on with" if opening.open_start else "opens"
    length = "" if opening.seconds is None else f" of {_plain(opening.seconds)} s"
    end = how if what is None or not how else how % what()
    return f"{opening.what()} {verb} a break{length}{end}"


def _behind_its_seconds(opening: Opening) -> str:
    seconds = _plain(opening.seconds or Decimal(0))
    return f"{opening.what()}: behind its {seconds} s, and before what closes it"


def _plain(seconds: Decimal) -> str:
    return f"{seconds.normalize():f}"
