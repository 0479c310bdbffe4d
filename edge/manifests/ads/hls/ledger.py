"""The numbers of one rendition, while one version of its playlist is worked through."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from edge.manifests.ads.hls.record import MAX_SPANS, Rendition, Span
from edge.manifests.ads.hls.window import Window

_MOST = MAX_SPANS - 16  # the rest is for what must be marked, lest a playlist be empty
_SEEN_MS = 60_000  # how exactly a record tells when it was used last while nothing is new


class Piece(NamedTuple):
    """Numbers in a row that stay, with what to add to get those given out."""

    first: int
    last: int
    removed: int
    shift: int


class Ledger:
    """A rendition's record opened for one window; changes are in here until ``closed`` writes them down."""

    def __init__(self, record: Rendition, window: Window) -> None:
        self.window = window
        self.removed, self.shift = record.removed, record.shift
        self.spans = list(record.spans)
        self.gaps = list(record.gaps)
        self.start, self.decided = record.start, record.decided
        self.given = record.given
        self._marks = sorted(window.discontinuities)
        self.drift = self._drift_of(record)
        self.settled: int | None = None  # the shift behind a join that could not be told before
        self._settle()

    # --- the origin's side

    @property
    def last(self) -> int:
        """The number of the window's last whole segment."""
        return self.window.first + len(self.window) - 1

    def origin_d(self, number: int) -> int:
        """The origin's discontinuity number of a segment in the window, with what the origin forgot to count."""
        position = number - self.window.first
        return self._listed_d(position) + self.drift

    def _listed_d(self, position: int) -> int:
        # RFC 8216 section 6.2.1: the header and all tags before the segment's URI, its own too.
        return self.window.discontinuity_sequence + bisect_right(self._marks, position)

    def _drift_of(self, record: Rendition) -> int:
        """What brings the origin's discontinuity numbers to what they were when the same segments were seen before."""
        first, total = self.window.first, len(self.window)
        for number, counted in (record.mark, record.head):
            if first <= number < first + total:
                return counted - self._listed_d(number - first)
        number, counted = record.mark
        if first <= number:
            return record.drift
        # They never go back, whatever was not seen in between.
        return max(record.drift, counted + (0 in self.window.discontinuities) - self._listed_d(0))

    # --- what was decided

    @property
    def open_span(self) -> Span | None:
        """The removed run that nothing listed follows yet."""
        last = self.spans[-1] if self.spans else None
        return last if last is not None and last.joined is None else None

    @property
    def ends_in_break(self) -> bool:
        """Whether the last decided segment is ad material, so that more of it may come."""
        return self.open_span is not None or bool(self.gaps and self.gaps[-1][1] == self.decided)

    @property
    def latest_shift(self) -> int:
        """Given minus origin's discontinuity number behind all spans."""
        known = [span.shift for span in self.spans[-2:] if span.shift is not None]
        return known[-1] if known else self.shift

    def is_removed(self, number: int) -> bool:
        """Whether a decided segment was taken out."""
        place = bisect_right(self.spans, number, key=lambda span: span.first)
        return place > 0 and number <= self.spans[place - 1].last

    def is_gap(self, number: int) -> bool:
        """Whether a decided segment was marked."""
        place = bisect_right(self.gaps, number, key=lambda gap: gap[0])
        return place > 0 and number <= self.gaps[place - 1][1]

    def pieces(self) -> Iterator[Piece]:
        """All that stays, decided or not, from the oldest that can be numbered."""
        first, removed, shift = -(2**63), self.removed, self.shift
        for span in self.spans:
            yield Piece(first, span.first - 1, removed, shift)
            first, removed = span.last + 1, removed + span.size
            shift = shift if span.shift is None else span.shift
        yield Piece(first, 2**63, removed, shift)

    def given_of(self, number: int) -> int:
        """The number given to a segment, or to the next one that stays."""
        gone = sum(
            min(number - 1, span.last) - span.first + 1
            for span in self.spans
            if span.first < number
        )
        return number - self.removed - gone

    # --- deciding, number by number

    def keep(self, number: int) -> None:
        """List it; a removed run before it must have been closed."""
        self.decided = number
        self.given = self.origin_d(number) + self.latest_shift

    def mark(self, number: int) -> bool:
        """List it as EXT-X-GAP; whether there is room to remember it."""
        fits = True
        if self.gaps and self.gaps[-1][1] == number - 1:
            self.gaps[-1] = (self.gaps[-1][0], number)
        elif len(self.gaps) < _MOST:
            self.gaps.append((number, number))
        else:
            fits = False
        self.keep(number)
        return fits

    def cut(self, number: int) -> bool:
        """Take it out; whether there is room to remember it."""
        span = self.open_span
        if span is not None and span.last == number - 1:
            self.spans[-1] = span._replace(last=number)
        elif len(self.spans) < _MOST:
            self.spans.append(Span(number, number, self.given, None, None))
        else:
            return False
        self.decided = number
        return True

    def close(self, number: int, *, joined: bool, shift: int | None = None) -> None:
        """The open run ends before ``number``, the first that is listed behind it.

        ``number`` may be a segment of which only parts are there: then its own number is found when it is whole.
        """
        span = self.spans[-1]
        if shift is None and number <= self.last:
            shift = span.before + joined - self.origin_d(number)
        self.spans[-1] = span._replace(joined=joined, shift=shift)

    def _settle(self) -> None:
        """A segment of which only parts had been listed is whole now."""
        span = self.spans[-1] if self.spans else None
        if span is not None and span.joined is not None and span.shift is None:
            number = span.last + 1
            if self.window.first <= number <= self.last:
                self.close(number, joined=span.joined)
                self.settled = self.latest_shift
            elif number < self.window.first:
                here = self.origin_d(self.window.first)
                shift = max(self.latest_shift, span.before + span.joined - here)
                self.close(number, joined=span.joined, shift=shift)
                self.settled = shift
        if self.window.first <= self.decided <= self.last and self.open_span is None:
            self.given = self.origin_d(self.decided) + self.latest_shift

    def skip(self, shift: int | None) -> None:
        """The window has slid past everything known: what was never seen counts as listed, numbers only rise.

        ``shift`` is what the group gives there, if it can tell.
        """
        first, span = self.window.first, self.spans[-1] if self.spans else None
        here = self.origin_d(first)
        if shift is None:
            # Behind a hole of which nobody saw the end, the media may well not go on where it was.
            least = self.given if span is None or span.shift is not None else span.before + 1
            shift = max(self.latest_shift, least - here)
        self.removed += sum(span.size for span in self.spans)
        self.shift = max(shift, self.given - here)
        self.spans, self.gaps = [], []
        self.start, self.decided = first, first - 1
        self.given = here - (0 in self.window.discontinuities) + self.shift

    @property
    def is_open(self) -> bool:
        """Whether it is not known yet what the numbers behind the last removed run are."""
        return bool(self.spans) and self.spans[-1].shift is None

    def is_behind_all(self, number: int) -> bool:
        """Whether a segment is listed as content, behind all removed runs."""
        is_behind = not self.spans or (self.spans[-1].last < number and not self.is_open)
        return is_behind and number >= self.start and not self.is_gap(number)

    def lift(self, rise: int, *, told: int) -> bool:
        """Move what is behind the last removed run forward; whether others may have been told of it, up to ``told``.

        What is before that run cannot be listed beside it any more, unless nobody was told of it either.
        """
        span = self.spans[-1] if self.spans else None
        self.given += rise
        if span is None or told < self.window.first:
            self.shift += rise
            self.spans = [
                span._replace(
                    before=span.before + rise,
                    shift=None if span.shift is None else span.shift + rise,
                )
                for span in self.spans
            ]
            return told >= self.window.first
        self.spans[-1] = span._replace(shift=self.latest_shift + rise)
        self.start = max(self.start, span.last + 1)
        return told > span.last

    def unhide(self) -> bool:
        """List one segment of the open run as EXT-X-GAP, because there is nothing else; whether one could be.

        The run goes on around it, so that the break has one join still and renditions stay in step.
        """
        span = self.open_span
        begin = None if span is None else max(span.first, self.window.first)
        if span is None or begin is None or self.last < begin:
            return False
        # Not the last one: what is removed behind it says how the break ends.
        number = max(begin, min(self.last, span.last - 1))
        if len(self.spans) >= MAX_SPANS or len(self.gaps) >= MAX_SPANS:
            return False
        del self.spans[-1]
        given = span.before
        if number > span.first:
            shift = given - self.origin_d(number)
            self.spans.append(span._replace(last=number - 1, joined=False, shift=shift))
        else:
            given = self.origin_d(number) + self.latest_shift
        if number < span.last:
            self.spans.append(Span(number + 1, span.last, given, None, None))
        self.gaps.append((number, number))
        self.given = given
        return True

    # --- writing it down

    def closed(
        self, record: Rendition, *, floor: tuple[int, int], head: tuple[int, int], now_ms: int
    ) -> Rendition:
        """The record after this version; the same one if nothing changed."""
        mark, at, seen_ms = record.mark, record.at, record.seen_ms
        if len(self.window) and self.last >= mark[0]:
            at = self.window.starts[len(self.window) - 1]
            if self.last > mark[0] or now_ms - seen_ms > _SEEN_MS:
                seen_ms = now_ms
            mark = (self.last, self.origin_d(self.last))
        while self.spans and self.spans[0].last < head[0]:
            span = self.spans[0]
            if span.shift is None:
                break
            self.removed, self.shift = self.removed + span.size, span.shift
            del self.spans[0]
        return Rendition(
            removed=self.removed,
            shift=self.shift,
            spans=tuple(self.spans),
            gaps=tuple(gap for gap in self.gaps if gap[1] >= head[0]),
            start=self.start,
            decided=self.decided,
            head=head,
            mark=mark,
            drift=self.drift,
            floor=floor,
            given=self.given,
            at=at,
            seen_ms=seen_ms,
            run=record.run,
        )
