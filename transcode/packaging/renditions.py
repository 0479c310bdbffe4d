"""What was made, as the manifests describe it, and its bit rates by RFC 8216."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from transcode.ladder import Size

INIT_NAME = "init.mp4"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One media segment."""

    duration: int  # ticks
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFrame:
    """The bytes of one key frame with the moof that describes it."""

    segment: int  # number, from 1
    offset: int  # in the segment, bytes
    size_bytes: int
    duration: int  # ticks until the next key frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """One track, cut into segments that lie in the folder ``name``."""

    name: str
    codec: str  # RFC 6381
    timescale: int  # ticks per second
    segments: tuple[Segment, ...]

    @property
    def duration(self) -> Fraction:
        """Seconds of all segments."""
        return Fraction(sum(segment.duration for segment in self.segments), self.timescale)

    @property
    def target_duration(self) -> int:
        """The playlist's target duration."""
        return target_duration(self.seconds)

    @property
    def seconds(self) -> tuple[Fraction, ...]:
        """The length of each segment."""
        return tuple(Fraction(segment.duration, self.timescale) for segment in self.segments)

    @property
    def peak(self) -> int:
        """Bits per second of the worst run of segments."""
        return peak_bitrate(self.seconds, [segment.size_bytes for segment in self.segments])

    @property
    def average(self) -> int:
        """Bits per second over the whole."""
        return average_bitrate(self.seconds, [segment.size_bytes for segment in self.segments])

    def segment_path(self, number: int) -> str:
        """A segment's path relative to the output folder."""
        return f"{self.name}/{number}.m4s"


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRendition(Rendition):
    """One rung of the ladder."""

    size: Size
    rate: Fraction  # frames per second
    frame_count: int
    key_frames: tuple[KeyFrame, ...]

    @property
    def key_frame_seconds(self) -> tuple[Fraction, ...]:
        """How long each key frame stands in for the pictures after it."""
        return tuple(Fraction(frame.duration, self.timescale) for frame in self.key_frames)


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioRendition(Rendition):
    """One language of sound."""

    language: str  # BCP 47
    title: str
    is_default: bool
    channel_count: int
    sample_rate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """Everything that is published together."""

    video: tuple[VideoRendition, ...]  # highest first
    audio: tuple[AudioRendition, ...]

    @property
    def duration(self) -> Fraction:
        """Seconds of the pictures; sound may end up to one AAC frame later."""
        return self.video[0].duration


def target_duration(seconds: Sequence[Fraction]) -> int:
    """The longest segment, rounded as a reader rounds EXTINF (RFC 8216 section 4.3.3.1)."""
    return max(1, *(int(length + Fraction(1, 2)) for length in seconds))


def peak_bitrate(seconds: Sequence[Fraction], sizes: Sequence[int]) -> int:
    """The largest bit rate of any run of segments that lasts 0.5 to 1.5 target durations.

    RFC 8216 section 4.1. A presentation shorter than that is one run.
    """
    target = target_duration(seconds)
    shortest, longest = Fraction(target, 2), Fraction(3 * target, 2)
    peak = Fraction(0)
    for first in range(len(seconds)):
        length, size = Fraction(0), 0
        for number in range(first, len(seconds)):
            length += seconds[number]
            size += sizes[number]
            if length > longest:
                break
            if length >= shortest:
                peak = max(peak, 8 * size / length)
    return _rounded_up(peak) or average_bitrate(seconds, sizes)


def average_bitrate(seconds: Sequence[Fraction], sizes: Sequence[int]) -> int:
    """Bits per second of all segments together."""
    return _rounded_up(8 * sum(sizes) / sum(seconds, Fraction(0)))


def _rounded_up(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)
