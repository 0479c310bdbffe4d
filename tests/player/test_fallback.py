from __future__ import annotations

import pytest
from playwright.async_api import Page

from tests.player.edge import Edge
from tests.player.watching import until, until_playing

pytestmark = pytest.mark.asyncio(loop_scope="session")

NO_NATIVE_HLS = "HTMLMediaElement.prototype.canPlayType = () => '';"
NO_MEDIA_SOURCE = (
    "delete window.MediaSource; delete window.ManagedMediaSource; delete window.WebKitMediaSource;"
)


@pytest.mark.parametrize("engine", [None, "dash", "shaka"])
async def test_without_libraries_the_browser_plays_and_a_note_says_why(
    edge: Edge, page: Page, engine: str | None
) -> None:
    edge.vendor_missing = True

    await page.goto(edge.url(engine=engine))
    await until_playing(page, seconds=0.3)

    note = await page.locator("#note").inner_text()
    assert await page.evaluate("kawa.engine") == "native"
    assert "not installed on this server" in note
    assert note.endswith("Playing with HLS · browser instead.")


async def test_without_media_source_the_browser_plays_hls(edge: Edge, page: Page) -> None:
    await page.add_init_script(NO_MEDIA_SOURCE)

    await page.goto(edge.url())
    await until_playing(page, seconds=0.3)

    assert await page.evaluate("kawa.engine") == "native"
    assert "Media Source Extensions" in await page.locator("#note").inner_text()


async def test_without_any_way_to_play_the_reason_is_given(edge: Edge, page: Page) -> None:
    edge.vendor_missing = True
    await page.add_init_script(NO_NATIVE_HLS)

    await page.goto(edge.url())
    error = await until(page, "kawa.error")

    assert error == {"code": "engine-missing", "status": 0}
    assert await page.locator("#problem-title").inner_text() == "No player for this stream"


async def test_a_library_that_was_installed_meanwhile_is_found(edge: Edge, page: Page) -> None:
    edge.vendor_missing = True
    await page.add_init_script(NO_NATIVE_HLS)
    await page.goto(edge.url())
    await until(page, "kawa.error")

    edge.vendor_missing = False
    await page.click("#again")

    await until_playing(page, seconds=0.2)
    assert await page.evaluate("kawa.engine") == "hls"
