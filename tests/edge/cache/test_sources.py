from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from edge import keys
from edge.cache.sources import Sources
from edge.cache.tiers.purge import Purge
from edge.origin.documents import Document
from tests.edge.cache.range_origin import Over, RangeOrigin, serving

KEY = ("cdn", "live.m3u8", "")
MPD = (
    b'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT60S"'
    b' profiles="urn:mpeg:dash:profile:isoff-live:2011"><Period id="0">'
    b'<AdaptationSet mimeType="video/mp4"><SegmentTemplate duration="6"'
    b' media="$RepresentationID$/$Number$.m4s" initialization="$RepresentationID$/init.mp4"/>'
    + b"".join(
        b'<Representation id="v%d" bandwidth="%d" width="1" height="%d" codecs="avc1.64001f"/>'
        % (number, number * 1000, number)
        for number in range(1, 400)
    )
    + b"</AdaptationSet></Period></MPD>"
)


def sources() -> Sources:
    return Sources(max_bytes=2**20, default_max_age=60, stale_seconds=60, clock=lambda: 0.0)


def document(body: bytes) -> Document:
    return Document(
        body=body,
        url="http://cdn.test/live.m3u8",
        content_type="",
        etag=None,
        last_modified=None,
        max_age=60.0,
    )


def brings(
    body: bytes, reached: asyncio.Event, gate: asyncio.Event
) -> Callable[[Document | None], Awaitable[Document]]:
    async def fetch(_known: Document | None) -> Document:
        reached.set()
        await gate.wait()
        return document(body)

    return fetch


@pytest.fixture
def opened() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


async def test_who_asks_after_a_purge_does_not_get_what_was_asked_for_before_it(
    opened: asyncio.Event,
) -> None:
    kept, gate, reached = sources(), asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(kept.get(KEY, brings(b"old", reached, gate)))
    await reached.wait()
    kept.purge(Purge("url", "cdn/live.m3u8"))
    second = await kept.get(KEY, brings(b"new", reached, opened))
    assert second.document.body == b"new"
    gate.set()
    assert (await first).document.body == b"old"
    assert (await kept.get(KEY, brings(b"newer", reached, opened))).document.body == b"new"
    await kept.close()


async def test_a_soft_purge_while_the_same_bytes_come_leaves_nothing_alive(
    opened: asyncio.Event,
) -> None:
    kept, gate, reached = sources(), asyncio.Event(), asyncio.Event()
    source = await kept.get(KEY, brings(b"old", reached, opened))
    reached.clear()
    other = asyncio.create_task(kept.newer(KEY, "_HLS_msn=7", brings(b"old", reached, gate)))
    await reached.wait()
    kept.purge(Purge("url", "cdn/live.m3u8", soft=True))
    gate.set()
    await other
    assert not source.alive  # the hot lane would give it until its own time is over
    await kept.close()


@pytest.mark.parametrize("query", ["?_kawa_patch={}", "?f=bandwidth:..{}k"])
async def test_forms_that_one_viewer_asks_for_push_nothing_else_out(
    over: Over, origin: RangeOrigin, query: str
) -> None:
    asked: list[str] = []

    async def serve(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        headers = {"Cache-Control": "max-age=60", "Content-Type": "application/dash+xml"}
        return web.Response(body=MPD, headers=headers)

    async with serving(serve) as origin.url, over(manifest_cache_bytes=2**20) as (client, app):
        await client.ask("/cdn/other.mpd")
        for number in range(1000, 1060):
            status, _, body = await client.ask("/cdn/1.mpd" + query.format(number))
            assert status == 200, body
        assert app[keys.MANIFESTS].stats()["manifest_bytes"] <= 2**20
        await client.ask("/cdn/other.mpd")
    assert asked == ["/other.mpd", "/1.mpd"]


def playlist(last: int) -> bytes:
    segments = [f"#EXTINF:4,\n{number}.m4s" for number in range(last - 4, last + 1)]
    head = (
        "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:4\n"
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=3\n"
        f"#EXT-X-MEDIA-SEQUENCE:{last - 4}\n"
    )
    return (head + "\n".join(segments) + "\n").encode()


async def test_a_playlist_never_goes_back(over: Over, origin: RangeOrigin) -> None:
    newest = {"": 9}

    async def serve(request: web.Request) -> web.StreamResponse:
        last = newest[request.query_string]
        age = "max-age=0" if last == 9 else "max-age=60"
        headers = {"Cache-Control": age, "Content-Type": "application/vnd.apple.mpegurl"}
        return web.Response(body=playlist(last), headers=headers)

    gate, learning = asyncio.Event(), asyncio.Event()
    async with serving(serve) as origin.url, over() as (client, app):
        manifests = app[keys.MANIFESTS]
        learn = manifests._learn

        async def slow(key: Any, produced: Any, is_new: bool) -> None:
            # As for a long playlist, which is read in a thread.
            if produced.output.endswith(b"/10.m4s\n") or produced.output.endswith(b"\n10.m4s\n"):
                learning.set()
                await gate.wait()
            await learn(key, produced, is_new)

        manifests._learn = slow
        assert b"9.m4s" in (await client.ask("/cdn/live.m3u8"))[2]
        newest.update({"": 10, "_HLS_msn=11": 11})
        plain = asyncio.create_task(client.ask("/cdn/live.m3u8"))
        await learning.wait()
        assert b"11.m4s" in (await client.ask("/cdn/live.m3u8?_HLS_msn=11"))[2]
        gate.set()
        await plain
        assert b"11.m4s" in (await client.ask("/cdn/live.m3u8"))[2]
