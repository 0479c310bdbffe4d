from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from config.settings.shared import S3Settings
from tests.acceptance.conftest import SECONDS
from tests.acceptance.running import command, environment, ffmpeg, up
from tests.acceptance.test_playback import frames_by_stream
from tests.config.s3 import s3_server


@pytest.fixture
async def s3(tmp_path: Path) -> AsyncIterator[S3Settings]:
    async with s3_server(tmp_path / "s3") as settings:
        yield settings


def on_s3(tmp_path: Path, s3: S3Settings) -> dict[str, str]:
    assert s3.endpoint
    assert s3.access_key
    assert s3.secret_key
    return environment(
        tmp_path / "var",
        KAWA_STORAGE__KIND="s3",
        KAWA_STORAGE__S3__ENDPOINT=s3.endpoint,
        KAWA_STORAGE__S3__BUCKET=s3.bucket,
        KAWA_STORAGE__S3__REGION=s3.region,
        KAWA_STORAGE__S3__ACCESS_KEY=s3.access_key.get_secret_value(),
        KAWA_STORAGE__S3__SECRET_KEY=s3.secret_key.get_secret_value(),
    )


async def test_the_whole_way_works_on_s3(tmp_path: Path, s3: S3Settings, clip: Path) -> None:
    env = on_s3(tmp_path, s3)
    async with up(env) as kawa:
        done = await command(env, "ingest", "--json", str(clip))
        assert done.status == 0, done.err + kawa.log.read_text()[-3000:]
        for form in ("hls", "dash"):
            output = await ffmpeg(
                *("-i", done.rows[0][form], "-map", "0:v", "-map", "0:a"),
                *("-fps_mode", "passthrough", "-f", "framecrc", "-"),
            )
            assert list(frames_by_stream(output).values()) == [SECONDS * 24] * 2
        await part_of_a_segment(done.rows[0]["hls"].replace("master.m3u8", "v480/1.m4s"))
    assert not list((tmp_path / "var").glob("storage/*"))


async def part_of_a_segment(url: str) -> None:
    """Ranges and conditions work on objects as they do on files."""
    async with ClientSession() as session:
        async with session.get(url) as answer:
            whole, etag = await answer.read(), answer.headers["ETag"]
        async with session.get(url, headers={"Range": "bytes=100-199", "If-Range": etag}) as answer:
            assert (answer.status, await answer.read()) == (206, whole[100:200])
        async with session.get(url, headers={"If-None-Match": etag}) as answer:
            assert answer.status == 304
        async with session.head(url) as answer:
            assert answer.content_length == len(whole)


async def test_an_s3_that_went_away_is_named_as_the_origins_fault(
    tmp_path: Path, clip: Path
) -> None:
    async with contextlib.AsyncExitStack() as server:
        env = on_s3(tmp_path, await server.enter_async_context(s3_server(tmp_path / "s3")))
        async with up(env):
            done = await command(env, "ingest", "--json", str(clip))
            assert done.status == 0, done.err
            url = done.rows[0]["hls"]
            async with ClientSession() as session:
                async with session.get(url.replace("master", "none")) as answer:
                    assert answer.status == 404
                await server.aclose()
                async with session.get(url) as answer:
                    assert (answer.status, (await answer.json())["error"]) == (502, "origin-failed")


async def test_wrong_credentials_are_found_by_doctor(tmp_path: Path, s3: S3Settings) -> None:
    env = on_s3(tmp_path, s3) | {"KAWA_STORAGE__S3__SECRET_KEY": "not-the-key"}
    done = await command(env, "doctor")
    assert done.status == 1
    assert "BAD   storage" in done.out
    assert "not-the-key" not in done.out
