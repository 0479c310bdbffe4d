"""A whole edge killed in the middle of its writes to disk, again and again: what it serves is whole, or not served."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from config.runtime.keys import make_key_file
from tests.edge.faults.origin import Asked, Send, Step, answer, scripted_origin
from tests.edge.faults.processes import EdgeProcess, get
from tests.edge.suite.running import free_port

# The long form, by hand: EDGE_KILLS=200 pytest tests/edge/faults/test_kills.py -s
KILLS = int(os.environ.get("EDGE_KILLS", "9"))
SECONDS_PER_KILL = 10
FILES = 160
VIEWERS = 8
MEMORY_BYTES = 4 * 2**20
DISK_BYTES = 32 * 2**20  # half of what the files are, so that old ones go while new ones come
OBJECT_BYTES = 2**20  # larger ones are kept as slices
SLICE_BYTES = 2**18
# The pause before a worker is started again doubles each time, so now and then everything is killed and begun anew.
KILLS_PER_LAUNCHER = 4


def body_of(number: int) -> bytes:
    """File number so-and-so, of 1 byte to 1.5 MiB; the same bytes every time, and unlike those of any other."""
    return random.Random(number).randbytes(1 + number * 97_003 % (3 * 2**19))


BODIES = [body_of(number) for number in range(FILES)]


class Files:
    """The origin's script: the file that the path names, or the part of it that is asked for."""

    def __init__(self) -> None:
        self.is_up = True

    def __call__(self, asked: Asked) -> list[Step]:
        if not self.is_up:
            return [Send(answer(status="503 Service Unavailable"))]
        number = int(asked.target.strip("/").partition(".")[0])
        body, etag, age = BODIES[number], f'"v{number}"', "max-age=3600"
        span = asked.header("Range")
        if span is None:
            return [Send(answer(body, ETag=etag, Cache_Control=age))]
        first, _, last = span.removeprefix("bytes=").partition("-")
        start, stop = int(first), min(int(last or len(body)) + 1, len(body))
        if start >= len(body):
            there = f"bytes */{len(body)}"
            return [Send(answer(status="416 Range Not Satisfiable", Content_Range=there))]
        there = f"bytes {start}-{stop - 1}/{len(body)}"
        part = body[start:stop]
        return [
            Send(
                answer(
                    part,
                    status="206 Partial Content",
                    ETag=etag,
                    Cache_Control=age,
                    Content_Range=there,
                )
            )
        ]


class Victim:
    """An edge with one worker, to be killed and started again in the same place."""

    def __init__(self, folder: Path, origin: str) -> None:
        self.objects = folder / "objects"
        self._port, self._admin = free_port(), free_port()
        self._keys = folder / "var" / "secrets" / "keys.json"
        make_key_file(self._keys)
        values = {
            "VAR_DIR": str(folder / "var"),
            "CONFIG": str(folder / "none.toml"),
            "EDGE__LISTEN__PORT": str(self._port),
            "EDGE__ADMIN__PORT": str(self._admin),
            "EDGE__ORIGINS": json.dumps(
                {"cdn": {"kind": "http", "url": origin, "public": True, "retry_ratio": 0}}
            ),
            "EDGE__CACHE__FOLDER": str(self.objects),
            "EDGE__CACHE__MEMORY_BYTES": str(MEMORY_BYTES),
            "EDGE__CACHE__DISK_BYTES": str(DISK_BYTES),
            "EDGE__CACHE__OBJECT_BYTES": str(OBJECT_BYTES),
            "EDGE__CACHE__SLICE_BYTES": str(SLICE_BYTES),
            "EDGE__CACHE__NEGATIVE": "0",
        }
        self._env = {**os.environ, **{f"KAWA_{name}": value for name, value in values.items()}}
        self.edge = self._edge_of(None)

    def _edge_of(self, process: asyncio.subprocess.Process | None) -> EdgeProcess:
        return EdgeProcess(
            process=process,  # type: ignore[arg-type]
            port=self._port,
            admin=self._admin,
            keys=self._keys,
        )

    async def start(self) -> None:
        """A launcher and its worker."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "edge"),
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.edge = self._edge_of(process)
        await self.until_served()

    async def until_served(self, *, not_by: int = 0) -> None:
        """Wait for a worker that serves and is not the one that was killed."""
        async with asyncio.timeout(30):
            while True:
                assert self.edge.process.returncode is None, "the edge ended"
                with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                    workers = self.edge.workers()
                    if workers and not_by not in workers:
                        status, _ = await get(self._admin, "/readyz")
                        if status == 200:
                            return
                await asyncio.sleep(0.02)

    def kill_worker(self) -> int:
        """SIGKILL the worker; the launcher lives on."""
        [pid] = self.edge.workers()
        os.kill(pid, signal.SIGKILL)
        return pid

    async def kill_everything(self) -> None:
        """SIGKILL the launcher and its worker at the same time, or the one would ask the other to leave in order."""
        for pid in (self.edge.process.pid, *self.edge.workers()):
            os.kill(pid, signal.SIGKILL)
        await self.edge.process.wait()

    def torn(self) -> int:
        """How many files were just being written."""
        with contextlib.suppress(FileNotFoundError):
            return sum(1 for _ in (self.objects / "incoming").iterdir())
        return 0

    async def freeze_while_writing(self) -> None:
        """Stop the worker in the middle of a write: it does nothing more until it is killed."""
        [pid] = self.edge.workers()
        async with asyncio.timeout(30):
            while True:
                while not self.torn():
                    await asyncio.sleep(0)
                os.kill(pid, signal.SIGSTOP)
                while state_of(pid) != "T":
                    await asyncio.sleep(0)
                if self.torn():
                    return
                os.kill(pid, signal.SIGCONT)


def state_of(pid: int) -> str:
    """One letter (proc(5)); T: stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@asynccontextmanager
async def victim(folder: Path, origin: str) -> AsyncIterator[Victim]:
    """Serves in the block; nothing of it is left afterwards."""
    it = Victim(folder, origin)
    await it.start()
    try:
        yield it
    finally:
        if it.edge.process.returncode is None:
            await it.kill_everything()


async def viewer(port: int, chance: random.Random, seen: Counter[str]) -> None:
    """Ask for one file after another; whatever comes whole must be right."""
    while True:
        if not await ask(port, chance.randrange(FILES), seen):
            await asyncio.sleep(0.01)


async def ask(port: int, number: int, seen: Counter[str], *, right: str = "right") -> bool:
    """Whether an answer came, which is counted; one with status 200 and the wrong bytes is ``wrong``."""
    try:
        async with asyncio.timeout(20):
            status, body = await get(port, f"/cdn/{number}.m4s")
    except (ConnectionError, asyncio.IncompleteReadError):
        seen["cut"] += 1
        return False
    if status == 200:
        seen[right if body == BODIES[number] else "wrong"] += 1
    else:
        seen[f"status {status}"] += 1
    return True


async def kill_while_writing(
    edge: Victim, kills: int, chance: random.Random, seen: Counter[str]
) -> None:
    """Kill the worker so many times while viewers ask for files, at last the launcher with it."""
    tasks = [
        asyncio.create_task(viewer(edge.edge.port, random.Random(chance.random()), seen))
        for _ in range(VIEWERS)
    ]
    try:
        for number in range(kills):
            await asyncio.sleep(chance.uniform(0.02, 0.5))
            if chance.random() < 0.5:
                await edge.freeze_while_writing()
            if number < kills - 1:
                pid = edge.kill_worker()
                seen["torn"] += edge.torn()
                await edge.until_served(not_by=pid)
            else:
                await edge.kill_everything()
                seen["torn"] += edge.torn()
            seen["kills"] += 1
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert not [each for each in ended if isinstance(each, Exception)]


@pytest.mark.timeout(60 + KILLS * SECONDS_PER_KILL)
async def test_an_edge_that_is_killed_in_mid_write_serves_every_object_byte_exact(
    tmp_path: Path,
) -> None:
    chance, seen, files = random.Random(1), Counter[str](), Files()
    started = time.monotonic()
    async with scripted_origin(files) as origin, victim(tmp_path, origin.url) as edge:
        while seen["kills"] < KILLS:
            kills = min(KILLS_PER_LAUNCHER, KILLS - seen["kills"])
            await kill_while_writing(edge, kills, chance, seen)
            await edge.start()
            # Memory is empty and the origin has nothing: what is answered comes from the disk.
            files.is_up = False
            from_disk = Counter[str]()
            for number in range(FILES):
                await ask(edge.edge.port, number, from_disk, right="from disk")
            files.is_up = True
            seen += Counter({name: from_disk[name] for name in ("from disk", "wrong")})
            reads = (await edge.edge.metrics())["edge_cache_disk_reads_total"]
            assert reads >= from_disk["from disk"]
        for number, body in enumerate(BODIES):
            assert await get(edge.edge.port, f"/cdn/{number}.m4s") == (200, body)

    print(f"\n{dict(seen)} in {time.monotonic() - started:.0f} s")
    assert seen["wrong"] == 0
    assert not [name for name in seen if name.startswith("status")]
    assert seen["right"] > 10 * KILLS
    assert seen["from disk"] > 2 * KILLS
    assert seen["torn"] > KILLS // 8  # otherwise the kills came between the writes and show nothing
