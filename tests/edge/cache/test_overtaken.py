"""What is under way while something else becomes of it: a purge, a change, another version, another viewer."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest
from aiohttp import ClientPayloadError, web
from multidict import CIMultiDict

from edge import keys
from edge.cache.call import Call
from edge.cache.tiers.purge import Purge
from edge.origin.upstream import Question
from tests.edge.cache.range_origin import LARGE, SLICE, Over, RangeOrigin, serving

OTHER = LARGE[::-1]
LONG_AGO = "Mon, 01 Jan 2024 00:00:00 GMT"


async def test_a_soft_purge_that_comes_while_the_origin_is_asked_is_heeded(
    over: Over, origin: RangeOrigin
) -> None:
    origin.headers["Cache-Control"] = "max-age=0"
    async with over() as (client, app):
        await client.ask("/cdn/1.m4s")
        origin.headers["Cache-Control"] = "max-age=60"
        origin.gate, origin.reached = asyncio.Event(), asyncio.Event()
        asking = asyncio.create_task(client.ask("/cdn/1.m4s"))
        await origin.reached.wait()
        app[keys.CACHE].purge(Purge("url", "cdn/1.m4s", soft=True))
        origin.gate.set()
        await asking
        origin.files["/1.m4s"] = b"new"
        assert (await client.ask("/cdn/1.m4s"))[2] == b"new"


async def test_what_was_purged_while_the_origin_was_asked_does_not_replace_what_came_after_it(
    over: Over, origin: RangeOrigin, tmp_path: Path
) -> None:
    origin.headers["Cache-Control"] = "max-age=0"
    old, cache = origin.files["/1.m4s"], {"folder": tmp_path / "cache"}
    async with over(cache) as (client, app):
        await client.ask("/cdn/1.m4s")
        disk = app[keys.CACHE]._shelf._disk
        await disk.settled()
        origin.headers["Cache-Control"] = "max-age=60"
        gate = origin.gate = asyncio.Event()
        origin.reached = asyncio.Event()
        asking = asyncio.create_task(client.ask("/cdn/1.m4s"))
        await origin.reached.wait()
        app[keys.CACHE].purge(Purge("url", "cdn/1.m4s"))
        origin.gate = None
        origin.files["/1.m4s"] = b"new"
        assert (await client.ask("/cdn/1.m4s"))[2] == b"new"
        await disk.settled()
        origin.files["/1.m4s"] = old  # which the first question is answered by, with a 304
        gate.set()
        await asking
        origin.files["/1.m4s"] = b"new"
    async with over(cache) as (client, _):
        assert (await client.ask("/cdn/1.m4s"))[2] == b"new"


@pytest.mark.parametrize("tag", [{"ETag": 'W/"1"'}, {}], ids=["weak", "none"])
async def test_a_file_on_the_disk_without_a_strong_tag_is_sent_whole_after_it_was_validated(
    over: Over, origin: RangeOrigin, tmp_path: Path, tag: dict[str, str]
) -> None:
    body = b"segment" * 100

    async def serve(request: web.Request) -> web.StreamResponse:
        headers = {"Last-Modified": LONG_AGO, "Cache-Control": "max-age=0", **tag}
        if "If-Modified-Since" in request.headers:
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, headers=headers)

    cache = {"folder": tmp_path / "cache"}
    async with serving(serve) as origin.url:
        async with over(cache) as (client, _):
            assert (await client.ask("/cdn/1.m4s"))[2] == body
        async with over(cache) as (client, _):
            for _ in range(3):
                assert (await client.ask("/cdn/1.m4s"))[2] == body


async def test_a_softly_purged_file_that_only_the_disk_has_is_asked_about_once(
    over: Over, origin: RangeOrigin, tmp_path: Path
) -> None:
    origin.files["/big.m4s"] = b"x" * (400 * 1024)  # memory takes a quarter of its bytes at most
    cache = {"folder": tmp_path / "cache", "memory_bytes": 2**20, "object_bytes": 2**20}
    async with over(cache) as (client, app):
        await client.ask("/cdn/big.m4s")
        await app[keys.CACHE]._shelf._disk.settled()
        app[keys.CACHE].purge(Purge("url", "cdn/big.m4s", soft=True))
        for _ in range(4):
            assert (await client.ask("/cdn/big.m4s"))[2] == origin.files["/big.m4s"]
    assert len(origin.asked) == 2


async def test_a_304_about_another_version_has_the_whole_asked_for(
    over: Over, origin: RangeOrigin
) -> None:
    now = {"tag": '"1"', "body": "old"}

    async def serve(request: web.Request) -> web.StreamResponse:
        headers = {"ETag": now["tag"], "Cache-Control": "max-age=0"}
        if "If-None-Match" in request.headers:
            return web.Response(status=304, headers=headers)
        return web.Response(text=now["body"], headers=headers)

    async with serving(serve) as origin.url, over() as (client, _):
        assert (await client.ask("/cdn/1.m4s"))[2] == b"old"
        now.update(tag='"2"', body="new")
        assert (await client.ask("/cdn/1.m4s"))[2] == b"new"


async def test_what_is_for_one_viewer_reaches_no_other_who_joins_its_validation(
    proxy: Over, origin: RangeOrigin
) -> None:
    gate, reached = asyncio.Event(), asyncio.Event()
    everybodys = {"ETag": '"1"', "Cache-Control": "max-age=0, stale-while-revalidate=60"}

    async def serve(request: web.Request) -> web.StreamResponse:
        who, asks_again = request.headers.get("Cookie"), "If-None-Match" in request.headers
        if who is None or (who == "alice" and not asks_again):
            return web.Response(text="of all", headers=everybodys)
        if who == "alice":
            reached.set()
            await gate.wait()
        return web.Response(text=f"of {who}", headers={"Cache-Control": "private"})

    async with serving(serve) as origin.url, proxy() as (client, app):
        assert (await client.ask("/page"))[2] == b"of all"
        # It is stale, and asked about once she has it.
        assert (await client.ask("/page", Cookie="alice"))[2] == b"of all"
        await reached.wait()
        fill = app[keys.CACHE]._exchanges.running("cdn/page")
        bob = asyncio.create_task(client.ask("/page", Cookie="bob", Cache_Control="no-cache"))
        while fill.interest == 0:
            await asyncio.sleep(0)
        gate.set()
        assert (await bob)[2] == b"of bob"


async def test_a_304_about_one_variant_says_nothing_of_another(
    proxy: Over, origin: RangeOrigin
) -> None:
    gate, reached = asyncio.Event(), asyncio.Event()
    versions = {"a": 1, "b": 1}

    async def serve(request: web.Request) -> web.StreamResponse:
        name = request.headers["X-Lang"]
        tag, known = f'"{name}{versions[name]}"', request.headers.get("If-None-Match")
        headers = {"ETag": tag, "Vary": "X-Lang", "Cache-Control": "max-age=0, must-revalidate"}
        if known == '"a1"':
            reached.set()
            await gate.wait()
        if known == tag:
            return web.Response(status=304, headers=headers)
        return web.Response(text=tag, headers=headers)

    async with serving(serve) as origin.url, proxy() as (client, app):
        assert (await client.ask("/page", X_Lang="a"))[2] == b'"a1"'
        assert (await client.ask("/page", X_Lang="b"))[2] == b'"b1"'
        versions["b"] = 2
        first = asyncio.create_task(client.ask("/page", X_Lang="a"))
        await reached.wait()
        fill = app[keys.CACHE]._exchanges.running("cdn/page")
        second = asyncio.create_task(client.ask("/page", X_Lang="b"))
        while fill.interest == 1 and not second.done():
            await asyncio.sleep(0)
        gate.set()
        assert (await first)[2] == b'"a1"'
        assert (await second)[2] == b'"b2"'


async def test_who_asks_for_another_variant_does_not_get_one_that_ends_alone(
    proxy: Over, origin: RangeOrigin
) -> None:
    gate = asyncio.Event()

    async def serve(request: web.Request) -> web.StreamResponse:
        name = request.headers["X-Lang"]
        headers = {"ETag": f'"{name}"', "Vary": "X-Lang", "Cache-Control": "max-age=0"}
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        response = web.StreamResponse(headers={**headers, "Content-Length": "4"})
        await response.prepare(request)
        await response.write(name.encode() * 3)
        if name == "a":
            await gate.wait()
        await response.write(name.encode())
        return response

    async with serving(serve) as origin.url, proxy() as (client, app):
        cache, calls, cdn = app[keys.CACHE], app[keys.CALLS], app[keys.ORIGINS].named("cdn")

        def call(name: str) -> Call:
            found: Call = calls.proxy(
                cdn, Question(path="page", headers=CIMultiDict({"X-Lang": name}))
            )
            return found

        assert (await client.ask("/page", X_Lang="b"))[2] == b"bbbb"
        found = await cache.find(call("a"))
        pieces = found.body.read(0, None)
        assert bytes(await anext(pieces)) == b"aaa"
        await pieces.aclose()
        found.body.close()  # most of it is there: it is fetched to its end
        fill = cache._exchanges.running("cdn/page")
        second = asyncio.create_task(cache.find(call("b")))
        while fill.interest == 0 and not second.done():
            await asyncio.sleep(0)
        gate.set()
        found = await second
        body = b"".join([bytes(piece) async for piece in found.body.read(0, None)])
        found.body.close()
        assert body == b"bbbb"


async def test_what_was_asked_for_before_a_change_is_not_kept_after_it(
    proxy: Over, origin: RangeOrigin
) -> None:
    gate, reached, state = asyncio.Event(), asyncio.Event(), "old"

    async def serve(request: web.Request) -> web.StreamResponse:
        nonlocal state
        if request.method == "POST":
            state = "new"
            return web.Response(status=204)
        text = state
        if text == "old":
            reached.set()
            await gate.wait()
        return web.Response(text=text, headers={"Cache-Control": "max-age=60"})

    async with serving(serve) as origin.url, proxy() as (client, _):
        first = asyncio.create_task(client.ask("/page"))
        await reached.wait()
        assert (await client.ask("/page", method="POST"))[0] == 204
        gate.set()
        await first
        assert (await client.ask("/page"))[2] == b"new"


async def test_an_old_slice_that_comes_late_does_not_bring_the_old_version_back(
    over: Over, origin: RangeOrigin
) -> None:
    gate, reached = asyncio.Event(), asyncio.Event()
    place = f"bytes={SLICE}-{2 * SLICE - 1}"

    async def serve(request: web.Request) -> web.StreamResponse:
        whole = await origin.serve(request)
        if request.headers.get("Range") != place or reached.is_set():
            return whole
        assert isinstance(whole, web.Response)
        assert isinstance(whole.body, bytes)
        response = web.StreamResponse(status=206, headers=whole.headers)
        await response.prepare(request)
        await response.write(whole.body[:100])
        reached.set()
        await gate.wait()
        await response.write(whole.body[100:])
        return response

    async with serving(serve) as origin.url, over() as (client, _):
        await client.ask("/cdn/large.mp4", Range="bytes=0-9")
        late = asyncio.create_task(client.ask("/cdn/large.mp4", Range=place))
        await reached.wait()
        origin.files["/large.mp4"] = OTHER
        at = 3 * SLICE
        _, _, body = await client.ask("/cdn/large.mp4", Range=f"bytes={at}-{at + 9}")
        assert body == OTHER[at : at + 10]
        gate.set()
        await late
        _, _, body = await client.ask("/cdn/large.mp4", Range=f"bytes={SLICE}-{SLICE + 9}")
        assert body == OTHER[SLICE : SLICE + 10]


async def test_slices_are_told_apart_by_their_date_where_there_is_no_tag(
    over: Over, origin: RangeOrigin
) -> None:
    body, date = LARGE, LONG_AGO

    async def serve(request: web.Request) -> web.StreamResponse:
        """Knows ranges, but not If-Range."""
        first, last = map(int, request.headers["Range"].removeprefix("bytes=").split("-"))
        part = body[first : last + 1]
        place = f"bytes {first}-{first + len(part) - 1}/{len(body)}"
        return web.Response(
            status=206, body=part, headers={"Last-Modified": date, "Content-Range": place}
        )

    async with serving(serve) as origin.url, over() as (client, _):
        await client.ask("/cdn/large.mp4", Range="bytes=0-9")
        body, date = OTHER, "Tue, 02 Jan 2024 00:00:00 GMT"
        two_slices = f"bytes=0-{2 * SLICE - 1}"
        with pytest.raises(ClientPayloadError):  # in the middle of an answer it can only be cut
            await client.ask("/cdn/large.mp4", Range=two_slices)
        assert (await client.ask("/cdn/large.mp4", Range=two_slices))[2] == OTHER[: 2 * SLICE]


async def test_a_purge_right_behind_the_head_of_a_large_file_leaves_nothing_of_it(
    over: Over, origin: RangeOrigin
) -> None:
    async with over() as (client, app):
        cache = app[keys.CACHE]
        question = Question(path="large.mp4", headers=CIMultiDict({"Range": "bytes=0-9"}))
        call = app[keys.CALLS].segment(app[keys.ORIGINS].named("cdn"), question)
        finding = asyncio.create_task(cache.find(call))
        while not cache._exchanges._running:
            await asyncio.sleep(0)
        [fill] = cache._exchanges._running
        # Comes after the head, and before the first who waits for it.
        fill.head.add_done_callback(lambda _: cache.purge(Purge("url", "cdn/large.mp4")))
        found = await finding
        async for _ in found.body.read(0, SLICE):
            pass
        found.body.close()
        origin.files["/large.mp4"] = OTHER
        _, headers, _ = await client.ask("/cdn/large.mp4", method="HEAD")
        assert headers["ETag"] == f'"{hashlib.blake2b(OTHER, digest_size=6).hexdigest()}"'
