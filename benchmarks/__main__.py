"""``python -m benchmarks [NAME…]``: runs the benchmarks and prints what they measured."""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import fields
from pathlib import Path

from benchmarks import (
    admission,
    edge,
    manifests_ads,
    manifests_dash,
    manifests_filter,
    manifests_hls,
    manifests_memory,
    sessions,
    sessions_cmcd,
    sessions_lane,
    sessions_parent,
    sessions_store,
    soak,
    start,
    tokens,
)
from benchmarks.options import Options

BENCHMARKS = {
    "start": start.main,
    "manifests_hls": manifests_hls.main,
    "manifests_dash": manifests_dash.main,
    "manifests_ads": manifests_ads.main,
    "manifests_memory": manifests_memory.main,
    "manifests_filter": manifests_filter.main,
    "tokens": tokens.main,
    "sessions": sessions.main,
    "sessions_cmcd": sessions_cmcd.main,
}


def main() -> int:
    """Run the named benchmarks, or all that ``make bench`` is for."""
    known = [
        *BENCHMARKS,
        "admission",
        "edge",
        *edge.PARTS,
        "sessions_lane",
        "sessions_parent",
        "sessions_store",
        "soak",
    ]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"of: {', '.join(known)}; without any: all up to edge, which holds the next {len(edge.PARTS)}",
    )
    default = Options()
    parser.add_argument("--seconds", type=int, help="length of one round")
    parser.add_argument("--rounds", type=int, help="rounds that count, after one that does not")
    parser.add_argument("--viewers", type=int, help="how many slow viewers")
    parser.add_argument("--sessions", type=int, help="how many sessions there are in Redis")
    parser.add_argument("--soak-seconds", type=float, help="how long the soak runs")
    parser.add_argument("--cache", type=Path, help=f"folder for peers from PyPI ({default.cache})")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.names if name not in known]:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are: {', '.join(known)}")
    given = {field.name: getattr(chosen, field.name) for field in fields(Options)}
    options = Options(**{name: value for name, value in given.items() if value is not None})
    names = chosen.names or [*BENCHMARKS, "admission", "edge"]
    if not {"edge", *edge.PARTS}.isdisjoint(names):
        edge.check()  # before anything else takes its minutes
    for name in names:
        if name in BENCHMARKS:
            asyncio.run(BENCHMARKS[name]())
        elif name == "admission":
            print(admission.main())
        elif name == "edge":
            edge.main(options)
        elif name == "sessions_lane":
            sessions_lane.main(options)
        elif name == "sessions_parent":
            sessions_parent.main(options)
        elif name == "sessions_store":
            sessions_store.main(options)
        elif name == "soak":
            soak.main(options)
        else:
            edge.show([name], options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
