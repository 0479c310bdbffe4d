from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcode.ladder import LADDER, Grid, Size, output_rate, rungs_for

FILM = Fraction(24000, 1001)


def sizes(width: int, height: int) -> list[tuple[int, int]]:
    rungs = rungs_for(Size(width=width, height=height), rate=Fraction(25))
    return [(rung.size.width, rung.size.height) for rung in rungs]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(
            (1920, 1080), [(1920, 1080), (1280, 720), (854, 480), (640, 360)], id="full ladder"
        ),
        pytest.param(
            (3840, 2160), [(1920, 1080), (1280, 720), (854, 480), (640, 360)], id="uhd is scaled"
        ),
        pytest.param((1280, 720), [(1280, 720), (854, 480), (640, 360)], id="720p"),
        pytest.param(
            (1278, 718), [(1278, 718), (854, 480), (640, 360)], id="nearly 720p keeps its size"
        ),
        pytest.param((720, 1280), [(720, 1280), (480, 854), (360, 640)], id="portrait"),
        pytest.param(
            (1920, 804), [(1920, 804), (1280, 536), (854, 358), (640, 268)], id="wide film"
        ),
        pytest.param((320, 180), [(320, 180)], id="smaller than the lowest"),
        pytest.param((321, 181), [(320, 180)], id="odd sides are cut"),
        pytest.param((1, 1), [(2, 2)], id="one pixel"),
    ],
)
def test_the_ladder_of_a_source(source: tuple[int, int], expected: list[tuple[int, int]]) -> None:
    assert sizes(*source) == expected


@given(st.integers(2, 8192), st.integers(2, 8192))
def test_a_ladder_never_enlarges_and_is_never_empty(width: int, height: int) -> None:
    rungs = rungs_for(Size(width=width, height=height), rate=Fraction(25))

    assert 1 <= len(rungs) <= len(LADDER)
    assert len({rung.name for rung in rungs}) == len(rungs)
    for rung in rungs:
        assert 2 <= rung.size.width <= width
        assert 2 <= rung.size.height <= height
        assert rung.size.width % 2 == rung.size.height % 2 == 0


def test_more_frames_per_second_get_more_bits() -> None:
    slow, fast = (
        rungs_for(Size(width=1280, height=720), rate=Fraction(rate))[0] for rate in (30, 60)
    )

    assert fast.max_bitrate == slow.max_bitrate * 3 // 2


@pytest.mark.parametrize(
    ("average", "base", "expected"),
    [
        pytest.param(FILM, FILM, FILM, id="film"),
        pytest.param(
            Fraction(2997, 125), Fraction(2997, 125), FILM, id="film, rounded by a container"
        ),
        pytest.param(Fraction(10), Fraction(10), Fraction(10), id="an odd constant rate is kept"),
        pytest.param(Fraction(120), Fraction(120), Fraction(60), id="120 is halved"),
        pytest.param(
            Fraction(120000, 1001), Fraction(120000, 1001), Fraction(60000, 1001), id="119.88 too"
        ),
        pytest.param(Fraction(239, 10), Fraction(90000), Fraction(24000, 1001), id="variable"),
        pytest.param(Fraction(27), Fraction(1000), Fraction(30000, 1001), id="variable, between"),
        pytest.param(Fraction(500), Fraction(1000), Fraction(60), id="variable and fast"),
        pytest.param(Fraction(0), Fraction(0), Fraction(25), id="not known"),
        pytest.param(Fraction(1, 10), Fraction(1, 10), Fraction(1, 2), id="slower than a GOP"),
    ],
)
def test_the_rate_of_the_output(average: Fraction, base: Fraction, expected: Fraction) -> None:
    assert output_rate(average, base) == expected


@given(st.fractions(0, 100_000), st.fractions(0, 100_000))
def test_any_rate_ends_within_bounds(average: Fraction, base: Fraction) -> None:
    assert Fraction(1, 2) <= output_rate(average, base) <= 60


@pytest.mark.parametrize(
    ("rate", "gop", "segment", "seconds"),
    [
        pytest.param(FILM, 48, 144, Fraction(6006, 1000), id="film"),
        pytest.param(Fraction(25), 50, 150, Fraction(6), id="25"),
        pytest.param(Fraction(60000, 1001), 120, 360, Fraction(6006, 1000), id="59.94"),
        pytest.param(Fraction(1, 2), 1, 3, Fraction(6), id="one picture a GOP"),
    ],
)
def test_the_grid_is_counted_in_frames(
    rate: Fraction, gop: int, segment: int, seconds: Fraction
) -> None:
    grid = Grid.of(rate, segment_seconds=6)

    assert (grid.gop_frames, grid.segment_frames) == (gop, segment)
    assert grid.segment_duration == seconds
