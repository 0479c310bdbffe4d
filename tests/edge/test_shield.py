from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import ClientSession, TCPConnector
from aiohttp.test_utils import TestServer

from config.runtime.keys import KeySet
from config.settings.load import Settings
from edge.app import build_app
from tests.edge.client import MASTER, SEGMENT, Client

KEY = "a key of thirty-two characters!!"


@pytest.mark.parametrize("right", [True, False])
async def test_an_edge_may_be_the_origin_of_an_edge(
    settings: Settings, title: Path, key_set: KeySet, mint: Callable[..., str], right: bool
) -> None:
    inner = Settings.model_validate(
        {
            "var_dir": settings.var_dir,
            "edge": {
                "origins": {"vod": {"kind": "storage", "prefix": "media"}},
                "shield_keys": [KEY],
            },
        }
    )
    shield = TestServer(build_app(inner, key_set=key_set))
    async with shield:
        outer = Settings.model_validate(
            {
                "var_dir": settings.var_dir,
                "edge": {
                    "origins": {
                        "vod": {
                            "kind": "http",
                            "url": f"http://127.0.0.1:{shield.port}/vod",
                            "shield_key": KEY if right else KEY[::-1],
                        }
                    }
                },
            }
        )
        edge = TestServer(build_app(outer, key_set=key_set))
        connector = TCPConnector(force_close=True)
        async with (
            edge,
            ClientSession(connector=connector) as session,
        ):
            client = Client(session, edge)
            token = mint()
            status, _, body = await client.ask(f"/t/{token}/vod/title/v/1.m4s")
            if not right:
                assert (status, json.loads(body)["error"]) == (502, "origin-failed")
                return
            assert (status, body) == (200, SEGMENT)
            assert (await client.ask(f"/t/{token}/vod/title/master.m3u8"))[2] == MASTER
            # What the outer edge may have, its neighbours on the same network may not.
            stranger = Client(session, shield)
            for _ in range(3):
                status, _, _ = await stranger.ask("/vod/title/v/1.m4s")
                assert status == 401
                status, _, _ = await stranger.ask("/vod/title/master.m3u8")
                assert status == 401
