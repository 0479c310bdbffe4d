from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, Response, Route

from config.contracts.tokens import PlaybackClaims
from config.runtime.keys import KeySet, make_key_file
from config.settings.load import Settings
from edge.app import build_app
from tests.edge.content_keys.conftest import FIRST, MASTERS, SECOND
from tests.edge.content_keys.media import (
    ROTATION,
    Packager,
    frames_of,
    make_clip,
    write_dash,
    write_hls,
)
from tests.lacking import lacking
from tests.player.conftest import browser, chromium, page, player_folder
from tests.player.watching import until, until_playing

__all__ = ["browser", "chromium", "page", "player_folder"]

pytestmark = pytest.mark.asyncio(loop_scope="session")

BY_ID = {"m1": FIRST, "m2": SECOND}


@pytest.fixture(autouse=True)
def files() -> None:
    """The titles of this module are made once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """An edge with two titles: one's manifests name their own keys, the other's those of the first."""

    address: str
    clip: Path
    keys: KeySet

    def path(self, name: str, *, grant: str = "/vod/film/") -> str:
        now = int(time.time())
        claims = PlaybackClaims(
            subject="user:1",
            session="session-1",
            path_prefixes=(grant,),
            issued_at=now,
            expires_at=now + 600,
        )
        return f"/t/{self.keys.sign(claims)}/vod/{name}"

    def page(self, name: str, *, engine: str, grant: str = "/vod/film/") -> str:
        return f"{self.address}/player/?engine={engine}#{self.path(name, grant=grant)}"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(
    tmp_path_factory: pytest.TempPathFactory, player_folder: Path
) -> AsyncIterator[Stage]:
    assert player_folder.is_dir()
    folder = tmp_path_factory.mktemp("encrypted")
    media = folder / "var" / "storage" / "media"
    clip = folder / "clip.mp4"
    make_clip(clip)
    for title, above in (("film", ""), ("other", "../film/")):
        (media / title).mkdir(parents=True)
        # The other title holds the same content, under the first one's keys.
        packager = Packager(masters=BY_ID, title="film", folder=media / title)
        write_hls(clip, packager, key_url=lambda key_id, above=above: f"{above}key/{key_id}")  # type: ignore[misc]
        write_dash(clip, packager, license_url=f"{above}key/license")
    settings = Settings.model_validate(
        {
            "var_dir": folder / "var",
            "edge": {
                "listen": {"port": 0},
                "origins": {
                    "vod": {
                        "kind": "storage",
                        "prefix": "media",
                        "content_keys": {"kind": "derived", "masters": MASTERS},
                    }
                },
            },
        }
    )
    make_key_file(settings.keys_file)
    keys = KeySet.read(settings.keys_file)
    server = TestServer(build_app(settings, key_set=keys))
    async with server:
        yield Stage(address=f"http://127.0.0.1:{server.port}", clip=clip, keys=keys)


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def whole_dash_js(page: Page, player_folder: Path) -> None:
    """The page comes with a dash.js that knows no keys; here it gets the one that does."""
    library = (
        player_folder / "node_modules" / "dashjs" / "dist" / "modern" / "umd" / "dash.all.min.js"
    )
    if not library.is_file():
        lacking("dash.js is not installed: make setup")

    async def whole(route: Route) -> None:
        await route.fulfill(path=library, content_type="text/javascript")

    await page.route("**/player/vendor/dash.mediaplayer.min.js", whole)


class Answers:
    """What a page got for keys and licences."""

    def __init__(self, page: Page) -> None:
        self.seen: list[tuple[str, str, int]] = []
        page.on("response", self._note)

    def _note(self, answer: Response) -> None:
        path = answer.url.partition("?")[0]
        if "/key/" in path and answer.request.method != "OPTIONS":
            tail = path.rpartition("/")[2]
            self.seen.append((answer.request.method, tail, answer.status))


async def test_hls_js_plays_over_every_change_of_key(stage: Stage, page: Page) -> None:
    answers = Answers(page)
    await page.goto(stage.page("film/hls.m3u8", engine="hls"))
    await until_playing(page, seconds=0.5)
    for second in (5, 9):
        await page.evaluate(f"document.querySelector('video').currentTime = {second}")
        await until_playing(page, seconds=0.5)

    assert {tail for _, tail, _ in answers.seen} == {str(key_id) for key_id in ROTATION}
    assert {(method, status) for method, _, status in answers.seen} == {("GET", 200)}
    assert (await page.evaluate("kawa.stats()"))["decoded"] > 24
    assert await page.evaluate("kawa.error") is None


async def test_hls_js_does_not_play_with_a_token_of_another_title(stage: Stage, page: Page) -> None:
    answers = Answers(page)
    await page.goto(stage.page("other/hls.m3u8", engine="hls", grant="/vod/other/"))
    await until(page, "kawa.error !== null")

    assert answers.seen
    assert {status for _, _, status in answers.seen} == {403}
    assert (await page.evaluate("kawa.stats()"))["decoded"] == 0


@pytest.mark.parametrize("engine", ["shaka", "dash"])
async def test_a_licence_is_fetched_from_the_edge_and_the_picture_moves(
    stage: Stage, page: Page, engine: str
) -> None:
    answers = Answers(page)
    await page.goto(stage.page("film/dash.mpd", engine=engine))
    await until_playing(page, seconds=2)

    assert answers.seen
    assert {status for _, _, status in answers.seen} == {200}
    assert (await page.evaluate("kawa.stats()"))["decoded"] > 24
    assert await page.evaluate("kawa.error") is None


@pytest.mark.parametrize("engine", ["shaka", "dash"])
async def test_there_is_no_licence_for_a_token_of_another_title(
    stage: Stage, page: Page, engine: str
) -> None:
    answers = Answers(page)
    await page.goto(stage.page("other/dash.mpd", engine=engine, grant="/vod/other/"))
    await until(page, "kawa.error !== null")

    assert answers.seen
    assert {status for _, _, status in answers.seen} == {403}
    assert (await page.evaluate("kawa.stats()"))["decoded"] == 0


async def test_ffmpeg_decodes_the_very_pictures_of_the_source(stage: Stage) -> None:
    path = stage.path("film/hls.m3u8")
    found = await asyncio.to_thread(frames_of, stage.address + path)
    assert found == await asyncio.to_thread(frames_of, str(stage.clip))
    assert len(set(found)) > 100


async def test_ffmpeg_decodes_nothing_with_a_token_of_another_title(stage: Stage) -> None:
    path = stage.path("other/hls.m3u8", grant="/vod/other/")
    with pytest.raises(subprocess.CalledProcessError):
        await asyncio.to_thread(frames_of, stage.address + path, "-xerror")
