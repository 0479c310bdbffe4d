from __future__ import annotations

import json
import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.contracts.advice import (
    MOST_CHANGES,
    PRESETS,
    WINDOW_SECONDS,
    Advice,
    Advised,
    Rung,
    Sample,
    advise,
    cap_of,
    current,
    held_at,
    ladder_up_to,
)
from config.contracts.sessions import Quality

LADDER = (
    Rung(height=1080, bitrate_kbps=6000),
    Rung(height=360, bitrate_kbps=800),
    Rung(height=720, bitrate_kbps=3500),
    Rung(height=480, bitrate_kbps=1600),
)
FULL = 20_000


def told(
    samples: Sequence[tuple[float, Sample]], state: Advised | None = None
) -> list[tuple[float, int, str]]:
    """When what was advised."""
    state = Advised() if state is None else state
    found: list[tuple[float, int, str]] = []
    for now, sample in samples:
        state, advice = advise(state, sample, LADDER, now=now)
        if advice is not None:
            found.append((now, advice.target_height, advice.reason))
    return found


def at(kbps: int, *, buffer_ms: int | None = FULL, stalls: int = 0, busy: bool = False) -> Sample:
    return Sample(throughput_kbps=kbps, buffer_ms=buffer_ms, stalls=stalls, is_busy=busy)


def test_five_one_eight_megabits() -> None:
    trace = [
        (float(t), at(5000 if t < 60 else 1000 if t < 120 else 8000)) for t in range(0, 240, 2)
    ]
    assert told(trace) == [
        (0, 720, "throughput"),
        (60, 360, "throughput"),
        (130, 1080, "recovered"),
    ]


def test_the_same_trace_sampled_at_every_heartbeat_and_shorter() -> None:
    trace = [
        (float(t), at(5000 if t < 30 else 1000 if t < 60 else 8000)) for t in range(0, 100, 15)
    ]
    assert [height for _, height, _ in told(trace)] == [720, 360, 1080]


def test_nothing_is_advised_while_nothing_is_known() -> None:
    assert told([(0, Sample()), (1, Sample(stalls=1)), (2, Sample(buffer_ms=0))]) == []
    assert advise(Advised(), at(5000), (), now=0) == (Advised(), None)


def test_the_lowest_is_advised_however_little_comes_through() -> None:
    assert told([(0, at(10))]) == [(0, 360, "throughput")]


def test_down_at_once_when_it_stalls_even_if_enough_seems_to_come_through() -> None:
    trace = [(0, at(5000)), (1, at(5000, stalls=1)), (2, at(5000, stalls=1))]
    assert told(trace) == [(0, 720, "throughput"), (1, 480, "stalled")]


def test_a_low_buffer_makes_what_is_just_enough_too_little() -> None:
    just = 3700  # more than 720 takes, and less than a tenth more
    assert told([(0, at(5000)), (1, at(just, buffer_ms=FULL))]) == [(0, 720, "throughput")]
    for buffer_ms in (3999, 0, None):
        found = told([(0, at(5000)), (1, at(just, buffer_ms=buffer_ms))])
        assert found[1:] == [(1, 480, "throughput")]


def test_up_only_after_there_was_room_for_ten_seconds_without_a_break() -> None:
    up = [(float(t), at(9000)) for t in range(1, 10)]
    broken = [(10.0, at(4000)), *((float(t), at(9000)) for t in range(11, 21))]
    assert [now for now, *_ in told([(0, at(2500)), *up, *broken])] == [0]
    assert told([(0, at(2500)), *up, *broken, (21, at(9000))])[1:] == [(21, 1080, "recovered")]


def test_up_goes_to_what_there_was_room_for_all_the_time() -> None:
    trace = [(0, at(2500)), (1, at(20_000)), (6, at(5000)), (11, at(20_000))]
    assert told(trace)[1:] == [(11, 720, "recovered")]


def test_of_a_player_that_measures_nothing_its_stalls_decide_and_time_heals() -> None:
    def plays(stalls: int, seconds: range) -> list[tuple[float, Sample]]:
        return [
            (float(t), Sample(played_kbps=3400, buffer_ms=FULL, stalls=stalls)) for t in seconds
        ]

    trace = [*plays(0, range(100)), *plays(1, range(100, 300)), *plays(2, range(300, 400))]
    assert told(trace) == [
        (100, 480, "stalled"),
        (160, 720, "recovered"),
        (220, 1080, "recovered"),
        (300, 720, "stalled"),
        (360, 1080, "recovered"),
    ]


def test_a_busy_edge_asks_for_less_and_never_for_more() -> None:
    assert told([(0, at(5000)), (5, at(5000, busy=True))])[1:] == [(5, 480, "server-load")]
    trace = [(0, at(1100)), *((float(t), at(9000, busy=True)) for t in range(1, 100))]
    assert told(trace)[1:] == []


def test_a_busy_edge_asks_for_one_step_a_minute() -> None:
    trace = [(float(t), at(9000, busy=True)) for t in range(0, 200, 5)]
    found = told([(-1, at(9000)), *trace])
    assert [height for _, height, _ in found] == [1080, 720, 480, 360]
    assert all(
        after - before >= WINDOW_SECONDS for (before, *_), (after, *_) in pairwise(found[1:])
    )


def test_manifests_are_cut_only_after_more_has_done_harm_and_until_all_fits_again() -> None:
    state = Advised()
    caps = []
    for now, sample in [
        (0, at(1000)),
        (10, at(9000)),
        (20, at(9000)),
        (30, at(9000, stalls=1)),
        (100, at(9000, stalls=1)),
        (110, at(9000, stalls=1)),
    ]:
        state, _ = advise(state, sample, LADDER, now=now)
        caps.append(cap_of(state, LADDER))
    assert caps == [None, None, None, 720, 720, None]
    assert held_at(state, LADDER) is None
    assert current(state, LADDER) == max(LADDER)


def test_the_state_outlives_a_process() -> None:
    state, _ = advise(Advised(), at(5000), LADDER, now=0)
    state, _ = advise(state, at(900), LADDER, now=5)
    assert Advised.from_json(json.loads(json.dumps(state.to_json()))) == state
    assert Advised.from_json({}) == Advised()


def test_a_title_with_other_renditions_goes_on_from_the_nearest_below() -> None:
    state, _ = advise(Advised(), at(5000), LADDER, now=0)
    others = (Rung(height=240, bitrate_kbps=400), Rung(height=540, bitrate_kbps=2000))
    assert current(state, others) == others[1]
    state, advice = advise(state, at(900), others, now=1)
    assert advice == Advice(target_height=240, bitrate_kbps=400, reason="throughput")


def test_what_a_session_says_is_a_sample() -> None:
    assert Sample.of(Quality()) == Sample()
    heard = Quality(throughput_kbps=900, buffer_ms=0, stalls=2, reported_at=5.0)
    assert Sample.of(heard, is_busy=True) == Sample(
        throughput_kbps=900, buffer_ms=0, stalls=2, is_busy=True
    )
    assert Sample.of(Quality(played_kbps=600)).played_kbps == 600


@pytest.mark.parametrize(
    ("top_kbps", "height"),
    [(0, 2160), (100, 360), (700, 360), (3500, 720), (6000, 1080), (20_000, 2160)],
)
def test_the_presets_that_a_title_probably_has(top_kbps: int, height: int) -> None:
    assert ladder_up_to(top_kbps)[-1].height == height


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("period", [1, 7, 11, 20, 29, 61])
def test_whatever_swings_never_more_than_two_changes_a_minute(seed: int, period: int) -> None:
    rng = random.Random(seed * 100 + period)
    stalls = 0
    trace = []
    for t in range(1200):
        stalls += rng.random() < 0.02
        kbps = rng.choice((9000, 12_000)) if t // period % 2 else rng.choice((500, 2000))
        buffer_ms = rng.choice((0, 3000, FULL))
        trace.append(
            (float(t), at(kbps, buffer_ms=buffer_ms, stalls=stalls, busy=rng.random() < 0.05))
        )
    changes = [now for now, *_ in told(trace)][1:]
    assert changes
    assert all(
        after - before >= WINDOW_SECONDS
        for before, after in zip(changes, changes[MOST_CHANGES:], strict=False)
    )


@given(
    st.lists(
        st.tuples(
            st.floats(0, 30),
            st.integers(0, 20_000),
            st.none() | st.integers(0, 30_000),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_what_is_advised_is_in_the_ladder_and_always_new(
    steps: list[tuple[float, int, int | None, bool]],
) -> None:
    state, now, heights = Advised(), 0.0, []
    for seconds, kbps, buffer_ms, stalls in steps:
        now += seconds
        state, advice = advise(
            state, at(kbps, buffer_ms=buffer_ms, stalls=int(stalls)), LADDER, now=now
        )
        if advice is not None:
            heights.append(advice.target_height)
            assert advice.target_height == state.height
    assert set(heights) <= {rung.height for rung in LADDER}
    assert all(before != after for before, after in pairwise(heights))


def test_more_throughput_never_makes_the_first_advice_worse() -> None:
    heights = []
    for kbps in range(1, 40_000, 100):
        _, advice = advise(Advised(), at(kbps), PRESETS, now=0)
        assert advice is not None
        assert advice.bitrate_kbps <= 0.8 * kbps or advice.target_height == PRESETS[0].height
        heights.append(advice.target_height)
    assert heights == sorted(heights)
