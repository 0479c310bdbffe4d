from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest
from playwright.async_api import Page

from tests.player.edge import TOKEN, Edge
from tests.player.watching import until, until_playing

pytestmark = pytest.mark.asyncio(loop_scope="session")

LINE = re.compile(r'e=(?:ps|t),sta=[spkrae](?:,[a-z]+=\(\d+\))*,sid="[0-9a-f]{32}",ts=\d{13},v=2')


async def comes(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.02)


def states(edge: Edge) -> list[str]:
    return [line.partition("sta=")[2][0] for line in edge.told if line.startswith("e=ps")]


@pytest.mark.parametrize("engine", ["hls", "dash", "shaka", "native"])
async def test_the_page_tells_each_change_of_state_in_cmcd(
    edge: Edge, page: Page, engine: str
) -> None:
    await page.goto(edge.url(engine=engine))
    await until_playing(page)
    await comes(lambda: states(edge)[:2] == ["s", "p"])
    await page.evaluate("document.querySelector('video').pause()")
    await comes(lambda: states(edge)[-1] == "a")

    assert "r" not in states(edge)
    assert all(LINE.fullmatch(line) for line in edge.told), edge.told
    assert len({line.partition('sid="')[2][:32] for line in edge.told}) == 1
    assert TOKEN not in "".join(edge.told)


async def test_leaving_the_page_ends_the_session(edge: Edge, page: Page) -> None:
    await page.goto(edge.url(engine="hls"))
    await until_playing(page)
    await page.goto("about:blank")
    await comes(lambda: edge.stopped == 1)


async def test_every_quarter_of_a_minute_the_page_gives_figures_and_shows_advice(
    edge: Edge, page: Page
) -> None:
    edge.advice = {"target_height": 180, "reason": "throughput"}
    await page.clock.install()
    await page.goto(edge.url(engine="hls"))
    await until_playing(page)
    await page.clock.fast_forward(15_000)
    shown = "document.getElementById('stats').textContent.includes('180p, throughput')"
    await until(page, f"kawa.stats().advice !== null && {shown}")

    [beat] = [line for line in edge.told if line.startswith("e=t")]
    assert re.search(r",bl=\(\d+00\),br=\(\d+\),mtp=\(\d+00\),", beat)


async def test_segments_carry_what_the_engine_says(edge: Edge, page: Page) -> None:
    await page.goto(edge.url(engine="hls"))
    await until_playing(page)
    segments = [seen.target for seen in edge.seen if ".m4s" in seen.target or ".mp4" in seen.target]
    assert segments
    assert all("CMCD=" in target for target in segments)
