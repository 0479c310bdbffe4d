from __future__ import annotations

import pytest

from edge.origin.retry import Lateness, RetryBudget


def test_retries_are_a_fifth_of_the_questions() -> None:
    budget = RetryBudget(0.2)
    for _ in range(100):
        budget.asked(0)
    assert sum(budget.take(0.5) for _ in range(100)) == 20


def test_a_quiet_origin_may_be_asked_again_three_times() -> None:
    budget = RetryBudget(0.2)
    budget.asked(0)
    assert [budget.take(0) for _ in range(5)] == [True, True, True, False, False]


def test_the_window_moves_on() -> None:
    budget = RetryBudget(0.2)
    for _ in range(5):
        budget.take(0)
    assert not budget.take(9)
    assert budget.take(10.5)


@pytest.mark.parametrize("storm", range(1, 30, 4))
def test_a_storm_is_never_amplified_beyond_its_ratio(storm: int) -> None:
    budget = RetryBudget(0.2)
    asked = repeated = 0
    for step in range(600):
        now = step / 20
        for _ in range(storm):
            budget.asked(now)
            asked += 1
            repeated += budget.take(now)
    assert repeated <= max(12, 0.2 * asked + 3)


def test_a_ratio_of_nothing_allows_nothing() -> None:
    budget = RetryBudget(0)
    for _ in range(100):
        budget.asked(0)
    assert not budget.take(0)


def test_nothing_is_late_before_enough_is_known() -> None:
    lateness = Lateness()
    for _ in range(19):
        lateness.took(0.1)
    assert lateness.delay is None
    lateness.took(0.1)
    assert lateness.delay == 0.1


def test_late_is_later_than_95_of_100() -> None:
    lateness = Lateness()
    for number in range(100):
        lateness.took(number / 100)
    assert lateness.delay == pytest.approx(0.95, abs=0.02)


def test_a_very_fast_origin_still_gets_a_moment() -> None:
    lateness = Lateness()
    for _ in range(20):
        lateness.took(0.0001)
    assert lateness.delay == 0.005
