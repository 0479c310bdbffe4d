"""One film for the whole run, and one edge for all who watch it as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.live.sessions.film import make_film
from tests.live.sessions.stage import Stage, stage
from tests.player.conftest import browser, chromium, page, player_folder

__all__ = ["browser", "chromium", "page", "player_folder"]


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("film")
    make_film(folder)
    return folder


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared(
    films: Path, tmp_path_factory: pytest.TempPathFactory, player_folder: Path
) -> AsyncIterator[Stage]:
    """An edge as it comes, for viewers who do nothing to its clock or its settings."""
    assert player_folder.is_dir()
    async with stage(films, tmp_path_factory.mktemp("edge")) as scene:
        yield scene


@pytest_asyncio.fixture(loop_scope="session")
async def own(films: Path, tmp_path: Path, player_folder: Path) -> AsyncIterator[Stage]:
    """An edge for one test."""
    assert player_folder.is_dir()
    async with stage(films, tmp_path) as scene:
        yield scene
