"""Looks at a source and either describes it or refuses it with a reason, before anything is encoded."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

from transcode.containers import is_cut
from transcode.errors import (
    NoVideo,
    ProgramTimeout,
    SourceEmpty,
    SourceTooLong,
    SourceTruncated,
    SourceUnreadable,
    UnsupportedVideo,
)
from transcode.ffmpeg.inputs import INPUT_ARGUMENTS, file_url
from transcode.ffmpeg.process import OutputTooLong, last_line, run, running
from transcode.ladder import Size, output_rate
from transcode.languages import language_tag

MAX_SIDE_PIXELS = 8192
MAX_AUDIO_TRACKS = 8

_DESCRIBE_TIMEOUT = timedelta(seconds=60)
_SCAN_TIMEOUT = timedelta(minutes=30)
_DESCRIPTION_BYTES = 2 * 2**20

# Containers that state their length at the front: a shorter file was cut. Others only have it estimated.
_STATES_LENGTH = {"mov", "matroska", "webm", "avi", "flv", "asf"}

_INTERLACED = {"tt", "bb", "tb", "bt"}
_HDR_TRANSFERS = {"smpte2084", "arib-std-b67"}
_CUT_SIGNS = ("moov atom not found", "ended prematurely", "partial file", "End of file")


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoTrack:
    """The picture track that is transcoded."""

    index: int
    codec: str
    size: Size  # as shown: square pixels, turned
    rate: Fraction  # of the output, frames per second
    packet_count: int
    start: float  # seconds, in the source's own time
    duration: float  # seconds
    is_interlaced: bool
    is_hdr: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioTrack:
    """One sound track that is transcoded."""

    index: int
    language: str  # BCP 47
    title: str
    is_default: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is known of a source that can be transcoded."""

    path: Path
    video: VideoTrack
    audio: tuple[AudioTrack, ...]


async def probe(path: Path, *, ffprobe: Path, max_duration: timedelta) -> Source:
    """Describe the source, or raise the ``BadSource`` that says why it is refused."""
    if path.stat().st_size == 0:
        raise SourceEmpty
    if await asyncio.to_thread(is_cut, path):
        raise SourceTruncated
    described = await _describe(path, ffprobe)
    return await examine(path, described, ffprobe=ffprobe, max_duration=max_duration)


async def examine(
    path: Path, described: Mapping[str, Any], *, ffprobe: Path, max_duration: timedelta
) -> Source:
    """Choose the tracks, walk through every packet, and compare with what the file declares."""
    streams = [stream for stream in described["streams"] if isinstance(stream, dict)]
    video = _choose_video(streams)
    audio = [stream for stream in streams if _is_audio(stream)][:MAX_AUDIO_TRACKS]
    size = display_size(video)
    container = described.get("format", {})
    _refuse_too_long(_number(container.get("duration")), max_duration)

    spans = await _scan(path, ffprobe)
    span = spans.get(video["index"])
    if span is None or span.packet_count == 0:
        raise SourceTruncated("the source declares a video track but holds no picture")
    _refuse_truncated(container, [video, *audio], spans)
    _refuse_too_long(span.duration, max_duration)
    rate = output_rate(_ratio(video.get("avg_frame_rate")), _ratio(video.get("r_frame_rate")))
    return Source(
        path=path,
        video=VideoTrack(
            index=video["index"],
            codec=str(video.get("codec_name")),
            size=size,
            rate=rate,
            packet_count=span.packet_count,
            start=span.start,
            # The last picture lasts one frame of the grid where the container does not say.
            duration=max(span.duration, float(1 / rate)),
            is_interlaced=video.get("field_order") in _INTERLACED,
            is_hdr=video.get("color_transfer") in _HDR_TRANSFERS,
        ),
        audio=tuple(
            _audio_track(stream) for stream in audio if _overlap(spans.get(stream["index"]), span)
        ),
    )


def display_size(video: Mapping[str, Any]) -> Size:
    """The picture's size with square pixels, turned as its rotation says; or ``UnsupportedVideo``."""
    width, height = _whole(video.get("width")), _whole(video.get("height"))
    if not (0 < width <= MAX_SIDE_PIXELS and 0 < height <= MAX_SIDE_PIXELS):
        raise UnsupportedVideo(f"pictures of {width}x{height} pixels are not supported")
    aspect = _ratio(str(video.get("sample_aspect_ratio", "")).replace(":", "/")) or Fraction(1)
    if not Fraction(1, 10) <= aspect <= 10:  # damaged: nothing real is shaped so
        aspect = Fraction(1)
    shown = max(1, round(width * aspect))
    if rotation_of(video) % 180 == 90:
        return Size(width=height, height=shown)
    return Size(width=shown, height=height)


def rotation_of(video: Mapping[str, Any]) -> int:
    """Degrees of the display matrix or of the old ``rotate`` tag."""
    for data in video.get("side_data_list") or []:
        if isinstance(data, dict) and "rotation" in data:
            return round(_number(data["rotation"]) or 0)
    return round(_number((video.get("tags") or {}).get("rotate")) or 0)


@dataclass(slots=True)
class Span:
    """Where the packets of one track lie in time, in seconds."""

    start: float = float("inf")
    end: float = float("-inf")
    packet_count: int = 0

    @property
    def duration(self) -> float:
        """Seconds from the first to the end of the last packet."""
        return max(0.0, self.end - self.start)

    def add(self, at: float, duration: float) -> None:
        """Count one packet."""
        self.packet_count += 1
        self.start = min(self.start, at)
        self.end = max(self.end, at + duration)


def add_packet(spans: dict[int, Span], line: bytes) -> None:
    """Count one line of ffprobe's packet list: index, pts, dts, duration, flags."""
    fields = line.split(b",")
    if len(fields) < 5 or b"D" in fields[4]:  # D: decoded but not shown (an edit list)
        return
    try:
        index = int(fields[0])
    except ValueError:
        return
    at = _seconds(fields[1])
    if at is None:
        at = _seconds(fields[2])
    if at is not None and (index in spans or len(spans) < 256):
        spans.setdefault(index, Span()).add(at, _seconds(fields[3]) or 0.0)


async def _describe(path: Path, ffprobe: Path) -> dict[str, Any]:
    argv = [str(ffprobe), "-v", "error", *INPUT_ARGUMENTS, "-show_format", "-show_streams"]
    try:
        finished = await run(
            [*argv, "-of", "json", file_url(path)],
            timeout=_DESCRIBE_TIMEOUT,
            max_bytes=_DESCRIPTION_BYTES,
        )
    except OutputTooLong as error:
        raise SourceUnreadable("the source declares too many tracks") from error
    if finished.code != 0:
        raise _unreadable(finished.stderr, path)
    try:
        described = json.loads(finished.stdout)
    except ValueError as error:
        raise SourceUnreadable from error
    if not isinstance(described, dict) or not described.get("streams"):
        raise SourceUnreadable("the source holds no track that can be read")
    return described


async def _scan(path: Path, ffprobe: Path) -> dict[int, Span]:
    """The time span of every track, from the packets themselves."""
    argv = [
        *(str(ffprobe), "-v", "error", *INPUT_ARGUMENTS),
        *("-show_entries", "packet=stream_index,pts_time,dts_time,duration_time,flags"),
        *("-of", "csv=p=0", file_url(path)),
    ]
    spans: dict[int, Span] = {}
    try:
        async with asyncio.timeout(_SCAN_TIMEOUT.total_seconds()), running(argv) as program:
            async for line in program.lines():
                add_packet(spans, line)
            code = await program.wait()
    except TimeoutError as error:
        raise ProgramTimeout(f"reading the source took longer than {_SCAN_TIMEOUT}") from error
    except OutputTooLong as error:
        raise SourceUnreadable from error
    if code != 0 and not spans:
        raise _unreadable(program.stderr, path)
    return spans


def _choose_video(streams: list[dict[str, Any]]) -> dict[str, Any]:
    pictures = [stream for stream in streams if _is_video(stream)]
    if not pictures:
        raise NoVideo
    chosen = max(pictures, key=lambda stream: _flag(stream, "default"))
    if chosen.get("codec_name") in (None, "none", "unknown"):
        raise UnsupportedVideo("no decoder knows the video track's codec")
    return chosen


def _is_video(stream: Mapping[str, Any]) -> bool:
    covers = ("attached_pic", "still_image", "timed_thumbnails")
    return stream.get("codec_type") == "video" and not any(_flag(stream, name) for name in covers)


def _is_audio(stream: Mapping[str, Any]) -> bool:
    return (
        stream.get("codec_type") == "audio"
        and stream.get("codec_name") not in (None, "none", "unknown")
        and _whole(stream.get("sample_rate")) > 0
    )


def _overlap(sound: Span | None, pictures: Span) -> bool:
    """Whether any of the sound is heard while pictures are shown."""
    return sound is not None and sound.start < pictures.end and sound.end > pictures.start


def _audio_track(stream: Mapping[str, Any]) -> AudioTrack:
    tags = {str(name).lower(): str(value) for name, value in (stream.get("tags") or {}).items()}
    return AudioTrack(
        index=stream["index"],
        language=language_tag(tags.get("language")),
        # A quoted-string of RFC 8216 section 4.2 has no quotes and no line ends.
        title=re.sub(r"[\"\x00-\x1f\x7f]", "", tags.get("title", ""))[:80].strip(),
        is_default=bool(_flag(stream, "default")),
    )


def _refuse_too_long(seconds: float | None, limit: timedelta) -> None:
    if seconds is not None and seconds > limit.total_seconds():
        raise SourceTooLong(f"the source lasts {seconds:.0f} s; at most {limit} is accepted")


def _refuse_truncated(
    container: Mapping[str, Any], streams: list[dict[str, Any]], spans: Mapping[int, Span]
) -> None:
    if not _STATES_LENGTH & set(str(container.get("format_name", "")).split(",")):
        return
    ends = [span.end for span in spans.values()]
    starts = [span.start for span in spans.values()]
    declared = _number(container.get("duration"))
    if declared is not None and ends:
        _compare(declared, max(ends) - min(starts))
    for stream in streams:
        seconds, span = _number(stream.get("duration")), spans.get(stream["index"])
        if seconds is not None and seconds > 0:
            _compare(seconds, span.duration if span else 0.0)


def _compare(declared: float, found: float) -> None:
    # Half a second: containers count the last picture and encoder padding in different ways.
    if found < declared - max(0.5, declared / 500):
        raise SourceTruncated(
            f"the source declares {declared:.1f} s but holds {found:.1f} s:"
            " it was cut or not uploaded whole"
        )


def _unreadable(stderr: str, path: Path) -> SourceUnreadable | SourceTruncated:
    complaint = last_line(stderr).replace(file_url(path), "source").replace(str(path), "source")
    if any(sign in stderr for sign in _CUT_SIGNS):
        return SourceTruncated(
            f"the source has no readable index: it was cut or not uploaded whole ({complaint})"
        )
    return SourceUnreadable(f"the source is not a media file that can be read ({complaint})")


def _flag(stream: Mapping[str, Any], name: str) -> int:
    return _whole((stream.get("disposition") or {}).get(name))


def _number(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if abs(number) < 1e12 else None  # also refuses nan and inf


def _whole(value: object) -> int:
    return int(_number(value) or 0)


def _seconds(field: bytes) -> float | None:
    try:
        return float(field)
    except ValueError:  # N/A
        return None


def _ratio(value: object) -> Fraction:
    """A ratio as ffprobe writes it, or 0 for one that is not known."""
    match = re.fullmatch(r"(\d{1,12})/(\d{1,12})", str(value))
    if match is None or int(match[2]) == 0:
        return Fraction(0)
    return Fraction(int(match[1]), int(match[2]))
