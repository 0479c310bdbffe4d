from __future__ import annotations

import pytest
from playwright.async_api import Page

from tests.player.edge import BASE, TOKEN, Edge
from tests.player.watching import shown, until, until_playing

pytestmark = pytest.mark.asyncio(loop_scope="session")

# O stands for this server's origin, H for its host and port.
ACCEPTED = [
    BASE,
    BASE[1:],
    f"{BASE}///",
    f"  O{BASE}/  ",
    f"H{BASE}",
    f"O/player/#{BASE}",
    f"O/player/?engine=dash#{BASE}",
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


async def test_every_way_to_write_an_address_names_the_same_media(edge: Edge, page: Page) -> None:
    await page.goto(f"{edge.origin}/player/")

    for text in ACCEPTED:
        source = await page.evaluate(
            """async (text) => {
              const { parseLink } = await import("/player/source.js");
              return parseLink(text, location);
            }""",
            placed(text, edge),
        )

        assert source["hls"] == f"{edge.origin}{BASE}/master.m3u8"
        assert source["dash"] == f"{edge.origin}{BASE}/manifest.mpd"
        assert source["token"] == TOKEN
        assert source["title"] == "vod/demo/a1"


async def test_a_pasted_address_plays_and_goes_into_the_fragment(edge: Edge, page: Page) -> None:
    await page.goto(f"{edge.origin}/player/")
    await until(page, "document.activeElement.id === 'address'")

    await page.fill("#address", f"{edge.origin}{BASE}/master.m3u8")
    await page.keyboard.press("Enter")

    await until_playing(page, seconds=0.1)
    assert page.url.startswith(f"{edge.origin}/player/#")
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
