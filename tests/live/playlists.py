"""What a live packager writes: HLS with a sliding window, HLS with parts, and an MPD of several periods."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.live.media import PART_TARGET, Media, Segment, Span, Track

WINDOW = 6  # segments of a plain playlist
LL_WINDOW = 12
_SEGMENTS_WITH_PARTS = 3
PERIOD_SECONDS = 8
_DASH_WINDOW = 12
_DATE = "%Y-%m-%dT%H:%M:%S.%f"


@dataclass(frozen=True, slots=True)
class End:
    """What of a track has been published at a moment."""

    whole: int  # segments
    parts: int  # of the next segment

    def has(self, number: int, part: int | None) -> bool:
        """Whether a segment, or one part of it, is there."""
        return number < self.whole or (
            part is not None and number == self.whole and part < self.parts
        )


def end_of(track: Track, now: float) -> End:
    """Where a track ends now."""
    whole = _count(track, tuple(segment.whole for segment in track.segments), now)
    parts = _count(track, track.segments[whole].parts, now) if whole < len(track.segments) else 0
    return End(whole, parts)


def published_at(track: Track, number: int, part: int | None) -> float:
    """When a segment or a part of it will be there."""
    segment = track.segments[number]
    return track.end_of(segment.whole if part is None else segment.parts[part])


def master(media: Media, other: str) -> str:
    """The multivariant playlist; the sound comes from another host."""
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:9",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="Sound",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,'
        f'CHANNELS="2",URI="{other}sound.m3u8"',
    ]
    for track in media.video:
        assert track.height is not None
        lines += [
            f"#EXT-X-STREAM-INF:BANDWIDTH={track.bandwidth + media.audio.bandwidth},"
            f"RESOLUTION={track.height * 16 // 9}x{track.height},FRAME-RATE=24.000,"
            f'CODECS="{track.codecs},{media.audio.codecs}",AUDIO="a"',
            f"{track.name}.m3u8",
        ]
    return "\n".join([*lines, ""])


def sliding(track: Track, now: float, zero: datetime) -> str:
    """A media playlist of the last few segments."""
    end = end_of(track, now)
    first = max(0, end.whole - WINDOW)
    lines = [*_head(track, first), *_dated(track, first, zero)]
    for number in range(first, end.whole):
        lines += _whole(track, number)
    return "\n".join([*lines, ""])


def low_latency(
    media: Media, track: Track, now: float, zero: datetime, *, ranges: bool = False
) -> str:
    """A media playlist with parts, to be reloaded with requests that wait.

    The parts are files, or byte ranges of a segment that is still growing.
    """
    part_of = _range_part if ranges else _part
    end = end_of(track, now)
    first = max(0, end.whole - LL_WINDOW)
    head = _head(track, first)
    head[3:3] = [
        f"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={3 * PART_TARGET:.2f}",
        f"#EXT-X-PART-INF:PART-TARGET={PART_TARGET}",
    ]
    lines = [*head, *_dated(track, first, zero)]
    for number in range(first, end.whole):
        segment = track.segments[number]
        if number >= end.whole - _SEGMENTS_WITH_PARTS:
            lines += [part_of(track, number, segment, n) for n in range(len(segment.parts))]
        lines += _whole(track, number)
    if end.whole < len(track.segments):
        segment = track.segments[end.whole]
        lines += [part_of(track, end.whole, segment, n) for n in range(end.parts)]
        hint = _range_hint if ranges else _hint
        lines.append(hint(track, end.whole, segment, end.parts))
    for other in media.tracks.values():
        if other is not track:
            at = end_of(other, now)
            report = f'#EXT-X-RENDITION-REPORT:URI="{other.name}.m3u8",LAST-MSN='
            report += (
                f"{at.whole},LAST-PART={at.parts - 1}"
                if at.parts
                else f"{at.whole - 1},LAST-PART={len(other.segments[at.whole - 1].parts) - 1}"
            )
            lines.append(report)
    return "\n".join([*lines, ""])


def recorded(track: Track, numbers: range, zero: datetime, *breaks: str) -> str:
    """A media playlist of segments that are all there, with tags for what is shown in between."""
    lines = [
        *_head(track, 0),
        "#EXT-X-PLAYLIST-TYPE:VOD",
        *_dated(track, numbers.start, zero),
        *breaks,
    ]
    for number in numbers:
        lines += _whole(track, number)
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def interstitial(name: str, at: datetime, asset: str) -> str:
    """A break of the programme (RFC 8216bis appendix D)."""
    return (
        f'#EXT-X-DATERANGE:ID="{name}",CLASS="com.apple.hls.interstitial",START-DATE="{_iso(at)}",'
        f"X-RESUME-OFFSET=0,{asset}"
    )


def mpd(media: Media, now: float, zero: datetime, *, base: str, clock: str) -> str:
    """A live MPD: a period every few seconds, its media on another host."""
    end = min(end_of(track, now).whole for track in media.tracks.values())
    first = max(0, end - _DASH_WINDOW)
    published = zero + timedelta(seconds=end)
    periods = [
        _period(media, index, first, end)
        for index in range(first // PERIOD_SECONDS, (end - 1) // PERIOD_SECONDS + 1)
    ]
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011" type="dynamic"
  id="stage" availabilityStartTime="{_iso(zero)}" publishTime="{_iso(published)}" minimumUpdatePeriod="PT1S"
  minBufferTime="PT1S" timeShiftBufferDepth="PT{_DASH_WINDOW}S"
  suggestedPresentationDelay="PT3S" maxSegmentDuration="PT2S">
  <BaseURL>{base}</BaseURL>
{"".join(periods)}  <UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-iso:2014" value="{clock}"/>
</MPD>
"""


def _count(track: Track, spans: tuple[Span, ...], now: float) -> int:
    return sum(track.end_of(span) <= now + 1e-6 for span in spans)


def _head(track: Track, first: int) -> list[str]:
    return [
        "#EXTM3U",
        "#EXT-X-VERSION:9",
        "#EXT-X-TARGETDURATION:1",
        f"#EXT-X-MEDIA-SEQUENCE:{first}",
        f'#EXT-X-MAP:URI="{track.name}/init.mp4"',
    ]


def _dated(track: Track, first: int, zero: datetime) -> list[str]:
    start = track.segments[first].whole.start / track.timescale
    return [f"#EXT-X-PROGRAM-DATE-TIME:{_iso(zero + timedelta(seconds=start))}"]


def _whole(track: Track, number: int) -> list[str]:
    seconds = track.seconds(track.segments[number].whole)
    return [f"#EXTINF:{seconds:.5f},", f"{track.name}/{number}.m4s"]


def _part(track: Track, number: int, segment: Segment, part: int) -> str:
    seconds = track.seconds(segment.parts[part])
    independent = ",INDEPENDENT=YES" if part == 0 or track.height is None else ""
    return f'#EXT-X-PART:DURATION={seconds:.5f},URI="{track.name}/{number}.{part}.m4s"{independent}'


def _hint(track: Track, number: int, segment: Segment, part: int) -> str:
    del segment
    return f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{track.name}/{number}.{part}.m4s"'


def _range_part(track: Track, number: int, segment: Segment, part: int) -> str:
    """A part that begins where the one before it ends says so only once in a segment (RFC 8216bis section 4.4.4.9)."""
    size = len(segment.parts[part].data)
    start = "@0" if part == 0 else ""
    named = _part(track, number, segment, part).replace(f"/{number}.{part}.m4s", f"/{number}.m4s")
    return f'{named},BYTERANGE="{size}{start}"'


def _range_hint(track: Track, number: int, segment: Segment, part: int) -> str:
    start = sum(len(before.data) for before in segment.parts[:part])
    uri = f'URI="{track.name}/{number}.m4s"'
    return f"#EXT-X-PRELOAD-HINT:TYPE=PART,{uri},BYTERANGE-START={start}"


def _period(media: Media, index: int, first: int, end: int) -> str:
    start = index * PERIOD_SECONDS
    numbers = range(max(first, start), min(end, start + PERIOD_SECONDS))
    pictures = "".join(
        f'      <Representation id="{track.name}" bandwidth="{track.bandwidth}" codecs="{track.codecs}"'
        f' width="{track.height * 16 // 9}" height="{track.height}" frameRate="24"/>\n'
        for track in media.video
        if track.height is not None
    )
    sound = media.audio
    return (
        f'  <Period id="p{index}" start="PT{start}S">\n'
        '    <AdaptationSet id="1" contentType="video" mimeType="video/mp4" segmentAlignment="true">\n'
        f"{_template(media.video[0], numbers, start)}{pictures}    </AdaptationSet>\n"
        '    <AdaptationSet id="2" contentType="audio" mimeType="audio/mp4" lang="en" segmentAlignment="true">\n'
        f"{_template(sound, numbers, start)}"
        f'      <Representation id="{sound.name}" bandwidth="{sound.bandwidth}" codecs="{sound.codecs}"'
        ' audioSamplingRate="48000"/>\n'
        "    </AdaptationSet>\n  </Period>\n"
    )


def _template(track: Track, numbers: range, start: int) -> str:
    rows = "".join(
        f'<S t="{track.segments[n].whole.start}" d="{track.segments[n].whole.duration}"/>'
        for n in numbers
    )
    return (
        f'      <SegmentTemplate timescale="{track.timescale}" startNumber="{numbers.start}"'
        f' presentationTimeOffset="{start * track.timescale}" initialization="$RepresentationID$/init.mp4"'
        f' media="$RepresentationID$/$Number$.m4s"><SegmentTimeline>{rows}</SegmentTimeline></SegmentTemplate>\n'
    )


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(_DATE)[:-3] + "Z"
