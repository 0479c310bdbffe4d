from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Page

from tests.player.real_edge import HOUR, RealEdge, real_edge, renewals

pytestmark = pytest.mark.asyncio(loop_scope="session")

FILM = "/vod/film"
WAIT_MS = 15_000
PAST = "(place) => document.querySelector('video').currentTime > place"

_PAGE = """<!doctype html><meta charset="utf-8"><title>a site</title>
<script src="/hls.min.js"></script><script src="/shaka-player.min.js"></script><video muted></video>"""
_PLAY = {
    "hls": """(url) => {
  window.errors = [];
  const hls = new Hls({ xhrSetup: (xhr) => { xhr.withCredentials = true; } });
  hls.on(Hls.Events.ERROR, (_event, { fatal, details, response }) => {
    if (fatal || response) errors.push(`${details} ${response?.code}`);
  });
  hls.loadSource(url);
  hls.attachMedia(document.querySelector("video"));
  document.querySelector("video").play();
}""",
    "shaka": """async (url) => {
  window.errors = [];
  const player = new shaka.Player();
  await player.attach(document.querySelector("video"));
  player.getNetworkingEngine().registerRequestFilter((_type, request) => { request.allowCrossSiteCredentials = true; });
  player.addEventListener("error", ({ detail }) => errors.push(`${detail.code} ${detail.data}`));
  await player.load(url);
  document.querySelector("video").play();
}""",
}


@pytest_asyncio.fixture(loop_scope="session")
async def site(player_folder: Path) -> AsyncIterator[str]:
    """The origin of somebody else's page, on a site that is not the edge's."""

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text=_PAGE, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_static("/", player_folder / "vendor")
    async with TestServer(app) as server:
        yield f"http://localhost:{server.port}"


@pytest_asyncio.fixture(loop_scope="session")
async def edge(films: Path, tmp_path: Path, site: str) -> AsyncIterator[RealEdge]:
    async with real_edge(
        tmp_path,
        {"vod": {"kind": "folder", "folder": films}},
        entry="cookie",
        page_origins=(site,),
        # As behind whoever ends TLS; browsers take what is said on the loopback interface for as safe.
        public_url="https://edge.example",
    ) as edge:
        yield edge


@pytest.mark.parametrize("engine", ["hls", "shaka"])
async def test_a_page_of_another_site_plays_with_a_cookie(
    edge: RealEdge, page: Page, site: str, engine: str
) -> None:
    asked: list[str] = []
    answers: list[tuple[int, str]] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("response", lambda answer: answers.append((answer.status, answer.url)))
    token = edge.mint(path_prefixes=(f"{FILM}/",))
    await page.goto(site)
    await page.evaluate(_PLAY[engine], f"{edge.address}{FILM}/master.m3u8?token={token}")
    await page.wait_for_function(PAST, arg=0.5, timeout=WAIT_MS)
    before = renewals()

    edge.ahead = HOUR
    await page.evaluate("document.querySelector('video').currentTime = 200")
    await page.wait_for_function(PAST, arg=200.5, timeout=WAIT_MS)

    assert renewals() > before
    of_edge = [url for url in asked if url.startswith(edge.address)]
    assert len(of_edge) > 4
    assert [url for url in of_edge if token in url] == of_edge[:1]
    assert not [url for url in of_edge if "/t/" in url]
    assert [answer for answer in answers if answer[0] >= 300] == []
    assert await page.evaluate("errors") == []
    # Scripts of the page see no token.
    assert await page.evaluate("document.cookie") == ""
