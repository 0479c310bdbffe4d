from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from aiohttp import ClientSession

from config.contracts.content_keys import KeyId
from config.runtime.content_keys import content_key, content_kid
from config.settings.load import Settings
from tests.edge.content_keys.conftest import FILED_KEY, FIRST, MASTERS
from tests.edge.content_keys.hkdf import expected_key
from tests.edge.origins import Origin
from tests.edge.processes.harness import running

Mint = Callable[..., str]


def spellings(secret: bytes) -> Iterator[bytes]:
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield base64.b64encode(secret).rstrip(b"=")
    yield base64.urlsafe_b64encode(secret).rstrip(b"=")
    yield json.dumps(secret.decode("latin-1"))[1:-1].encode()


def everything_below(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()


def env_of(upstream: Origin, folder: Path) -> dict[str, Any]:
    derived = {"kind": "derived", "masters": MASTERS}
    origins: dict[str, Any] = {
        "vod": {"kind": "storage", "prefix": "media", "content_keys": derived},
        "up": {"kind": "http", "url": upstream.url, "content_keys": derived},
        "own": {
            "kind": "folder",
            "folder": str(folder / "own"),
            "content_keys": {"kind": "folder", "folder": str(folder / "keys")},
        },
    }
    return {
        "KAWA_EDGE__ORIGINS": json.dumps(origins),
        "KAWA_EDGE__CACHE__FOLDER": str(folder / "cache"),
        "KAWA_EDGE__ACCESS_LOG_HITS": "1",
        "KAWA_LOG__LEVEL": "debug",
    }


async def test_no_key_is_left_in_cache_log_or_metrics(
    settings: Settings, upstream: Origin, tmp_path: Path, mint: Mint, key_set: object
) -> None:
    token, stranger = mint("/vod/title/", "/up/title/", "/own/title/"), mint("/vod/other/")
    kid = content_kid(FIRST, title="title", key_id=KeyId("m1", 5))
    secrets = [expected_key(FIRST, "title", f"m1.{n}") for n in range(3)]
    secrets += [content_key(FIRST, title="title", key_id=kid.hex()), FILED_KEY, FIRST]
    request = json.dumps(
        {"kids": [base64.urlsafe_b64encode(kid).rstrip(b"=").decode()], "type": "temporary"}
    )
    async with (
        running(settings, workers=2, **env_of(upstream, tmp_path)) as edge,
        ClientSession() as session,
    ):
        for _ in range(3):  # whichever worker answers, and what a cache would have by now
            for origin, names in (
                ("vod", ("m1.0", "m1.1")),
                ("up", ("m1.2",)),
                ("own", ("enc.key",)),
            ):
                for name in names:
                    url = f"{edge.url}/t/{token}/{origin}/title/key/{name}"
                    async with session.get(url) as answer:
                        assert answer.status == 200
                        assert await answer.read() in secrets
                        assert answer.headers["Cache-Control"] == "no-store"
            async with session.get(f"{edge.url}/t/{token}/up/title/v.m4s") as answer:
                assert await answer.read() == b"media"
            url = f"{edge.url}/t/{token}/vod/title/key/license"
            async with session.post(url, data=request) as answer:
                assert answer.status == 200
            async with session.get(f"{edge.url}/t/{stranger}/vod/title/key/m1.0") as answer:
                assert answer.status == 403
            async with session.get(f"{edge.url}/t/{token}/vod/title/key/m9.0") as answer:
                assert answer.status == 404
        metrics = await edge.metrics()
        given = 'edge_content_keys_total{kind="aes-128",result="given"}'
        assert await edge.metric(given) == 12
        assert await edge.metric('edge_content_keys_total{kind="aes-128",result="unknown"}') == 3
        assert await edge.metric('edge_content_keys_total{kind="clearkey",result="given"}') == 3
        assert (
            await edge.metric(
                'edge_http_requests_total{method="GET",route="key",status_class="2xx"}'
            )
            == 12
        )
        await _stored(tmp_path / "cache")
    places = [(Path("metrics"), metrics.encode())]
    places += [
        (path, data)
        for folder in ("cache", "var")
        for path, data in everything_below(tmp_path / folder)
        if path != settings.keys_file
    ]
    # The log and the body of the one file that is kept are among what is looked through.
    assert any(b"/vod/title/key/m1.0" in data for _, data in places)
    assert any(b"media" in data for path, data in places if path.is_relative_to(tmp_path / "cache"))
    found = [
        (path, secret)
        for path, data in places
        for secret in secrets
        if any(spelling in data for spelling in spellings(secret))
    ]
    assert found == []
    assert upstream.asked == ["/title/v.m4s"]


async def _stored(folder: Path) -> None:
    """Wait until the disk tier has written what it was given."""
    async with asyncio.timeout(20):
        while not any(b"media" in data for _, data in everything_below(folder)):
            await asyncio.sleep(0.02)


async def test_an_edge_that_would_serve_its_keys_does_not_start(
    settings: Settings, tmp_path: Path, key_set: object
) -> None:
    origins = {
        "own": {
            "kind": "folder",
            "folder": str(tmp_path),
            "content_keys": {"kind": "folder", "folder": str(tmp_path / "keys")},
        }
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "edge",
        stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "KAWA_VAR_DIR": str(settings.var_dir),
            "KAWA_EDGE__LISTEN__PORT": "0",
            "KAWA_EDGE__ADMIN__PORT": "0",
            "KAWA_EDGE__ORIGINS": json.dumps(origins),
        },
    )
    async with asyncio.timeout(60):
        _, errors = await process.communicate()
    assert process.returncode == 2
    assert b"edge.origins.own.folder" in errors
    assert b"Traceback" not in errors
