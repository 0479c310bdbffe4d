from __future__ import annotations

import pytest
from playwright.async_api import Page

from tests.player.edge import BASE, TOKEN, Edge
from tests.player.watching import shown, until, until_playing

pytestmark = pytest.mark.asyncio(loop_scope="session")

# O stands for this server's origin, H for its host and port.
ACCEPTED = [
    pytest.param(BASE, id="path of the folder"),
    pytest.param(BASE[1:], id="path without its slash"),
    pytest.param(f"  O{BASE}/  ", id="whole address with spaces around it"),
    pytest.param(f"H{BASE}", id="address without its scheme"),
    pytest.param(f"O/player/#{BASE}", id="address of this page"),
    pytest.param(f"O/player/?engine=dash#{BASE}", id="address of this page with an engine"),
    pytest.param(f"O{BASE}/master.m3u8", id="address of the playlist"),
]

REFUSED = {
    "https://example.com/t/a/vod/x": "another server",
    "https://example.com/player/#/t/a/vod/x": "another server",
    "ftp://H/t/a/vod/x": "not a playback address",
    "http://": "not a playback address",
    "O/": "not a playback address",
    "http://name:word@H/t/a/vod/x": "not a playback address",
}


def placed(text: str, edge: Edge) -> str:
    host = edge.origin.removeprefix("http://")
    return text.replace("O/", f"{edge.origin}/").replace("H/", f"{host}/")


@pytest.mark.parametrize("text", ACCEPTED)
async def test_a_pasted_address_plays(edge: Edge, page: Page, text: str) -> None:
    await page.goto(f"{edge.origin}/player/")
    await until(page, "document.activeElement.id === 'address'")

    await page.fill("#address", placed(text, edge))
    await page.keyboard.press("Enter")

    await until_playing(page, seconds=0.1)
    assert not any(s.target.startswith("/player/") and TOKEN in s.target for s in edge.seen)
    assert TOKEN not in await shown(page)


async def test_a_wrong_address_is_refused_beside_the_field(edge: Edge, page: Page) -> None:
    await page.goto(f"{edge.origin}/player/")
    await until(page, "kawa.state === 'idle'")

    for text, words in REFUSED.items():
        await page.evaluate("document.querySelector('#address-problem').textContent = ''")
        await page.fill("#address", placed(text, edge))
        await page.keyboard.press("Enter")

        assert words in await until(page, "document.querySelector('#address-problem').textContent")
        assert await page.evaluate("kawa.state") == "idle"


async def test_leaving_the_stream_ends_it(edge: Edge, page: Page) -> None:
    await page.goto(edge.url())
    await until_playing(page, seconds=0.1)

    await page.evaluate("location.hash = ''")

    await until(page, "kawa.state === 'idle' && kawa.engine === null")
    assert await page.evaluate("document.querySelector('video').readyState") == 0
    assert await page.locator("#address").is_visible()


async def test_the_query_of_a_link_reaches_the_manifest(edge: Edge, page: Page) -> None:
    await page.goto(edge.url(f"{BASE}?height=360"))
    await until_playing(page, seconds=0.1)

    assert f"{BASE}/master.m3u8?height=360" in {seen.target for seen in edge.seen}
