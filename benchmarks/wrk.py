"""Load by wrk: one thread on a core of its own, and what it saw."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.programs import LOAD_CORE

SCRIPT = Path(__file__).parent / "wrk.lua"


@dataclass(frozen=True, kw_only=True)
class Load:
    """What to ask, how often at a time, for how long; ``{n}`` in the path is counted up."""

    seconds: int
    connections: int = 64
    headers: Mapping[str, str] | None = None
    first: int | None = None  # where ``{n}`` starts
    turn: int = 0  # after how many it starts again; 0: never
    core: int | None = LOAD_CORE


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What came back."""

    per_second: float
    count: int
    median_ms: float
    p99_ms: float


def wrk(url: str, path: str, load: Load) -> Seen:
    """Ask for ``path`` as fast as it goes; any answer but 2xx and any broken connection is an error."""
    pinned = [] if load.core is None else ["taskset", "-c", str(load.core)]
    argv = [
        *(
            *pinned,
            "wrk",
            "-t1",
            f"-c{load.connections}",
            f"-d{load.seconds}s",
            "--timeout",
            "20s",
        ),
        *(
            word
            for name, value in (load.headers or {}).items()
            for word in ("-H", f"{name}: {value}")
        ),
        *("-s", str(SCRIPT), url + path.replace("{n}", "0")),
    ]
    told = {"BENCH_TURN": str(load.turn)}
    if load.first is not None:
        told |= {"BENCH_PATH": path, "BENCH_FIRST": str(load.first)}
    done = subprocess.run(
        argv, env={**os.environ, **told}, capture_output=True, text=True, check=True, timeout=120
    )
    seen = json.loads(done.stdout.splitlines()[-1])
    if seen["errors"]:
        raise RuntimeError(f"{path}: {seen['errors']} of {seen['requests']} requests failed")
    return Seen(
        per_second=seen["requests"] / seen["microseconds"] * 1e6,
        count=seen["requests"],
        median_ms=seen["p50"] / 1e3,
        p99_ms=seen["p99"] / 1e3,
    )
