"""An edge with signers of every scheme and two titles, served as the real one is: hot lane, limits and all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from config.runtime.keys import KeySet
from config.runtime.serving import listening_socket, serving
from config.settings.load import Settings
from config.settings.shared import ListenSettings
from edge import keys
from edge.app import build_app
from edge.lane.lane import LANE
from tests.edge.client import MASTER
from tests.edge.tokens.attacks.asking import SECRET, Attacked
from tests.edge.tokens.clock import Clock
from tests.edge.tokens.forging import every_scheme


@pytest.fixture(scope="module")
def cloudfront_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def settings(settings: Settings, tmp_path: Path, cloudfront_key: rsa.RSAPrivateKey) -> Settings:
    return every_scheme(settings, tmp_path, cloudfront_key)


@pytest.fixture
def titles(title: Path, tmp_path: Path) -> Path:
    """``/vod/title/``, ``/vod/other/``, whose files hold the secret, and the public ``/open/``."""
    other = title.parent / "other"
    (other / "v").mkdir(parents=True)
    (other / "master.m3u8").write_bytes(b"#EXTM3U\n# " + SECRET + b"\n")
    (other / "v" / "1.m4s").write_bytes(SECRET)
    (title.parent / "secret.m4s").write_bytes(SECRET)
    folder = tmp_path / "open"
    folder.mkdir()
    (folder / "master.m3u8").write_bytes(MASTER)
    (folder / "1.m4s").write_bytes(b"public")
    return title.parent


@pytest.fixture
async def edge(
    settings: Settings, titles: Path, key_set: KeySet, clock: Clock
) -> AsyncIterator[Attacked]:
    app = build_app(settings, key_set=key_set)
    app[keys.CLOCK] = app[LANE].clock = clock.now
    sock = listening_socket(ListenSettings(), backlog=128)
    async with serving(app, sock, settings.edge.http, logged=False, ends_with_client=True):
        host, port = sock.getsockname()
        yield Attacked(host, port, app)
