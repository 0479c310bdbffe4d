"""What the fault matrix shares."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from tests.edge.faults.driving import Edge, whole_edge
from tests.edge.faults.leaks import Leaks

Over = Callable[..., AbstractAsyncContextManager[Edge]]


@pytest.fixture
def leaks() -> Leaks:
    return Leaks()


@pytest.fixture
def over(tmp_path: Path) -> Over:
    """An edge over the origin at this URL."""
    return partial(whole_edge, tmp_path)
