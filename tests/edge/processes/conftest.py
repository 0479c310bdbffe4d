"""Every test here has a title and a key file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.edge.processes.harness import Mint


@pytest.fixture(autouse=True)
def _files(title: Path, mint: Mint) -> None: ...
