from __future__ import annotations

import pytest
from aiohttp import HttpVersion10, HttpVersion11
from multidict import CIMultiDict

from edge.lane.heads import Heads, codings_of

HOST = ("Host", "a")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([HOST], id="nothing else"),
        pytest.param([("host", "a.example:8080"), ("ACCEPT", "*/*"), ("DNT", "1")], id="any case"),
        pytest.param([HOST, ("Connection", "Keep-Alive")], id="keep-alive said"),
        pytest.param(
            [HOST, ("CMCD-Session", 'sid="1"'), ("Sec-Fetch-Dest", "video")], id="families"
        ),
        pytest.param(
            [HOST, ("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Proto", "https")],
            id="behind a balancer",
        ),
        pytest.param([HOST, ("Forwarded", "for=192.0.2.1")], id="behind a proxy of RFC 7239"),
    ],
)
def test_a_plain_get_is_known_by_what_it_accepts(fields: list[tuple[str, str]]) -> None:
    headers = CIMultiDict(fields)
    assert codings_of("GET", HttpVersion11, headers, should_close=False) == ""
    headers["Accept-Encoding"] = "br, gzip"
    assert codings_of("GET", HttpVersion11, headers, should_close=False) == "br, gzip"
    assert codings_of("HEAD", HttpVersion11, headers, should_close=False) is None
    assert codings_of("GET", HttpVersion10, headers, should_close=False) is None
    assert codings_of("GET", HttpVersion11, headers, should_close=True) is None


@pytest.mark.parametrize(
    "field",
    [
        ("Range", "bytes=0-"),
        ("If-None-Match", '"a"'),
        ("if-modified-since", "x"),
        ("Cookie", "a=b"),
        ("Authorization", "Bearer x"),
        ("CTA-Common-Access-Token", "x"),
        ("TE", "trailers"),
        ("Expect", "100-continue"),
        ("Upgrade", "h2c"),
        ("Connection", "close"),
        ("Connection", "keep-alive, range"),
        ("X-Request-Id", "abcdefgh"),
        ("Cache-Control", "no-cache"),
        ("Content-Length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("Via", "1.1 a"),
        ("X-Nobody-Knows", "1"),
        ("Accept-Encoding", "x" * 200),
        ("Host", "b"),
    ],
    ids=lambda field: f"{field[0]}: {field[1][:12]}",
)
def test_whatever_could_change_the_answer_takes_the_ordinary_way(field: tuple[str, str]) -> None:
    headers = CIMultiDict([HOST, field])
    assert codings_of("GET", HttpVersion11, headers, should_close=False) is None


@pytest.mark.parametrize("host", ["a@b", "a b", "a/b", "a:123456"])
def test_a_host_that_is_none_takes_the_ordinary_way(host: str) -> None:
    assert codings_of("GET", HttpVersion11, {"Host": host}, should_close=False) is None


def test_two_fields_that_say_what_is_accepted_take_the_ordinary_way() -> None:
    headers = CIMultiDict([HOST, ("Accept-Encoding", "br"), ("Accept-Encoding", "gzip")])
    assert codings_of("GET", HttpVersion11, headers, should_close=False) is None


def test_remembered_heads_are_bounded_in_number_and_size() -> None:
    heads = Heads(2)
    for head in (b"a", b"b", b"c", b"x" * 3000, b"\r\nCMCD-Request: bl=1"):
        heads.remember(head, "")
    assert set(heads.known) == {b"b", b"c"}
