"""What the tests of the tiers put into them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import REGISTRY


@dataclass(slots=True, eq=False)
class Thing:
    """The least that a tier keeps."""

    key: str
    size: int
    freq: int = 0
    alive: bool = True


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def body_of(seed: int, size: int) -> bytes:
    """Bytes that say from which seed they are."""
    return random.Random(seed).randbytes(size)


def stored_files(folder: Path) -> list[Path]:
    """The finished files below ``folder``."""
    return sorted(
        path for path in folder.glob("*/*/*") if path.is_file() and path.parts[-3] != "incoming"
    )


def counted(name: str, **labels: str) -> float:
    """What a metric says now."""
    return REGISTRY.get_sample_value(name, labels) or 0.0
