from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import Page, Route

from tests.live.playlists import PERIOD_SECONDS
from tests.live.stage import Stage
from tests.player.watching import Complaints, until, until_playing

pytestmark = pytest.mark.asyncio(loop_scope="session")

SMALL = "height:..200"


async def offered(page: Page) -> list[int]:
    qualities: list[dict[str, Any]] = await page.evaluate("kawa.qualities")
    return [one["height"] for one in qualities]


@pytest.mark.parametrize("form", ["hls", "ll"])
async def test_hls_js_plays_what_the_filter_leaves(live: Stage, page: Page, form: str) -> None:
    complaints = Complaints.of(page)
    await page.goto(live.page(f"/one/{form}/master.m3u8", filter_=SMALL, engine="hls"))
    await until_playing(page, seconds=3)

    stats = await page.evaluate("kawa.stats()")
    assert await page.evaluate("kawa.engine") == "hls"
    assert await offered(page) == [180]
    assert (stats["width"], stats["height"]) == (320, 180)
    assert stats["decoded"] > 48
    assert complaints.errors == []
    assert live.origin.asked_for("/small/")
    assert not live.origin.asked_for("/large")


async def test_hls_js_blocks_for_parts_through_the_edge(live: Stage, page: Page) -> None:
    await page.goto(live.page("/one/ll/master.m3u8", filter_=SMALL, engine="hls"))
    await until_playing(page, seconds=2)

    blocked = live.origin.asked_for("/ll/small.m3u8", "_HLS_msn=", "_HLS_part=")
    assert len(blocked) >= 4
    assert len(set(blocked)) == len(blocked)
    assert any(re.search(r"/small/\d+\.\d+\.m4s", target) for target in live.origin.asked)


@pytest.mark.parametrize("engine", ["dash", "shaka"])
async def test_dash_goes_on_over_the_end_of_a_period(live: Stage, page: Page, engine: str) -> None:
    complaints = Complaints.of(page)
    reloads: list[tuple[int, str]] = []
    page.on("response", lambda answer: reloads.append((answer.status, answer.url)))
    await page.goto(live.page("/one/dash/live.mpd", filter_=SMALL, engine=engine))
    await until_playing(page, seconds=1)
    start = await page.evaluate("kawa.stats().time")
    border = (start // PERIOD_SECONDS + 1) * PERIOD_SECONDS
    await until(page, f"kawa.state === 'playing' && kawa.stats().time > {border} + 0.5")

    stats = await page.evaluate("kawa.stats()")
    assert await page.evaluate("kawa.engine") == engine
    assert await offered(page) == [180]
    assert (stats["width"], stats["height"]) == (320, 180)
    assert stats["decoded"] > 48
    assert complaints.errors == []
    assert not live.origin.asked_for("/large/")

    # Once it has the document it asks for what changed in it, each change once.
    def patched() -> list[str]:
        return [url for status, url in reloads if "_kawa_patch=" in url and status == 200]

    async with asyncio.timeout(10):
        while len(patched()) < 3:
            await asyncio.sleep(0.05)
    patches = patched()
    assert len(set(patches)) == len(patches)
    # One that asks again before anything was published gets no patch: that is no failure.
    failed = [url for status, url in reloads if status >= 400 and "_kawa_patch=" not in url]
    assert failed == []


@pytest.mark.parametrize("engine", ["dash", "shaka"])
async def test_a_player_whose_patch_is_gone_loads_the_whole_document(
    live: Stage, page: Page, engine: str
) -> None:
    gone: list[str] = []

    async def refuse_once(route: Route) -> None:
        if gone:
            await route.fallback()
            return
        gone.append(route.request.url)
        await route.fulfill(status=410, json={"error": "patch-gone"})

    await page.route("**/live.mpd?_kawa_patch=*", refuse_once)
    await page.goto(live.page("/one/dash/live.mpd", filter_=SMALL, engine=engine))
    await until_playing(page, seconds=6)

    assert len(gone) == 1
    assert await page.evaluate("kawa.error") is None
