"""What whoever runs the benchmarks of the edge can choose."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Options:
    """How long, how often, and where peers from PyPI are kept."""

    seconds: int = 2  # wrk takes whole ones
    rounds: int = 5
    viewers: int = 10_000
    sessions: int = 1_000_000
    soak_seconds: float = 1200
    cache: Path = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "kawa-bench"
