"""The manifests found in the wild that the tests are held to; they lie beside the project."""

from __future__ import annotations

from pathlib import Path

from tests.lacking import lacking

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
        lacking(f"the corpus of manifests is not at {ROOT / folder}: put it beside the project")
    return found
