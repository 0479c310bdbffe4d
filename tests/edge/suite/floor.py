"""The tests of the suite's release that the edge passes: a list that only grows.

``python -m tests.edge.suite.floor`` runs the release and adds what passes now. Nothing is ever taken out by it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.edge.suite.running import Command, Result, run_suite

FILE = Path(__file__).with_name("floor.json")
ROOT = Path(__file__).parents[3]
KINDS = ("required", "optimal")
PROFILES = ("generic-cache", "safe")


def edge(profile: str, origin: int, port: int, folder: Path) -> Command:
    """The edge as a plain caching proxy, with nothing of this machine's settings."""
    return Command(
        argv=[
            *(sys.executable, "-m", "config.launch", "edge"),
            *("--listen", f"127.0.0.1:{port}", "--public-origin", f"http://127.0.0.1:{origin}"),
            *("--profile", profile),
        ],
        env={
            "KAWA_VAR_DIR": str(folder),
            "KAWA_CONFIG": str(folder / "none.toml"),
            "KAWA_EDGE__ADMIN__PORT": "0",
        },
        cwd=ROOT,
    )


def read_floor(profile: str) -> dict[str, list[str]]:
    """The names of the tests that must pass, by kind."""
    found: dict[str, list[str]] = json.loads(FILE.read_text())[profile]
    return found


def passing(results: Sequence[Result], kind: str) -> list[str]:
    """The names of the tests of a kind that pass."""
    return sorted(each.id for each in results if each.kind == kind and each.passed)


def raised(floor: Iterable[str], now: Iterable[str]) -> list[str]:
    """The floor with what passes now."""
    return sorted({*floor, *now})


async def main() -> None:
    """Raise the floor of every profile."""
    floors = json.loads(FILE.read_text()) if FILE.exists() else {}
    for profile in PROFILES:
        results = await run_suite(lambda *where, profile=profile: edge(profile, *where))
        floor = floors.setdefault(profile, {kind: [] for kind in KINDS})
        for kind in KINDS:
            before = len(floor[kind])
            floor[kind] = raised(floor[kind], passing(results, kind))
            print(f"{profile} {kind}: {before} -> {len(floor[kind])}")
    FILE.write_text(json.dumps(floors, indent=1) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
