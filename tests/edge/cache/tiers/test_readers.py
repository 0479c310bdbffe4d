from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from edge.cache.tiers.readers import Readers, TooManyReads

PATIENCE_SECONDS = 10


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a read waits for; open when the test is over."""
    opened = threading.Event()
    yield opened
    opened.set()


def held_by(gate: threading.Event) -> Callable[[], str]:
    def work() -> str:
        assert gate.wait(PATIENCE_SECONDS)
        return "late"

    return work


def readers(*, most_reads: int = 8, seconds: float = PATIENCE_SECONDS) -> Readers:
    return Readers(most_reads=most_reads, seconds=seconds, threads=1)


async def test_work_is_done_in_another_thread() -> None:
    pool = readers()
    assert await pool.run(threading.get_ident) != threading.get_ident()
    pool.close()


async def test_what_work_raises_reaches_its_caller_and_nothing_is_unwanted() -> None:
    def fails() -> str:
        raise FileNotFoundError

    pool, unwanted = readers(most_reads=1), list[str]()
    with pytest.raises(FileNotFoundError):
        await pool.run(fails, unwanted=unwanted.append)
    assert await pool.run(lambda: "next", unwanted=unwanted.append) == "next"
    assert unwanted == []
    pool.close()


async def test_a_read_that_is_given_up_counts_until_it_has_ended(gate: threading.Event) -> None:
    pool, ended = readers(most_reads=1, seconds=0.02), asyncio.Event()
    with pytest.raises(TimeoutError):
        await pool.run(held_by(gate), unwanted=lambda _: ended.set())
    with pytest.raises(TooManyReads):
        await pool.run(lambda: "refused")
    gate.set()
    await asyncio.wait_for(ended.wait(), PATIENCE_SECONDS)
    assert await pool.run(lambda: "taken") == "taken"
    pool.close()


async def test_what_comes_after_its_caller_has_left_is_handed_over(gate: threading.Event) -> None:
    pool = readers()
    given: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    reading = asyncio.create_task(pool.run(held_by(gate), unwanted=given.set_result))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    gate.set()
    assert await asyncio.wait_for(given, PATIENCE_SECONDS) == "late"
    pool.close()


async def test_what_comes_together_with_the_cancellation_is_handed_over(
    gate: threading.Event,
) -> None:
    pool, next_began = readers(), threading.Event()
    given: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    reading = asyncio.create_task(pool.run(held_by(gate), unwanted=given.set_result))
    after = asyncio.create_task(pool.run(next_began.set))
    await asyncio.sleep(0)
    gate.set()
    # The only thread goes on to the next read: the result of the first is on its way to this loop, which waits here.
    assert next_began.wait(PATIENCE_SECONDS)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await asyncio.wait_for(given, PATIENCE_SECONDS) == "late"
    await after
    pool.close()


async def test_closing_waits_for_no_read_and_begins_no_more(gate: threading.Event) -> None:
    pool, began = readers(), list[str]()
    first = asyncio.create_task(pool.run(held_by(gate)))
    second = asyncio.create_task(pool.run(lambda: began.append("second")))
    await asyncio.sleep(0)
    pool.close()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.set()
    assert await first == "late"
    assert began == []
