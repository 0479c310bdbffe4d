from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from edge.lane.protocol import Connection
from tests.edge.lane.conftest import BIG, HOT, MASTER, PLAYLIST, SMALL
from tests.edge.lane.lanes import Edge
from tests.edge.refusals import NOT_ALLOWED, causes

Mint = Callable[..., str]
STARTED = int(time.time())  # of all tokens of generated requests, so that they are remembered


def get(target: str, *fields: str, method: str = "GET", version: str = "1.1") -> bytes:
    lines = [f"{method} {target} HTTP/{version}", "Host: edge.example", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def given_hot(token: str) -> int:
    return HOT[token]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("media.m3u8", PLAYLIST, id="playlist"),
        pytest.param("master.m3u8", MASTER, id="master"),
        pytest.param("small.m4s", SMALL, id="16 KB"),
        pytest.param("big.m4s", BIG, id="2 MB"),
        pytest.param("empty.m4s", b"", id="empty"),
    ],
)
@pytest.mark.parametrize("origin", ["vod", "open"])
def test_a_ready_answer_is_the_ordinary_one(
    edge: Edge, mint: Mint, origin: str, path: str, body: bytes
) -> None:
    token = mint(subject=f"{origin}{path}")
    target = f"/t/{token}/vod/title/{path}" if origin == "vod" else f"/open/{path}"
    warm = edge.ask(get(target), get(target), hot=False)

    answers = edge.both(get(target), get(target), get(target))

    assert all(answer.endswith((b"\r\n\r\n" + body)[-64:]) for answer in answers)
    assert len(answers) == 3
    assert len(warm) == 2
    if origin == "vod":
        assert given_hot(token) == 3


@pytest.mark.parametrize(
    "codings", ["", "gzip", "br", "br, gzip", "gzip;q=0, br;q=0", "*", "identity", "x" * 300]
)
def test_each_content_coding_is_answered_with_its_own_bytes(
    edge: Edge, mint: Mint, codings: str
) -> None:
    token = mint(subject=codings[:20])
    request = get(f"/t/{token}/vod/title/media.m3u8", f"Accept-Encoding: {codings}")
    edge.ask(request, hot=False)

    edge.both(request, request)


def test_viewers_with_other_limits_get_other_manifests(edge: Edge, mint: Mint) -> None:
    free, limited = mint(subject="free"), mint(subject="limited", max_height=400)
    requests = [get(f"/t/{token}/vod/title/master.m3u8") for token in (free, limited)]
    edge.ask(*requests, *requests, hot=True)

    first, second = edge.both(*requests)

    assert b"1920x1080" in first
    assert b"1920x1080" not in second
    assert given_hot(free) > 0
    assert given_hot(limited) > 0


def test_a_token_opens_only_what_it_covers(edge: Edge, mint: Mint) -> None:
    good, other = mint(subject="good"), mint("/vod/other/", subject="other")
    edge.ask(get(f"/t/{good}/vod/title/small.m4s"), hot=False)
    edge.ask(get(f"/t/{good}/vod/title/small.m4s"), hot=False)

    [answer] = edge.both(get(f"/t/{other}/vod/title/small.m4s"))
    assert answer.startswith(b"HTTP/1.1 403")
    [answer] = edge.both(get("/vod/title/small.m4s"))
    assert answer.startswith(b"HTTP/1.1 401")
    [answer] = edge.both(get("/t/none/vod/title/small.m4s"))
    assert answer.startswith(b"HTTP/1.1 403")


def test_a_token_that_is_over_opens_nothing_that_lies_ready(edge: Edge, mint: Mint) -> None:
    now = int(time.time())
    token = mint(subject="short", expires_at=now - 28)  # 30 seconds of leeway
    request = get(f"/t/{token}/vod/title/small.m4s")
    while edge.ask(request, hot=True)[0].startswith(b"HTTP/1.1 200"):
        assert time.time() < now + 10

    with causes() as found:
        [answer] = edge.both(request)

    assert answer.startswith(b"HTTP/1.1 403")
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == NOT_ALLOWED
    assert set(found) == {"token-expired"}


# What reliability asks of a server on the open Internet; the answer's status.
RAW = [
    pytest.param(
        b"POST /open/small.m4s HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405, id="POST"
    ),
    pytest.param(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 405, id="CONNECT"),
    pytest.param(b"TRACE /open/small.m4s HTTP/1.1\r\nHost: a\r\n\r\n", 405, id="TRACE"),
    pytest.param(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 404, id="OPTIONS *"),
    pytest.param(
        b"GET /open/small.m4s HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 400, id="body"
    ),
    pytest.param(
        b"GET /open/small.m4s HTTP/1.1\r\nHost: a\r\nContent-Length: 0001\r\n\r\na",
        400,
        id="CL 0001",
    ),
    pytest.param(
        b"GET /open/small.m4s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        id="chunked",
    ),
    pytest.param(
        b"GET /open/small.m4s HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        id="TE in 1.0",
    ),
    pytest.param(
        b"GET /open/small.m4s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
        400,
        id="identity, chunked",
    ),
    pytest.param(
        b"GET /open/small.m4s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        400,
        id="TE and CL",
    ),
    pytest.param(b"GET /open/small.m4s HTTP/1.1\r\nHost: x@y\r\n\r\n", 400, id="user in Host"),
    pytest.param(b"GET /open/small.m4s HTTP/1.1\r\nHost: x y\r\n\r\n", 400, id="space in Host"),
    pytest.param(
        b"GET /open/small.m4s HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, id="two Hosts"
    ),
    pytest.param(b"GET /open/small.m4s HTTP/1.1\r\n\r\n", 400, id="no Host"),
    pytest.param(
        b"GET http://evil.example/open/small.m4s HTTP/1.1\r\nHost: a\r\n\r\n",
        400,
        id="absolute, another host",
    ),
    pytest.param(
        b"GET http://a/open/small.m4s HTTP/1.1\r\nHost: a\r\n\r\n",
        200,
        id="absolute, the same host",
    ),
    pytest.param(b"GET /open/small.m4s HTTP/2.0\r\nHost: a\r\n\r\n", 505, id="HTTP/2.0"),
    pytest.param(b"GET /open/small.m4s HTTP/0.9\r\nHost: a\r\n\r\n", 505, id="HTTP/0.9"),
    pytest.param(b"GET /open/small.m4s HTTP/1.9\r\nHost: a\r\n\r\n", 400, id="HTTP/1.9"),
    pytest.param(b"GET /open/small.m4s#x HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="fragment"),
    pytest.param(
        b"GET /open/small.m4s HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n",
        417,
        id="unknown Expect",
    ),
    pytest.param(
        b"GET /open/small.m4s HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", 400, id="space before colon"
    ),
    pytest.param(b"GET /open/small.m4s HTTP/1.1\r\nHost: a\r\n X: b\r\n\r\n", 400, id="folded"),
    pytest.param(b"GET /open/small.m4s HTTP/1.1\nHost: a\n\n", 400, id="bare LF"),
    pytest.param(b"get /open/small.m4s HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="lower case"),
    pytest.param(b"GET /open/small.m4s x HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="space in target"),
    pytest.param(b"GET /open/\xc0\xae HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="raw bytes in target"),
    pytest.param(b"GET /open/small.m4s HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n", 400, id="NUL"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, id="PRI"),
    pytest.param(b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="long line"),
    pytest.param(
        b"GET /open/small.m4s HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 9000 + b"\r\n\r\n",
        400,
        id="long field",
    ),
    pytest.param(
        b"GET /open/small.m4s HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 200 + b"\r\n",
        400,
        id="200 fields",
    ),
    pytest.param(b"GET /open/../small.m4s HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="dots"),
    pytest.param(b"GET //open/small.m4s HTTP/1.1\r\nHost: a\r\n\r\n", 404, id="two slashes"),
    pytest.param(
        b"GET /open/small.m4s HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        200,
        id="h2c",
    ),
    pytest.param(
        b"GET /open/small.m4s HTTP/1.1\r\nHost: a\r\nRange: bytes=0-0\r\n\r\n", 206, id="range"
    ),
    pytest.param(
        b"GET /open/small.m4s HTTP/1.1\r\nHost: a\r\nRange: bytes="
        + b"0-0," * 1000
        + b"1-1\r\n\r\n",
        200,
        id="1000 ranges",
    ),
    pytest.param(
        b"GET /open/small.m4s HTTP/1.1\r\nHost: a\r\nRange: bytes=18446744073709551617-\r\n\r\n",
        200,
        id="2^64+1",
    ),
    pytest.param(
        b"GET /open/small.m4s HTTP/1.1\r\nHost: a\r\nRange: bytes=9223372036854775808-\r\n\r\n",
        416,
        id="2^63",
    ),
    pytest.param(
        b"GET /open/small.m4s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200, id="close"
    ),
    pytest.param(b"GET /open/small.m4s HTTP/1.0\r\nHost: a\r\n\r\n", 200, id="HTTP/1.0"),
    pytest.param(
        b"\r\n\r\nGET /open/small.m4s HTTP/1.1\r\nHost: a\r\n\r\n", 200, id="empty lines first"
    ),
]


@pytest.mark.parametrize(("request_bytes", "status"), RAW)
def test_both_lanes_give_the_same_verdict(edge: Edge, request_bytes: bytes, status: int) -> None:
    warm = get("/open/small.m4s")
    edge.ask(warm, warm, hot=False)

    answers = edge.both(request_bytes)
    assert answers[0].split()[1] == str(status).encode()
    assert answers[0].startswith(b"HTTP/1.")
    # The same with a plain request before it, so that it meets a connection that the hot lane has used.
    after = edge.both(warm, request_bytes)
    assert after[1].split()[1] == str(status).encode()


PREFLIGHT = (
    "Origin: https://app.example",
    "Access-Control-Request-Method: GET",
    "Access-Control-Request-Headers: cmcd-object,cmcd-request",
    "Sec-Fetch-Mode: cors",
)


@pytest.mark.parametrize(
    "target",
    [
        *("/open/small.m4s", "/t/none/vod/title/small.m4s?CMCD=bs", "/t/x/vod/title/_kawa_cmcd"),
        *(
            "/",
            "/player/",
            "/player/none.js",
            "/nowhere",
            "//x",
            "/a b",
            "/%ff",
            "/open/../x",
            "/?#x",
        ),
        *("*", "http://edge.example/open/small.m4s", "http://evil.example/open/small.m4s"),
    ],
)
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(PREFLIGHT, id="plain"),
        pytest.param((*PREFLIGHT, "X-Request-Id: abcdefgh1234"), id="with an id"),
        pytest.param((*PREFLIGHT, "Content-Length: 3"), id="with a body that never comes"),
        pytest.param((*PREFLIGHT, "Connection: close"), id="the last"),
    ],
)
def test_a_browser_that_asks_what_it_may_ask_gets_the_ordinary_answer(
    edge: Edge, target: str, fields: tuple[str, ...]
) -> None:
    edge.ask(get("/open/small.m4s", *PREFLIGHT, method="OPTIONS"), hot=False)
    edge.ask(get("/t/x/vod/_kawa_cmcd", *PREFLIGHT, method="OPTIONS"), hot=False)
    request = get(target, *fields, method="OPTIONS")

    edge.both(request + (b"abc" if "Content-Length: 3" in fields else b""))


def test_preflights_are_answered_at_once_and_counted_alike(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted() -> float:
        edge.run(edge.lane.fold)
        labels = {"route": "preflight", "method": "OPTIONS", "status_class": "2xx"}
        return REGISTRY.get_sample_value("edge_http_requests_total", labels) or 0.0

    request = get("/open/small.m4s", *PREFLIGHT, method="OPTIONS")
    [answer] = edge.ask(request, hot=False)
    assert b"\r\nAccess-Control-Allow-Headers: " in answer
    start = counted()
    with monkeypatch.context() as patched:
        patched.setattr(Connection, "_hand_on", None)  # nothing takes the ordinary way
        edge.ask(request, request, hot=True)
    assert counted() - start == 2
    edge.ask(request, request, hot=False)
    assert counted() - start == 4


FIELDS = [
    "Accept: */*",
    "Accept-Language: de",
    "Accept-Encoding: gzip",
    "Accept-Encoding: br",
    "User-Agent: test",
    "Origin: https://app.example",
    "Connection: keep-alive",
    "Connection: Keep-Alive",
    "Connection: close",
    "Connection: te",
    "Cookie: a=b",
    "Cookie: kawa_token=x",
    "Authorization: Bearer x",
    "Cache-Control: no-cache",
    "Pragma: no-cache",
    "Range: bytes=0-9",
    "Range: bytes=-5",
    "If-None-Match: *",
    'If-Match: "x"',
    "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT",
    "If-Range: x",
    "X-Request-Id: abcdefgh1234",
    "X-Request-Id: no",
    "CMCD-Session: sid=1",
    'cmcd-request: bl=2100,nor="2.m4s"',
    "CMCD-Status: bs\tx",
    "Sec-Fetch-Mode: cors",
    "Access-Control-Request-Method: GET",
    "Access-Control-Request-Headers: cmcd-object,cmcd-request",
    "TE: trailers",
    "Expect: 100-continue",
    "Content-Length: 0",
    "Upgrade: websocket",
    "X-Unknown: 1",
    "CTA-Common-Access-Token: x",
    "Via: 1.1 elsewhere",
]
PATHS = [
    "media.m3u8",
    "master.m3u8",
    "small.m4s",
    "big.m4s",
    "empty.m4s",
    "none.m4s",
    "media.m3u8?a=b",
    "media.m3u8?CMCD=bl%3D2100",
    "small.m4s?CMCD=bl%3D2100%2Cbs",
    "small.m4s?a=b&CMCD=bl%3D2100&CMCD=bs&c",
    "small.m4s?CMCD",
    "small.m4s?cmcd=bs",
    "small.m4s?%43MCD=bs",
    "small.m4s?CMCD=a#b",
    'small.m4s?CMCD="<>[]^`{|}\\',
]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_generated_requests_are_answered_alike(edge: Edge, mint: Mint, data: st.DataObject) -> None:
    token = data.draw(
        st.sampled_from(
            [
                mint(issued_at=STARTED, expires_at=STARTED + 3600),
                mint("/vod/other/", issued_at=STARTED, expires_at=STARTED + 3601),
                mint(issued_at=STARTED - 7200, expires_at=STARTED - 3600),
                "garbage",
            ]
        ),
        label="token",
    )

    def one() -> bytes:
        path = data.draw(st.sampled_from(PATHS), label="path")
        prefix = data.draw(
            st.sampled_from(
                [
                    f"/t/{token}/vod/title/",
                    "/vod/title/",
                    "/open/",
                    f"/t/{token}/f/height:..400/vod/title/",
                ]
            )
        )
        fields = data.draw(
            st.lists(st.sampled_from(FIELDS), max_size=4, unique=True), label="fields"
        )
        method = data.draw(
            st.sampled_from(["GET"] * 6 + ["HEAD", "OPTIONS", "DELETE"]), label="method"
        )
        return get(prefix + path, *fields, method=method)

    requests = [one() for _ in range(data.draw(st.integers(1, 3), label="requests"))]
    if len(requests) == 3 and data.draw(st.booleans(), label="pipelined"):
        requests = [requests[0] + requests[1], requests[2]]
    splits = data.draw(st.lists(st.integers(1, 400), max_size=3), label="splits")
    edge.ask(*requests, hot=True)

    edge.both(*requests, splits=splits)
