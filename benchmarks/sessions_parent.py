"""The registry of one edge at load: memory of its sessions, and how long its turns keep the parent busy."""

from __future__ import annotations

import asyncio
import gc
import platform
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.options import Options
from benchmarks.table import Row, keep_section, table
from config.contracts.sessions import Counted, Quality, SessionStart
from config.launch.embedded.valkey import embedded_valkey
from config.runtime.redis import open_redis
from config.settings.load import Settings
from config.settings.shared import RedisSettings
from edge.sessions.open import Together
from edge.sessions.registry import Report

COMMAND = "`.venv/bin/python -m benchmarks sessions_parent`"
SESSIONS = 50_000
WORKERS = 2
AT_ONCE = 2_000  # reports of one call
TITLES = 500
MOST_BYTES = 4_000  # of the parent, with what waits for the catalog


def main(options: Options) -> None:
    """Measure, print the table, and keep it in RESULTS.md."""
    rows = asyncio.run(_measured())
    printed = table(rows)
    print(printed)
    about = (
        f"{datetime.now(UTC).date().isoformat()}, {COMMAND} with {SESSIONS:,} sessions at {WORKERS} workers;"
        f" {platform.python_implementation()} {platform.python_version()}."
    )
    keep_section("sessions-parent", f"{about}\n\n{printed}")


async def _measured() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        async with embedded_valkey(Path(folder) / "valkey") as url:
            redis = RedisSettings.model_validate({"url": url, "command_timeout": "PT5S"})
            settings = Settings(redis=redis, var_dir=Path(folder))
            async with open_redis(redis) as quick, open_redis(redis) as client:
                edge = Together(
                    settings, quick, client, folder=Path(folder) / "sessions", node="edge-1"
                )
                await edge.get_ready()
                try:
                    return await _rows(edge)
                finally:
                    edge.close()


async def _rows(edge: Together) -> list[Row]:
    rows: list[Row] = []

    async def row(name: str, work: Callable[[], Awaitable[None]]) -> None:
        watch = _Watch()
        async with watch:
            await work()
        each = 1e6 * watch.seconds / SESSIONS
        figure = (
            f"{watch.seconds:.2f} s, {each:.1f} µs each; longest turn {1000 * watch.longest:.0f} ms"
        )
        rows.append(Row(work=name, peer="", figure=figure, target="none", met=None))

    gc.collect()
    before = _resident()
    await row("opened, without a limit", lambda: _open(edge))
    await row("first reports of all workers", lambda: _tell(edge, 1))
    await row("written to the journal, all new", edge.tick)
    each = (_resident() - before) / SESSIONS
    await row("reports of all workers", lambda: _tell(edge, 2))
    await row("written to the journal, all changed", edge.tick)
    await row("a turn with nothing to do", edge.tick)
    rows.append(
        Row(
            work="memory of a session",
            peer="",
            figure=f"{each:.0f} bytes",
            target=f"≤ {MOST_BYTES} bytes",
            met=each <= MOST_BYTES,
        )
    )
    return rows


async def _open(edge: Together) -> None:
    now = int(time.time())
    for number in range(SESSIONS):
        start = SessionStart(
            id=f"01JD{number:022d}",
            grant=f"01JD{number:022d}",
            subject=f"user:{number:08d}",
            content=f"/vod/title-{number % TITLES}/",
            started_at=now,
            ends_at=now + 6 * 3600,
            device="desktop",
            agent="Firefox",
            country="DE",
            network=f"{number:016x}",
        )
        await edge.control.open(start, joins=False)
        if number % 1000 == 0:
            await asyncio.sleep(0)


async def _tell(edge: Together, round: int) -> None:
    now = time.time()
    for worker in range(WORKERS):
        for first in range(0, SESSIONS, AT_ONCE):
            reports = [
                Report(
                    id=f"01JD{number:022d}",
                    counted=Counted(
                        requests=10 * round,
                        bytes=10**7 * round,
                        segments=9 * round,
                        manifests=round,
                        active_ms=1000 * round,
                        renditions={"1080p": 9 * round},
                    ),
                    quality=Quality(),
                    seen_at=now,
                )
                for number in range(first, first + AT_ONCE)
            ]
            await edge.control.tell(f"w{worker}", reports)
            await asyncio.sleep(0)


class _Watch:
    """How long a block takes, and the longest time that nothing else could run meanwhile."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.longest = 0.0

    async def __aenter__(self) -> None:
        self._began = time.perf_counter()
        self._beat = asyncio.create_task(self._beats())
        await asyncio.sleep(0)

    async def __aexit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._began
        await asyncio.sleep(0.002)
        self._beat.cancel()

    async def _beats(self) -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            self.longest = max(self.longest, now - last)
            last = now


def _resident() -> int:
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * resource.getpagesize()
