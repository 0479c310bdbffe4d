from __future__ import annotations

from edge.origin.breaker import Breaker, State


def breaker(failures: int = 5) -> Breaker:
    return Breaker(failures=failures, pause=(1.0, 5.0), spread=lambda low, _high: low + 1)  # 2 s


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    it = breaker()
    for _ in range(4):
        it.failed(0)
    assert it.state(0) is State.CLOSED
    assert it.allows(0)
    it.failed(0)
    assert it.state(0) is State.OPEN
    assert not it.allows(1.9)


def test_a_success_in_between_starts_the_row_anew() -> None:
    it = breaker()
    for _ in range(4):
        it.failed(0)
    it.succeeded()
    for _ in range(4):
        it.failed(0)
    assert it.state(0) is State.CLOSED


def test_it_opens_when_more_than_half_of_twenty_failed() -> None:
    it = breaker()
    for _ in range(9):
        it.failed(0)
        it.succeeded()
    it.failed(0)
    it.failed(0)
    assert it.state(0) is State.OPEN


def test_half_of_twenty_is_not_more_than_half() -> None:
    it = breaker()
    for _ in range(30):
        it.succeeded()
        it.failed(0)
    assert it.state(0) is State.CLOSED


def test_half_open_lets_a_single_probe_through() -> None:
    it = breaker(failures=1)
    it.failed(0)
    assert it.state(2.0) is State.HALF_OPEN
    assert it.allows(2.0)
    assert not it.allows(2.0)


def test_a_good_probe_closes_it_and_a_bad_one_opens_it_again() -> None:
    it = breaker(failures=1)
    it.failed(0)
    assert it.allows(2.0)
    it.failed(2.0)
    assert it.state(3.9) is State.OPEN
    assert it.allows(4.0)
    it.succeeded()
    assert it.state(4.0) is State.CLOSED
    assert it.allows(4.0)
    assert it.allows(4.0)


def test_a_probe_that_nobody_waited_for_leaves_room_for_the_next() -> None:
    it = breaker(failures=1)
    it.failed(0)
    assert it.allows(2.0)
    it.abandoned()
    assert it.allows(2.0)


def test_failures_of_questions_that_left_before_it_opened_do_not_keep_it_open() -> None:
    it = breaker(failures=1)
    it.failed(0)
    for _ in range(10):
        it.failed(1.9)
    assert it.state(2.0) is State.HALF_OPEN


def test_none_means_that_it_never_opens() -> None:
    it = breaker(failures=0)
    for _ in range(100):
        it.failed(0)
    assert it.allows(0)


def test_the_pause_is_spread_between_its_bounds() -> None:
    for _ in range(50):
        it = Breaker(failures=1)
        it.failed(0)
        assert it.state(0.99) is State.OPEN
        assert it.state(5.01) is State.HALF_OPEN
