"""The manifests found in the wild that the tests are held to; they lie beside the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2].parent / "shared" / "corpus"


def hls() -> list[Path]:
    """Every HLS playlist of the corpus."""
    return _files("hls")


def dash() -> list[Path]:
    """Every MPD of the corpus."""
    return _files("dash")


def ids(paths: list[Path]) -> list[str]:
    """Names for a parametrized test."""
    return [path.name for path in paths]


def _files(folder: str) -> list[Path]:
    found = sorted(path for path in (ROOT / folder).glob("*") if path.is_file())
    if not found:
        message = f"the corpus of manifests is not at {ROOT / folder}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message, allow_module_level=True)
    return found
