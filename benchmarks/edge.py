"""The table of speed of the edge: every part in turn, printed, and kept in RESULTS.md."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from benchmarks import disk, hits, mediaflow, memory, miss, slow_viewers, workers
from benchmarks.options import Options
from benchmarks.programs import lacking
from benchmarks.table import Row, keep, table

Part = Callable[[Options], list[Row]]
PARTS: dict[str, Part] = {
    "hits": hits.measure,
    "miss": miss.measure,
    "disk": disk.measure,
    "mediaflow": mediaflow.measure,
    "workers": workers.measure,
    "memory": memory.measure,
    "slow_viewers": slow_viewers.measure,
}
PROGRAMS = sorted(
    {
        program
        for part in (hits, miss, disk, mediaflow, workers, memory, slow_viewers)
        for program in part.PROGRAMS
    }
)


def check() -> None:
    """End here, with what to type, if a program is missing or there is only one core."""
    if missing := lacking(PROGRAMS):
        raise SystemExit(missing)
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("two cores are needed: one for the server, one for the load")


def show(names: Sequence[str], options: Options) -> list[Row]:
    """Measure these parts and print their rows as they come."""
    rows: list[Row] = []
    for name in names:
        measured = PARTS[name](options)
        print("\n".join(table(measured).splitlines()[0 if not rows else 2 :]), flush=True)
        rows += measured
    return rows


def main(options: Options) -> None:
    """The whole table, printed and kept."""
    rows = show(list(PARTS), options)
    how = (
        f"`.venv/bin/python -m benchmarks edge`, {options.rounds} rounds of {options.seconds} s in turns,"
        " server on core 0, load and origin on core 1, medians of the rounds' ratios (least to greatest; both medians)"
    )
    keep(rows, how=how)
