"""Sound that says which second it is: a pitch of its own for each of eight seconds in a row, and a high one in ads."""

from __future__ import annotations

import math
from array import array
from functools import cache

RATE = 48_000
AD_PITCH = 3000
_PITCHES = 8


def pitch_of(second: int) -> int:
    """The pitch of a second of content, in hertz; whole periods fit into a second."""
    return 400 + 150 * (second % _PITCHES)


@cache
def tone(pitch: int) -> bytes:
    """A second of it, as signed 16-bit samples of one channel."""
    step = 2 * math.pi * pitch / RATE
    return array("h", (round(8000 * math.sin(step * n)) for n in range(RATE))).tobytes()


def heard(samples: array[int], rate: int) -> int:
    """The one pitch of ours that is loudest in there."""
    pitches = [*(pitch_of(second) for second in range(_PITCHES)), AD_PITCH]
    return max(pitches, key=lambda pitch: _power(samples, pitch / rate))


def _power(samples: array[int], turns: float) -> float:
    """How much of a frequency is in there, by Goertzel's algorithm; ``turns`` of the wave in a sample."""
    factor = 2 * math.cos(2 * math.pi * turns)
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + factor * last - before
    return before * before + last * last - factor * before * last
