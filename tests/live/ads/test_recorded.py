from __future__ import annotations

from collections.abc import Mapping

import pytest
from playwright.async_api import Browser

from tests.live.ads.browsers import Watching
from tests.live.ads.film import frames_of
from tests.live.ads.programme import RECORDED
from tests.live.ads.scene import Scene, all_of
from tests.live.ads.seen import report
from tests.live.ads.tones import pitch_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

RATE = 3.0
CONTENT = RECORDED.content

# name: which engine, which manifest
VIEWERS: Mapping[str, tuple[str, str]] = {
    "hls, cues": ("hls", "cue/master.m3u8"),
    "hls, date ranges": ("hls", "daterange/master.m3u8"),
    "hls, sealed": ("hls", "sealed/master.m3u8"),
    "shaka, cues": ("shaka", "cue/master.m3u8"),
    "shaka, date ranges": ("shaka", "daterange/master.m3u8"),
    "shaka, sealed": ("shaka", "sealed/master.m3u8"),
    "shaka, MPD": ("shaka", "dash/manifest.mpd"),
    "dash, MPD": ("dash", "dash/manifest.mpd"),
}


async def test_players_show_exactly_the_content_of_a_recording_with_three_breaks(
    scene: Scene, browser: Browser
) -> None:
    ways = {
        name: Watching(engine=engine, path=scene.path("strip", f"/recorded/{target}"), rate=RATE)
        for name, (engine, target) in VIEWERS.items()
    }

    seen = await all_of({name: scene.watch(browser, how) for name, how in ways.items()})

    wrong = report({name: one.faults(CONTENT) for name, one in seen.items()})
    assert not wrong, wrong
    assert scene.origin.asked_for("/ads/") == []


@pytest.mark.parametrize("form", ["cue", "daterange", "sealed"])
async def test_ffmpeg_decodes_exactly_the_pictures_and_the_sound_of_the_content(
    scene: Scene, form: str
) -> None:
    target = f"/recorded/{form}/master.m3u8"

    seen = await scene.decode("strip", target, mended=form == "daterange")

    assert seen.faults(CONTENT) == []
    assert seen.numbers == [number for second in CONTENT for number in frames_of(second)]
    assert seen.pitches == [pitch_of(second) for second in CONTENT]
    assert scene.origin.asked_for("/ads/") == []
