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
            turns = [time.monotonic()]
            while turns[-1] < turns[0] + 10 * BEAT_SECONDS:  # requests only, and nothing is awaited
                link.progress()
                turns.append(time.monotonic())
            lines = parents.recv(2**16).splitlines()

    due, last = 0, turns[0]
    for turn in turns:  # a machine that stands still for a while misses beats
        if turn - last >= BEAT_SECONDS:
            due, last = due + 1, turn
    assert len(turns) > 100
    assert due - 1 <= len(lines) <= due + 2
    assert all(json.loads(line) == {"beat": True} for line in lines)


async def test_a_parent_that_reads_nothing_holds_up_nobody() -> None:
    parents, workers = socket.socketpair()
    with parents:
        async with linked(workers, beat_seconds=0) as link:
            for _ in range(100_000):
                link.progress()
