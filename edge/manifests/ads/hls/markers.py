"""Breaks by SCTE-35 markers in their usual spellings, as one rule reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from edge.manifests.ads.evidence import Evidence
from edge.manifests.ads.hls.lengths import Lengths
from edge.manifests.ads.hls.signs import Sign
from edge.manifests.ads.hls.spans import Opening, Spans, What
from edge.manifests.ads.rules import Splice
from edge.manifests.ads.scte35 import Mark, marks
from edge.manifests.ads.segmentation import OPENING

_CONTINUED = "cue-cont"


class Marked(NamedTuple):
    """What the markers say."""

    evidence: Sequence[Evidence]
    announced: Sequence[str]
    ends: Mapping[int, int]  # position at which something opened -> before which a tag closed it


def read(
    signs: Sequence[Sign], splice: Splice, *, rule: str, total: int, lengths: Lengths
) -> Marked:
    """The evidence for one rule; signs come in the order of the playlist."""
    reader = _Reader(splice, rule, total, lengths)
    if not splice.tags.issuperset(sign.tag for sign in signs):
        signs = [sign for sign in signs if sign.tag in splice.tags]
    start, count, looked = 0, len(signs), 0
    while start < count:
        sign, stop = signs[start], start + 1
        if sign.action == "goes-on" and start >= looked:
            looked = _behind_like(signs, start)
            if reader.says_nothing(signs[looked - 1]):  # nor do those before it
                start = looked
                continue
        while stop < count and signs[stop].at == sign.at:
            stop += 1
        if stop == start + 1 and sign.cue is None and sign.type is None:  # most are so
            reader.act(sign, None, vetoed=False)
        else:
            reader.take(signs[start:stop])
        start = stop
    reader.finish()
    return Marked(reader.spans.evidence, reader.spans.announced, reader.ends)


def _behind_like(signs: Sequence[Sign], start: int) -> int:
    """The place behind signs that go on with the same."""
    tag, stop = signs[start].tag, start + 1
    while stop < len(signs) and signs[stop].action == "goes-on" and signs[stop].tag == tag:
        stop += 1
    return stop


class _Reader:
    """Takes the signs of one segment after the other."""

    def __init__(self, splice: Splice, rule: str, total: int, lengths: Lengths) -> None:
        self._splice = splice
        self._lengths = lengths
        self.spans = Spans(
            rule=rule,
            family="splice",
            total=total,
            lengths=lengths,
            max_seconds=splice.max_seconds,
        )
        self.ends: dict[int, int] = {}
        self._void = False  # what goes on has an opening that says nothing
        self._unclear: Sign | None = None
        self._begun = False  # something has opened or closed: what comes before is known

    def take(self, group: Sequence[Sign]) -> None:
        """All the signs before one URI."""
        told = [(sign, self._marks(sign)) for sign in group]
        opened = [mark for _, found in told for mark in found if mark.kind == "opens"]
        vetoed = not opened and any(self._is_other(sign, found) for sign, found in told)
        declared = next(
            (s.seconds for s in group if s.action == "opens" and s.seconds is not None), None
        )
        payload = next((mark.seconds for mark in opened if mark.seconds is not None), None)
        for sign, found in told:
            if sign.action == "tells":
                self._tell(sign, found, declared)
            else:
                self.act(sign, payload, vetoed=vetoed)

    def act(self, sign: Sign, payload: Decimal | None, *, vetoed: bool) -> None:
        """What a tag itself says; its cue has been asked for a length and for something else that begins."""
        if sign.action == "goes-on":
            self._go_on(sign)
        elif sign.action == "opens":
            self._open(sign, payload if sign.seconds is None else sign.seconds, vetoed=vetoed)
        elif sign.action == "closes":
            self._close(sign.at, sign)
        else:
            self._unclear, self._void, self._begun = sign, True, True

    def finish(self) -> None:
        """No more signs."""
        if self._unclear is not None and self._unclear.at < self.spans.total:
            first = self._unclear.at
            stop = self._lengths.end(first, self._splice.max_seconds, self.spans.total)
            self._doubt_unclear(self._unclear, stop)
        self.spans.finish()

    def _doubt_unclear(self, sign: Sign, stop: int) -> None:
        weight = self._splice.weight_of(sign.tag)
        self.spans.doubt(sign.at, stop - 1, sign.tag, weight, partial(_unreadable, sign))

    def _marks(self, sign: Sign) -> tuple[Mark, ...]:
        return marks(sign.cue, self._splice.types, inserts=self._splice.inserts)

    def _is_other(self, sign: Sign, found: Sequence[Mark]) -> bool:
        """Whether a cue says that something else begins than what the rule takes for a break."""
        if sign.action not in ("opens", "tells"):
            return False
        if sign.type is not None and sign.type in OPENING and sign.type not in self._splice.types:
            return True
        if sign.cue is None:
            return False
        return any(mark.kind == "programme" for mark in found) or any(
            mark.kind == "opens" for mark in marks(sign.cue, OPENING, inserts=True)
        )

    def _tell(self, sign: Sign, found: Sequence[Mark], declared: Decimal | None) -> None:
        """A cue alone: each of its events opens and closes for itself."""
        for mark in found:
            key = mark.key or sign.tag
            if mark.kind == "opens":
                # The tag's own length goes before the payload's: packagers round, and cut short.
                seconds = mark.seconds if declared is None else declared
                if seconds != 0:
                    self._begun = True
                    self.spans.open(
                        self._opening(sign, sign.tag, key, seconds, partial(_marked, sign, mark))
                    )
            elif mark.kind == "closes":
                self.spans.close(key, sign.at, sign.what)

    def _open(self, sign: Sign, seconds: Decimal | None, *, vetoed: bool) -> None:
        self._begun = True
        self._void = vetoed
        self._unclear = None
        if vetoed or seconds == 0:
            return
        self.spans.open(self._opening(sign, sign.tag, sign.tag, seconds, sign.what))

    def _close(self, at: int, sign: Sign) -> None:
        weight = self._splice.weight_of(sign.tag)
        if self._unclear is not None:
            self._doubt_unclear(self._unclear, min(at, self.spans.total))
        closed = self.spans.close_all(at, sign.what) if self.spans.has_any else []
        for opening in closed:
            self.ends[opening.at] = at
        if not closed and not self._begun:
            first = self._lengths.begin(min(at, self.spans.total), self._splice.max_seconds)
            self.spans.doubt(first, at - 1, sign.tag, weight, partial(_never_opened, sign))
        self._begun, self._void, self._unclear = True, False, None

    def says_nothing(self, sign: Sign) -> bool:
        """Whether a break that goes on has not come to the end that was declared, or is none that counts."""
        if self._void:
            return True
        opening = self._gone_on(sign)
        if opening is None or opening.seconds is None:
            return False
        return not self._may_be_over(opening, sign.at)

    def _gone_on(self, sign: Sign) -> Opening | None:
        return self.spans.opened(sign.tag, sign.tag) or self.spans.opened(_CONTINUED, sign.tag)

    def _go_on(self, sign: Sign) -> None:
        if self._void:
            return
        opening = self._gone_on(sign)
        elapsed, left = None, None
        if opening is None or opening.seconds is None or self._may_be_over(opening, sign.at):
            elapsed, left = sign.progress()
        if opening is not None and opening.seconds is not None:
            if elapsed is None or not self._is_another(opening, sign.at, elapsed):
                return
            self.spans.run_out(sign.tag)
            opening = None
        if opening is not None:
            if left is not None:
                stop = min(sign.at, self.spans.total)
                opening.seconds = self._lengths.between(opening.at, stop) + left
            return
        if left == 0:
            return
        if not self._begun and sign.at <= self.spans.total:
            first = max(sign.at - 1, 0)
            if elapsed is not None:
                first = self._lengths.begin(sign.at, elapsed)
            self.spans.doubt(
                first,
                sign.at - 1,
                _CONTINUED,
                self._splice.weight_of(sign.tag),
                partial(_begun_before, sign),
            )
        self._begun = True
        signal = _CONTINUED if sign.tag == "cue" else sign.tag
        self.spans.open(self._opening(sign, signal, sign.tag, left, sign.what, open_start=True))

    def _may_be_over(self, opening: Opening, at: int) -> bool:
        """Whether a break of a declared length has ended before a position, though nothing has closed it."""
        if opening.seconds is None:
            return False
        walk = self.spans.walked(opening, opening.seconds)
        return walk.is_over(min(at, self.spans.total))

    def _is_another(self, opening: Opening, at: int, elapsed: Decimal) -> bool:
        """Whether what goes on has begun behind the end of the break that is open."""
        if opening.seconds is None or not self._may_be_over(opening, at):
            return False
        stop = min(at, self.spans.total)
        end = self.spans.walked(opening, opening.seconds).end(stop)
        return not end or self._lengths.begin(stop, elapsed) >= end

    def _opening(
        self,
        sign: Sign,
        signal: str,
        key: str,
        seconds: Decimal | None,
        what: What,
        *,
        open_start: bool = False,
    ) -> Opening:
        return Opening(
            at=sign.at,
            signal=signal,
            weight=self._splice.weight_of(sign.tag),
            what=what,
            key=key,
            seconds=seconds,
            open_start=open_start,
        )


def _unreadable(sign: Sign) -> str:
    return f"{sign.what()} cannot be read"


def _marked(sign: Sign, mark: Mark) -> str:
    return f"{sign.what()}, {mark.what},"


def _never_opened(sign: Sign) -> str:
    return f"{sign.what()} closes what no tag has opened"


def _begun_before(sign: Sign) -> str:
    return f"{sign.what()}: the break has begun before, nothing says where"
