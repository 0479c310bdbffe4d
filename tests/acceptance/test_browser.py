from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright

from tests.acceptance.running import Kawa
from tests.player.conftest import CHROMIUM_ARGUMENTS, chromium, player_folder
from tests.player.watching import Complaints, shown, until, until_playing

__all__ = ["chromium", "player_folder"]

# A picture of each player at work, for a person to look at after the run.
ARTEFACTS = Path("var/artefacts")


@pytest.fixture
async def page(chromium: str, player_folder: Path) -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=CHROMIUM_ARGUMENTS
        )
        yield await browser.new_page(viewport={"width": 1280, "height": 800})
        await browser.close()


@pytest.mark.parametrize("engine", ["hls", "dash", "shaka", "native"])
async def test_the_page_plays_what_was_published(
    page: Page, published: dict[str, Any], engine: str, tmp_path: Path
) -> None:
    complaints = Complaints.of(page)
    address, fragment = published["player"].split("#")
    await page.goto(f"{address}?engine={engine}#{fragment}")

    await until_playing(page, seconds=2)
    assert await page.evaluate("kawa.engine") == engine
    frames = await page.evaluate(
        "document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames"
    )
    assert frames > 24
    if engine != "native":  # the browser's own player offers no choice
        await switch_quality(page)
    assert complaints.errors == []

    picture = tmp_path / f"{engine}.png"
    await page.screenshot(path=picture)
    assert picture.stat().st_size > 20_000
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(picture, ARTEFACTS / f"player-{engine}.png")


async def switch_quality(page: Page) -> None:
    """Choose each height in turn and wait until the picture has it."""
    heights = await page.evaluate("kawa.qualities.map(quality => quality.height)")
    assert sorted(heights) == [360, 480]
    for index, height in enumerate(heights):
        await page.evaluate(f"kawa.setQuality({index})")
        await until(page, f"document.querySelector('video').videoHeight === {height}")
        await until_playing(page)


async def test_a_token_for_another_title_is_explained(
    page: Page, kawa: Kawa, published: dict[str, Any]
) -> None:
    token = published["hls"].split("/t/")[1].split("/")[0]
    await page.goto(f"{kawa.edge}/player/#/t/{token}/vod/another/title")
    await until(page, "kawa.state === 'error'")
    assert await page.evaluate("kawa.error") == {"code": "not-allowed", "status": 403}
    text = await shown(page)
    assert token not in text
    assert len(text) > 100
