from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Page

from tests.live.stage import Stage
from tests.player.watching import Complaints, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

# The player of the page's own does not tell what hls.js does between two segments.
_PLAY = """async (url) => {
  const video = document.createElement("video");
  video.muted = true;
  document.body.append(video);
  const told = { started: [], assets: [], ended: [], errors: [], finished: false };
  window.told = told;
  const hls = new Hls();
  const { Events } = Hls;
  hls.on(Events.INTERSTITIAL_STARTED, (_event, { event }) => told.started.push(event.identifier));
  hls.on(Events.INTERSTITIAL_ASSET_STARTED, (_event, { asset }) => told.assets.push(asset.uri));
  hls.on(Events.INTERSTITIAL_ENDED, (_event, { event }) => told.ended.push(event.identifier));
  hls.on(Events.INTERSTITIALS_PRIMARY_RESUMED, () => told.ended.push("resumed"));
  hls.on(Events.ERROR, (_event, data) => {
    if (data.fatal || /asset/i.test(data.details)) told.errors.push(data.details);
  });
  hls.on(Events.INTERSTITIAL_ASSET_ERROR, (_event, data) => told.errors.push(String(data.error)));
  video.addEventListener("ended", () => { told.finished = true; });
  hls.loadSource(url);
  hls.attachMedia(video);
  await video.play();
}"""


async def told(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = await page.evaluate("told")
    return found


async def test_hls_js_plays_interstitials_through_the_edge(live: Stage, page: Page) -> None:
    complaints = Complaints.of(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(live.address + "/player/")
    await page.add_script_tag(url=live.address + "/player/vendor/hls.min.js")
    await page.evaluate(_PLAY, live.address + live.path("/one/break/main.m3u8"))

    await until(page, "told.ended.includes('named') || told.errors.length")
    story = await told(page)
    below = live.address + live.path("")

    assert story["errors"] == []
    assert story["started"] == ["listed", "named"]
    assert [re.sub(r"\?.*", "", uri) for uri in story["assets"]] == [
        f"{below}/two/break/first.m3u8",
        f"{below}/one/break/second.m3u8",
        f"{below}/two/break/third.m3u8",
    ]
    assert live.origin.asked_for("/break/list.json")
    for number in (8, 12, 16):
        assert live.origin.asked_for(f"/break/small/{number}.m4s")
    assert complaints.errors == []
    # Nobody was sent past the edge, or to it without the token.
    media = [url for url in asked if "/break/" in url]
    assert media
    assert all(url.startswith(below + "/") for url in media)


@pytest.mark.parametrize("filter_", ["", "height:..200"])
async def test_the_uri_of_an_asset_is_finished_for_each_viewer(held: Stage, filter_: str) -> None:
    path = held.path("/one/break/main.m3u8", filter_=filter_)
    below = held.address + held.path("", filter_=filter_)

    status, headers, body = await held.client.ask(path)

    assert status == 200
    assert f'X-ASSET-URI="{below}/two/break/third.m3u8"'.encode() in body
    assert b'X-ASSET-LIST="list.json"' in body
    assert headers["Cache-Control"] == "private, no-store"


async def test_a_host_that_no_url_can_have_is_refused(held: Stage) -> None:
    status, _, _ = await held.client.ask(held.path("/one/break/main.m3u8"), Host='edge"example')

    assert status == 400
