from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientPayloadError, ClientSession, TCPConnector, web
from aiohttp.test_utils import TestServer

from config.runtime.keys import KeySet
from config.settings.load import Settings
from edge import keys
from edge.app import build_app
from edge.cache.tiers.purge import Purge
from edge.errors import OriginChanged
from edge.origin.upstream import Question
from edge.peers.keys import PURGEABLE
from tests.edge.client import Client

SLICE = 64 * 1024
LARGE = b"".join(hashlib.blake2b(bytes([n % 251, n // 251])).digest() for n in range(8 * 1024))


@dataclass
class RangeOrigin:
    """An origin that knows ranges, conditions and versions, and remembers what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    url: str = ""
    takes_ranges: bool = True
    gate: asyncio.Event | None = None  # answers wait for it
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.reached.set()
        if self.gate is not None:
            await self.gate.wait()
        self.asked.append(
            (request.path, request.headers.get("Range"), request.headers.get("If-None-Match"))
        )
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=204)
        body = self.files.get(request.path)
        if body is None:
            return web.Response(status=404)
        etag = f'"{hashlib.blake2b(body, digest_size=6).hexdigest()}"'
        headers = {"ETag": etag, "Content-Type": "video/mp4", **self.headers}
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers=headers)
        wanted = request.headers.get("Range")
        condition = request.headers.get("If-Range", etag)
        if not self.takes_ranges or wanted is None or condition != etag:
            return web.Response(body=body, headers=headers)
        first, last = wanted.removeprefix("bytes=").split("-")
        if int(first) >= len(body):
            return web.Response(status=416, headers={"Content-Range": f"bytes */{len(body)}"})
        stop = min(int(last) + 1, len(body)) if last else len(body)
        headers["Content-Range"] = f"bytes {first}-{stop - 1}/{len(body)}"
        return web.Response(status=206, body=body[int(first) : stop], headers=headers)


@asynccontextmanager
async def edge_over(
    settings: Settings, key_set: KeySet, url: str, cache: dict[str, Any], **edge: Any
) -> AsyncIterator[tuple[Client, web.Application]]:
    changed = Settings.model_validate(
        {
            "var_dir": settings.var_dir,
            "edge": {
                "origins": {"cdn": {"kind": "http", "url": url, "public": True}},
                "cache": {"slice_bytes": SLICE, "object_bytes": 2 * SLICE, **cache},
                **edge,
            },
        }
    )
    server = TestServer(build_app(changed, key_set=key_set))
    connector = TCPConnector(force_close=True)
    async with server, ClientSession(connector=connector, auto_decompress=False) as session:
        yield Client(session, server), server.app


@pytest.fixture
async def origin() -> AsyncIterator[RangeOrigin]:
    origin = RangeOrigin(files={"/1.m4s": b"segment" * 100, "/large.mp4": LARGE})
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", origin.serve)
    async with TestServer(app) as server:
        origin.url = f"http://127.0.0.1:{server.port}"
        yield origin


Over = Callable[..., Any]


@pytest.fixture
def over(settings: Settings, key_set: KeySet, origin: RangeOrigin) -> Over:
    return lambda cache=None, **edge: edge_over(settings, key_set, origin.url, cache or {}, **edge)


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


@pytest.fixture
def proxy(over: Over) -> Over:
    return lambda **cache: over({"profile": "generic-cache", **cache}, root_origin="cdn")


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
