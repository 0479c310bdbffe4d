from __future__ import annotations

import pytest
from playwright.async_api import Browser

from tests.live.ads.browsers import Watching
from tests.live.ads.programme import RECORDED
from tests.live.ads.scene import Scene, all_of
from tests.live.ads.seen import report

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONTENT = RECORDED.content
RATE = 4.0
UNTOUCHED = "/recorded/cue/master.m3u8"
BY_HAND = ["/recorded/clean/master.m3u8", "/recorded/clean-sealed/master.m3u8"]


async def test_only_what_has_no_ads_passes(scene: Scene, browser: Browser) -> None:
    behind_the_first_break = RECORDED.slots[RECORDED.breaks[0].end].second.number * 10 + 5
    untouched = Watching(
        engine="hls",
        path=scene.path("plain", UNTOUCHED),
        rate=RATE,
        until=behind_the_first_break,
    )

    seen = await all_of(
        {
            UNTOUCHED: scene.watch(browser, untouched),
            f"ffmpeg {UNTOUCHED}": scene.decode("plain", UNTOUCHED),
        }
        | {
            target: scene.watch(
                browser, Watching(engine="hls", path=scene.path("plain", target), rate=RATE)
            )
            for target in BY_HAND
        }
        | {f"ffmpeg {target}": scene.decode("plain", target) for target in BY_HAND}
    )

    faults = {name: one.faults(CONTENT) for name, one in seen.items()}
    for name in (UNTOUCHED, f"ffmpeg {UNTOUCHED}"):
        found = faults.pop(name)
        assert any(fault.startswith("ads were shown") for fault in found)
        assert any(fault.startswith("time moved by") for fault in found)
    wrong = report(faults)
    assert not wrong, wrong
