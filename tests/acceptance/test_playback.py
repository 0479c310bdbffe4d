from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import m3u8
import pytest
from aiohttp import ClientSession

from tests.acceptance.conftest import SECONDS
from tests.acceptance.running import Kawa, command, ffmpeg

FRAMES = SECONDS * 24


def frames_by_stream(framecrc: str) -> dict[str, int]:
    """Decoded video frames by ffmpeg's stream number."""
    kinds = dict(re.findall(r"^#media_type (\d+): (\w+)", framecrc, re.MULTILINE))
    lines = re.findall(r"^(\d+),", framecrc, re.MULTILINE)
    return {stream: lines.count(stream) for stream, kind in kinds.items() if kind == "video"}


@pytest.mark.parametrize("form", ["hls", "dash"])
async def test_ffmpeg_reads_every_rendition_whole(published: dict[str, Any], form: str) -> None:
    output = await ffmpeg(
        *("-i", published[form], "-map", "0:v", "-map", "0:a"),
        *("-fps_mode", "passthrough", "-f", "framecrc", "-"),
    )
    assert list(frames_by_stream(output).values()) == [FRAMES, FRAMES]
    assert output.count("#media_type") == output.count(": video") + 1


async def test_every_uri_of_the_playlists_is_relative_and_leads_to_a_file(
    published: dict[str, Any],
) -> None:
    token = published["hls"].split("/t/")[1].split("/")[0]
    async with ClientSession(raise_for_status=True) as session:
        async with session.get(published["hls"]) as answer:
            text = await answer.text()
        assert token not in text
        master = m3u8.loads(text, uri=published["hls"])
        children = [item.absolute_uri for item in (*master.playlists, *master.media)]
        assert len(children) == 3
        for child in children:
            async with session.get(child) as answer:
                text = await answer.text()
            playlist = m3u8.loads(text, uri=child)
            assert token not in text
            assert sum(part.duration for part in playlist.segments) == pytest.approx(
                SECONDS, abs=0.1
            )
            for part in playlist.segments:
                async with session.head(part.absolute_uri) as answer:
                    assert answer.content_type == "video/iso.segment"


async def test_the_mpd_names_the_same_renditions(published: dict[str, Any]) -> None:
    async with (
        ClientSession(raise_for_status=True) as session,
        session.get(published["dash"]) as answer,
    ):
        assert answer.content_type == "application/dash+xml"
        document = ET.fromstring(await answer.text())
    heights = [item.get("height") for item in document.findall(".//{*}Representation")]
    assert sorted(height for height in heights if height) == ["360", "480"]


async def test_a_token_opens_its_own_title_only(kawa: Kawa, published: dict[str, Any]) -> None:
    media = published["media_id"]
    token = published["hls"].split("/t/")[1].split("/")[0]
    other = "00000000-0000-7000-8000-000000000000"
    async with ClientSession() as session:
        async with session.get(f"{kawa.edge}/t/{token}/vod/{other}/x/master.m3u8") as answer:
            assert (answer.status, (await answer.json())["error"]) == (403, "not-allowed")
    verified = await command(
        kawa.env, "token", "verify", "--json", "--url", f"/vod/{media}/master.m3u8", token
    )
    assert (verified.status, verified.rows[0]["ok"]) == (0, True)
    refused = await command(
        kawa.env, "token", "verify", "--json", "--url", f"/vod/{other}/master.m3u8", token
    )
    assert (refused.status, refused.rows[0]["reason"]) == (1, "path-not-covered")


async def test_a_minted_token_plays_and_an_inspected_one_shows_its_claims(
    kawa: Kawa, published: dict[str, Any]
) -> None:
    minted = await command(kawa.env, "token", "mint", f"/vod/{published['media_id']}/")
    token = minted.out.strip()
    path = published["hls"].split("/vod/")[1]
    async with (
        ClientSession() as session,
        session.get(f"{kawa.edge}/vod/{path}?token={token}") as answer,
    ):
        assert answer.status == 200
        assert f"/t/{token}/" in str(answer.url)
    inspected = await command(kawa.env, "token", "inspect", token)
    assert f"/vod/{published['media_id']}/" in inspected.out


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        pytest.param(("token", "mint", "vod"), 2, id="no prefix"),
        pytest.param(("token", "mint"), 2, id="no path"),
        pytest.param(("token", "inspect", "nonsense"), 1, id="no token"),
        pytest.param(("token", "verify", "a.b.c"), 1, id="not signed"),
        pytest.param(("nothing",), 2, id="no command"),
        pytest.param(("ingest", "/no/such/file"), 2, id="no file"),
    ],
)
async def test_wrong_use_is_told_by_the_exit_status(
    kawa: Kawa, arguments: tuple[str, ...], status: int
) -> None:
    done = await command(kawa.env, *arguments)
    assert done.status == status
    assert "Traceback" not in done.err
    assert done.err


async def test_doctor_finds_a_running_system_in_order(kawa: Kawa) -> None:
    done = await command(kawa.env, "doctor", "--json")
    found = {row["name"]: row for row in json.loads(done.out)}
    assert done.status == 0, done.out
    assert {name for name, row in found.items() if not row["good"]} == {"ports"}  # taken by Kawa


async def test_no_token_or_password_is_in_any_log(kawa: Kawa, published: dict[str, Any]) -> None:
    token = published["hls"].split("/t/")[1].split("/")[0]
    password = (Path(kawa.env["KAWA_VAR_DIR"]) / "secrets" / "admin-password").read_text()
    text = kawa.log.read_text()
    assert '"event": "request"' in text
    assert token not in text
    assert token.rpartition(".")[2] not in text
    assert password not in text
