"""What a worker holds in memory beside the cache it was given."""

from __future__ import annotations

from benchmarks.options import Options
from benchmarks.servers import LARGE_BYTES, SMALL_BYTES, Server
from benchmarks.stage import Stage, load_of, stage
from benchmarks.table import Row
from benchmarks.wrk import wrk

PROGRAMS = ("nginx", "wrk", "taskset")
CACHE_BYTES = 256 * 2**20
MOST_BYTES = 150 * 2**20


def measure(options: Options) -> list[Row]:
    """A cache of 256 MB, filled several times over with 2 MB and 16 KB files, which are then asked for again."""
    with stage(options, cache={"memory_bytes": CACHE_BYTES}) as on:
        idle = worker_bytes(on.kawa)
        fill(on)
        full = worker_bytes(on.kawa)
    beside = full - CACHE_BYTES
    return [
        Row(
            work="resident memory of one worker beside its cache",
            peer="none",
            figure=f"{beside / 2**20:.0f} MB ({full / 2**20:.0f} MB with a cache of {CACHE_BYTES >> 20} MB filled"
            f" three times over; {idle / 2**20:.0f} MB idle)",
            target="≤ 150 MB",
            met=beside <= MOST_BYTES,
        )
    ]


def fill(on: Stage) -> None:
    """Until three times the cache's size has passed through it, large and small."""
    for path, size, first in (
        ("new-large/{n}.m4s", LARGE_BYTES, 0),
        ("new-small/{n}.m4s", SMALL_BYTES, 0),
        ("new-large/{n}.m4s", LARGE_BYTES, 0),
    ):
        passed = 0
        while passed < CACHE_BYTES:
            load = load_of(on.options, connections=32, first=first)
            count = wrk(on.kawa.url, on.kawa.path(path), load).count
            first += count
            passed += count * size


def worker_bytes(server: Server) -> int:
    """Resident bytes of the largest of its processes: the worker."""
    return max(server.memory().values())
