from __future__ import annotations

import pytest
from playwright.async_api import Page

from tests.live.sessions.runs import event_target
from tests.live.sessions.stage import HOUR, Stage
from tests.live.sessions.watching import viewer

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLACES = (9, 2, 10, 1, 8, 5, 7.5)


@pytest.mark.parametrize(
    ("engine", "manifest"), [("hls", "master.m3u8"), ("shaka", "manifest.mpd")]
)
async def test_who_seeks_and_pauses_for_an_hour_is_one_session(
    own: Stage, page: Page, engine: str, manifest: str
) -> None:
    own.origin.let_go(engine)
    watcher = await viewer(own, page, engine, engine)
    cmcd = {"version": 2, "eventTargets": [event_target(engine, watcher.base)]}
    await watcher.start(engine, manifest, cmcd, goal=2)
    await watcher.until_played(0.3)
    for place in PLACES:
        await page.evaluate("(to) => watch.seek(to)", place)
        await watcher.until("watch.hasSought()")
    await watcher.until_played(0.3)
    await page.evaluate("document.querySelector('video').pause()")
    sought = await own.told(engine, lambda one: one.counted.requests > len(PLACES))
    assert [one.start.id for one in own.control.listed()] == [engine]
    assert (sought.state in ("open", "paused"), sought.revision) == (True, 1)

    own.ahead = HOUR
    own.control.tick()
    away = own.control.shown(engine)
    assert away is not None
    assert (away.state, away.reason, own.control.listed()) == ("ended", "timeout", [])
    await page.evaluate("document.querySelector('video').play()")
    await page.evaluate("(to) => watch.seek(to)", 4)
    await watcher.until_played(0.3)
    back = await own.told(engine, lambda one: one.state == "open")

    assert [one.start.id for one in own.control.listed()] == [engine]
    assert (back.state, back.revision) == ("open", 2)
    assert back.start == sought.start
    assert back.counted.requests >= sought.counted.requests
    assert back.counted.bytes >= sought.counted.bytes
    # The hour away is no time that was watched.
    assert back.counted.active_ms < 60_000
    seen = await watcher.seen()
    assert seen.errors == ()
    if (
        engine == "hls"
    ):  # Shaka does not say that it seeks, and what it asks for then may look like a stall
        assert back.quality.stalls <= len(seen.stalls)
