"""A live origin: playlists of several renditions of one show, version by version, as text."""

from __future__ import annotations

import random
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.manifests.ads.world.markers import Spelling, Told
from tests.manifests.ads.world.show import Show, Stretch
from tests.manifests.ads.world.traits import Traits

BEGAN = datetime(2026, 9, 21, 12, 0, tzinfo=UTC)
BEGAN_MS = int(BEGAN.timestamp() * 1000)
_KEPT = 64


@dataclass(frozen=True, kw_only=True)
class Grid:
    """One rendition: how its segments lie on the line of time."""

    name: str
    length_ms: int
    late_ms: int = 0  # by which its first segment begins after the show
    marked: bool = True


@dataclass(frozen=True, slots=True)
class Piece:
    """One segment."""

    grid: str
    index: int
    number: int  # EXT-X-MEDIA-SEQUENCE
    place: int  # in segments of the leading rendition, of its middle
    stretch: Stretch
    has_tag: bool
    uri: str
    range: tuple[int, int] | None
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """One version of one rendition's playlist."""

    grid: str
    tick: int
    body: bytes
    pieces: tuple[Piece, ...]
    tail: Piece  # of which parts are listed behind the last whole one
    parts: int
    ended: bool


@dataclass
class Packager:
    """From the show to playlists; the first grid is the leading rendition."""

    spelling: Spelling
    traits: Traits
    seed: int
    run: int = 0  # how often the origin has begun anew
    base: int = 0
    began_ms: int = BEGAN_MS
    show: Show = field(init=False)
    grids: tuple[Grid, ...] = field(init=False)

    def __post_init__(self) -> None:
        draw, traits = random.Random(f"{self.seed}/{self.run}"), self.traits
        unit = traits.unit_ms
        self.show = Show(
            draw,
            self.spelling.nature,
            sides=traits.sides,
            noise=traits.noise,
            longest=traits.longest,
            parts=traits.parts,
            count=traits.count,
        )
        self.grids = (
            Grid(name="v0", length_ms=unit),
            Grid(name="v1", length_ms=unit),
            Grid(name="a0", length_ms=unit, marked=False)
            if traits.dates == "none"
            else Grid(name="a0", length_ms=unit - unit // 150, late_ms=9, marked=False),
        )
        self._named = {grid.name: grid for grid in self.grids}
        self._pieces: dict[str, list[Piece]] = {grid.name: [] for grid in self.grids}
        self._lines: dict[tuple[str, int], tuple[str, str, str, str]] = {}
        self._ends: dict[str, int] = {}
        self._tags: dict[str, list[int]] = {grid.name: [0] for grid in self.grids}
        self._made: OrderedDict[tuple[str, int], Listing] = OrderedDict()

    @property
    def last_tick(self) -> int:
        """The tick of the last version."""
        return (self.show.end - 2) * self.traits.parts

    def now_ms(self, tick: int) -> int:
        return self.began_ms + tick * self.traits.unit_ms // self.traits.parts

    def listing(self, grid: str, tick: int) -> Listing:
        """The version of a rendition at a tick."""
        tick = min(tick, self.last_tick)
        known = self._made.get((grid, tick))
        if known is None:
            known = self._made[grid, tick] = self._listing(self._named[grid], tick)
            if len(self._made) > _KEPT:
                self._made.popitem(last=False)
        return known

    def _listing(self, grid: Grid, tick: int) -> Listing:
        traits, ended = self.traits, tick >= self.last_tick
        here = tick * traits.unit_ms // traits.parts - grid.late_ms
        total = max(here // grid.length_ms, 1)
        parts = 0
        if traits.is_low_latency and not ended:
            parts = max(here - total * grid.length_ms, 0) * traits.parts // grid.length_ms
        first = max(0, total - traits.window * traits.unit_ms // grid.length_ms)
        pieces = tuple(self.piece(grid.name, index) for index in range(first, total))
        tail = self.piece(grid.name, total)
        lines = [*self._head(grid, pieces[0], tick)]
        for piece in pieces:
            keeps = traits.keeps_tag or piece is not pieces[0]
            with_parts = traits.is_low_latency and piece.index >= total - 2
            lines += self._before(
                grid,
                piece,
                tick,
                fresh=piece is pieces[0],
                keeps_tag=keeps,
                markers=not traits.behind_extinf,
            )
            if with_parts:
                lines += self._part_lines(grid, piece, traits.parts)
            lines += self._whole(grid, piece, tick, fresh=piece is pieces[0])
        if traits.is_low_latency and not ended:
            lines += self._before(grid, tail, tick)
            lines += self._part_lines(grid, tail, parts)
            lines.append(f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{tail.parts[parts]}"')
            lines += self._reports(grid, tick)
        if ended:
            lines.append("#EXT-X-ENDLIST")
        end = "\r\n" if traits.crlf else "\n"
        return Listing(
            grid.name, tick, (end.join(lines) + end).encode(), pieces, tail, parts, ended
        )

    def _reports(self, grid: Grid, tick: int) -> list[str]:
        found = []
        for other in self.grids:
            if other is grid:
                continue
            here = tick * self.traits.unit_ms // self.traits.parts - other.late_ms
            total = max(here // other.length_ms, 1)
            rest = max(here - total * other.length_ms, 0) * self.traits.parts // other.length_ms
            msn, part = (total, rest - 1) if rest else (total - 1, self.traits.parts - 1)
            found.append(
                f'#EXT-X-RENDITION-REPORT:URI="{other.name}.m3u8",LAST-MSN={self.base + msn},LAST-PART={part}'
            )
        return found

    # --- segments

    def piece(self, grid: str, index: int) -> Piece:
        made = self._pieces[grid]
        while len(made) <= index:
            made.append(self._piece(self._named[grid], len(made), made[-1] if made else None))
            self._tags[grid].append(self._tags[grid][-1] + made[-1].has_tag)
        return made[index]

    def _piece(self, grid: Grid, index: int, before: Piece | None) -> Piece:
        middle = grid.late_ms + index * grid.length_ms + grid.length_ms // 2
        place = middle // self.traits.unit_ms
        stretch = self.show.at(place)
        last = 0 if before is None else before.stretch.number
        has_tag = any(self.show.stretches[at].has_tag for at in range(last + 1, stretch.number + 1))
        folder = self.spelling.folder if stretch.is_ad else ""
        kind = "ad" if stretch.is_ad else "c"
        name = f"{folder}{grid.name}/{self.run}/{kind}{index}"
        uri, span = f"{name}.m4s", None
        if self.traits.ranges != "none":
            in_file = kind if self.traits.ranges == "chain" else "all"
            uri = f"{folder}{grid.name}/{self.run}/{in_file}-{index // 8}.m4s"
            span = (1000 + index % 7, self._ends.get(uri, 0))
            self._ends[uri] = sum(span)
        parts = tuple(f"{name}.p{at}.m4s" for at in range(self.traits.parts))
        return Piece(grid.name, index, self.base + index, place, stretch, has_tag, uri, span, parts)

    # --- lines

    def _head(self, grid: Grid, first: Piece, tick: int) -> list[str]:
        traits = self.traits
        gone = self._tags[grid.name][first.index]
        gone += first.has_tag and not traits.keeps_tag
        lines = [
            "#EXTM3U",
            f"#EXT-X-VERSION:{6 if traits.maps != 'none' else 4}",
            f"#EXT-X-TARGETDURATION:{-(-traits.unit_ms // 1000)}",
        ]
        if traits.is_low_latency:
            target = traits.unit_ms / traits.parts / 1000
            lines += [
                f"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={target * 3:.3f}",
                f"#EXT-X-PART-INF:PART-TARGET={target:.3f}",
            ]
        lines.append(f"#EXT-X-MEDIA-SEQUENCE:{first.number}")
        if gone or traits.sides != "none":
            lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{gone}")
        if traits.dates != "none":
            lines += self._programmes(first)
        known = self.show.last_break(first.place)
        if grid.marked and known is not None and tick >= known.told_from:
            stop = known.ends if known.closes_at is None else known.closes_at
            if known.begins < first.place <= stop and self.spelling.nature.continues:
                lines += self.spelling.head(self._told(known))
        return lines

    def _programmes(self, first: Piece) -> list[str]:
        hour = first.index // 10
        began = self._date(hour * 10)
        return [f'#EXT-X-DATERANGE:ID="p{hour}",CLASS="org.programme",START-DATE="{began}"']

    def _before(
        self,
        grid: Grid,
        piece: Piece,
        tick: int,
        *,
        fresh: bool = False,
        keeps_tag: bool = True,
        markers: bool = True,
    ) -> list[str]:
        """All that stands before a segment's parts."""
        lines = ["#EXT-X-DISCONTINUITY"] if piece.has_tag and keeps_tag else []
        if markers:
            lines = [*self._markers(grid, piece, tick), *lines]
        state, last = self._state(piece), None
        if not fresh and piece.index:
            last = self._state(self.piece(grid.name, piece.index - 1))
        for now, then in zip(state, last or ("",) * len(state), strict=True):
            if now != then:
                lines += now.splitlines()
        if self._has_date(piece, fresh=fresh):
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{self._start_of(grid, piece)}")
        return lines

    def _whole(self, grid: Grid, piece: Piece, tick: int, *, fresh: bool) -> list[str]:
        title, known = "live", piece.stretch
        if known.is_ad and self.spelling.title is not None:
            title = self.spelling.title(self._told(known))
        lines = [f"#EXTINF:{grid.length_ms / 1000:.3f},{title}"]
        if self.traits.behind_extinf:
            lines += self._markers(grid, piece, tick)
        if piece.range is not None:
            length, offset = piece.range
            explicit = fresh or self.piece(grid.name, piece.index - 1).uri != piece.uri
            lines.append(f"#EXT-X-BYTERANGE:{length}" + (f"@{offset}" if explicit else ""))
        return [*lines, piece.uri]

    def _part_lines(self, grid: Grid, piece: Piece, count: int) -> list[str]:
        seconds = grid.length_ms / self.traits.parts / 1000
        return [f'#EXT-X-PART:DURATION={seconds:.3f},URI="{uri}"' for uri in piece.parts[:count]]

    def _markers(self, grid: Grid, piece: Piece, tick: int) -> list[str]:
        if not grid.marked:
            return []
        place = piece.place
        known = self.show.last_break(place)
        if known is None or tick < known.told_from:
            return []
        told, spelling = self._told(known), self.spelling
        if place == known.closes_at:
            return spelling.closes(told) if tick >= known.closed_from else []
        if place == known.start:
            return spelling.opens(told) if place == known.begins else []
        stop = known.ends if known.closes_at is None else min(known.ends, known.closes_at)
        return spelling.goes_on(told, place) if known.start < place < min(stop, known.end) else []

    def _state(self, piece: Piece) -> tuple[str, ...]:
        """KEYs, MAP and BITRATE of a segment, as they are written when they change."""
        traits, ad = self.traits, piece.stretch.is_ad
        turn = piece.index // 5
        key = ""
        uri = f'URI="{piece.grid}/{self.run}/k{turn}.key"'
        if traits.keys == "vectors":
            key = f"#EXT-X-KEY:METHOD=AES-128,{uri},IV=0x{turn:032x}"
        elif traits.keys == "numbered" or (traits.keys == "clear-ads" and not ad):
            key = f"#EXT-X-KEY:METHOD=AES-128,{uri}"
        elif traits.keys == "clear-ads":
            key = "#EXT-X-KEY:METHOD=NONE"
        elif traits.keys == "formats":
            key = (
                f"#EXT-X-KEY:METHOD=SAMPLE-AES,{uri}\n"
                f'#EXT-X-KEY:METHOD=SAMPLE-AES,URI="data:{turn}",KEYFORMAT="com.example",KEYFORMATVERSIONS="1"'
            )
        where = f"ad{piece.stretch.number}" if ad and traits.maps == "ads" else "init"
        map_ = {"none": "", "one": f'#EXT-X-MAP:URI="{piece.grid}/init.mp4"'}.get(
            traits.maps, f'#EXT-X-MAP:URI="{piece.grid}/{where}.mp4"'
        )
        if traits.maps == "ranges":
            map_ = f'#EXT-X-MAP:URI="{piece.grid}/all.mp4",BYTERANGE="700@{700 * piece.stretch.number}"'
        bitrate = f"#EXT-X-BITRATE:{900 + 10 * (piece.index // 4)}" if traits.bitrate else ""
        return key, map_, bitrate

    def _has_date(self, piece: Piece, *, fresh: bool) -> bool:
        if self.traits.dates == "some":
            return fresh or piece.has_tag or piece.index % 4 == 0
        return self.traits.dates == "each"

    def _told(self, stretch: Stretch) -> Told:
        return Told(stretch=stretch, seconds=self.traits.unit_ms / 1000, date=self._date)

    def _date(self, place: int) -> str:
        return self._stamp(place * self.traits.unit_ms)

    def _start_of(self, grid: Grid, piece: Piece) -> str:
        return self._stamp(grid.late_ms + piece.index * grid.length_ms)

    def _stamp(self, passed_ms: int) -> str:
        moment = datetime.fromtimestamp(self.began_ms // 1000, UTC) + timedelta(
            milliseconds=self.began_ms % 1000 + passed_ms
        )
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
