from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import ClientConnectionError, ClientPayloadError, ClientSession, TCPConnector
from aiohttp.test_utils import TestServer

from config.runtime.keys import KeySet
from config.settings.load import Settings
from edge.app import build_app
from tests.edge.client import Client
from tests.edge.origins import polite_origin, raw_origin
from tests.logs import logs_of

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n1.ts\n#EXT-X-ENDLIST\n"


@asynccontextmanager
async def edge_over(
    settings: Settings, key_set: KeySet, url: str, **origin: Any
) -> AsyncIterator[Client]:
    changed = Settings.model_validate(
        {
            "var_dir": settings.var_dir,
            "edge": {
                "manifest_max_age": 0,
                "write_timeout": 5,
                "origins": {"cdn": {"kind": "http", "url": url, "public": True, **origin}},
            },
        }
    )
    server = TestServer(build_app(changed, key_set=key_set))
    async with (
        server,
        ClientSession(connector=TCPConnector(force_close=True), auto_decompress=False) as session,
    ):
        yield Client(session, server)


@pytest.fixture
def over(settings: Settings, key_set: KeySet) -> Callable[..., Any]:
    return lambda url, **origin: edge_over(settings, key_set, url, **origin)


Over = Callable[..., Any]


async def test_what_an_origin_writes_unasked_answers_nobody(over: Over) -> None:
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"
    pushed = asyncio.Event()
    connections = 0

    async def script(_head: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.write(GOOD)
        await writer.drain()
        if connections == 1:
            await asyncio.sleep(0.05)  # the first answer is read, its connection idles in the pool
            writer.write(evil)
            await writer.drain()
            pushed.set()

    async with raw_origin(script) as url, over(url) as client:
        assert (await client.ask("/cdn/1.ts"))[2] == b"good"
        await pushed.wait()
        await asyncio.sleep(0.05)
        assert (await client.ask("/cdn/2.ts"))[2] == b"good"
        assert (await client.ask("/cdn/3.ts"))[2] == b"good"


async def test_a_head_that_drips_meets_the_deadline(over: Over) -> None:
    async def script(_head: bytes, writer: asyncio.StreamWriter) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"a" * 2000:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)

    async with raw_origin(script) as url, over(url, first_byte_timeout=0.5) as client:
        status, _, body = await client.ask("/cdn/1.ts")
    assert (status, json.loads(body)["error"]) == (504, "origin-timeout")


async def test_a_truncated_body_is_cut_so_that_the_viewer_can_tell(over: Over) -> None:
    async def script(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n" + b"x" * 300000)
        await writer.drain()
        writer.close()

    async with raw_origin(script) as url, over(url) as client:
        with pytest.raises((ClientConnectionError, ClientPayloadError)):
            await client.ask("/cdn/1.ts")
        status, _, body = await client.ask("/cdn/live.m3u8")
    assert (status, json.loads(body)["error"]) == (502, "origin-failed")


async def test_what_a_player_says_of_itself_is_not_in_the_log_of_a_body_that_was_cut(
    over: Over,
) -> None:
    async def script(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n" + b"x" * 300000)
        await writer.drain()
        writer.close()

    said = quote('sid="who-watches",bl=2000', safe="")
    with logs_of("edge.handlers.bodies") as logs:
        async with raw_origin(script) as url, over(url) as client:
            with pytest.raises((ClientConnectionError, ClientPayloadError)):
                await client.ask(f"/cdn/1.ts?a=b&CMCD={said}")

    assert [(line["event"], line["path"]) for line in logs] == [("body cut", "/cdn/1.ts?a=b")]


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        pytest.param(
            b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 502, "origin-failed", id="500"
        ),
        pytest.param(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", 404, "not-found", id="404"),
        pytest.param(
            b"HTTP/1.1 302 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            502,
            "origin-failed",
            id="a redirect is not followed",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
            502,
            "origin-failed",
            id="two lengths",
        ),
        pytest.param(b"garbage\r\n\r\n", 502, "origin-failed", id="garbage"),
    ],
)
async def test_an_origins_fault_is_named(
    over: Over, answer: bytes, status: int, error: str
) -> None:
    async def script(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    async with raw_origin(script) as url, over(url) as client:
        got, _, body = await client.ask("/cdn/1.ts")
    assert (got, json.loads(body)["error"]) == (status, error)


async def test_a_compressed_bomb_is_refused_while_it_grows(over: Over) -> None:
    bomb = gzip.compress(PLAYLIST + b"#" * 100_000_000)
    async with polite_origin() as origin, over(origin.url) as client:
        origin.files["/live.m3u8"] = bomb
        origin.headers["Content-Encoding"] = "gzip"
        status, _, body = await client.ask("/cdn/live.m3u8")
    assert (status, json.loads(body)["error"]) == (502, "manifest-too-large")


async def test_a_compressed_playlist_is_read(over: Over) -> None:
    async with polite_origin() as origin, over(origin.url) as client:
        origin.files["/live.m3u8"] = gzip.compress(PLAYLIST)
        origin.headers["Content-Encoding"] = "gzip"
        assert (await client.ask("/cdn/live.m3u8"))[2] == PLAYLIST


async def test_a_refused_connection_is_the_origins_fault(over: Over) -> None:
    async with over("http://127.0.0.1:1") as client:
        status, _, body = await client.ask("/cdn/1.ts")
    assert (status, json.loads(body)["error"]) == (502, "origin-failed")


async def test_the_token_stays_here_and_the_rest_of_the_query_goes_on(over: Over) -> None:
    async with polite_origin() as origin, over(origin.url + "/base/") as client:
        origin.files["/base/a b/1.ts"] = b"x"
        status, _, _ = await client.ask("/cdn/a%20b/1.ts?sig=1%2F2&token=secret&_HLS_foo=1&b")
    assert status == 200
    assert origin.asked == ["/base/a%20b/1.ts?sig=1%2F2&b"]


async def test_a_body_whose_end_nothing_marks_is_given_and_not_kept(over: Over) -> None:
    asked = 0

    async def script(_head: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhow long is this")
        writer.close()

    async with raw_origin(script) as url, over(url) as client:
        for _ in range(2):
            status, headers, body = await client.ask("/cdn/1.ts")
            assert (status, body) == (200, b"how long is this")
            assert headers["Transfer-Encoding"] == "chunked"
    assert asked == 2


async def test_a_part_is_cut_from_the_slice_that_was_asked_for(over: Over) -> None:
    asked: list[bytes] = []

    async def script(head: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(head.lower())
        writer.write(
            b"HTTP/1.1 206 Partial\r\nContent-Length: 4\r\nContent-Range: bytes 0-3/4\r\n"
            b'Content-Type: video/mp2t\r\nETag: "1"\r\nX-Private: a=b\r\n\r\nfool'
        )

    async with raw_origin(script) as url, over(url) as client:
        status, headers, body = await client.ask("/cdn/1.ts", Range="bytes=1-2", Cookie="x=y")
        again = await client.ask("/cdn/1.ts", Range="bytes=-1")
    assert (status, body, headers["Content-Range"]) == (206, b"oo", "bytes 1-2/4")
    assert (again[0], again[2], len(asked)) == (206, b"l", 1)
    assert b"range: bytes=0-" in asked[0]
    assert b"cookie" not in asked[0]
    assert "X-Private" not in headers
