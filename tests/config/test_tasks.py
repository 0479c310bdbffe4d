from __future__ import annotations

import asyncio

import pytest
from prometheus_client import REGISTRY

from config.runtime.tasks import BackgroundTasks

PATIENCE_SECONDS = 20


def failures(task: str) -> float:
    name = "kawa_background_task_failures_total"
    return REGISTRY.get_sample_value(name, {"task": task}) or 0.0


async def test_a_task_that_fails_is_counted_and_run_again() -> None:
    before, runs, healthy = failures("flaky"), 0, asyncio.Event()

    async def flaky() -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise ConnectionError("away")
        healthy.set()
        await asyncio.Event().wait()

    async with BackgroundTasks() as tasks, asyncio.timeout(PATIENCE_SECONDS):
        tasks.start("flaky", flaky)
        await healthy.wait()

    assert runs == 3
    assert failures("flaky") - before == 2


async def test_a_failing_task_disturbs_no_other() -> None:
    beats = 0
    beaten = asyncio.Event()

    async def failing() -> None:
        raise KeyError("bug")

    async def beating() -> None:
        nonlocal beats
        while True:
            beats += 1
            if beats == 100:
                beaten.set()
            await asyncio.sleep(0)

    async with BackgroundTasks() as tasks, asyncio.timeout(PATIENCE_SECONDS):
        tasks.start("failing", failing)
        tasks.start("beating", beating)
        await beaten.wait()


async def test_a_task_that_is_done_is_not_run_again() -> None:
    runs = 0
    done = asyncio.Event()

    async def once() -> None:
        nonlocal runs
        runs += 1
        done.set()

    async with BackgroundTasks() as tasks:
        tasks.start("once", once)
        await done.wait()
        for _ in range(10):
            await asyncio.sleep(0)

    assert runs == 1


async def test_leaving_cancels_the_tasks_and_waits_until_they_have_cleaned_up() -> None:
    started, cleaned = asyncio.Event(), False

    async def working() -> None:
        nonlocal cleaned
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned = True

    async with BackgroundTasks() as tasks:
        tasks.start("working", working)
        await started.wait()

    assert cleaned


async def test_leaving_by_an_exception_cancels_the_tasks_too() -> None:
    cancelled = asyncio.Event()

    async def working() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def fail() -> None:
        async with BackgroundTasks() as tasks:
            tasks.start("working", working)
            await asyncio.sleep(0)
            raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        await fail()
    assert cancelled.is_set()


async def test_a_task_that_waits_to_be_run_again_is_cancelled_at_once() -> None:
    failed = asyncio.Event()

    async def failing() -> None:
        failed.set()
        raise KeyError("bug")

    async with asyncio.timeout(PATIENCE_SECONDS):
        async with BackgroundTasks() as tasks:
            tasks.start("failing", failing)
            await failed.wait()
    assert len(asyncio.all_tasks()) == 1


async def test_work_that_swallows_its_cancellation_is_not_begun_again() -> None:
    begun = 0
    running = asyncio.Event()

    async def work() -> None:
        nonlocal begun
        begun += 1
        running.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise RuntimeError("a library's own idea of an end") from None

    async with asyncio.timeout(5), BackgroundTasks() as tasks:
        tasks.start("swallower", work)
        await running.wait()
    assert begun == 1
