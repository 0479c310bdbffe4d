from __future__ import annotations

import json
import socket
import time

from edge.processes.link import linked

BEAT_SECONDS = 0.05


async def test_work_is_told_of_while_the_event_loop_has_no_turn() -> None:
    parents, workers = socket.socketpair()
    parents.setblocking(False)
    with parents:
        async with linked(workers, beat_seconds=BEAT_SECONDS) as link:
            end = time.monotonic() + 10 * BEAT_SECONDS
            asked = 0
            while time.monotonic() < end:  # a wall of requests, and nothing is awaited
                link.progress()
                asked += 1
            lines = parents.recv(2**16).splitlines()

    assert asked > 100
    assert 8 <= len(lines) <= 11
    assert all(json.loads(line) == {"beat": True} for line in lines)


async def test_a_parent_that_reads_nothing_holds_up_nobody() -> None:
    parents, workers = socket.socketpair()
    with parents:
        async with linked(workers, beat_seconds=0) as link:
            for _ in range(100_000):
                link.progress()
