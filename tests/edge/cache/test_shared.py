from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientPayloadError

from edge import keys
from edge.cache.tiers.purge import Purge
from edge.errors import OriginChanged
from edge.origin.upstream import Question
from edge.peers.keys import PURGEABLE
from tests.edge.cache.range_origin import LARGE, SLICE, Over, RangeOrigin


async def test_a_file_is_fetched_once(over: Over, origin: RangeOrigin) -> None:
    async with over() as (client, _):
        _, first, body = await client.ask("/cdn/1.m4s")
        assert body == origin.files["/1.m4s"]
        assert first["Cache-Status"] == "kawa;fwd=uri-miss;fwd-status=200;stored"
        for _ in range(3):
            status, headers, body = await client.ask("/cdn/1.m4s")
            assert (status, body) == (200, origin.files["/1.m4s"])
            assert (headers["Cache-Status"], headers["Age"]) == ("kawa;hit", "0")
        status, headers, body = await client.ask("/cdn/1.m4s", Range="bytes=7-13")
        assert (status, body) == (206, b"segment")
    assert len(origin.asked) == 1


async def test_a_viewer_cannot_make_the_edge_ask_again(over: Over, origin: RangeOrigin) -> None:
    async with over() as (client, _):
        for _ in range(2):
            await client.ask("/cdn/1.m4s", Cache_Control="no-cache", Pragma="no-cache")
    assert len(origin.asked) == 1


async def test_what_is_no_longer_fresh_is_asked_about_and_kept(
    over: Over, origin: RangeOrigin
) -> None:
    origin.headers["Cache-Control"] = "max-age=0"
    async with over() as (client, _):
        await client.ask("/cdn/1.m4s")
        status, headers, body = await client.ask("/cdn/1.m4s")
        assert (status, body) == (200, origin.files["/1.m4s"])
        assert headers["Cache-Status"] == "kawa;fwd=stale;fwd-status=304"
        origin.files["/1.m4s"] = b"another version"
        _, _, body = await client.ask("/cdn/1.m4s")
        assert body == b"another version"
    assert [known is not None for _, _, known in origin.asked] == [False, True, True]


async def test_a_large_file_is_kept_in_slices(over: Over, origin: RangeOrigin) -> None:
    async with over() as (client, _):
        status, headers, body = await client.ask("/cdn/large.mp4")
        assert (status, headers["Content-Length"]) == (200, str(len(LARGE)))
        assert body == LARGE
        asked = len(origin.asked)
        assert asked == len(LARGE) // SLICE
        status, headers, body = await client.ask("/cdn/large.mp4", Range="bytes=100000-300000")
        assert (status, body) == (206, LARGE[100000:300001])
        assert headers["Content-Range"] == f"bytes 100000-300000/{len(LARGE)}"
        assert (await client.ask("/cdn/large.mp4"))[2] == LARGE
        assert len(origin.asked) == asked


async def test_a_small_range_brings_one_slice(over: Over, origin: RangeOrigin) -> None:
    async with over() as (client, _):
        for field in ("bytes=70000-70001", "bytes=65536-131071"):
            status, _, body = await client.ask("/cdn/large.mp4", Range=field)
            first, last = (int(place) for place in field.removeprefix("bytes=").split("-"))
            assert (status, body) == (206, LARGE[first : last + 1])
        assert origin.asked == [("/large.mp4", "bytes=65536-131071", None)]
        status, headers, body = await client.ask("/cdn/large.mp4", Range="bytes=-10")
        assert (status, body) == (206, LARGE[-10:])
        assert len(origin.asked) == 2
        status, headers, _ = await client.ask("/cdn/large.mp4", Range="bytes=99999999-")
        assert (status, headers["Content-Range"]) == (416, f"bytes */{len(LARGE)}")


async def test_slices_of_two_versions_never_meet(over: Over, origin: RangeOrigin) -> None:
    async with over() as (client, _):
        await client.ask("/cdn/large.mp4", Range="bytes=0-9")
        origin.files["/large.mp4"] = other = LARGE[::-1]
        # The slice that is missing shows the change before a byte of the answer is sent.
        status, _, body = await client.ask("/cdn/large.mp4", Range="bytes=200000-200009")
        assert (status, body) == (206, other[200000:200010])
        assert (await client.ask("/cdn/large.mp4"))[2] == other
        # In the middle of an answer it can only be cut.
        await client.ask("/cdn/other.mp4")
        origin.files["/two.mp4"] = LARGE
        await client.ask("/cdn/two.mp4", Range="bytes=0-9")
        origin.files["/two.mp4"] = other
        with pytest.raises(ClientPayloadError):
            await client.ask("/cdn/two.mp4")
        assert (await client.ask("/cdn/two.mp4"))[2] == other


async def test_an_origin_without_ranges_gives_the_whole(over: Over, origin: RangeOrigin) -> None:
    origin.takes_ranges = False
    origin.headers["Accept-Ranges"] = "none"
    async with over() as (client, _):
        status, _, body = await client.ask("/cdn/1.m4s", Range="bytes=7-13")
        assert (status, body) == (206, b"segment")
        assert (await client.ask("/cdn/large.mp4"))[2] == LARGE
        status, _, body = await client.ask("/cdn/large.mp4", Range="bytes=100000-300000")
        assert (status, body) == (206, LARGE[100000:300001])


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("url", "cdn/1.m4s"),
        ("prefix", "cdn/"),
        ("tag", "title-1"),
        ("all", ""),
    ],
)
async def test_what_is_purged_is_asked_for_again(
    over: Over, origin: RangeOrigin, kind: Any, value: str, soft: bool, tmp_path: Path
) -> None:
    origin.headers["Cache-Tag"] = "title-1, season-1"
    async with over({"folder": tmp_path / "cache"}) as (client, app):
        await client.ask("/cdn/1.m4s")
        purged = sum(part.purge(Purge(kind, value, soft)) for part in app[PURGEABLE])
        assert purged >= 1
        status, _, body = await client.ask("/cdn/1.m4s")
        assert (status, body) == (200, origin.files["/1.m4s"])
    assert [known is not None for _, _, known in origin.asked] == [False, soft]


async def test_what_is_purged_of_something_else_stays(over: Over, origin: RangeOrigin) -> None:
    async with over() as (client, app):
        await client.ask("/cdn/1.m4s")
        for purge in (Purge("url", "cdn/1.m4"), Purge("tag", "title-1"), Purge("prefix", "vod/")):
            assert sum(part.purge(purge) for part in app[PURGEABLE]) == 0
        await client.ask("/cdn/1.m4s")
    assert len(origin.asked) == 1


async def test_the_disk_answers_after_a_restart(
    over: Over, origin: RangeOrigin, tmp_path: Path
) -> None:
    folder = tmp_path / "cache"
    async with over({"folder": folder}) as (client, _):
        assert (await client.ask("/cdn/1.m4s"))[2] == origin.files["/1.m4s"]
        assert (await client.ask("/cdn/large.mp4"))[2] == LARGE
    asked = len(origin.asked)
    async with over({"folder": folder}) as (client, _):
        status, headers, body = await client.ask("/cdn/1.m4s")
        assert (status, body) == (200, origin.files["/1.m4s"])
        assert headers["Cache-Status"] == "kawa;hit"
        assert (await client.ask("/cdn/large.mp4"))[2] == LARGE
        status, _, body = await client.ask("/cdn/large.mp4", Range="bytes=70000-70001")
        assert (status, body) == (206, LARGE[70000:70002])
    assert len(origin.asked) == asked


async def test_what_memory_drops_the_disk_has(
    over: Over, origin: RangeOrigin, tmp_path: Path
) -> None:
    names = [f"/{number}.m4s" for number in range(40)]
    for number, name in enumerate(names):
        origin.files[name] = bytes([number]) * 100_000
    async with over({"memory_bytes": 2**20, "folder": tmp_path / "cache"}) as (client, app):
        for name in names:
            assert (await client.ask(f"/cdn{name}"))[2] == origin.files[name]
        assert app[keys.CACHE].stats()["memory_bytes"] <= 2**20
        asked = len(origin.asked)
        for name in names:
            assert (await client.ask(f"/cdn{name}"))[2] == origin.files[name]
    assert len(origin.asked) == asked


async def test_no_files_of_one_viewer_are_kept_for_another(over: Over, origin: RangeOrigin) -> None:
    origin.headers["Cache-Control"] = "private"
    async with over() as (client, _):
        for _ in range(2):
            _, headers, _ = await client.ask("/cdn/1.m4s")
            assert "stored" not in headers["Cache-Status"]
        origin.headers = {"Set-Cookie": "a=b"}
        for _ in range(2):
            _, headers, _ = await client.ask("/cdn/1.m4s?2")
            assert "Set-Cookie" not in headers
    assert len(origin.asked) == 4


async def test_a_missing_file_is_remembered_for_a_moment(over: Over, origin: RangeOrigin) -> None:
    async with over() as (client, _):
        for _ in range(5):
            assert (await client.ask("/cdn/none.m4s"))[0] == 404
    assert len(origin.asked) == 1


async def test_the_root_origin_is_a_plain_proxy(proxy: Over, origin: RangeOrigin) -> None:
    origin.headers = {"Cache-Control": "max-age=60", "X-Of-Origin": "yes"}
    async with proxy() as (client, _):
        for _ in range(2):
            status, headers, body = await client.ask("/1.m4s")
            assert (status, body) == (200, origin.files["/1.m4s"])
            assert headers["X-Of-Origin"] == "yes"
            assert "Access-Control-Allow-Origin" not in headers
            assert headers["Via"].startswith("1.1 kawa-")
        assert len(origin.asked) == 1
        status, _, _ = await client.ask("/1.m4s", method="POST")
        assert status == 204
        await client.ask("/1.m4s")
        assert len(origin.asked) == 3


async def test_a_request_that_was_here_before_is_refused(proxy: Over, origin: RangeOrigin) -> None:
    async with proxy() as (client, app):
        status, _, body = await client.ask("/1.m4s", Via=f"1.0 other, 1.1 {app[keys.NODE]}")
    assert (status, b"loop-detected" in body) == (508, True)
    assert origin.asked == []


async def test_what_arrives_while_it_is_purged_is_not_kept(over: Over, origin: RangeOrigin) -> None:
    origin.gate, origin.reached = asyncio.Event(), asyncio.Event()
    async with over() as (client, app):
        first = asyncio.create_task(client.ask("/cdn/1.m4s"))
        await origin.reached.wait()
        app[keys.CACHE].purge(Purge("url", "cdn/1.m4s"))
        origin.gate.set()
        assert (await first)[2] == origin.files["/1.m4s"]
        await client.ask("/cdn/1.m4s")
    assert len(origin.asked) == 2


async def test_head_tells_the_size_of_a_file_in_slices(over: Over, origin: RangeOrigin) -> None:
    async with over() as (client, _):
        await client.ask("/cdn/large.mp4", Range="bytes=0-9")
        status, headers, _ = await client.ask("/cdn/large.mp4", method="HEAD")
    assert (status, headers["Content-Length"]) == (200, str(len(LARGE)))


async def test_what_is_evicted_while_it_is_sent_is_fetched_again(
    over: Over, origin: RangeOrigin
) -> None:
    origin.files["/2.m4s"] = LARGE[: 2 * SLICE]
    async with over() as (client, app):
        await client.ask("/cdn/2.m4s")
        calls, cache = app[keys.CALLS], app[keys.CACHE]
        question = Question(path="2.m4s")
        found = await cache.find(calls.segment(app[keys.ORIGINS].named("cdn"), question))
        assert found.stored is not None
        pieces = found.body.read(10, None)
        found.stored.chunks = None  # evicted, and there is no disk
        assert b"".join([bytes(piece) async for piece in pieces]) == LARGE[10 : 2 * SLICE]
        origin.files["/2.m4s"] = LARGE[SLICE : 3 * SLICE]
        with pytest.raises(OriginChanged):
            async for _ in found.body.read(10, None):
                pass


async def test_who_comes_when_the_last_reader_leaves_gets_a_fetch_of_their_own(
    over: Over, origin: RangeOrigin
) -> None:
    origin.gate, origin.reached = asyncio.Event(), asyncio.Event()
    async with over() as (_, app):
        cache, calls = app[keys.CACHE], app[keys.CALLS]
        call = calls.segment(app[keys.ORIGINS].named("cdn"), Question(path="1.m4s"))
        first = asyncio.create_task(cache.find(call))
        await origin.reached.wait()
        first.cancel()
        # Runs right after the first has left, while its fetch is just ending.
        second = asyncio.create_task(cache.find(call))
        origin.gate.set()
        found = await second
        pieces = [bytes(piece) async for piece in found.body.read(0, None)]
        found.body.close()
    assert b"".join(pieces) == origin.files["/1.m4s"]
