from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from multidict import CIMultiDict

from tests.edge.client import MASTER, MPD, SEGMENT, Client

Mint = Callable[..., str]


async def test_an_mpd_of_storage_is_served_as_it_is(client: Client, mint: Mint) -> None:
    status, headers, body = await client.ask(f"/t/{mint()}/vod/title/manifest.mpd")
    assert (status, body) == (200, MPD)
    assert headers["Content-Type"] == "application/dash+xml"


async def test_a_manifest_is_served_as_it_is(client: Client, mint: Mint) -> None:
    status, headers, body = await client.ask(f"/t/{mint()}/vod/title/master.m3u8")

    assert (status, body) == (200, MASTER)
    assert headers["Content-Type"] == "application/vnd.apple.mpegurl"
    assert headers["Cache-Control"] in ("private, max-age=2", "private, max-age=1")  # what is left
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Referrer-Policy"] == "no-referrer"


async def test_a_segment_is_served_whole_with_its_validators(client: Client, mint: Mint) -> None:
    status, headers, body = await client.ask(f"/t/{mint()}/vod/title/v/1.m4s")

    assert (status, body) == (200, SEGMENT)
    assert headers["Content-Type"] == "video/iso.segment"
    assert headers["Content-Length"] == str(len(SEGMENT))
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["ETag"].startswith('"')
    assert headers["Last-Modified"].endswith("GMT")


async def from_memory(client: Client, target: str) -> CIMultiDict[str]:
    async with asyncio.timeout(10):
        while True:
            _, headers, _ = await client.ask(target)
            if headers.get("Cache-Status", "kawa;hit").startswith("kawa;hit"):
                return headers


@pytest.mark.parametrize("path", ["master.m3u8", "manifest.mpd", "v/1.m4s", "v/empty.m4s"])
async def test_head_answers_with_the_fields_of_get_and_no_body(
    client: Client, mint: Mint, path: str
) -> None:
    token = mint()
    get = await from_memory(client, f"/t/{token}/vod/title/{path}")
    status, head, body = await client.ask(f"/t/{token}/vod/title/{path}", method="HEAD")

    assert (status, body) == (200, b"")
    del get["Date"], head["Date"]
    assert get == head


@pytest.mark.parametrize(
    ("field", "status", "start", "stop"),
    [
        pytest.param("bytes=0-0", 206, 0, 1, id="first byte"),
        pytest.param("bytes=-100", 206, 1023900, 1024000, id="last bytes"),
        pytest.param("bytes=-99999999", 206, 0, 1024000, id="suffix longer than the file"),
        pytest.param("bytes=1000000-", 206, 1000000, 1024000, id="open end"),
        pytest.param("bytes=262143-262145", 206, 262143, 262146, id="over a chunk's edge"),
        pytest.param("bytes=5-99999999", 206, 5, 1024000, id="end past the body is clamped"),
        pytest.param("Bytes=5-9", 206, 5, 10, id="range units are case-insensitive"),
        pytest.param("bytes=9-5", 200, 0, 1024000, id="backwards is ignored"),
        pytest.param("bytes=0-1,5-6", 200, 0, 1024000, id="several are answered whole"),
        pytest.param("items=0-1", 200, 0, 1024000, id="another unit is ignored"),
        pytest.param("bytes=a-b", 200, 0, 1024000, id="garbage is ignored"),
        pytest.param("bytes=-", 200, 0, 1024000, id="nothing asked"),
        pytest.param("bytes=1024000-", 416, 0, 0, id="past the end"),
        pytest.param("bytes=-0", 416, 0, 0, id="empty suffix"),
        pytest.param("bytes=99999999999999999999-", 200, 0, 1024000, id="too many digits"),
    ],
)
async def test_ranges(
    client: Client, mint: Mint, field: str, status: int, start: int, stop: int
) -> None:
    answer, headers, body = await client.ask(f"/t/{mint()}/vod/title/v/1.m4s", Range=field)

    assert answer == status
    if status == 416:
        assert headers["Content-Range"] == "bytes */1024000"
    else:
        assert body == SEGMENT[start:stop]
    if status == 206:
        assert headers["Content-Range"] == f"bytes {start}-{stop - 1}/1024000"
        assert headers["Content-Length"] == str(stop - start)


async def test_a_range_of_an_empty_file_cannot_be_satisfied(client: Client, mint: Mint) -> None:
    status, headers, _ = await client.ask(f"/t/{mint()}/vod/title/v/empty.m4s", Range="bytes=0-")
    assert (status, headers["Content-Range"]) == (416, "bytes */0")


async def test_range_on_head_is_ignored(client: Client, mint: Mint) -> None:
    # RFC 9110 section 14.2: Range is only defined for GET.
    status, headers, _ = await client.ask(
        f"/t/{mint()}/vod/title/v/1.m4s", method="HEAD", Range="bytes=0-9"
    )
    assert (status, headers["Content-Length"]) == (200, "1024000")


async def test_if_none_match_spares_the_body(client: Client, mint: Mint) -> None:
    path = f"/t/{mint()}/vod/title/v/1.m4s"
    _, first, _ = await client.ask(path)

    for field in (first["ETag"], f'"other", W/{first["ETag"]}', "*"):
        status, headers, body = await client.ask(path, If_None_Match=field)
        assert (status, body) == (304, b"")
        assert headers["ETag"] == first["ETag"]
        assert "Content-Length" not in headers
    status, _, body = await client.ask(path, If_None_Match='"other"')
    assert (status, body) == (200, SEGMENT)


async def test_dates_are_compared_when_no_tag_is_given(
    client: Client, mint: Mint, title: Path
) -> None:
    os.utime(title / "v" / "1.m4s", (1e9, 1e9))  # Sun, 09 Sep 2001 01:46:40 GMT
    path = f"/t/{mint()}/vod/title/v/1.m4s"

    since = "Sun, 09 Sep 2001 01:46:40 GMT"
    before = "Sun, 09 Sep 2001 01:46:39 GMT"
    assert (await client.ask(path, If_Modified_Since=since))[0] == 304
    assert (await client.ask(path, If_Modified_Since=before))[0] == 200
    assert (await client.ask(path, If_Modified_Since="yesterday"))[0] == 200
    # RFC 9110 section 13.1.3: ignored when If-None-Match is there.
    both = await client.ask(path, If_Modified_Since=since, If_None_Match='"other"')
    assert both[0] == 200
    assert (await client.ask(path, If_Unmodified_Since=before))[0] == 412
    assert (await client.ask(path, If_Unmodified_Since=since))[0] == 200


async def test_if_match_guards_against_another_file(client: Client, mint: Mint) -> None:
    path = f"/t/{mint()}/vod/title/v/1.m4s"
    _, first, _ = await client.ask(path)

    assert (await client.ask(path, If_Match=first["ETag"]))[0] == 200
    assert (await client.ask(path, If_Match="*"))[0] == 200
    assert (await client.ask(path, If_Match='"other"'))[0] == 412
    assert (await client.ask(path, If_Match=f"W/{first['ETag']}"))[0] == 412


async def test_if_range_gives_the_part_only_of_the_same_file(
    client: Client, mint: Mint, title: Path
) -> None:
    # RFC 9110 section 8.8.2.2: only a date that lies well back is a strong validator.
    os.utime(title / "v" / "1.m4s", (1.1e9, 1.1e9))
    path = f"/t/{mint()}/vod/title/v/1.m4s"
    _, first, _ = await client.ask(path)

    same = await client.ask(path, Range="bytes=0-9", If_Range=first["ETag"])
    assert (same[0], same[2]) == (206, SEGMENT[:10])
    dated = await client.ask(path, Range="bytes=0-9", If_Range=first["Last-Modified"])
    assert dated[0] == 206
    for other in ('"other"', f"W/{first['ETag']}", "Sun, 09 Sep 2001 01:46:40 GMT", "nonsense"):
        status, _, body = await client.ask(path, Range="bytes=0-9", If_Range=other)
        assert (status, len(body)) == (200, len(SEGMENT))


async def test_a_preflight_allows_what_players_send(client: Client) -> None:
    status, headers, body = await client.ask(
        "/t/any/vod/title/master.m3u8",
        method="OPTIONS",
        Origin="https://app.example",
        Access_Control_Request_Method="GET",
        Access_Control_Request_Headers="range",
    )
    assert (status, body) == (204, b"")
    assert "Range" in headers["Access-Control-Allow-Headers"]
    assert "GET" in headers["Access-Control-Allow-Methods"]


async def test_a_public_origin_needs_no_token(client: Client, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "a.vtt").write_text("WEBVTT")

    status, headers, body = await client.ask("/open/a.vtt")

    assert (status, body) == (200, b"WEBVTT")
    assert headers["Cache-Control"] == "public, max-age=86400"


async def test_an_unreadable_origin_is_named_as_the_origins_fault(
    client: Client, mint: Mint, title: Path
) -> None:
    (title / "v" / "loop.m4s").symlink_to("loop.m4s")
    status, _, body = await client.ask(f"/t/{mint()}/vod/title/v/loop.m4s")
    assert (status, json.loads(body)["error"]) == (502, "origin-failed")


async def test_a_manifest_beyond_the_limit_is_refused(
    client: Client, mint: Mint, title: Path
) -> None:
    with (title / "large.m3u8").open("wb") as file:
        file.truncate(9 * 2**20)
    status, _, body = await client.ask(f"/t/{mint()}/vod/title/large.m3u8")
    assert (status, json.loads(body)["error"]) == (502, "manifest-too-large")


async def test_a_grants_time_is_the_edges_clock(client: Client, mint: Mint) -> None:
    now = int(time.time())
    soon = mint(issued_at=now, not_before=now + 25, expires_at=now + 600)
    assert (await client.ask(f"/t/{soon}/vod/title/master.m3u8"))[0] == 200
