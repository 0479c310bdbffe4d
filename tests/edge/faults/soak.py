"""A soak: an edge of two workers behind a faulty network, viewers of all sorts, and workers killed at random.

Every byte is checked against what the origin has; an answer may be cut, and it may be an error while the network is
made to fail, but never wrong. Memory and descriptors of the worker that was never killed must stay flat.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.edge.faults.origin import Asked, Send, Step, answer, reset, scripted_origin
from tests.edge.faults.processes import EdgeProcess, edge_process, get
from tests.edge.faults.proxy import (
    FaultProxy,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    Timeout,
    Toxic,
    fault_proxy,
)

VIEWERS = 12
FILES = 400  # of 4 to 260 KB: several times what memory holds
MEMORY_BYTES = 8 * 2**20
DISK_BYTES = 24 * 2**20
KILL_EVERY = 7.0
TOXIC_EVERY = 1.5
TOXICS: tuple[tuple[Toxic, ...], ...] = (
    (),
    (),
    (Latency(0.01, jitter=0.01),),
    (Slicer(3000, variation=2000),),
    (LimitData(100_000),),
    (ResetPeer(0.01),),
    (Timeout(1),),
)


@dataclass
class Soaked:
    """What was seen."""

    seconds: float = 0
    right: int = 0
    refused: int = 0  # a 5xx while the network fails
    cut: int = 0
    wrong: int = 0
    kills: int = 0
    at: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    @property
    def slope_mb_per_hour(self) -> float:
        """Growth of memory in the second half, by least squares."""
        half = len(self.at) // 2
        xs, ys = self.at[half:], self.memory_mb[half:]
        if len(xs) < 2:
            return 0.0
        x, y = sum(xs) / len(xs), sum(ys) / len(ys)
        spread = sum((each - x) ** 2 for each in xs)
        return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / spread * 3600


def body_of(number: int) -> bytes:
    """File number so-and-so: the same bytes every time, and unlike those of any other."""
    return random.Random(number).randbytes(4000 + number * 641 % 256_000)


async def soak(
    folder: Path, *, seconds: float, seed: int = 1, report: Callable[[str], object] | None = None
) -> Soaked:
    """Run for that long; everything that was started has ended afterwards."""
    chance, seen = random.Random(seed), Soaked()
    bodies = [body_of(number) for number in range(FILES)]

    def script(asked: Asked) -> list[Step]:
        name = asked.target.strip("/").partition(".")[0]
        if not name.isdigit() or int(name) >= FILES:
            return [Send(answer(status="404 Not Found"))]
        return [Send(answer(bodies[int(name)], Cache_Control="max-age=3", ETag=f'"{name}"'))]

    cache = {
        "memory_bytes": MEMORY_BYTES,
        "disk_bytes": DISK_BYTES,
        "folder": folder / "objects",
        "negative": 0,
    }
    async with (
        scripted_origin(script) as origin,
        fault_proxy(origin.port, seed=seed) as proxy,
        edge_process(folder, proxy.url, workers=2, public=True, cache=cache) as edge,
    ):
        steady = edge.workers()[0]  # the other one is killed again and again
        started = time.monotonic()
        tasks = [
            asyncio.create_task(viewer(edge, bodies, random.Random(seed * 1000 + n), seen))
            for n in range(VIEWERS)
        ]
        tasks.append(asyncio.create_task(poison(proxy, chance)))
        tasks.append(asyncio.create_task(kill(edge, steady, seen)))
        try:
            said = 0.0
            while (passed := time.monotonic() - started) < seconds:
                await asyncio.sleep(min(1.0, seconds / 30))
                for task in tasks:
                    if task.done():
                        task.result()
                seen.at.append(passed)
                seen.memory_mb.append(memory_of(steady))
                seen.descriptors.append(sum(1 for _ in Path(f"/proc/{steady}/fd").iterdir()))
                if report is not None and passed - said >= 60:
                    said = passed
                    report(
                        f"{passed:.0f} s: {seen.right} right, {seen.cut} cut, {seen.wrong} wrong, {seen.kills} kills,"
                        f" {seen.memory_mb[-1]:.0f} MB, {seen.descriptors[-1]} descriptors"
                    )
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            proxy.toxics = []
        seen.seconds = time.monotonic() - started
    return seen


async def viewer(
    edge: EdgeProcess, bodies: list[bytes], chance: random.Random, seen: Soaked
) -> None:
    """Ask for one file after another; popular ones more often; leave in the middle at times."""
    while True:
        number = min(int(chance.expovariate(1 / 60)), FILES + 5)
        try:
            if chance.random() < 0.1:
                await hang_up(edge.port, f"/cdn/{number}.ts")
                continue
            async with asyncio.timeout(15):
                status, body = await get(edge.port, f"/cdn/{number}.ts")
        except (ConnectionError, asyncio.IncompleteReadError):
            seen.cut += 1
            continue
        if status == 200 and number < FILES and body == bodies[number]:
            seen.right += 1
        elif status >= 500 or (status == 404 and number >= FILES):
            seen.refused += 1
        else:
            seen.wrong += 1


async def hang_up(port: int, path: str) -> None:
    """Ask, read a little, and reset."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await reader.read(100)
    finally:
        with contextlib.suppress(OSError):  # it may have ended by itself
            reset(writer)
        writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def poison(proxy: FaultProxy, chance: random.Random) -> None:
    """Change the network's state again and again."""
    while True:
        proxy.toxics = list(chance.choice(TOXICS))
        await asyncio.sleep(TOXIC_EVERY)


async def kill(edge: EdgeProcess, steady: int, seen: Soaked) -> None:
    """Kill the other worker, whichever process it is by now."""
    while True:
        await asyncio.sleep(KILL_EVERY)
        for pid in edge.workers():
            if pid != steady:
                os.kill(pid, signal.SIGKILL)
                seen.kills += 1


def memory_of(pid: int) -> float:
    """Resident memory in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
