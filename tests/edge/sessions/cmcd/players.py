"""What players in Chromium said while a segment was held back for some seconds, and what the page saw meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).with_name("players.jsonl")


@dataclass(frozen=True, slots=True)
class Run:
    """hls.js 1.7.4, dash.js 5.2.1 or Shaka 5.2.12; ``stalls_ms`` by the page's own waiting and playing."""

    name: str
    startup_ms: int
    stalls_ms: tuple[int, ...]
    says: tuple[dict[str, Any], ...]

    def requests(self) -> Iterator[tuple[float, str | None]]:
        """When each request was made, in seconds since the first, and what came with it in ``said_by``'s form."""
        for one in self.says:
            if "event" in one:
                continue
            fields = one.get("fields")
            yield one["at"], " " + ",".join(fields.values()) if fields else one.get("query")

    def bodies(self) -> Iterator[tuple[float, bytes]]:
        """What was posted to the collector."""
        for one in self.says:
            if "event" in one:
                yield one["at"], one["event"].encode()


@cache
def runs() -> dict[str, Run]:
    found = {}
    for line in RECORDED.read_text("utf-8").splitlines():
        run = json.loads(line)
        found[run["run"]] = Run(
            run["run"], run["startup_ms"], tuple(run["stalls_ms"]), tuple(run["says"])
        )
    return found
