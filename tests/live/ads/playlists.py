"""What packagers write about a programme with breaks, in several ways of marking them; and the same without ads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from tests.live.ads.cues import splice_insert, time_signal
from tests.live.ads.film import PART_TARGET
from tests.live.ads.programme import (
    BREAK_SECONDS,
    Break,
    Programme,
    Slot,
    Stock,
    film_of,
    number_of,
)
from tests.live.media import Track

WINDOW = 24  # segments of a live playlist
_SEGMENTS_WITH_PARTS = 3
_OUT, _IN = 0x34, 0x35  # provider placement opportunity, start and end


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A way of packaging."""

    marks: Literal["cue", "daterange"] = "cue"
    stitched: bool = True  # of two films, with discontinuities; or one encoding without any
    sealed: bool = False  # content is encrypted with the sequence number as vector, ads are clear
    sound_is_marked: bool = True
    parts: bool = False
    clean: bool = False  # written without ads, as an independent measure for the edge


FORMS = {
    "cue": Form(),
    "daterange": Form(marks="daterange", stitched=False),
    "sealed": Form(sealed=True, sound_is_marked=False),
    "parts": Form(parts=True),
    "clean": Form(clean=True),
    "clean-sealed": Form(clean=True, sealed=True),
    "clean-feed": Form(clean=True, stitched=False),
}


@dataclass(frozen=True, slots=True)
class Listing:
    """A playlist from slot ``first`` up to ``end``; ``parts`` of the slot behind it are there too."""

    first: int
    end: int
    parts: int = 0
    ended: bool = False


def master(stock: Stock) -> str:
    """The multivariant playlist."""
    picture, sound = stock.content.tracks["picture"], stock.content.tracks["sound"]
    return f"""#EXTM3U
#EXT-X-VERSION:9
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="Sound",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="1",URI="sound.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=200000,RESOLUTION=160x96,FRAME-RATE=10.000,CODECS="{picture.codecs},{sound.codecs}",AUDIO="a"
picture.m3u8
"""


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes the playlists of one rendition."""

    stock: Stock
    programme: Programme
    form: Form
    name: str  # of the track
    zero: datetime  # when the programme's second 0 was on

    def write(self, listing: Listing) -> str:
        """A media playlist."""
        lines = [*self._head(listing)]
        known: Slot | None = None
        for index in range(listing.first, listing.end):
            slot = self.programme.slots[index]
            if self.form.clean and slot.second.ad:
                continue
            lines += self._before(index, slot, known)
            if self.form.parts and index >= listing.end - _SEGMENTS_WITH_PARTS:
                lines += [self._part(slot, part) for part in range(2)]
            lines += self._whole(index, slot)
            known = slot
        if listing.ended:
            lines.append("#EXT-X-ENDLIST")
        elif self.form.parts:
            slot = self.programme.slots[listing.end]
            if listing.parts:
                lines += self._before(listing.end, slot, known)
            lines += [self._part(slot, part) for part in range(listing.parts)]
            lines.append(self._hint(slot, listing.parts))
            other = "sound" if self.name == "picture" else "picture"
            at = (listing.end, 0) if listing.parts else (listing.end - 1, 1)
            lines.append(
                f'#EXT-X-RENDITION-REPORT:URI="{other}.m3u8",LAST-MSN={at[0]},LAST-PART={at[1]}'
            )
        return "\n".join([*lines, ""])

    def _head(self, listing: Listing) -> Iterator[str]:
        clean = self.form.clean
        slots = self.programme.slots[: listing.first]
        number = sum(not slot.second.ad for slot in slots) if clean else listing.first
        yield from ("#EXTM3U", "#EXT-X-VERSION:9", "#EXT-X-TARGETDURATION:1")
        if self.form.parts:
            yield f"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={3 * PART_TARGET:.2f}"
            yield f"#EXT-X-PART-INF:PART-TARGET={PART_TARGET}"
        yield f"#EXT-X-MEDIA-SEQUENCE:{number}"
        yield f"#EXT-X-DISCONTINUITY-SEQUENCE:{self._discontinuities(listing.first)}"
        if listing.ended:
            yield "#EXT-X-PLAYLIST-TYPE:VOD"
        if self._is_marked and self.form.marks == "daterange":
            for one in self.programme.breaks:
                if one.first < listing.first < one.end:
                    yield self._daterange(one)

    def _discontinuities(self, first: int) -> int:
        """How many there were before a listing's first segment and the tag that may stand right before it."""
        if self.form.clean:
            # One for each break that is over before the first segment of content.
            return sum(one.end < first for one in self.programme.breaks)
        return self.programme.borders(first) if self.form.stitched else 0

    @property
    def _is_marked(self) -> bool:
        return not self.form.clean and (self.name == "picture" or self.form.sound_is_marked)

    def _before(self, index: int, slot: Slot, known: Slot | None) -> Iterator[str]:
        """Everything that stands before a segment and its parts; ``known`` is the segment listed before."""
        changes = known is None or film_of(known, stitched=self.form.stitched) != film_of(
            slot, stitched=self.form.stitched
        )
        if self.form.clean and known is None:
            joins = any(one.end == index for one in self.programme.breaks)
        elif self.form.clean:
            joins = known is not None and slot.at != known.at + 1
        else:
            joins = self.form.stitched and self.programme.begins(index)
        if joins:
            yield "#EXT-X-DISCONTINUITY"
        if self._is_marked:
            yield from self._marks(index)
        if changes or joins or not self.form.stitched:
            yield f"#EXT-X-PROGRAM-DATE-TIME:{iso(self._shown(slot))}"
        ad = slot.second.ad
        if changes and self.form.sealed and ad:
            yield "#EXT-X-KEY:METHOD=NONE"
        if changes:
            yield f'#EXT-X-MAP:URI="{self._folder(slot)}/init.mp4"'
        # After the map, which therefore is not encrypted (RFC 8216 section 4.3.2.5).
        if self.form.sealed and not ad and self.form.clean:
            yield f'#EXT-X-KEY:METHOD=AES-128,URI="../../key",IV=0x{index:032x}'
        elif self.form.sealed and not ad and changes:
            yield '#EXT-X-KEY:METHOD=AES-128,URI="../../key"'

    def _marks(self, index: int) -> Iterator[str]:
        for one in self.programme.breaks:
            if self.form.marks == "daterange":
                if index == one.first:
                    yield self._daterange(one)
                elif index == one.end:
                    yield self._daterange(one, over=True)
            elif index == one.first:
                yield f"#EXT-OATCLS-SCTE35:{splice_insert(one.number, BREAK_SECONDS)}"
                yield f"#EXT-X-CUE-OUT:{BREAK_SECONDS}"
            elif one.first < index < one.end:
                yield f"#EXT-X-CUE-OUT-CONT:{index - one.first}/{BREAK_SECONDS}"
            elif index == one.end:
                yield "#EXT-X-CUE-IN"

    def _daterange(self, one: Break, *, over: bool = False) -> str:
        start = self.zero + timedelta(seconds=self.programme.slots[one.first].at)
        tag = f'#EXT-X-DATERANGE:ID="splice-{one.number}",START-DATE="{iso(start)}",'
        if over:
            signal = time_signal(one.number, _IN).hex().upper()
            end = start + timedelta(seconds=BREAK_SECONDS)
            return f'{tag}END-DATE="{iso(end)}",DURATION={BREAK_SECONDS},SCTE35-IN=0x{signal}'
        signal = time_signal(one.number, _OUT, BREAK_SECONDS).hex().upper()
        return f"{tag}PLANNED-DURATION={BREAK_SECONDS},SCTE35-OUT=0x{signal}"

    def _shown(self, slot: Slot) -> datetime:
        """When a slot's segment begins: sound has its own grid."""
        number = number_of(slot, stitched=self.form.stitched)
        late = self._track(slot).segments[number].whole.start / self._track(slot).timescale - number
        return self.zero + timedelta(seconds=slot.at + late)

    def _whole(self, index: int, slot: Slot) -> Iterator[str]:
        number = number_of(slot, stitched=self.form.stitched)
        yield f"#EXTINF:{self._track(slot).seconds(self._track(slot).segments[number].whole):.5f},"
        folder = self._folder(slot)
        if self.form.sealed and not slot.second.ad:
            folder = folder.replace("/media/", f"/sealed/{index}/")
        yield f"{folder}/{number}.m4s"

    def _part(self, slot: Slot, part: int) -> str:
        number = number_of(slot, stitched=self.form.stitched)
        track = self._track(slot)
        seconds = track.seconds(track.segments[number].parts[part])
        independent = ",INDEPENDENT=YES" if part == 0 or self.name == "sound" else ""
        uri = f"{self._folder(slot)}/{number}.{part}.m4s"
        return f'#EXT-X-PART:DURATION={seconds:.5f},URI="{uri}"{independent}'

    def _hint(self, slot: Slot, part: int) -> str:
        number = number_of(slot, stitched=self.form.stitched)
        return f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{self._folder(slot)}/{number}.{part}.m4s"'

    def _folder(self, slot: Slot) -> str:
        return f"../../media/{film_of(slot, stitched=self.form.stitched)}/{self.name}"

    def _track(self, slot: Slot) -> Track:
        return self.stock.track(slot, self.name, stitched=self.form.stitched)


def iso(moment: datetime) -> str:
    """A moment as playlists and MPDs write it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
