"""A Period with breaks in it, written anew as the Periods between the breaks.

The rule: it is done where every Representation lists its segments (SegmentTemplate or SegmentList) and at both ends of
the break one segment ends and the next begins, in every Representation, within ``NEAR``; anything else stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from edge.manifests.ads.dash import events
from edge.manifests.ads.dash.properties import stale
from edge.manifests.ads.dash.times import Span, exact, integer, written
from edge.manifests.ads.dash.tracks import Track, Unreadable, tracks
from edge.manifests.dash.removal import set_attribute, without
from edge.manifests.dash.scan import Element
from edge.manifests.edits import Edit, apply_edits

NEAR = Fraction(1, 20)  # about a frame of video, or two of audio
MOST_BREAKS = 32  # of one Period
_MOST_TRACKS = 1000
LARGEST = 8 * 1024 * 1024  # of all that an MPD becomes
_WHY = "a break within the Period went"

Range = tuple[Decimal, Decimal]


@dataclass(frozen=True, slots=True)
class Border:
    """Where a Period is cut: on its time line, and after how many segments of each track."""

    meant: Fraction  # by the break
    at: Fraction  # where segments meet
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """What stays between two breaks; ``None`` is the beginning, or the end, of the Period."""

    start: Border | None
    stop: Border | None

    def first(self, place: int) -> int:
        """The first segment of a track."""
        return 0 if self.start is None else self.start.counts[place]

    def begins(self) -> Decimal:
        """Seconds from the start of the old Period."""
        return Decimal(0) if self.start is None else exact(self.start.at)

    def ends(self, length: Decimal) -> Decimal:
        """The same for the end, in a Period of this length."""
        return length if self.stop is None else exact(self.stop.at)


class Splitting:
    """One Period that may be split; raises ``Unreadable``, with the reason, where the rule does not allow it."""

    def __init__(self, span: Span) -> None:
        period = span.period
        if span.seconds is None:
            raise Unreadable("how long the Period is, is not known")
        if period.document.data.find(b":href", period.start, period.open_stop) >= 0:
            raise Unreadable("a part of the Period is remote")
        self.span = span
        self.length = span.seconds
        self.tracks: list[Track] = []
        for track in tracks(period, Fraction(self.length)):
            self.tracks.append(track)
            if len(self.tracks) > _MOST_TRACKS:
                raise Unreadable(f"the Period has more than {_MOST_TRACKS} Representations")
        self._borders: dict[Fraction, Border] = {}
        if not self.tracks:
            raise Unreadable("the Period lists no media")
        if period.document.data.find(b":href", period.open_stop, period.stop) >= 0:
            raise Unreadable("a part of the Period is remote")

    def work(self, breaks: int) -> int:
        """About how much there is to look at for so many breaks."""
        return len(self.tracks) * min(breaks, MOST_BREAKS) + sum(
            {id(track.rows): len(track.rows) for track in self.tracks}.values()
        )

    def pieces(self, ranges: Sequence[Range]) -> tuple[Piece, ...]:
        """What stays when these are cut out, which are in order and apart."""
        period = self.span.period
        if len(ranges) > MOST_BREAKS or (len(ranges) + 1) * (period.stop - period.start) > LARGEST:
            raise Unreadable("there are too many breaks in so large a Period")
        length = Fraction(self.length)
        found: list[Piece] = []
        start: Border | None = None
        open_ = True
        for begin, end in ranges:
            opening, closing = Fraction(begin), Fraction(end)
            if opening > NEAR:
                found.append(Piece(start, self._border(opening)))
            open_ = closing < length - NEAR
            if not open_:
                break
            start = self._border(closing)
        if open_:
            found.append(Piece(start, None))
        if not found:
            raise Unreadable("nothing of the Period would be left")
        for piece in found:
            self._check_piece(piece)
        return tuple(found)

    def _border(self, meant: Fraction) -> Border:
        if meant not in self._borders:
            self._borders[meant] = self._met(meant)
        return self._borders[meant]

    def _met(self, meant: Fraction) -> Border:
        cuts: dict[tuple[int, int, int, int], tuple[int, Fraction]] = {}
        counts, even, video, every = [], set(), [], []
        for track in self.tracks:
            timeline = -1 if track.timeline is None else track.timeline.start
            clock = (timeline, track.timescale, track.offset, track.length)
            if clock not in cuts:
                cuts[clock] = track.cut(meant, NEAR)
            count, at = cuts[clock]
            counts.append(count)
            every.append(at)
            if track.timeline is None:
                even.add(at)
            elif track.is_video:
                video.append(at)
        if len(even) > 1:
            # Their players count segments from the Period's start: there must be one that is right for all.
            raise Unreadable("the segments of its AdaptationSets do not meet at one moment")
        return Border(meant, min(even or video or every), tuple(counts))

    def _check_piece(self, piece: Piece) -> None:
        shared: dict[int, tuple[int, int]] = {}
        for place, track in enumerate(self.tracks):
            first, stop = piece.first(place), self._stop(piece, place)
            if stop <= first:
                raise Unreadable("an AdaptationSet would have no segment in a part that stays")
            for holder in (track.timeline, track.urls[0] if track.urls else None):
                if holder is not None and shared.setdefault(holder.start, (first, stop)) != (
                    first,
                    stop,
                ):
                    raise Unreadable("Representations with different clocks share one list")

    def _stop(self, piece: Piece, place: int) -> int:
        if piece.stop is not None:
            return piece.stop.counts[place]
        return self.tracks[place].total(Fraction(self.length))

    def render(
        self,
        piece: Piece,
        *,
        start: Decimal | None,
        identifier: str | None,
        is_first: bool,
        gone: frozenset[str] = frozenset(),
        cut: frozenset[str] = frozenset(),
    ) -> bytes:
        """The bytes of one of the Periods that this one becomes."""
        period = self.span.period
        edits = [*self._head(piece, start, identifier)]
        infos: dict[int, int] = {}
        lists: dict[int, int] = {}
        for place, track in enumerate(self.tracks):
            infos.setdefault(track.info.start, place)
            for holder in (track.timeline, track.urls[0] if track.urls else None):
                if holder is not None:
                    lists.setdefault(holder.start, place)
        for place in infos.values():
            edits += self._info(piece, place)
        for key, place in lists.items():
            track = self.tracks[place]
            first, stop = piece.first(place), self._stop(piece, place)
            if track.timeline is not None and track.timeline.start == key:
                edits += _rows(track, first, stop)
            else:
                edits += _slice(track.urls, first, stop)
        for stream in period.outline:
            if stream.name.lower() == "eventstream":
                edits += _events(stream, piece)
        edits += stale(period, gone, cut, cut_off=piece.start is not None, keep_ids=is_first)
        moved = (
            Edit(
                start=edit.start - period.start,
                stop=edit.stop - period.start,
                text=edit.text,
                where=edit.where,
                why=edit.why,
            )
            for edit in edits
            if period.start <= edit.start and edit.stop <= period.stop
        )
        return apply_edits(period.document.data[period.start : period.stop], moved)

    def _head(self, piece: Piece, start: Decimal | None, identifier: str | None) -> Iterator[Edit]:
        period, where = self.span.period, self.span.name
        if identifier is not None:
            yield set_attribute(period, "id", identifier, where=where, why=_WHY)
        if start is not None:
            yield set_attribute(period, "start", written(start), where=where, why=_WHY)
        seconds = piece.ends(self.length) - piece.begins()
        yield set_attribute(period, "duration", written(seconds), where=where, why=_WHY)

    def _info(self, piece: Piece, place: int) -> Iterator[Edit]:
        track, where = self.tracks[place], self.span.name
        said = []
        if piece.start is not None:
            shifted = track.offset + round(piece.start.at * track.timescale)
            said.append(("presentationTimeOffset", shifted))
            if track.name == "SegmentTemplate":
                said.append(("startNumber", track.first_number + piece.start.counts[place]))
        if piece.stop is not None and track.end_number is not None:
            said.append(("endNumber", track.first_number + piece.stop.counts[place] - 1))
        for name, value in said:
            yield set_attribute(track.info, name, str(value), where=where, why=_WHY)


def _rows(track: Track, first: int, stop: int) -> Iterator[Edit]:
    """A SegmentTimeline with some of its segments; rows wholly inside keep their bytes."""
    elements = [row.element for row in track.rows]
    kept = [
        place
        for place, row in enumerate(track.rows)
        if row.before < stop and row.before + row.count > first
    ]
    yield from _slice(elements, kept[0], kept[-1] + 1)
    for place in {kept[0], kept[-1]}:
        row = track.rows[place]
        skipped, behind = max(0, first - row.before), max(0, row.before + row.count - stop)
        element = row.element
        if place == kept[0] and (skipped or place):
            time = str(row.time + skipped * row.length)
            yield set_attribute(element, "t", time, where="S", why=_WHY)
        if skipped or behind:
            repeats = str(row.count - skipped - behind - 1)
            yield set_attribute(element, "r", repeats, where="S", why=_WHY)
        elif place == kept[-1] and (element.get("r") or "").strip().startswith("-"):
            yield set_attribute(element, "r", str(row.count - 1), where="S", why=_WHY)


def _slice(elements: Sequence[Element], first: int, stop: int) -> Iterator[Edit]:
    """Edits that leave only some of the elements that stand one behind another."""
    stop = min(stop, len(elements))
    if first:
        begin = elements[0].start
        yield Edit(start=begin, stop=elements[first].start, text=b"", where="segments", why=_WHY)
    if stop < len(elements):
        begin, end = elements[stop - 1].stop, elements[-1].stop
        yield Edit(start=begin, stop=end, text=b"", where="segments", why=_WHY)


def _events(stream: Element, piece: Piece) -> Iterator[Edit]:
    """The Events of a piece, at the moments of the media at which they were before."""
    clock = events.clock_of(stream)
    if clock is None:
        return
    is_cue = "scte35" in (stream.get("schemeIdUri") or "").lower()
    for event in stream.children:
        at = events.moment_of(event, clock)
        if at is None:
            continue
        # A cue at the end of a break closes it, and goes with it.
        behind = (
            piece.start is None
            or at > piece.start.meant
            or (at == piece.start.meant and not is_cue)
        )
        before = piece.stop is None or at < piece.stop.meant
        if not (behind and before):
            yield without(event, where="Event", why=_WHY)
    if piece.start is not None:
        shifted = integer(stream.get("presentationTimeOffset"), 0) + round(
            piece.start.at * clock[0]
        )
        name = "presentationTimeOffset"
        yield set_attribute(stream, name, str(shifted), where="EventStream", why=_WHY)
