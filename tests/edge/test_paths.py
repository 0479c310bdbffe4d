from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote

import pytest
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from config.contracts.paths import BadPath as BadKey
from config.contracts.paths import checked_path
from edge.errors import BadPath
from edge.target import Target, parse_target
from tests.edge.client import Client

Mint = Callable[..., str]

# Every way seen to write "go up", "another segment" or "stop here".
TRICKS = [
    "../secret",
    "v/../../other/1.m4s",
    "%2e%2e/secret",
    "%2E%2E/secret",
    ".%2e/secret",
    "%252e%252e/secret",
    "..%2fsecret",
    "%2e%2e%2fsecret",
    "..%5csecret",
    "..\\secret",
    "v;/../1.m4s",
    "./1.m4s",
    "v//1.m4s",
    "v/1.m4s/",
    "v/%00.m4s",
    "v/1.m4s%00.css",
    "v/1.m4s%0d%0aX:y",
    "%c0%ae%c0%ae/secret",
    "%EF%BC%8E%EF%BC%8E/secret",
    "%u002e%u002e/secret",
    "v/1.m4s%",
    "v/1.m4s%2",
    "v/1.m4s%zz",
    ".hidden",
    "v/.new-1234",
]


@pytest.mark.parametrize("trick", TRICKS)
async def test_no_spelling_leaves_the_title(client: Client, mint: Mint, trick: str) -> None:
    status, _, body = await client.ask(f"/t/{mint()}/vod/title/{trick}")
    assert (status, json.loads(body)["error"]) == (400, "bad-path")


async def test_harmless_encoding_means_the_same_file(client: Client, mint: Mint) -> None:
    status, _, body = await client.ask(f"/t/{mint()}/vod/t%69tle/v/init%2Emp4")
    assert (status, body) == (200, b"init")


def test_a_target_is_read_in_both_forms() -> None:
    expected = Target(token="a.b.c", filter=None, origin="vod", path="x/y.m4s", query="_HLS_msn=1")
    assert parse_target("/t/a.b.c/vod/x/y.m4s?_HLS_msn=1") == expected
    assert parse_target("http://host:80/t/a.b.c/vod/x/y.m4s?_HLS_msn=1") == expected
    filtered = parse_target("/t/a.b.c/f/height:..720/vod/x/y.m4s?_HLS_msn=1")
    assert filtered == replace(expected, filter="height:..720")
    assert parse_target("/vod").path == ""


def test_one_spelling_of_a_path_is_left() -> None:
    assert parse_target("/vod/%74itle/%e3%81%82%20b").path == "title/%E3%81%82%20b"


@given(st.text(max_size=80) | st.text(alphabet="ab./%25efEF;:~é", max_size=40))
def test_a_target_never_climbs(text: str) -> None:
    try:
        target = parse_target("/" + text)
    except BadPath:
        return
    decoded = unquote(unquote(target.scope))
    assert ".." not in decoded.split("/")
    assert target.scope.isascii()
    assert target.scope.isprintable()


@given(st.text(alphabet="ab./%\\;:~ \x00é", max_size=40))
def test_a_key_is_plain_or_refused(text: str) -> None:
    try:
        checked_path(text)
    except BadKey:
        return
    assert all(part and not part.startswith(".") for part in text.split("/"))


RAW = [
    pytest.param(b"POST /vod/a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405, id="POST"),
    pytest.param(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 405, id="CONNECT"),
    pytest.param(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 404, id="OPTIONS of nothing"),
    pytest.param(
        b"GET /vod/a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 400, id="GET with a body"
    ),
    pytest.param(
        b"GET /vod/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        id="GET in chunks",
    ),
    pytest.param(
        b"GET /vod/a HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        id="chunks in HTTP/1.0",
    ),
    pytest.param(b"GET /vod/a HTTP/1.1\r\nHost: x@y\r\n\r\n", 400, id="user in Host"),
    pytest.param(b"GET /vod/a HTTP/1.1\r\nHost: x y\r\n\r\n", 400, id="space in Host"),
    pytest.param(b"GET /vod/a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, id="two Hosts"),
    pytest.param(b"GET /vod/a HTTP/1.1\r\n\r\n", 400, id="no Host"),
    pytest.param(b"GET /vod/a HTTP/2.0\r\nHost: a\r\n\r\n", 505, id="a version of the future"),
    pytest.param(b"GET /vod/a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="a fragment"),
    pytest.param(
        b"GET /vod/a HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 400, id="a long field"
    ),
    pytest.param(b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="a long line"),
]


@pytest.mark.parametrize(("request_bytes", "status"), RAW)
async def test_requests_that_two_servers_could_read_in_two_ways_are_refused(
    edge: TestServer, request_bytes: bytes, status: int
) -> None:
    reader, writer = await asyncio.open_connection(edge.host, edge.port)
    writer.write(request_bytes)
    answer = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    await writer.wait_closed()
    assert answer.split()[1] == str(status).encode()
