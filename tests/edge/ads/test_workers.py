from __future__ import annotations

import os
import signal
from pathlib import Path

from aiohttp import ClientSession, TCPConnector

from config.runtime.keys import KeySet
from config.settings.load import Settings
from config.settings.shared import RedisSettings
from tests.edge.ads.player import Player
from tests.edge.ads.stream import Stream, live_origin
from tests.edge.processes.harness import running

STREAM = Stream(breaks=((20, 25), (40, 49)))
# A busy machine is not a Redis that is away.
PATIENT = {f"KAWA_REDIS__{name}_TIMEOUT": "PT5S" for name in ("COMMAND", "ACQUIRE", "CONNECT")}


async def test_workers_that_are_killed_and_replaced_go_on_with_the_same_names(
    settings: Settings, key_set: KeySet, redis_settings: RedisSettings, tmp_path: Path
) -> None:
    assert redis_settings.url is not None
    viewers = [Player() for _ in range(4)]
    toml = tmp_path / "kawa.toml"
    env = PATIENT | {
        "KAWA_CONFIG": str(toml),
        "KAWA_REDIS__URL": redis_settings.url.get_secret_value(),
        "KAWA_EDGE__MANIFEST_MAX_AGE": "0",
    }
    async with live_origin(STREAM) as origin:
        toml.write_text(
            f'[edge.origins.cdn]\nkind = "http"\nurl = "{origin.url}/"\npublic = true\n'
            'ads = "strip"\nads_rules = ["scte35"]\n'
        )
        async with (
            running(settings, workers=3, admin=None, **env) as edge,
            # Each request is a new connection: whichever worker takes it answers.
            ClientSession(connector=TCPConnector(force_close=True)) as session,
        ):
            for last in range(12, 65):
                await origin.go(last)
                if last in (22, 44):
                    os.kill(edge.workers()[0], signal.SIGKILL)
                if last == 30:
                    assert (await edge.order("/restart"))[0] == 200
                for viewer in viewers:
                    async with session.get(f"{edge.url}/cdn/live/v0.m3u8") as answer:
                        assert answer.status == 200
                        assert not viewer.take(await answer.read()).has_ads
            assert await edge.metric('edge_ads_state_total{event="stored"}') > 0
            assert await edge.metric('edge_ads_state_total{event="epoch"}') == 1
    content = [number for number in range(1, 65) if not STREAM.is_ad(number)]
    for viewer in viewers:
        assert viewer.played == content
        assert viewer.names == viewers[0].names
        assert viewer.seams == viewers[0].seams
