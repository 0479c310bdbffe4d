from __future__ import annotations

from itertools import pairwise

import pytest
from playwright.async_api import Page

from tests.player.edge import BASE, TOKEN, Edge
from tests.player.media import LARGE, SECONDS, SMALL
from tests.player.watching import Complaints, shown, until, until_playing

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENGINES = ["hls", "dash", "shaka", "native"]
WITH_CHOICES = ["hls", "dash", "shaka"]
SIZES = [(320, 700), (390, 844), (719, 900), (720, 900), (844, 390), (1280, 800)]
LIBRARIES = {
    "hls": "vendor/hls.min.js",
    "dash": "vendor/dash.mediaplayer.min.js",
    "shaka": "vendor/shaka-player.min.js",
}


@pytest.mark.parametrize("engine", ENGINES)
async def test_each_engine_plays_and_keeps_the_token_to_itself(
    edge: Edge, page: Page, engine: str
) -> None:
    complaints = Complaints.of(page)

    await page.goto(edge.url(engine=engine))
    await until_playing(page, seconds=1)

    stats = await page.evaluate("kawa.stats()")
    assert await page.evaluate("kawa.engine") == engine
    assert stats["decoded"] > 15
    assert stats["duration"] == pytest.approx(SECONDS, abs=0.3)
    assert (stats["width"], stats["height"]) in (LARGE, SMALL)
    assert complaints.errors == []
    assert complaints.console == []
    page_requests = [seen.target for seen in edge.seen if seen.target.startswith("/player/")]
    assert not any(TOKEN in target for target in page_requests)
    assert {seen.referer for seen in edge.seen} == {None}
    assert TOKEN not in await shown(page)
    loaded = {target.removeprefix("/player/") for target in page_requests if "vendor/" in target}
    assert loaded == {LIBRARIES[engine]} if engine in LIBRARIES else loaded == set()


@pytest.mark.parametrize("engine", WITH_CHOICES)
async def test_the_quality_menu_switches_and_auto_comes_back(
    edge: Edge, page: Page, engine: str
) -> None:
    await page.goto(edge.url(engine=engine))
    await until(page, "kawa.qualities.length === 2 && kawa.stats().width")
    heights = [quality["height"] for quality in await page.evaluate("kawa.qualities")]
    assert heights == [LARGE[1], SMALL[1]]

    for height in (SMALL[1], LARGE[1]):
        await page.click("#quality-menu button[aria-haspopup]")
        await page.get_by_role("menuitemradio", name=f"{height}p").click()
        await until(page, f"kawa.stats().height === {height}")
        await until(page, f"kawa.qualities.find((one) => one.active)?.height === {height}")
        await until_playing(page, seconds=0.2)
    await page.click("#quality-menu button[aria-haspopup]")
    await page.get_by_role("menuitemradio", name="Auto").click()

    assert await page.evaluate("kawa.quality") == "auto"
    assert await page.evaluate("kawa.state") != "error"


@pytest.mark.parametrize("engine", WITH_CHOICES)
async def test_the_audio_menu_names_languages_and_switches(
    edge: Edge, page: Page, engine: str
) -> None:
    await page.goto(edge.url(engine=engine))
    await until(page, "kawa.audioTracks.length === 2")
    await until_playing(page, seconds=0.2)
    tracks = await page.evaluate("kawa.audioTracks")
    assert [track["lang"] for track in tracks] == ["ja", "en"]

    await page.click("#audio-menu button[aria-haspopup]")
    await page.get_by_role("menuitemradio", name="English").click()

    await until(page, "kawa.audioTracks[1].active && !kawa.audioTracks[0].active")
    await until_playing(page, seconds=0.3)
    assert any("chunk-stream3-" in seen.target for seen in edge.seen)


@pytest.mark.parametrize("engine", WITH_CHOICES)
async def test_subtitles_are_off_until_chosen(edge: Edge, page: Page, engine: str) -> None:
    visible = """[...document.querySelector('video').textTracks].some(
        (track) => track.mode === 'showing' && track.activeCues?.[0]?.text.includes('river goes on'))
        || document.querySelector('.captions')?.textContent.includes('river goes on')"""
    await page.goto(edge.url(engine=engine))
    await until(page, "kawa.textTracks.length === 1")
    await until_playing(page, seconds=0.2)
    assert not await page.evaluate(visible)

    await page.click("#text-menu button[aria-haspopup]")
    await page.get_by_role("menuitemradio", name="English").click()

    await until(page, visible)


async def test_another_engine_goes_on_where_the_first_one_was(edge: Edge, page: Page) -> None:
    await page.goto(edge.url())
    await until_playing(page)
    await page.keyboard.press("5")
    await until(page, f"kawa.state === 'playing' && kawa.stats().time >= {SECONDS / 2}")

    await page.click("#engine-menu button[aria-haspopup]")
    await page.get_by_role("menuitemradio", name="DASH · Shaka").click()

    await until(page, "kawa.engine === 'shaka' && kawa.state === 'playing'")
    assert await page.evaluate("kawa.stats().time") >= SECONDS / 2 - 1
    assert "?engine=shaka#/t/" in page.url


@pytest.mark.parametrize(
    ("path", "engine", "expected"),
    [
        pytest.param("/master.m3u8", None, "hls", id="playlist"),
        pytest.param("/manifest.mpd", None, "dash", id="mpd with the default engine"),
        pytest.param("/manifest.mpd", "shaka", "shaka", id="mpd with Shaka"),
        pytest.param("/manifest.mpd", "hls", "dash", id="mpd with an engine that cannot"),
        pytest.param("/master.m3u8", "shaka", "shaka", id="playlist with Shaka"),
        pytest.param("/", "nonsense", "hls", id="unknown engine"),
    ],
)
async def test_a_single_manifest_is_played_by_an_engine_that_reads_it(
    edge: Edge, page: Page, path: str, engine: str | None, expected: str
) -> None:
    await page.goto(edge.url(BASE + path, engine=engine))
    await until_playing(page, seconds=0.1)

    assert await page.evaluate("kawa.engine") == expected


async def test_the_keyboard_does_everything(edge: Edge, page: Page) -> None:
    await page.goto(edge.url())
    await until_playing(page, seconds=0.2)
    video = "document.querySelector('video')"

    await page.keyboard.press("k")
    await until(page, "kawa.state === 'paused'")
    await page.keyboard.press("ArrowRight")
    await until(page, "kawa.stats().time >= 5 && kawa.state === 'paused'")
    await page.keyboard.press("ArrowLeft")
    await until(page, "kawa.stats().time < 4")
    await page.keyboard.press("Space")
    await until(page, "kawa.state === 'playing'")
    await page.keyboard.press("m")
    await until(page, f"!{video}.muted")
    await page.keyboard.press("ArrowDown")
    await until(page, f"{video}.volume < 1")
    await page.keyboard.press("f")
    await until(page, "document.fullscreenElement?.id === 'stage'")
    await page.keyboard.press("f")
    await until(page, "document.fullscreenElement === null")
    await page.keyboard.press("End")
    await until(page, "kawa.state === 'ended'")


async def test_menus_are_walked_with_arrows_and_left_with_escape(edge: Edge, page: Page) -> None:
    await page.goto(edge.url())
    await until(page, "kawa.qualities.length === 2")
    await page.focus("#quality-menu button[aria-haspopup]")

    await page.keyboard.press("Enter")
    await until(page, "document.activeElement.textContent.startsWith('Auto')")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await until(page, f"kawa.quality !== 'auto' && kawa.stats().height === {SMALL[1]}")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Escape")

    assert await page.evaluate("document.querySelector('#quality-list').hidden")
    assert await page.evaluate("document.activeElement.getAttribute('aria-haspopup')") == "menu"


async def test_a_refused_autoplay_leaves_a_big_button(edge: Edge, page: Page) -> None:
    await page.add_init_script(
        """const play = HTMLMediaElement.prototype.play;
        HTMLMediaElement.prototype.play = function () {
          HTMLMediaElement.prototype.play = play;
          return Promise.reject(new DOMException("no gesture", "NotAllowedError"));
        };"""
    )
    await page.goto(edge.url())
    await until(page, "kawa.state === 'paused'")

    await page.click("#big-play")

    await until_playing(page, seconds=0.2)
    assert await page.evaluate("document.querySelector('#big-play').hidden")


async def test_a_live_stream_shows_how_far_behind_it_is(edge: Edge, page: Page) -> None:
    await page.goto(edge.url(f"{BASE}/live.m3u8"))
    await until_playing(page, seconds=0.2)
    live = page.locator("#live")
    assert "at-edge" in str(await live.get_attribute("class"))
    assert await page.locator("#total").is_hidden()

    await page.keyboard.press("Home")
    await until(page, "!document.querySelector('#live').classList.contains('at-edge')")
    assert (await page.inner_text("#now")).startswith("-0:1")
    await live.click()

    await until(page, "document.querySelector('#live').classList.contains('at-edge')")
    await until_playing(page, seconds=0.2)


async def test_the_statistics_are_one_readable_line(edge: Edge, page: Page) -> None:
    await page.goto(edge.url())
    await until(page, "document.querySelector('#stats').innerText.includes(' fps')")

    text = " ".join((await page.locator("#stats").inner_text()).split())

    assert text.startswith("engine HLS · hls.js picture 640×360 frames ")
    assert "bit rate 700 kbit/s" in text
    assert "dropped " in text


async def test_no_button_is_cut_off_or_covered_at_any_size(edge: Edge, page: Page) -> None:
    await page.goto(edge.url())
    await until(page, "kawa.textTracks.length === 1 && kawa.qualities.some((one) => one.active)")
    await page.keyboard.press("k")

    for width, height in SIZES:
        await page.set_viewport_size({"width": width, "height": height})
        buttons = page.locator("#bar button:visible")
        boxes = [await button.bounding_box() for button in await buttons.all()]
        spans = sorted((box["x"], box["x"] + box["width"]) for box in boxes if box)

        assert len(spans) >= 7
        assert spans[0][0] >= 0
        assert spans[-1][1] <= width
        assert all(left[1] <= right[0] + 0.5 for left, right in pairwise(spans))
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
