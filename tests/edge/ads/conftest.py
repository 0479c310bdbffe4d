"""Edges in this process, over real HTTP, that take breaks out of a scripted live stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector
from aiohttp.test_utils import TestServer

from config.runtime.keys import KeySet
from config.settings.load import Settings
from config.settings.shared import RedisSettings
from edge.app import build_app
from tests.edge.ads.edges import MakeEdge
from tests.edge.client import Client


@pytest.fixture
def an_edge(tmp_path: Path, key_set: KeySet) -> MakeEdge:
    count = iter(range(100))

    @asynccontextmanager
    async def make(
        url: str,
        *,
        redis: RedisSettings | None = None,
        workers: int = 1,
        edge: dict[str, Any] | None = None,
        **origin: Any,
    ) -> AsyncIterator[Client]:
        said = {
            "var_dir": tmp_path / f"edge-{next(count)}",
            "edge": {
                "manifest_max_age": 0,
                "workers": workers,
                "origins": {
                    "cdn": {"kind": "http", "url": url, "public": True}
                    | {"ads": "strip", "ads_rules": ["scte35"]}
                    | origin
                },
            }
            | (edge or {}),
        }
        settings = Settings.model_validate(said | ({} if redis is None else {"redis": redis}))
        server = TestServer(build_app(settings, key_set=key_set))
        async with (
            server,
            ClientSession(connector=TCPConnector(force_close=True)) as session,
        ):
            yield Client(session, server)

    return make
