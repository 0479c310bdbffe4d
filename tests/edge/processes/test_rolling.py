from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path

from aiohttp import ClientError, ClientSession

from config.settings.load import Settings
from tests.edge.client import SEGMENT
from tests.edge.processes.harness import Edge, Mint, running, until

ROLLS = 20
CLIENTS = 8


class Load:
    """Clients that ask again and again over open connections, and never repeat what failed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.results: Counter[str] = Counter()
        self._over = False

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(self._ask())

    def end(self) -> None:
        self._over = True

    async def _ask(self) -> None:
        async with ClientSession() as session:
            # aiohttp's client repeats a GET on a closed connection by itself: a POST-like honesty is wanted here.
            session._retry_connection = False
            while not self._over:
                try:
                    async with session.get(self._url) as answer:
                        await answer.read()
                        self.results[str(answer.status)] += 1
                except (ClientError, OSError) as error:
                    self.results[type(error).__name__] += 1
                await asyncio.sleep(0.035)  # about 200 requests a second together


async def test_twenty_rolling_restarts_under_load_fail_no_request(
    settings: Settings, mint: Mint
) -> None:
    async with running(settings, KAWA_LOG__LEVEL="warning") as edge:
        load = Load(f"{edge.url}/t/{mint()}/vod/title/master.m3u8")
        task = asyncio.create_task(load.run())
        for _ in range(ROLLS):
            status, answer = await edge.order("/restart")
            assert (status, answer) == (200, {"restarted": True})
        load.end()
        await task
        assert load.results.keys() == {"200"}
        assert load.results["200"] > 50 * CLIENTS
        assert await edge.metric('edge_worker_restarts_total{reason="restart"}') == ROLLS
        counted = 'edge_http_requests_total{method="GET",route="manifest",status_class="2xx"}'

        async def all_are_counted() -> bool:  # the hot lane counts once a second
            return await edge.metric(counted) == load.results["200"]

        await until(all_are_counted)
        # Generations count under two names in turn: no file is left over.
        names = {path.stem.rsplit("_", 1)[1] for path in metric_files(settings, edge)}
        assert names <= {"parent", "w0a", "w0b"}


def metric_files(settings: Settings, edge: Edge) -> list[Path]:
    port = edge.admin.rsplit(":", 1)[1]
    return list((settings.var_dir / "run" / f"edge-{port}" / "metrics").glob("*.db"))


async def test_all_workers_are_replaced_one_after_another(settings: Settings, mint: Mint) -> None:
    async with running(settings, workers=2) as edge:
        before = edge.workers()
        load = Load(f"{edge.url}/t/{mint()}/vod/title/master.m3u8")
        task = asyncio.create_task(load.run())
        await edge.order("/restart")
        load.end()
        await task
        assert load.results.keys() == {"200"}

        async def old_are_gone() -> bool:
            return len(edge.workers()) == 2 and not set(before) & set(edge.workers())

        await until(old_are_gone)
        assert await edge.metric("edge_requests_running") == 0


async def test_a_running_body_ends_whole_on_the_worker_that_leaves(
    settings: Settings, mint: Mint, title: Path
) -> None:
    body = os.urandom(2**20) * 24
    (title / "v" / "large.m4s").write_bytes(body)
    async with running(settings) as edge:
        (old,) = edge.workers()
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port, limit=4096)
        path = f"/t/{mint()}/vod/title/v/large.m4s"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")

        await edge.order("/restart")
        assert old in edge.workers()
        async with ClientSession() as other:
            async with other.get(f"{edge.url}/t/{mint()}/vod/title/master.m3u8") as answer:
                assert answer.status == 200

        assert await reader.readexactly(len(body)) == body
        writer.close()

        async def old_is_gone() -> bool:
            return old not in edge.workers()

        await until(old_is_gone)


async def test_a_worker_that_leaves_says_so_in_its_next_answer(
    settings: Settings, mint: Mint
) -> None:
    async with running(settings) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        request = f"GET /t/{mint()}/vod/title/v/1.m4s HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"connection: close" not in head.lower()
        await reader.readexactly(len(SEGMENT))

        await edge.order("/restart")
        writer.write(request)

        head = await reader.readuntil(b"\r\n\r\n")
        assert b"connection: close" in head.lower()
        assert await reader.read() == SEGMENT
        writer.close()


async def test_before_the_edge_leaves_it_is_not_ready_and_closes_connections_after_their_answer(
    settings: Settings, mint: Mint
) -> None:
    async with running(settings, KAWA_EDGE__HTTP__DRAIN_DELAY="PT1.5S") as edge:
        url = f"{edge.url}/t/{mint()}/vod/title/master.m3u8"
        async with ClientSession() as session:
            edge.process.terminate()

            async def not_ready() -> bool:
                async with session.get(f"{edge.admin}/readyz") as answer:
                    return answer.status == 503

            await until(not_ready)

            async def closes() -> bool:
                async with session.get(url) as answer:
                    assert answer.status == 200
                    return answer.headers.get("Connection") == "close"

            await until(closes)
        assert await asyncio.wait_for(edge.process.wait(), 30) == 0


async def test_a_worker_killed_in_the_middle_of_a_roll_is_replaced(
    settings: Settings, mint: Mint
) -> None:
    async with running(settings) as edge:
        for _ in range(3):
            restart = asyncio.create_task(edge.order("/restart"))
            os.kill(edge.workers()[0], signal.SIGKILL)
            status, _ = await restart
            assert status == 200
            async with ClientSession() as session:
                async with session.get(f"{edge.url}/t/{mint()}/vod/title/master.m3u8") as answer:
                    assert answer.status == 200
