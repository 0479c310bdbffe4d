"""The long soak: mixed traffic, faults and random kills, while memory and descriptors are watched."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from benchmarks.options import Options
from tests.edge.faults.soak import Soaked, soak


def main(options: Options) -> None:
    """Run for as long as asked, and print what was seen each minute and at the end."""
    with tempfile.TemporaryDirectory(prefix="kawa-soak-") as folder:
        seen = asyncio.run(soak(Path(folder), seconds=options.soak_seconds, report=print))
    print(summary(seen))
    if seen.wrong:
        sys.exit(1)


def summary(seen: Soaked) -> str:
    """One line."""
    return (
        f"{seen.seconds:.0f} s: {seen.right} answers whole and right, {seen.cut} cut by kills and faults, {seen.wrong}"
        f" wrong, {seen.kills} kills -9; memory {seen.slope_mb_per_hour:+.1f} MB/h after warm-up (at most"
        f" {max(seen.memory_mb, default=0):.0f} MB), descriptors {min(seen.descriptors, default=0)} to"
        f" {max(seen.descriptors, default=0)}"
    )
