"""A real browser, a small real media and a stand-in for the edge."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from tests.lacking import lacking
from tests.player.edge import Edge, running
from tests.player.media import publish
from tests.player.real_edge import publish_film

PLAYER = Path(__file__).parents[2] / "edge" / "player"
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the system's Chromium."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        lacking("chromium is not installed: make setup-test")
    return path


@pytest.fixture(scope="session")
def player_folder() -> Path:
    """The page, with its libraries in place."""
    if not (PLAYER / "vendor" / ".installed").exists():
        lacking("the players are not installed: make setup")
    return PLAYER


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one published media."""
    folder = tmp_path_factory.mktemp("media")
    publish(folder)
    return folder


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one film, which is longer than what players load ahead."""
    folder = tmp_path_factory.mktemp("films")
    publish_film(folder)
    return folder


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """One browser for all tests."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=CHROMIUM_ARGUMENTS
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """An empty page of a browser that knows nothing."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
    yield await context.new_page()
    await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def edge(player_folder: Path, media: Path) -> AsyncIterator[Edge]:
    """A server of this test's own."""
    async with running(Edge(page=player_folder, media=media)) as edge:
        yield edge
