from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Page

from tests.live.stage import Stage
from tests.player.watching import Complaints, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

# A second is one segment. Players start three parts behind the end, or a little more, and catch up.
NEAR_SECONDS = 2.5
WATCHED_SECONDS = 4

_VIDEO = """
  const video = document.createElement("video");
  video.muted = true;
  document.body.append(video);
  const told = { errors: [], latency: () => null, time: () => video.currentTime, ready: () => video.readyState };
  window.told = told;
"""
_PLAY = {
    "hls": "async (url) => {" + _VIDEO + """
  const hls = new Hls({ lowLatencyMode: true, liveDurationInfinity: true });
  hls.on(Hls.Events.ERROR, (_event, data) => told.errors.push(`${data.fatal} ${data.details}`));
  told.latency = () => hls.latency;
  hls.loadSource(url);
  hls.attachMedia(video);
  await video.play();
}""",
    "shaka": "async (url) => {" + _VIDEO + """
  shaka.polyfill.installAll();
  const player = new shaka.Player();
  await player.attach(video);
  player.configure({ streaming: { lowLatencyMode: true } });
  player.addEventListener("error", ({ detail }) => told.errors.push(`${detail.severity} ${detail.code}`));
  told.latency = () => player.getStats().liveLatency;
  await player.load(url);
  await video.play();
}""",
}  # fmt: skip
LIBRARIES = {"hls": "hls.min.js", "shaka": "shaka-player.min.js"}


async def watch(stage: Stage, page: Page, form: str, engine: str) -> dict[str, Any]:
    """Play for some seconds from wherever the player starts; what was seen at the end."""
    await page.goto(stage.address + "/player/")
    await page.add_script_tag(url=f"{stage.address}/player/vendor/{LIBRARIES[engine]}")
    url = stage.address + stage.path(f"/one/{form}/master.m3u8", filter_="height:..200")
    await page.evaluate(_PLAY[engine], url)
    await until(page, "told.ready() > 2 && told.time() > 0")
    start = await page.evaluate("told.time()")
    await until(page, f"told.time() > {start} + {WATCHED_SECONDS}")
    seen: dict[str, Any] = await page.evaluate(
        "({ latency: told.latency(), errors: told.errors, time: told.time() })"
    )
    return seen


@pytest.mark.parametrize("form", ["ll", "ranges"])
@pytest.mark.parametrize("engine", ["hls", "shaka"])
async def test_a_player_stays_near_the_end_through_the_edge(
    live: Stage, page: Page, engine: str, form: str
) -> None:
    # Shaka reads a segment whose parts are ranges of it in one request.
    complaints = Complaints.of(page)
    failed: list[tuple[int, str]] = []
    page.on(
        "response",
        lambda answer: failed.append((answer.status, answer.url)) if answer.status >= 400 else None,
    )

    seen = await watch(live, page, form, engine)

    assert seen["errors"] == []
    assert 0 < seen["latency"] < NEAR_SECONDS
    assert complaints.errors == []
    assert failed == []
    blocked = live.origin.asked_for(f"/{form}/small.m3u8", "_HLS_msn=")
    assert len(blocked) >= 4
    assert len(set(blocked)) == len(blocked)


async def test_hls_js_asks_for_parts_that_are_byte_ranges(live: Stage, page: Page) -> None:
    await watch(live, page, "ranges", "hls")

    parts = [
        (path, fields)
        for path, fields in live.origin.ranges
        if re.search(r"/ranges/small/\d+\.m4s", path)
    ]
    # Four parts of a segment begin at different bytes, and only the first at its beginning.
    assert len({fields for _, fields in parts}) > 4
    assert not any(re.search(r"/ranges/small/\d+\.\d+\.m4s", path) for path in live.origin.asked)
