"""An edge on a real socket, over a folder of files, with its own keys."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector
from aiohttp.test_utils import TestServer

from config.contracts.tokens import PlaybackClaims
from config.runtime.keys import KeySet, make_key_file
from config.settings.load import Settings
from edge.app import build_app
from edge.sessions.open import alone
from tests.edge.client import MASTER, MPD, SEGMENT, Client


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate(
        {
            "var_dir": tmp_path / "var",
            "edge": {
                "listen": {"port": 0},
                "admin": {"port": 0},
                "origins": {
                    "vod": {"kind": "storage", "prefix": "media"},
                    "open": {"kind": "folder", "folder": tmp_path / "open", "public": True},
                },
            },
        }
    )


@pytest.fixture
def title(settings: Settings) -> Path:
    """The folder of one title, ``/vod/title/``."""
    folder = settings.storage_folder / "media" / "title"
    (folder / "v").mkdir(parents=True)
    (folder / "master.m3u8").write_bytes(MASTER)
    (folder / "manifest.mpd").write_bytes(MPD)
    (folder / "v" / "1.m4s").write_bytes(SEGMENT)
    (folder / "v" / "init.mp4").write_bytes(b"init")
    (folder / "v" / "empty.m4s").write_bytes(b"")
    return folder


@pytest.fixture
def key_set(settings: Settings) -> KeySet:
    make_key_file(settings.keys_file)
    return KeySet.read(settings.keys_file)


@pytest.fixture
def mint(key_set: KeySet) -> Callable[..., str]:
    def make(*prefixes: str, **changes: Any) -> str:
        now = int(time.time())
        claims = {
            "subject": "user:1",
            "session": "session-1",
            "path_prefixes": prefixes or ("/vod/title/",),
            "issued_at": now,
            "expires_at": now + 600,
        }
        return key_set.sign(PlaybackClaims(**(claims | changes)))  # type: ignore[arg-type]

    return make


@pytest.fixture
async def edge(settings: Settings, title: Path, key_set: KeySet) -> AsyncIterator[TestServer]:
    registry = alone(settings.sessions)
    server = TestServer(build_app(settings, key_set=key_set, registry=registry))
    async with server:
        yield server


@pytest.fixture
async def client(edge: TestServer) -> AsyncIterator[Client]:
    async with ClientSession(connector=TCPConnector(force_close=True)) as session:
        yield Client(session, edge)
