"""Which renditions a source gets, and the grid of frames that they share: pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

GOP_SECONDS = 2
MAX_RATE = Fraction(60)
# Slower than this a picture would last longer than a GOP.
MIN_RATE = Fraction(1, GOP_SECONDS)

_STANDARD_RATES = (
    Fraction(24000, 1001),
    Fraction(24),
    Fraction(25),
    Fraction(30000, 1001),
    Fraction(30),
    Fraction(48),
    Fraction(50),
    Fraction(60000, 1001),
    Fraction(60),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Pixels of a picture with square pixels, turned as it is shown."""

    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One video rendition: capped CRF, so that easy scenes stay small and hard ones stay under the cap."""

    name: str
    size: Size
    crf: int
    max_bitrate: int  # bits per second, over the buffer
    buffer_bits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the ladder: a 16:9 box that the picture must fit, lying or standing."""

    lines: int
    crf: int
    max_bitrate: int  # bits per second at up to 30 frames per second

    @property
    def long_side(self) -> int:
        return even(Fraction(self.lines * 16, 9))


LADDER = (
    Step(lines=1080, crf=22, max_bitrate=6_000_000),
    Step(lines=720, crf=22, max_bitrate=3_500_000),
    Step(lines=480, crf=22, max_bitrate=1_600_000),
    Step(lines=360, crf=23, max_bitrate=800_000),
)

# A source a few pixels short of a step still gets it, at its own size.
_CLOSE_ENOUGH = Fraction(95, 100)


def rungs_for(source: Size, *, rate: Fraction) -> tuple[Rung, ...]:
    """Every step not above the source, highest first, or the source's own size if it is below all."""
    fitting = [step for step in LADDER if _scale(source, step) <= 1 / _CLOSE_ENOUGH]
    if not fitting:
        lowest = LADDER[-1]
        size = _scaled(source, Fraction(1))
        return (_rung(f"v{min(size.width, size.height)}", size, lowest, rate),)
    return tuple(_rung(f"v{step.lines}", _fit(source, step), step, rate) for step in fitting)


def output_rate(average: Fraction, base: Fraction) -> Fraction:
    """The constant rate of the output: the source's own, at most 60, whole divisors of faster ones.

    ``base`` is the rate that every timestamp fits (ffprobe's r_frame_rate); it differs from the average for
    a variable rate, which gets the next standard rate that loses no picture.
    """
    average = average or base or Fraction(25)
    base = base or average
    if abs(base - average) <= average / 100:
        rate = _snapped(base)
    else:
        rate = next((r for r in _STANDARD_RATES if r >= average * Fraction(98, 100)), MAX_RATE)
    if rate > MAX_RATE:
        rate = rate / -(-rate // MAX_RATE)
    return max(rate, MIN_RATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Where pictures, key frames and segments lie, counted in frames so that nothing ever drifts."""

    rate: Fraction  # frames per second
    gop_frames: int
    segment_frames: int

    @classmethod
    def of(cls, rate: Fraction, *, segment_seconds: int) -> Grid:
        """The grid with a key frame every two seconds and segments of whole GOPs."""
        gop_frames = max(1, round(rate * GOP_SECONDS))
        gops = max(1, segment_seconds // GOP_SECONDS)
        return cls(rate=rate, gop_frames=gop_frames, segment_frames=gop_frames * gops)

    @property
    def segment_duration(self) -> Fraction:
        """Seconds of a full segment."""
        return self.segment_frames / self.rate


def even(value: Fraction) -> int:
    """The nearest even number, at least 2: 4:2:0 pictures have no odd sides."""
    return max(2, 2 * round(value / 2))


def _scale(source: Size, step: Step) -> Fraction:
    """What the source is multiplied by to fill the step's box; above 1 it would be enlarged."""
    long_side, short_side = max(source.width, source.height), min(source.width, source.height)
    return min(Fraction(step.long_side, long_side), Fraction(step.lines, short_side))


def _fit(source: Size, step: Step) -> Size:
    return _scaled(source, min(_scale(source, step), Fraction(1)))


def _scaled(source: Size, scale: Fraction) -> Size:
    def side(pixels: int) -> int:
        # An odd side is cut, not enlarged, when the picture keeps its size.
        return max(2, min(even(pixels * scale), pixels - pixels % 2))

    return Size(width=side(source.width), height=side(source.height))


def _rung(name: str, size: Size, step: Step, rate: Fraction) -> Rung:
    max_bitrate = step.max_bitrate * 3 // 2 if rate > 30 else step.max_bitrate
    return Rung(
        name=name,
        size=size,
        crf=step.crf,
        max_bitrate=max_bitrate,
        # One and a half seconds of the cap keeps the peak of any segment near the cap.
        buffer_bits=max_bitrate * 3 // 2,
    )


def _snapped(rate: Fraction) -> Fraction:
    """The standard rate that a container's rounded timestamps hide, if there is one within 0.05 %."""
    nearest = min(_STANDARD_RATES, key=lambda standard: abs(standard - rate))
    return nearest if abs(nearest - rate) <= rate / 2000 else rate.limit_denominator(1001)
