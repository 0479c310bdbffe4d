from __future__ import annotations

import asyncio
import gc
import os
import random
from collections import Counter

from edge.errors import EdgeError
from edge.origin.upstream import Question
from tests.edge.origin.scripted import Scripted, origin_over, results, scripted

BODY = bytes(200_000)
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + BODY
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n30d40\r\n" + BODY + b"\r\n0\r\n\r\n"
)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


async def test_a_storm_of_faults_leaves_nothing_behind_and_good_answers_whole() -> None:
    dice = random.Random(7)

    async def script(origin: Scripted, head: bytes, writer: asyncio.StreamWriter) -> None:
        fault = head.split(b" ")[1].split(b"/")[1].decode()
        if fault == "whole":
            writer.write(WHOLE)
        elif fault == "chunked":
            writer.write(CHUNKED)
        elif fault == "error":
            writer.write(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
        elif fault == "cut":
            writer.write(WHOLE[:100_000])
            writer.close()
        elif fault == "garbage":
            writer.write(b"\x16\x03\x01\r\n\r\n")
        elif fault == "surplus":
            writer.write(WHOLE + b"more than that")
        elif fault == "closed":
            writer.close()
        elif fault == "stall":
            writer.write(WHOLE[:100_000])
            await origin.release.wait()
        else:
            await origin.release.wait()

    kinds = ["whole"] * 6 + ["chunked"] * 3
    kinds += ["error", "cut", "garbage", "surplus", "closed", "stall", "silent"]
    gc.collect()
    before = open_files()
    async with (
        scripted(script) as server,
        origin_over(
            server.url,
            connections=20,
            waiting=400,
            first_byte_timeout=0.2,
            idle_timeout=0.2,
            breaker_failures=0,
            retry_ratio=0.2,
        ) as origin,
    ):

        async def viewer(kind: str, leaves: bool) -> str:
            size = 0
            try:
                async with origin.ask(Question(path=f"{kind}/1.ts")) as reply:
                    async for chunk in reply.chunks():
                        size += len(chunk)
                        if leaves:
                            return "left"
                    assert size in (0, len(BODY))
                    return str(reply.status)
            except EdgeError as error:
                return error.code

        viewers = [
            asyncio.create_task(viewer(dice.choice(kinds), dice.random() < 0.1)) for _ in range(400)
        ]
        for task in dice.sample(viewers, 30):
            asyncio.get_running_loop().call_later(dice.random() / 2, task.cancel)
        async with asyncio.timeout(30):
            ends = Counter(
                item if isinstance(item, str) else type(item).__name__
                for item in await asyncio.gather(*viewers, return_exceptions=True)
            )
        assert set(ends) <= {
            *("200", "503", "left", "CancelledError"),
            *("origin-failed", "origin-timeout", "origin-busy"),
        }
        assert ends["200"] > 100
        counted = results(origin)
        assert {"ok", "5xx", "truncated", "reset", "malformed", "stall"} <= set(counted)
        # Nothing is counted that was not asked, and little is asked twice.
        assert sum(counted.values()) - counted.get("busy", 0) <= len(server.heads) + 30
        assert len(server.heads) <= 400 * 1.2 + 3
    gc.collect()
    assert open_files() <= before
