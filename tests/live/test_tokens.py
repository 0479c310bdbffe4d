from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import imageio_ffmpeg
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Request, Response

from tests.live.clocks import RealClock
from tests.live.media import SEGMENT_SECONDS, Media
from tests.live.origin import live_origin
from tests.player.real_edge import TOKEN_SECONDS, RealEdge, real_edge, renewals
from tests.player.watching import Complaints, shown, until, until_playing

pytestmark = pytest.mark.asyncio(loop_scope="session")

START_SECONDS = 14.1
STREAMS = [
    ("hls/master.m3u8", "hls"),
    ("ll/master.m3u8", "hls"),
    ("hls/master.m3u8", "shaka"),
    ("dash/live.mpd", "shaka"),
    ("dash/live.mpd", "dash"),
]
REVOKED_STREAMS = [
    ("ll/master.m3u8", "hls"),
    ("hls/master.m3u8", "shaka"),
    ("dash/live.mpd", "dash"),
]

# How much of what comes next a player has.
BUFFERED_SECONDS = """() => {
  const { buffered, currentTime } = document.querySelector("video");
  for (let i = 0; i < buffered.length; i += 1) {
    if (buffered.start(i) <= currentTime && currentTime <= buffered.end(i)) return buffered.end(i) - currentTime;
  }
  return 0;
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def edge(media: Media, tmp_path: Path, player_folder: Path) -> AsyncIterator[RealEdge]:
    assert player_folder.is_dir()
    async with live_origin(media, RealClock(START_SECONDS)) as origin:
        origins = {
            "one": {"kind": "http", "url": origin.url},
            "two": {"kind": "http", "url": origin.other},
        }
        async with real_edge(tmp_path, origins) as edge:
            yield edge


@pytest_asyncio.fixture(loop_scope="session")
async def other_page(browser: Browser) -> AsyncIterator[Page]:
    context = await browser.new_context()
    yield await context.new_page()
    await context.close()


@dataclass
class Answers:
    """What a page was answered, in order."""

    all: list[tuple[int, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, page: Page) -> Answers:
        """Listen from now on."""
        answers = cls()

        def hear(answer: Response) -> None:
            answers.all.append((answer.status, answer.url))

        def ask(request: Request) -> None:
            answers.asked.append(request.url)

        page.on("response", hear)
        page.on("request", ask)
        return answers

    def refused(self) -> list[tuple[int, str]]:
        # A patch that is asked for before anything was published is no failure.
        return [one for one in self.all if one[0] >= 400 and "_kawa_patch=" not in one[1]]

    def given_of(self, asked: list[str]) -> list[str]:
        """Which of these segments it was given."""
        given = {url for status, url in self.all if status in (200, 206)}
        return [url for url in asked if url in given and url.endswith(".m4s")]


async def until_renewed(count: float) -> None:
    async with asyncio.timeout(15):
        while renewals() < count:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(("stream", "engine"), STREAMS)
async def test_a_live_viewer_goes_on_over_renewals(
    edge: RealEdge, page: Page, stream: str, engine: str
) -> None:
    complaints, answers = Complaints.of(page), Answers.of(page)
    await page.goto(edge.page(f"/t/{edge.mint()}/f/height:..200/one/{stream}", engine=engine))
    await until_playing(page, seconds=0.5)
    before, started = renewals(), time.monotonic()
    at = await page.evaluate("kawa.stats().time")

    # Due, then over, then long over.
    for turn, seconds in enumerate((TOKEN_SECONDS * 0.6, TOKEN_SECONDS, TOKEN_SECONDS * 10)):
        edge.ahead += seconds
        await until_renewed(before + turn + 1)
        await until_playing(page, seconds=SEGMENT_SECONDS)

    seen = await page.evaluate(
        "({ time: kawa.stats().time, error: kawa.error, engine: kawa.engine })"
    )
    lost = time.monotonic() - started - (seen["time"] - at)
    assert (seen["error"], seen["engine"]) == (None, engine)
    assert answers.refused() == []
    assert complaints.errors == []
    assert lost < 1.5 * SEGMENT_SECONDS


# How long a player may take beyond the end of its buffer.
PATIENCE_SECONDS = SEGMENT_SECONDS + 0.5


@pytest.mark.parametrize(("stream", "engine"), REVOKED_STREAMS)
async def test_a_revoked_viewer_is_told_when_the_buffer_ends(
    edge: RealEdge, page: Page, stream: str, engine: str
) -> None:
    answers = Answers.of(page)
    path = f"/t/{edge.mint()}/f/height:..200/one/{stream}"
    await page.goto(edge.page(path, engine=engine))
    await until_playing(page, seconds=1)

    edge.revoke("session", "session-1")
    known, revoked_at = len(answers.asked), time.monotonic()
    left = await page.evaluate(BUFFERED_SECONDS)
    error = await until(page, "kawa.error")

    assert error == {"code": "not-allowed", "status": 403}
    assert time.monotonic() - revoked_at <= left + PATIENCE_SECONDS
    assert answers.given_of(answers.asked[known:]) == []
    assert "This link does not open this video" in await shown(page)


async def test_another_viewer_plays_on(edge: RealEdge, page: Page, other_page: Page) -> None:
    for one, session in ((page, "session-1"), (other_page, "session-2")):
        path = f"/t/{edge.mint(session=session)}/one/hls/master.m3u8"
        await one.goto(edge.page(path, engine="hls"))
    await asyncio.gather(until_playing(page), until_playing(other_page))

    edge.revoke("session", "session-1")

    assert await until(page, "kawa.error") == {"code": "not-allowed", "status": 403}
    await until_playing(other_page, seconds=SEGMENT_SECONDS)
    assert await other_page.evaluate("kawa.error") is None


async def ffmpeg(url: str, *, seconds: int) -> asyncio.subprocess.Process:
    """Watch for so long."""
    return await asyncio.create_subprocess_exec(
        imageio_ffmpeg.get_ffmpeg_exe(),
        *("-v", "info", "-nostdin", "-t", str(seconds), "-i", url, "-f", "null", "-"),
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.parametrize("stream", ["hls/master.m3u8", "dash/live.mpd"])
async def test_ffmpeg_goes_on_over_renewals(edge: RealEdge, stream: str) -> None:
    before = renewals()
    process = await ffmpeg(f"{edge.address}/t/{edge.mint()}/f/height:..200/one/{stream}", seconds=6)
    for turn in range(2):
        edge.ahead += TOKEN_SECONDS
        await until_renewed(before + turn + 1)
    _, said = await asyncio.wait_for(process.communicate(), 30)

    assert process.returncode == 0
    assert b"time=00:00:06" in said
    # It also asks for segments of an MPD that are not there yet, and is answered 404.
    assert b"HTTP error 403" not in said


async def test_ffmpeg_ends_after_a_revocation(edge: RealEdge) -> None:
    url = f"{edge.address}/t/{edge.mint()}/f/height:..200/one/hls/master.m3u8"
    process = await ffmpeg(url, seconds=20)
    assert process.stderr is not None
    await asyncio.wait_for(process.stderr.readuntil(b"Stream mapping:"), 20)

    edge.revoke("session", "session-1")
    _, said = await asyncio.wait_for(process.communicate(), 15)

    assert b"HTTP error 403" in said
    assert b"time=00:00:2" not in said
