"""MPDs of a programme with breaks: each break is a Period of its own that begins with a splice message."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.live.ads.cues import time_signal
from tests.live.ads.playlists import WINDOW, Listing, iso
from tests.live.ads.programme import BEHIND_SECONDS, Programme, Slot, Stock
from tests.live.media import Track

_OUT = 0x34  # provider placement opportunity, start
_TICKS = 90_000


@dataclass(frozen=True, slots=True)
class MpdWriter:
    """Writes the MPDs of a programme that is put together of two films."""

    stock: Stock
    programme: Programme
    zero: datetime
    clean: bool = False  # without ads; a recording is closed up

    def write(self, listing: Listing) -> str:
        """A static MPD if the listing has ended, a dynamic one otherwise."""
        periods = list(self._periods(listing))
        attributes = (
            f'type="static" mediaPresentationDuration="PT{sum(len(run) for run in periods)}S"'
            if listing.ended
            else self._dynamic(listing)
        )
        body = "".join(self._period(run, listing) for run in periods)
        clock = "" if listing.ended else _CLOCK
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" '
            f'profiles="urn:mpeg:dash:profile:isoff-live:2011" minBufferTime="PT1S" '
            f"{attributes}>\n{body}{clock}</MPD>\n"
        )

    def _dynamic(self, listing: Listing) -> str:
        published = self.zero + timedelta(seconds=listing.end)
        return (
            f'type="dynamic" availabilityStartTime="{iso(self.zero)}" publishTime="{iso(published)}" '
            f'minimumUpdatePeriod="PT1S" timeShiftBufferDepth="PT{WINDOW}S" '
            f'suggestedPresentationDelay="PT{BEHIND_SECONDS}S" maxSegmentDuration="PT2S"'
        )

    def _periods(self, listing: Listing) -> Iterator[Sequence[Slot]]:
        """Runs of slots of one kind."""
        run: list[Slot] = []
        for index in range(listing.first, listing.end):
            if run and self.programme.begins(index):
                yield run
                run = []
            if not (self.clean and self.programme.slots[index].second.ad):
                run.append(self.programme.slots[index])
        if run:
            yield run

    def _period(self, run: Sequence[Slot], listing: Listing) -> str:
        slot, film = run[0], "ads" if run[0].second.ad else "content"
        first = slot
        if not listing.ended:
            # The window may begin in its middle: a Period begins where it began.
            index = self.programme.slots.index(slot)
            while index and not self.programme.begins(index):
                index -= 1
            first = self.programme.slots[index]
        name = f"{film}-{first.second.number}"
        times = f'duration="PT{len(run)}S"' if listing.ended else self._times(first, run[-1])
        sets = "".join(
            f'    <AdaptationSet id="{number}" contentType="{kind}" mimeType="{kind}/mp4" segmentAlignment="true">\n'
            f"{self._template(film, track, run, first)}"
            f'      <Representation id="{track.name}" bandwidth="{track.bandwidth}" codecs="{track.codecs}" {more}/>\n'
            "    </AdaptationSet>\n"
            for number, kind, track, more in (
                (
                    1,
                    "video",
                    self._track(film, "picture"),
                    'width="160" height="96" frameRate="10"',
                ),
                (2, "audio", self._track(film, "sound"), 'audioSamplingRate="48000"'),
            )
        )
        return f'  <Period id="{name}" {times}>\n{self._splice(first)}{sets}  </Period>\n'

    def _times(self, first: Slot, last: Slot) -> str:
        """When a Period of a live MPD is on; without ads nothing but its duration tells when it is over."""
        end = self.programme.slots.index(last) + 1
        if self.clean and self.programme.begins(end):
            return f'start="PT{first.at}S" duration="PT{last.at + 1 - first.at}S"'
        return f'start="PT{first.at}S"'

    def _splice(self, first: Slot) -> str:
        if not first.second.ad:
            return ""
        (found,) = [
            one for one in self.programme.breaks if self.programme.slots[one.first] == first
        ]
        seconds = found.end - found.first
        signal = base64.b64encode(time_signal(found.number, _OUT, seconds)).decode()
        return (
            f'    <EventStream schemeIdUri="urn:scte:scte35:2014:xml+bin" timescale="{_TICKS}">\n'
            f'      <Event presentationTime="0" duration="{seconds * _TICKS}" id="{found.number}">'
            '<Signal xmlns="http://www.scte.org/schemas/35/2016">'
            f"<Binary>{signal}</Binary></Signal></Event>\n    </EventStream>\n"
        )

    def _template(self, film: str, track: Track, run: Sequence[Slot], first: Slot) -> str:
        spans = [track.segments[slot.second.number].whole for slot in run]
        rows = "".join(f'<S t="{span.start}" d="{span.duration}"/>' for span in spans)
        return (
            f'      <SegmentTemplate timescale="{track.timescale}" startNumber="{run[0].second.number}" '
            f'presentationTimeOffset="{first.second.number * track.timescale}" '
            f'initialization="../../media/{film}/$RepresentationID$/init.mp4" '
            f'media="../../media/{film}/$RepresentationID$/$Number$.m4s">'
            f"<SegmentTimeline>{rows}</SegmentTimeline></SegmentTemplate>\n"
        )

    def _track(self, film: str, name: str) -> Track:
        return self.stock.film(film).tracks[name]


_CLOCK = '  <UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-iso:2014" value="../../clock"/>\n'
