"""The whole scene: a live origin, an edge in front of it, and someone with a token."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from aiohttp import ClientSession, TCPConnector
from aiohttp.test_utils import TestServer

from config.contracts.tokens import PlaybackClaims
from config.runtime.keys import KeySet, make_key_file
from config.settings.load import Settings
from edge.app import build_app
from edge.sessions.open import alone
from tests.edge.client import Client
from tests.live.clocks import Clock
from tests.live.media import Media
from tests.live.origin import LiveOrigin, live_origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One edge over one live origin; its names there are ``one`` and ``two``."""

    origin: LiveOrigin
    client: Client
    token: str
    address: str  # of the edge

    def path(self, target: str, *, filter_: str = "") -> str:
        """Where a viewer finds ``/{origin}/{path}``."""
        return f"/t/{self.token}" + (f"/f/{filter_}" if filter_ else "") + target

    def page(self, target: str, *, filter_: str, engine: str) -> str:
        """The address of the player page for it."""
        return f"{self.address}/player/?engine={engine}#{self.path(target, filter_=filter_)}"

    async def get(self, path: str) -> bytes:
        """A body that must be there."""
        status, _, body = await self.client.ask(path)
        assert status == 200, (status, body[:500])
        return body

    def child(self, path: str, reference: str) -> str:
        """Where a player goes from a document at ``path``."""
        joined = urljoin(self.address + path, reference)
        assert joined.startswith(self.address + "/"), joined
        return joined.removeprefix(self.address)


@asynccontextmanager
async def stage(media: Media, clock: Clock, folder: Path) -> AsyncIterator[Stage]:
    """Everything is up inside the block."""
    async with live_origin(media, clock) as origin:
        settings = Settings.model_validate(
            {
                "var_dir": folder,
                "edge": {
                    "listen": {"port": 0},
                    "admin": {"port": 0},
                    "manifest_max_age": 1,
                    "origins": {
                        "one": {"kind": "http", "url": origin.url},
                        "two": {"kind": "http", "url": origin.other},
                    },
                },
            }
        )
        make_key_file(settings.keys_file)
        keys = KeySet.read(settings.keys_file)
        registry = alone(settings.sessions)
        server = TestServer(build_app(settings, key_set=keys, registry=registry))
        async with (
            server,
            ClientSession(connector=TCPConnector(force_close=True, limit=0)) as session,
        ):
            yield Stage(
                origin=origin,
                client=Client(session, server),
                token=keys.sign(_claims()),
                address=f"http://127.0.0.1:{server.port}",
            )


def _claims() -> PlaybackClaims:
    now = int(time.time())
    return PlaybackClaims(
        subject="user:1",
        session="session-1",
        path_prefixes=("/",),
        issued_at=now,
        expires_at=now + 600,
    )
