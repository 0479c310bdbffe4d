"""What other programs made or said, as it was written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).with_name("data")


def lines(name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What all cases share, and the cases."""
    head, *cases = (
        json.loads(line) for line in (_FOLDER / f"{name}.jsonl").read_text().splitlines()
    )
    assert cases
    return head, cases


def document(name: str) -> dict[str, Any]:
    """One JSON document."""
    value: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text())
    return value
