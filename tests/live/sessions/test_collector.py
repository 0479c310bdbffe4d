from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page

from edge.sessions.life import SessionState
from tests.live.sessions.runs import event_target
from tests.live.sessions.stage import COLLECTOR, Stage, stage
from tests.live.sessions.watching import Viewer, viewer

pytestmark = pytest.mark.asyncio(loop_scope="session")

MANIFESTS = {"hls": "master.m3u8", "shaka": "manifest.mpd", "dash": "manifest.mpd"}


async def watching(scene: Stage, page: Page, engine: str) -> Viewer:
    """A player with the whole film, that posts what it has to say."""
    scene.origin.let_go(engine)
    watcher = await viewer(scene, page, engine, engine)
    cmcd = {"version": 2, "eventTargets": [event_target(engine, watcher.base, interval=0.5)]}
    await watcher.start(engine, MANIFESTS[engine], cmcd)
    await watcher.until("watch.isLoaded()")
    return watcher


async def statuses(watcher: Viewer) -> list[int]:
    return [one.status for one in await watcher.loads() if one.name == COLLECTOR]


def posts(base: str) -> str:
    return f"watch.loads('{base}').filter((one) => one.url.endsWith('/{COLLECTOR}'))"


@pytest.mark.parametrize("engine", MANIFESTS)
async def test_nothing_is_taken_from_a_player_once_nobody_listens_and_hls_js_ends_then(
    own: Stage, page: Page, engine: str
) -> None:
    watcher = await watching(own, page, engine)
    await watcher.until(f"{posts(watcher.base)}.length >= 2")
    done = await own.control.kick(engine)
    assert done.here
    await own.told(engine, lambda one: one.state == "ended")
    gone = f"{posts(watcher.base)}.filter((one) => one.status === 410).length > 0"
    await watcher.until(gone)
    before = await statuses(watcher)
    await watcher.until_played(2)  # four events would be due

    after = await statuses(watcher)
    if engine == "hls":  # the other two go on, whatever they are told
        assert after == before
    first = after.index(410)
    assert set(after[:first]) == {204}
    assert set(after[first:]) == {410}


@pytest.mark.parametrize("engine", ["hls", "dash"])  # Shaka forgets what was refused
async def test_what_was_too_much_at_once_comes_again(
    films: Path, tmp_path: Path, page: Page, engine: str
) -> None:
    async with stage(films, tmp_path, cmcd={"collect_rate": 0.08}) as scene:  # two at once
        watcher = await watching(scene, page, engine)
        await watcher.until(f"{posts(watcher.base)}.some((one) => one.status === 429)")
        refused = await scene.told(engine, lambda one: one.quality.reports > 0)

        def has_all(one: SessionState) -> bool:
            scene.ahead += 13  # there is more room each time
            return one.quality.reports >= 4 and one.quality.lost == 0

        seen = await scene.told(engine, has_all)

    assert refused.quality.reports >= 2
    assert seen.quality.lost == 0
    assert seen.quality.due == seen.quality.reports >= 4
