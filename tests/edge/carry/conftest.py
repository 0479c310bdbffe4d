"""An edge with an origin that names hosts which no origin covers, and such a host."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from aiohttp import ClientSession, TCPConnector
from aiohttp.test_utils import TestServer

from config.runtime.keys import KeySet
from config.settings.load import Settings
from edge.app import build_app
from tests.edge.carry.hosts import SECRET, Stage, player_of, recording
from tests.edge.client import Client

OpenStage = Callable[..., AbstractAsyncContextManager[Stage]]


@pytest.fixture
def open_stage(settings: Settings, key_set: KeySet) -> OpenStage:
    """Opens an edge; what it is given changes the settings of the origin, ``edge=`` those of the edge."""

    @asynccontextmanager
    async def opened(
        edge: dict[str, object] | None = None, **origin: object
    ) -> AsyncIterator[Stage]:
        async with recording() as via, recording() as far, recording() as other:
            own = {"kind": "http", "url": via.url, "unlisted": "carry", "private": True} | origin
            changed = Settings.model_validate(
                {
                    "var_dir": settings.var_dir,
                    "edge": {
                        "carry_key": SECRET,
                        "origins": {
                            "cdn": own,
                            "two": {"kind": "http", "url": f"{other.url}/deep"},
                            "twin": own,
                            "plain": {"kind": "http", "url": f"{via.url}/plain"},
                        },
                    }
                    | (edge or {}),
                }
            )
            server = TestServer(build_app(changed, key_set=key_set))
            connector = TCPConnector(force_close=True)
            async with server, ClientSession(connector=connector) as session:
                client = Client(session, server)
                yield Stage(via=via, far=far, other=other, client=client, play=player_of(client))

    return opened


@pytest.fixture
async def stage(open_stage: OpenStage) -> AsyncIterator[Stage]:
    async with open_stage() as stage:
        yield stage
