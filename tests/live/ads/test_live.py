from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from playwright.async_api import Browser

from tests.live.ads.browsers import Watching
from tests.live.ads.origin import LATE_SECONDS
from tests.live.ads.picture import FPS
from tests.live.ads.programme import BEHIND_SECONDS, BREAK_SECONDS, LEAD_SECONDS, LIVE
from tests.live.ads.scene import Scene, Treated, all_of
from tests.live.ads.seen import Seen, report
from tests.live.ads.tones import pitch_of
from tests.live.clocks import RealClock

pytestmark = pytest.mark.asyncio(loop_scope="session")

# The first second of content behind each break; everybody watches a second more than the last of them.
JOINS = [LIVE.slots[one.end].second.number for one in LIVE.breaks]
LAST = JOINS[-1] + 1
FIRST_BREAK = JOINS[0]
JUMPS = dict.fromkeys(JOINS, BREAK_SECONDS)
SECONDS = 60

# name: which engine, which of the edge's names for the origin, which manifest
VIEWERS: Mapping[str, tuple[str, Treated, str]] = {
    "hls": ("hls", "strip", "cue/master.m3u8"),
    "hls, sealed": ("hls", "strip", "sealed/master.m3u8"),
    "hls, date ranges": ("hls", "strip", "daterange/master.m3u8"),
    "hls, parts": ("hls", "strip", "parts/master.m3u8"),
    "hls, gaps": ("hls", "gap", "daterange/master.m3u8"),
    "shaka": ("shaka", "strip", "cue/master.m3u8"),
    "shaka, MPD": ("shaka", "strip", "dash/manifest.mpd"),
    "dash, MPD": ("dash", "strip", "dash/manifest.mpd"),
}
# An edge takes Periods out of a live MPD and leaves their time empty, as it does with gaps.
JUMPING = {"hls, gaps", "shaka, MPD", "dash, MPD"}


def faults_of(name: str, seen: Seen) -> list[str]:
    """What was wrong, from wherever the viewer began; who begins behind a break has not seen it go."""
    first = min(seen.numbers, default=0) // FPS
    late = [] if first < FIRST_BREAK else [f"began at {first}"]
    jumps = JUMPS if name in JUMPING else None
    return late + seen.faults(range(first, LAST + 1), jumps=jumps)


async def test_viewers_of_a_live_stream_see_exactly_the_content_over_three_breaks(
    scene: Scene, browser: Browser
) -> None:
    ways = {
        name: Watching(
            engine=engine,
            path=scene.path(treated, f"/live/{target}"),
            behind=BEHIND_SECONDS,
            low_latency=name == "hls, parts",
            # dash.js asks for nothing new until it plays, and patches of an MPD are there for some seconds only.
            ahead=4 if name in JUMPING else 12,
            until=LAST * FPS + FPS // 2,
        )
        for name, (engine, treated, target) in VIEWERS.items()
    }
    ready = await asyncio.gather(*(scene.ready(browser, how) for how in ways.values()))
    pages = dict(zip(ways, ready, strict=True))
    # An edge leaves gaps for a break that is on when its first viewer comes: let there have been one before.
    for form in ("cue", "sealed", "daterange", "parts"):
        await scene.open("strip", f"/live/{form}")
    # The last second before the first break has just ended.
    scene.origin.start(RealClock(LEAD_SECONDS + 2 * LATE_SECONDS))

    seen = await all_of(
        {name: pages[name].watch(how, seconds=SECONDS) for name, how in ways.items()}
        | {
            "ffmpeg": scene.decode(
                "strip",
                "/live/cue/master.m3u8",
                *("-live_start_index", str(-BEHIND_SECONDS)),
                pictures=(LAST + 1 - FIRST_BREAK + BEHIND_SECONDS) * FPS,
            )
        }
    )

    await asyncio.gather(*(page.close() for page in ready))
    wrong = report({name: faults_of(name, one) for name, one in seen.items()})
    assert not wrong, wrong
    decoded = seen["ffmpeg"]
    first = decoded.numbers[0] // FPS
    assert decoded.pitches == [pitch_of(second) for second in range(first, LAST + 1)]
    assert scene.origin.asked_for("/ads/") == []
    assert scene.origin.asked_for("/live/parts/picture.m3u8", "_HLS_msn=")
