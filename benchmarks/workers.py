"""Two workers beside one; on a machine of two cores the load generator takes its share of both."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from benchmarks.options import Options
from benchmarks.servers import Kawa, kawa, make_files, origin
from benchmarks.stage import fetch, in_turns, load_of
from benchmarks.table import Row, compared
from benchmarks.wrk import Seen, wrk

PROGRAMS = ("nginx", "wrk", "taskset")
_FREE_CORES = 4  # two for the workers, the others for the load


def measure(options: Options) -> list[Row]:
    """The same small file from both, nothing pinned."""
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="kawa-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        make_files(folder / "www")
        with (
            origin(folder, folder / "www") as behind,
            kawa(folder / "two", behind, workers=2, core=None) as two,
            kawa(folder / "one", behind, workers=1, core=None) as one,
        ):
            for edge in (two, one):
                for _ in range(20):  # both workers are to have it
                    fetch(edge, edge.path("small.m4s"))
            mine, others = in_turns(
                options.rounds, lambda _: load(two, options), lambda _: load(one, options)
            )
    free = cores >= _FREE_CORES
    return [
        compared(
            work="two workers, hit 16 KB",
            peer="one worker",
            ours=[each.per_second for each in mine],
            theirs=[each.per_second for each in others],
            unit="requests/s",
            least=1.8 if free else None,
            note="" if free else f"{cores} cores, shared with the load generator: says little",
        )
    ]


def load(edge: Kawa, options: Options) -> Seen:
    return wrk(edge.url, edge.path("small.m4s"), load_of(options, core=None))
