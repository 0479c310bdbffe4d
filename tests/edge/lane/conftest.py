"""One edge for all tests of a module that only ask."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config.contracts.tokens import PlaybackClaims
from config.runtime.keys import KeySet, make_key_file
from config.settings.load import Settings
from edge.lane.protocol import Connection
from tests.edge.lane.lanes import Edge, edge_in_thread

BIG = bytes(range(256)) * 8192  # 2 MiB: more than the kernel takes at once
SMALL = bytes(range(256)) * 64  # 16 KiB
PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n" + b"".join(
    b"#EXTINF:6,\n%d.m4s\n" % index for index in range(240)
)
MASTER = (
    b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000000,RESOLUTION=640x360\nlow.m3u8\n"
    b"#EXT-X-STREAM-INF:BANDWIDTH=5000000,RESOLUTION=1920x1080\nhigh.m3u8\n"
)


# Requests that hot lanes answered, by token.
HOT: Counter[str] = Counter()


@pytest.fixture(scope="module", autouse=True)
def _hot_hits_are_counted() -> Iterator[None]:
    HOT.clear()
    give = Connection._give

    def counted(
        connection: Connection, target: str, codings: str, said: str | None, data: bytes
    ) -> bool:
        token = target.split("/")[2] if target.startswith("/t/") else ""
        HOT[token] += (
            1  # before the answer leaves: the test that waits for it runs in another thread
        )
        given = give(connection, target, codings, said, data)
        HOT[token] -= not given
        return given

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Connection, "_give", counted)
        yield


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("lane")
    settings = Settings.model_validate(
        {
            "var_dir": folder / "var",
            "edge": {
                "manifest_max_age": 1000,
                "http": {"header_timeout": 5},
                "origins": {
                    "vod": {"kind": "storage", "prefix": "media", "fresh": 1000},
                    "open": {
                        "kind": "folder",
                        "folder": folder / "open",
                        "public": True,
                        "fresh": 1000,
                    },
                },
            },
        }
    )
    for title in (settings.storage_folder / "media" / "title", folder / "open"):
        title.mkdir(parents=True)
        (title / "media.m3u8").write_bytes(PLAYLIST)
        (title / "master.m3u8").write_bytes(MASTER)
        (title / "small.m4s").write_bytes(SMALL)
        (title / "big.m4s").write_bytes(BIG)
        (title / "empty.m4s").write_bytes(b"")
    return settings


@pytest.fixture(scope="module")
def key_set(settings: Settings) -> KeySet:
    make_key_file(settings.keys_file)
    return KeySet.read(settings.keys_file)


@pytest.fixture(scope="module")
def mint(key_set: KeySet) -> Callable[..., str]:
    def make(*prefixes: str, **changes: Any) -> str:
        now = int(time.time())
        claims = {
            "subject": "user:1",
            "session": "session-1",
            "path_prefixes": prefixes or ("/vod/title/",),
            "issued_at": now - 7200,
            "expires_at": now + 600,
        }
        return key_set.sign(PlaybackClaims(**(claims | changes)))  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="module")
def edge(settings: Settings, key_set: KeySet) -> Iterator[Edge]:
    with edge_in_thread(settings, key_set) as edge:
        yield edge


def folder_of(settings: Settings) -> Path:
    return settings.storage_folder / "media" / "title"
