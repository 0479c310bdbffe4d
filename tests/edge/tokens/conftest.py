from __future__ import annotations

import pytest

from tests.edge.tokens.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()
