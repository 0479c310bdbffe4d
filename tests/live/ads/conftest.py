"""One set of films for the whole run; an origin and an edge for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.live.ads.programme import LIVE, Stock, make_stock
from tests.live.ads.scene import Scene, ad_scene


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Stock:
    """Content, ads, and both in one piece."""
    return make_stock(tmp_path_factory.mktemp("films"), LIVE)


@pytest_asyncio.fixture(loop_scope="session")
async def scene(stock: Stock, tmp_path: Path, player_folder: Path) -> AsyncIterator[Scene]:
    """An edge that takes ads out; the live programme stands still until the test starts it."""
    assert player_folder.is_dir()
    async with ad_scene(stock, tmp_path) as scene:
        yield scene
