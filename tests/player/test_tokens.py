from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.player.real_edge import FILM_SECONDS, HOUR, RealEdge, real_edge, renewals
from tests.player.watching import Complaints, shown, until, until_playing

pytestmark = pytest.mark.asyncio(loop_scope="session")

FILM = "/vod/film"
REFUSED = {"code": "not-allowed", "status": 403}


@pytest_asyncio.fixture(loop_scope="session")
async def edge(films: Path, tmp_path: Path, player_folder: Path) -> AsyncIterator[RealEdge]:
    assert player_folder.is_dir()
    origins = {"vod": {"kind": "folder", "folder": films}}
    async with real_edge(tmp_path, origins) as edge:
        yield edge


@pytest.mark.parametrize("engine", ["hls", "dash", "shaka", "native"])
async def test_a_film_goes_on_after_an_hours_pause(edge: RealEdge, page: Page, engine: str) -> None:
    complaints, statuses = Complaints.of(page), []
    page.on("response", lambda answer: statuses.append((answer.status, answer.url)))
    await page.goto(edge.page(f"/t/{edge.mint()}{FILM}", engine=engine))
    await until_playing(page, seconds=0.5)
    await page.evaluate("document.querySelector('video').pause()")
    await until(page, "kawa.state === 'paused'")
    before = renewals()

    edge.ahead = HOUR
    await page.evaluate("document.querySelector('video').play()")
    await until_playing(page, seconds=0.5)
    for place in (FILM_SECONDS - 30, FILM_SECONDS / 2):
        edge.ahead += 300
        await page.evaluate(
            "(place) => { document.querySelector('video').currentTime = place; }", place
        )
        await until(
            page, f"kawa.state === 'playing' && Math.abs(kawa.stats().time - {place} - 1) < 0.9"
        )

    assert renewals() - before >= 2
    assert [answer for answer in statuses if answer[0] >= 400] == []
    assert complaints.errors == []
    assert await page.evaluate("[kawa.engine, kawa.error]") == [engine, None]


async def test_a_session_that_is_over_is_explained(edge: RealEdge, page: Page) -> None:
    await page.goto(edge.page(f"/t/{edge.mint()}{FILM}", engine="hls"))
    await until_playing(page, seconds=0.5)

    edge.ahead = 4 * HOUR
    await page.evaluate(f"document.querySelector('video').currentTime = {FILM_SECONDS - 30}")

    assert await until(page, "kawa.error") == REFUSED
    text = await shown(page)
    assert "This link does not open this video" in text


@pytest.mark.parametrize(
    ("engine", "form"), [("hls", "/t/{token}" + FILM), ("dash", FILM + "?token={token}")]
)
async def test_a_link_for_one_session_plays_through_and_opens_no_other(
    edge: RealEdge, page: Page, engine: str, form: str
) -> None:
    link = form.format(token=edge.mint(once=True, token_id="one"))
    await page.goto(edge.page(link, engine=engine))
    await until_playing(page, seconds=0.5)
    edge.ahead = HOUR
    await page.evaluate("document.querySelector('video').currentTime = 120")
    await until(page, "kawa.state === 'playing' && kawa.stats().time > 120.5")
    # Another engine, with the other kind of manifest, is the same session.
    other = {"hls": "dash", "dash": "hls"}[engine]
    await page.click("#engine-menu button[aria-haspopup]")
    await page.get_by_role("menuitemradio", name=f"{other}.js").click()
    await until(page, f"kawa.engine === '{other}'")
    await until_playing(page, seconds=0.5)

    again = await page.context.new_page()
    await again.goto(edge.page(link, engine=engine))

    assert await until(again, "kawa.error") == REFUSED
    await until_playing(page, seconds=0.5)
