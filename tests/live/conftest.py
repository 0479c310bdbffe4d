"""One recording for the whole run; a live origin and an edge for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.live.clocks import ManualClock, RealClock
from tests.live.media import Media, make_media
from tests.live.stage import Stage, stage
from tests.player.conftest import browser, chromium, page, player_folder

__all__ = ["browser", "chromium", "page", "player_folder"]

# There is a whole window behind the live edge, and the recording lasts for half a minute more.
_START_SECONDS = 14.1


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Media:
    return make_media(tmp_path_factory.mktemp("recording"))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(_START_SECONDS)


@pytest_asyncio.fixture(loop_scope="session")
async def held(media: Media, clock: ManualClock, tmp_path: Path) -> AsyncIterator[Stage]:
    """A live stream whose time the test moves."""
    async with stage(media, clock, tmp_path) as scene:
        yield scene


@pytest_asyncio.fixture(loop_scope="session")
async def live(media: Media, tmp_path: Path, player_folder: Path) -> AsyncIterator[Stage]:
    """A live stream that goes on by itself."""
    assert player_folder.is_dir()
    async with stage(media, RealClock(_START_SECONDS), tmp_path) as scene:
        yield scene
