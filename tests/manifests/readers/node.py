"""Readers from npm: one process for each library reads every document."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.lacking import lacking

HERE = Path(__file__).parent
MODULES = HERE.parents[1] / "node_modules"
HLS = ("hls-parser", "m3u8-parser")
DASH = ("mpd-parser",)
SECONDS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A manifest and where it is said to stand."""

    data: bytes
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a library saw, its URIs apart; or why it refused."""

    saw: dict[str, Any] | None
    uris: tuple[str | None, ...] = ()
    error: str | None = None


def read_all(library: str, documents: Mapping[str, Document]) -> dict[str, Reading]:
    """What a library sees in each of the documents."""
    lines = [
        json.dumps({"id": key, "text": document.data.decode("utf-8-sig"), "url": document.url})
        for key, document in documents.items()
        if is_utf8(document.data)
    ]
    done = subprocess.run(
        [_node(), "--no-warnings", str(HERE / "read.js"), library],
        input="\n".join(lines).encode(),
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    answers = [_reading(json.loads(line)) for line in done.stdout.decode().split("\n") if line]
    assert len(answers) == len(lines), done.stderr.decode()
    return dict(answers)


def is_utf8(data: bytes) -> bool:
    """Whether JavaScript libraries, which read text, can be given these bytes."""
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False
    return True


def _reading(answer: dict[str, Any]) -> tuple[str, Reading]:
    saw = answer.get("saw")
    if saw is None:
        return answer["id"], Reading(saw=None, error=answer["error"])
    return answer["id"], Reading(uris=tuple(saw.pop("uris")), saw=saw)


@cache
def _node() -> str:
    found = shutil.which("node")
    missing = [name for name in (*HLS, *DASH) if not (MODULES / name).is_dir()]
    if found is None or missing:
        what = ", ".join(missing) if found else "node"
        lacking(f"not installed: {what}; make setup-test")
    return found
