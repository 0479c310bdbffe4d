from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from yarl import URL

from config.runtime.keys import KeySet
from config.settings.load import Settings
from edge import keys
from edge.app import build_app
from edge.lane.lane import LANE
from edge.sessions.open import alone
from tests.edge.sessions.cmcd.players import runs

START = 1_795_000_000.0


class Now:
    seconds = START

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize(
    "name", ["hls-v1-query", "hls-v1-header", "hls-v2-query-ev", "shaka-dash-v2-header"]
)
async def test_what_a_player_says_reaches_the_edges_list_of_sessions(
    settings: Settings, key_set: KeySet, title: Path, mint: Callable[..., str], name: str
) -> None:
    run, now = runs()[name], Now()
    control = alone(settings.sessions, clock=now)
    app = build_app(settings, key_set=key_set, registry=control)
    clock: Callable[[], float] = now
    app[keys.CLOCK] = app[LANE].clock = clock
    token = mint(issued_at=int(START) - 10, expires_at=int(START) + 3600)
    async with TestServer(app) as server, ClientSession() as session:
        told = 0
        for one in run.says:
            while one["at"] >= told + 1:
                told += 1
                now.seconds = START + told
                await app[keys.SESSIONS].tell()
            now.seconds = START + one["at"]
            base = f"http://{server.host}:{server.port}/t/{token}/vod/title"
            if "event" in one:
                url, method, body = f"{base}/_kawa_cmcd", "POST", one["event"].encode()
            else:
                query = f"?CMCD={one['query']}" if "query" in one else ""
                is_first = one is run.says[0] or one is run.says[1]
                path = "master.m3u8" if is_first else "v/1.m4s"
                url, method, body = f"{base}/{path}{query}", "GET", None
            async with session.request(
                method, URL(url, encoded=True), data=body, headers=one.get("fields")
            ) as answer:
                assert answer.status in (200, 204, 429)
                await answer.read()
        now.seconds += 1
        await app[keys.SESSIONS].tell()
    seen = control.shown("session-1")
    assert seen is not None
    assert seen.counted.requests == sum("event" not in one for one in run.says)
    assert seen.quality.stalls == len(run.stalls_ms)
    assert abs(seen.quality.stall_ms - sum(run.stalls_ms)) <= 400
    assert 0 < seen.quality.startup_ms < run.startup_ms + 1000
