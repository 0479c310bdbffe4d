from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout

from config.settings.load import Settings
from tests.edge.processes.harness import Mint, running, until

# Loaded by every Python of the test's edge: a signal makes the worker's only thread sleep, as a fault of ours would.
HANG = """
import signal, time

def hang_on_purpose(number, frame):
    time.sleep(600)

signal.signal(signal.SIGUSR2, hang_on_purpose)
"""

REPLACED = 'edge_worker_restarts_total{reason="watchdog"}'


async def test_a_stopped_worker_is_replaced(settings: Settings, mint: Mint) -> None:
    async with running(settings, workers=2, KAWA_EDGE__WATCHDOG_TIMEOUT="PT1.5S") as edge:
        stopped, other = edge.workers()
        os.kill(stopped, signal.SIGSTOP)

        async def replaced() -> bool:
            return await edge.metric(REPLACED) == 1

        await until(replaced)

        async def serves() -> bool:
            return (await edge.health())["ready"] is True

        await until(serves)
        assert stopped not in edge.workers()
        assert other in edge.workers()
        for _ in range(8):
            async with ClientSession() as session:
                async with session.get(f"{edge.url}/t/{mint()}/vod/title/master.m3u8") as answer:
                    assert answer.status == 200


async def test_a_hung_worker_shows_where_it_hangs_before_it_is_replaced(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "sitecustomize.py").write_text(HANG)
    async with running(
        settings,
        KAWA_EDGE__WATCHDOG_TIMEOUT="PT1S",
        PYTHONPATH=str(tmp_path / "python"),
    ) as edge:
        (hung,) = edge.workers()
        os.kill(hung, signal.SIGUSR2)

        async def replaced() -> bool:
            return await edge.metric(REPLACED) == 1 and edge.workers() not in ([], [hung])

        async def logged() -> bool:
            return bool(edge.events("worker is silent and is killed"))

        await until(replaced)
        assert "hang_on_purpose" in edge.log.read_text()
        await until(logged)
        assert edge.events("worker is silent and is killed")[0]["pid"] == hung


async def test_a_busy_but_living_worker_is_left_alone_and_its_lag_is_seen(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "python").mkdir()
    hiccup = HANG.replace("time.sleep(600)", "time.sleep(0.6)")
    (tmp_path / "python" / "sitecustomize.py").write_text(hiccup)
    async with running(
        settings, KAWA_EDGE__WATCHDOG_TIMEOUT="PT3S", PYTHONPATH=str(tmp_path / "python")
    ) as edge:
        workers = edge.workers()
        os.kill(workers[0], signal.SIGUSR2)

        async def late() -> bool:
            all_of_them = await edge.metric("edge_loop_lag_seconds_count")
            return all_of_them - await edge.metric('edge_loop_lag_seconds_bucket{le="0.25"}') > 0

        await until(late)
        assert edge.workers() == workers
        assert await edge.metric(REPLACED) == 0


async def test_killed_workers_come_back_and_what_they_had_running_is_forgotten(
    settings: Settings, mint: Mint, title: Path
) -> None:
    with (title / "v" / "large.m4s").open("wb") as file:
        file.truncate(64 * 2**20)
    async with running(settings) as edge:
        for ends in (1, 2, 3):
            (old,) = edge.workers()
            async with ClientSession() as session:
                path = f"/t/{mint()}/vod/title/v/large.m4s"
                async with session.get(edge.url + path) as answer:
                    assert answer.status == 200
                    os.kill(old, signal.SIGKILL)

                    async def replaced(ends: int = ends) -> bool:
                        return (
                            await edge.metric('edge_worker_restarts_total{reason="ended"}') == ends
                            and (await edge.health())["ready"]
                        )

                    await until(replaced)
        assert await edge.metric("edge_requests_running") == 0


async def test_a_worker_that_cannot_stay_up_is_not_started_in_a_tight_loop(
    settings: Settings,
) -> None:
    async with running(settings) as edge:
        started = time.monotonic()
        while time.monotonic() - started < 4:
            for pid in edge.workers():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

            async def back() -> bool:
                return len(edge.workers()) == 1

            await until(back)
        # 0.1, 0.2, 0.4, 0.8, 1.6 s, each at least halved by chance.
        restarts = [
            await edge.metric(f'edge_worker_restarts_total{{reason="{reason}"}}')
            for reason in ("ended", "not_ready")
        ]
        assert 2 <= sum(restarts) <= 7


async def test_the_admin_listener_answers_while_workers_have_no_descriptors_left(
    settings: Settings, mint: Mint
) -> None:
    async with running(settings) as edge:
        (worker,) = edge.workers()
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (3, 3))  # it has more: no new one
        async with ClientSession(timeout=ClientTimeout(total=1)) as viewer:
            try:
                async with viewer.get(f"{edge.url}/t/{mint()}/vod/title/master.m3u8") as answer:
                    served = answer.status == 200
            except (ClientError, TimeoutError):
                served = False
        assert not served
        async with ClientSession() as session:
            for path in ("/livez", "/readyz", "/healthz?verbose", "/metrics"):
                async with session.get(edge.admin + path) as answer:
                    assert answer.status == 200
