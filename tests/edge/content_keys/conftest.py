"""An edge whose origins have content keys of every kind."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import ClientSession

from config.settings.load import Settings
from tests.edge.client import Client
from tests.edge.origins import Origin, polite_origin

FIRST = hashlib.sha256(b"first").digest()
SECOND = hashlib.sha512(b"second").digest()
MASTERS = {"m1": FIRST.hex(), "m2": SECOND.hex()}
SHIELD = "between two edges, nobody else's"
FILED_KEY = b"sixteen bytes a!"
FILED_KID = bytes(range(16))


@pytest.fixture
async def upstream() -> AsyncIterator[Origin]:
    """A packager that has keys of its own lying about."""
    async with polite_origin() as origin:
        origin.files = {
            "/title/v.m4s": b"media",
            "/title/key/m1.0": b"its own key 1234",
            "/title/KEY/m1.0": b"its own key 1234",
            "/title/key;a/m1.0": b"its own key 1234",
        }
        yield origin


@pytest.fixture
def settings(tmp_path: Path, upstream: Origin) -> Settings:
    derived = {"kind": "derived", "masters": MASTERS}
    return Settings.model_validate(
        {
            "var_dir": tmp_path / "var",
            "edge": {
                "listen": {"port": 0},
                "admin": {"port": 0},
                "shield_keys": [SHIELD],
                "origins": {
                    "vod": {"kind": "storage", "prefix": "media", "content_keys": derived},
                    "open": {
                        "kind": "folder",
                        "folder": tmp_path / "open",
                        "public": True,
                        "content_keys": derived,
                    },
                    "own": {
                        "kind": "folder",
                        "folder": tmp_path / "own",
                        "content_keys": {"kind": "folder", "folder": tmp_path / "keys"},
                    },
                    "plain": {"kind": "folder", "folder": tmp_path / "plain"},
                    "live": {
                        "kind": "storage",
                        "prefix": "live",
                        "content_keys": {**derived, "period": 60},
                    },
                    "up": {"kind": "http", "url": upstream.url, "content_keys": derived},
                    "opaque": {"kind": "http", "url": upstream.url},
                },
            },
        }
    )


@pytest.fixture(autouse=True)
def files(tmp_path: Path, title: Path) -> None:
    """What lies in the folders, keys where they should not be among it."""
    (title / "key").mkdir()
    (title / "key" / "m1.0").write_bytes(b"not to be served")
    (title / "enc.key").write_bytes(b"not to be served")
    for name in ("open", "own", "plain", "keys/title", "keys/other"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "open" / "v.m4s").write_bytes(b"media")
    (tmp_path / "plain" / "enc.key").write_bytes(b"not to be served")
    (tmp_path / "plain" / "key").mkdir()
    (tmp_path / "plain" / "key" / "v.m4s").write_bytes(b"media")
    keys = tmp_path / "keys"
    (keys / "title" / "enc.key").write_bytes(FILED_KEY)
    (keys / "title" / FILED_KID.hex()).write_bytes(FILED_KEY)
    (keys / "title" / "long").write_bytes(bytes(17))
    (keys / "title" / "short").write_bytes(bytes(15))
    (keys / "title" / "license").write_bytes(bytes(16))
    (keys / "title" / "folder").mkdir()
    (keys / "other" / "enc.key").write_bytes(b"another title's!")


@dataclass(frozen=True, slots=True)
class Poster:
    """Sends licence requests as they are given."""

    session: ClientSession
    base: str

    async def post(self, path: str, body: bytes, **headers: str) -> tuple[int, bytes]:
        async with self.session.post(self.base + path, data=body, headers=headers) as answer:
            return answer.status, await answer.read()


@pytest.fixture
async def poster(client: Client) -> AsyncIterator[Poster]:
    async with ClientSession() as session:
        yield Poster(session, client.base)
