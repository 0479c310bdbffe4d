from __future__ import annotations

import asyncio
import time

import pytest

from edge.origin.shield import FIELD, shield_allows, sign
from tests.edge.origin.scripted import GOOD, Scripted, fetch, origin_over, scripted

KEY = "k" * 32
OTHER = "o" * 32


def allowed(
    value: str, method: str = "GET", target: str = "/vod/a/1.ts?b=c", now: float = 1000
) -> bool:
    return shield_allows({FIELD: value}, method, target, [OTHER, KEY], now)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_signed_request_is_let_in_for_a_while(method: str) -> None:
    value = sign(method, "/vod/a/1.ts?b=c", key=KEY, now=1000.9)
    for now in (970, 1000, 1030):
        assert allowed(value, method, now=now)
    for now in (969, 1031):
        assert not allowed(value, method, now=now)


def test_the_scheme_is_the_one_that_is_written_down() -> None:
    # HMAC-SHA-256 of "kawa-shield-v1\nGET\n/a\n1000" with 32 times "k", by OpenSSL.
    assert (
        sign("GET", "/a", key=KEY, now=1000)
        == "v1 1000 bzXsVXjHCaVudph1HBqA8Qm0mru9VpdCTm1bK_tXb8Q"
    )


def test_nothing_signed_may_be_changed() -> None:
    value = sign("GET", "/vod/a/1.ts?b=c", key=KEY, now=1000)
    assert allowed(value)
    assert not allowed(value, target="/vod/a/2.ts?b=c")
    assert not allowed(value, target="/vod/a/1.ts?b=d")
    assert not allowed(value, "HEAD")
    assert not allowed(value.replace("v1 1000", "v1 1001"))
    assert not shield_allows({FIELD: value}, "GET", "/vod/a/1.ts?b=c", [OTHER], 1000)
    assert not shield_allows({FIELD: value}, "GET", "/vod/a/1.ts?b=c", [], 1000)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get"])
def test_only_reading_is_let_in(method: str) -> None:
    assert not allowed(sign(method, "/vod/a/1.ts?b=c", key=KEY, now=1000), method)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "v1",
        "v1 1000 ",
        "v2 1000 " + "A" * 43,
        "v1 1000 " + "A" * 42,
        "v1 1000 " + "A" * 44,
        "v1 1000 " + "é" * 43,
        "v1 ١٠٠٠ " + "A" * 43,
        "v1 9999999999999999 " + "A" * 43,
        "v1 -1 " + "A" * 43,
    ],
)
def test_garbage_is_not_let_in(value: str) -> None:
    assert not allowed(value)
    assert not shield_allows({}, "GET", "/", [KEY], 1000)


async def test_an_origin_with_a_key_gets_signed_requests() -> None:
    async def script(_server: Scripted, head: bytes, writer: asyncio.StreamWriter) -> None:
        lines = head.decode().split("\r\n")
        method, target, _ = lines[0].split(" ")
        fields = dict(line.split(": ", 1) for line in lines[1:] if line)
        assert shield_allows(fields, method, target, [KEY], time.time())
        writer.write(GOOD)

    async with scripted(script) as server:
        async with origin_over(server.url + "/vod", shield_key=KEY) as origin:
            assert (await fetch(origin, "a%20b/1.ts", query="x=%2F&y"))[2] == b"good"
        async with origin_over(server.url) as origin:
            with pytest.raises(Exception, match="closed"):
                await fetch(origin)
