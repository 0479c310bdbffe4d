from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcode.packaging.renditions import average_bitrate, peak_bitrate, target_duration
from transcode.packaging.segments import frame_ranges


def test_the_peak_is_that_of_the_worst_segment() -> None:
    assert peak_bitrate([Fraction(6)] * 3, [6000, 12000, 6000]) == 16000


def test_a_run_may_last_one_and_a_half_target_durations() -> None:
    # 2 s segments with a target of 4: a single 2 s segment counts, and so do three of them.
    seconds = [Fraction(4), Fraction(2), Fraction(2), Fraction(2)]

    assert peak_bitrate(seconds, [4000, 2000, 6000, 2000]) == 24000


def test_a_segment_shorter_than_half_a_target_counts_only_with_its_neighbour() -> None:
    assert peak_bitrate([Fraction(6), Fraction(1, 2)], [6000, 6500]) == 15385


def test_what_is_shorter_than_any_run_is_measured_whole() -> None:
    assert peak_bitrate([Fraction(1, 4)], [1000]) == 32000


@given(
    st.lists(
        st.tuples(st.fractions(Fraction(1, 60), 12), st.integers(1, 10**9)), min_size=1, max_size=20
    )
)
def test_the_peak_is_never_below_what_full_segments_average(
    segments: list[tuple[Fraction, int]],
) -> None:
    seconds, sizes = [s for s, _ in segments], [size for _, size in segments]

    assert peak_bitrate(seconds, sizes) > 0
    assert peak_bitrate([Fraction(6)] * len(sizes), sizes) >= average_bitrate(
        [Fraction(6)] * len(sizes), sizes
    )


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param(Fraction(6006, 1000), 6, id="6.006 is 6"),
        pytest.param(Fraction(13, 2), 7, id="a half is rounded up"),
        pytest.param(Fraction(1, 10), 1, id="at least one"),
    ],
)
def test_the_target_duration(seconds: Fraction, expected: int) -> None:
    assert target_duration([seconds]) == expected


@given(st.lists(st.fractions(Fraction(1, 60), 12), min_size=1, max_size=30), st.integers(1, 20_000))
def test_sound_is_cut_without_gap_or_empty_segment(lengths: list[Fraction], available: int) -> None:
    ends = [sum(lengths[: n + 1], Fraction(0)) for n in range(len(lengths))]

    ranges = frame_ranges(ends, 48_000, frame_count=available)

    assert ranges[0][0] == 0
    assert all(first < last for first, last in ranges)
    assert all(a[1] == b[0] for a, b in pairwise(ranges))
    assert ranges[-1][1] == min(available, -(-ends[-1] * 48_000 // 1024))
