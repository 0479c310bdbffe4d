from __future__ import annotations

import asyncio
import contextlib

import pytest

from config.runtime.breaker import Breaker, BreakerOpen


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Away(Exception):
    pass


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock=clock, spread=lambda least, most: most)


def state_of(breaker: Breaker) -> str:
    return breaker.state


def call(breaker: Breaker, *, fails: bool) -> None:
    with contextlib.suppress(Away), breaker.guard(Away):
        if fails:
            raise Away


def test_it_opens_after_five_failures_in_a_row(breaker: Breaker) -> None:
    for _ in range(4):
        call(breaker, fails=True)
    assert state_of(breaker) == "closed"

    call(breaker, fails=True)

    assert state_of(breaker) == "open"
    with pytest.raises(BreakerOpen):
        call(breaker, fails=False)


def test_a_success_in_between_begins_the_row_anew(breaker: Breaker) -> None:
    for _ in range(2):
        for fails in (True, True, True, True, False):
            call(breaker, fails=fails)

    assert state_of(breaker) == "closed"


def test_it_opens_when_more_than_half_of_the_latest_twenty_failed(breaker: Breaker) -> None:
    for _ in range(8):
        call(breaker, fails=False)
    for fails in (True, True, False) * 3 + (True,) * 3:
        call(breaker, fails=fails)

    # nine of twenty: the row of three is too short, and half is not more than half
    assert state_of(breaker) == "closed"
    for fails in (False, True, True):
        call(breaker, fails=fails)
    assert state_of(breaker) == "open"


def test_after_a_pause_one_call_tries_and_the_others_wait(breaker: Breaker, clock: Clock) -> None:
    for _ in range(5):
        call(breaker, fails=True)
    clock.now += 5.1
    assert state_of(breaker) == "half-open"

    with breaker.guard(Away), pytest.raises(BreakerOpen):
        call(breaker, fails=False)

    assert state_of(breaker) == "closed"


def test_a_try_that_fails_opens_it_again(breaker: Breaker, clock: Clock) -> None:
    for _ in range(5):
        call(breaker, fails=True)
    clock.now += 5.1

    call(breaker, fails=True)

    assert state_of(breaker) == "open"
    clock.now += 5.1
    call(breaker, fails=False)
    assert state_of(breaker) == "closed"


def test_an_answer_that_is_an_error_counts_as_an_answer(breaker: Breaker) -> None:
    for _ in range(10):
        with pytest.raises(ValueError, match="no such thing"), breaker.guard(Away):
            raise ValueError("no such thing")

    assert state_of(breaker) == "closed"


async def test_a_try_that_is_cancelled_leaves_the_next_call_to_try(
    breaker: Breaker, clock: Clock
) -> None:
    for _ in range(5):
        call(breaker, fails=True)
    clock.now += 5.1

    async def for_ever() -> None:
        with breaker.guard(Away):
            await asyncio.Event().wait()

    task = asyncio.create_task(for_ever())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert state_of(breaker) == "half-open"
    call(breaker, fails=False)
    assert state_of(breaker) == "closed"


def test_what_was_under_way_when_it_opened_does_not_prolong_the_pause(
    breaker: Breaker, clock: Clock
) -> None:
    with contextlib.suppress(Away), breaker.guard(Away):
        for _ in range(5):
            call(breaker, fails=True)
        clock.now += 3
        raise Away

    clock.now += 2.1
    assert state_of(breaker) == "half-open"
