"""Sessions and what players say (CMCD), on the hot lane and on the ordinary way."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from config.contracts.sessions import Counted
from edge import keys
from edge.sessions.viewing import Viewing
from tests.edge.lane.conftest import BIG, HOT, SMALL
from tests.edge.lane.lanes import Edge, Reader, plain
from tests.edge.lane.test_alike import STARTED, get

Mint = Callable[..., str]
Requests = Callable[[str], list[bytes]]

SAID = (
    "br%3D3200%2Cd%3D4004%2Cbl%3D21300%2Cmtp%3D48100%2Cnor%3D%22..%252Fsmall.m4s%22%2Cot%3Dv%2Csf%3Dh"
    "%2Csid%3D%226e2fb550-c457-11e9-bb97-0800200c9a66%22%2Cst%3Dv%2Ctb%3D6000"
)
FIELDS = (
    "CMCD-Object: br=3200,d=4004,ot=v,tb=6000",
    'CMCD-Request: bl=21300,mtp=48100,nor="..%2Fsmall.m4s"',
    'CMCD-Session: sf=h,sid="6e2fb550-c457-11e9-bb97-0800200c9a66",st=v',
)


@pytest.fixture
def token(edge: Edge, mint: Mint, request: pytest.FixtureRequest) -> str:
    """A token with a session of this test's own, for which everything lies ready."""
    token = mint(subject=request.node.name, session=request.node.name)
    for path in ("small.m4s", "big.m4s", "media.m3u8", "empty.m4s"):
        edge.ask(*[get(f"/t/{token}/vod/title/{path}")] * 2, hot=False)
    return token


def viewing_of(edge: Edge, token: str) -> Viewing:
    held = edge.app[keys.TOKENS].remembered(token, now=time.time())
    assert held.session is not None
    return held.session


def said_in(edge: Edge, token: str) -> list[str]:
    """What is kept of what the player said, which is taken as the reader takes it."""

    def take() -> list[str]:
        viewing = viewing_of(edge, token)
        said, viewing.said, viewing.skipped = viewing.said, None, 0
        return said or []

    return edge.run(take)


def given_by(edge: Edge, token: str, requests: Requests, *, hot: bool) -> Counted:
    """What the session was given for these requests, which all came to their end: what their client received."""
    edge.ask(get(f"/t/{token}/vod/title/small.m4s"), hot=False)  # it has begun
    before = edge.counted(token)
    answers = edge.ask(*requests(token), hot=hot)
    assert len(answers) == len(requests(token))
    after = edge.counted(token)
    received = sum(len(each.partition(b"\r\n\r\n")[2]) for each in answers)
    assert after.bytes - before.bytes == received
    return Counted(
        requests=after.requests - before.requests,
        bytes=after.bytes - before.bytes,
        manifests=after.manifests - before.manifests,
        segments=after.segments - before.segments,
        renditions={
            name: number - before.renditions.get(name, 0)
            for name, number in after.renditions.items()
            if number != before.renditions.get(name, 0)
        },
    )


PATHS = ("media.m3u8", "master.m3u8", "small.m4s", "big.m4s", "empty.m4s", "none.m4s", "none.m3u8")
QUERIES = ("", "?CMCD=" + SAID, "?a=b", "?a=b&CMCD=bs", "?CMCD=a b", "?CMCD=bs&CMCD=su")
EXTRA = (
    *((), FIELDS, ("Range: bytes=0-9",), ("If-None-Match: *",), ("Accept-Encoding: gzip",)),
    *(("cmcd-status: bs",), ("Range: bytes=999999999-",), (*FIELDS, "Range: bytes=-5")),
)
ASKED = st.tuples(
    st.sampled_from(["GET"] * 5 + ["HEAD", "OPTIONS"]),
    st.sampled_from(PATHS),
    st.sampled_from(QUERIES),
    st.sampled_from(EXTRA),
)
Asked = tuple[str, str, str, tuple[str, ...]]


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(asked=st.lists(ASKED, min_size=1, max_size=5))
@example(asked=[("GET", "small.m4s", "?CMCD=" + SAID, ()), ("GET", "big.m4s", "", FIELDS)])
def test_both_lanes_count_alike(edge: Edge, mint: Mint, asked: list[Asked]) -> None:
    def requests(token: str) -> list[bytes]:
        return [
            get(f"/t/{token}/vod/title/{path}{query}", *fields, method=method)
            for method, path, query, fields in asked
            if " " not in query  # which ends the connection
        ]

    hot, ordinary = (
        mint(session=name, issued_at=STARTED, expires_at=STARTED + 3600)
        for name in ("hot", "ordinary")
    )
    edge.ask(*requests(hot), hot=True)
    for token in (hot, ordinary):
        said_in(edge, token) if edge.counted(token).requests else None

    assert given_by(edge, hot, requests, hot=True) == given_by(edge, ordinary, requests, hot=False)
    assert said_in(edge, hot) == said_in(edge, ordinary)


def test_a_hit_counts_its_class_its_rendition_and_its_bytes(edge: Edge, token: str) -> None:
    def requests(token: str) -> list[bytes]:
        paths = ("media.m3u8", "small.m4s", "small.m4s", "big.m4s", "empty.m4s")
        return [get(f"/t/{token}/vod/title/{path}") for path in paths]

    before = HOT[token]
    counted = given_by(edge, token, requests, hot=True)

    assert HOT[token] - before == 5
    assert replace(counted, renditions={}) == Counted(
        requests=5,
        bytes=counted.bytes,
        manifests=1,
        segments=4,
    )
    assert counted.bytes > 2 * len(SMALL) + len(BIG)
    assert sum(counted.renditions.values()) == 4


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        pytest.param("?CMCD=" + SAID, (), id="query"),
        pytest.param("", FIELDS, id="fields"),
        pytest.param("", tuple(each.replace("CMCD", "cmcd") for each in FIELDS), id="lower case"),
    ],
)
@pytest.mark.parametrize("path", ["small.m4s", "media.m3u8", "big.m4s"])
def test_what_players_say_keeps_no_request_off_the_hot_lane(
    edge: Edge, token: str, path: str, query: str, fields: tuple[str, ...]
) -> None:
    ready, heads = edge.run(lambda: (len(edge.lane.answers), len(edge.lane.heads.known)))
    before = HOT[token]

    for number in range(10):
        changed = query.replace("21300", f"{number}00")
        said = tuple(each.replace("21300", f"{number}00") for each in fields)
        edge.both(get(f"/t/{token}/vod/title/{path}{changed}", *said))

    assert HOT[token] - before == 10
    assert edge.run(lambda: len(edge.lane.answers)) == ready
    assert edge.run(lambda: len(edge.lane.heads.known)) <= heads + 1


def test_what_players_say_waits_to_be_read_the_latest_always_and_trouble_first(
    edge: Edge, token: str
) -> None:
    said_in(edge, token)

    def say(*texts: str) -> None:
        target = f"/t/{token}/vod/title/small.m4s"
        edge.ask(*(get(f"{target}?CMCD={text}") for text in texts), hot=True)

    say("a", "b%2Cbs", "c")
    assert said_in(edge, token) == ["a", "b%2Cbs", "c"]
    say("a", "b%2Cbs", *(f"{number}" for number in range(20)))
    assert edge.run(lambda: viewing_of(edge, token).skipped) == 16
    assert said_in(edge, token) == ["a", "b%2Cbs", "0", "1", "18", "19"]
    say(*(f"{number}%2Cbs" for number in range(20)))
    assert said_in(edge, token) == [f"{number}%2Cbs" for number in (0, 1, 2, 3, 18, 19)]
    say("x" * 5000)
    assert said_in(edge, token) == []


def test_what_nobody_wants_to_hear_is_cut_off_and_forgotten(
    edge: Edge, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said_in(edge, token)
    before = HOT[token]
    monkeypatch.setattr(edge.lane, "most_said", 0)

    edge.ask(get(f"/t/{token}/vod/title/small.m4s?CMCD=bs"), hot=True)

    assert HOT[token] - before == 1
    assert said_in(edge, token) == []


def test_a_session_that_has_ended_gets_nothing_from_the_hot_lane(edge: Edge, token: str) -> None:
    request = get(f"/t/{token}/vod/title/small.m4s")
    before = HOT[token]

    def end() -> None:
        viewing_of(edge, token).ended = "timeout"

    edge.ask(request, hot=True)
    assert HOT[token] - before == 1
    edge.run(end)
    [answer] = edge.ask(request, hot=True)
    assert answer.startswith(b"HTTP/1.1 200")  # the ordinary way opens it again
    assert HOT[token] - before == 1
    edge.ask(request, hot=True)
    assert HOT[token] - before == 2


def test_a_session_that_only_joined_gets_segments_and_no_manifests_from_the_hot_lane(
    edge: Edge, mint: Mint, token: str
) -> None:
    late = mint(
        subject="late", session="late"
    )  # it begins in the middle: its manifest came elsewhere
    edge.ask(get(f"/t/{late}/vod/title/small.m4s"), hot=True)

    edge.ask(get(f"/t/{late}/vod/title/small.m4s"), hot=True)
    assert HOT[late] == 1
    edge.ask(get(f"/t/{late}/vod/title/media.m3u8"), hot=True)
    assert HOT[late] == 1
    edge.ask(get(f"/t/{late}/vod/title/media.m3u8"), hot=True)
    assert HOT[late] == 2
    assert HOT[token] == 0


@pytest.mark.parametrize("hot", [True, False])
def test_a_slow_viewer_is_counted_while_it_receives(edge: Edge, token: str, hot: bool) -> None:
    before = edge.counted(token)
    edge.lane.enabled = hot
    with edge.connect(receive_bytes=4096) as sock:
        sock.sendall(get(f"/t/{token}/vod/title/big.m4s"))
        reader = Reader(sock)
        received = 0
        while received < len(BIG) // 2:
            received += len(sock.recv(64 * 1024))
        half = edge.counted(token).bytes - before.bytes
        reader._buffer = b""
        while received < len(BIG):
            received += len(sock.recv(64 * 1024))
        deadline = time.monotonic() + 10
        while edge.counted(token).bytes - before.bytes < len(BIG):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    assert len(BIG) // 4 < half < len(BIG)
    after = edge.counted(token)
    assert (after.requests - before.requests, after.bytes - before.bytes) == (1, len(BIG))


@pytest.mark.parametrize("hot", [True, False])
def test_a_viewer_who_leaves_is_counted_what_the_kernel_took_and_no_more(
    edge: Edge, token: str, hot: bool
) -> None:
    before = edge.counted(token)
    edge.lane.enabled = hot
    with edge.connect(receive_bytes=4096) as sock:
        sock.sendall(get(f"/t/{token}/vod/title/big.m4s"))
        head = len(Reader(sock).answer(b"HEAD"))
        received = 0
        while received < 256 * 1024:
            received += len(sock.recv(16 * 1024))
    deadline = time.monotonic() + 10
    while edge.run(lambda: bool(edge.lane.open)):
        assert time.monotonic() < deadline
        time.sleep(0.01)

    counted = edge.counted(token).bytes - before.bytes
    assert received - head <= counted < len(BIG)


RAW = st.text(st.characters(max_codepoint=255), max_size=12) | st.sampled_from(
    [
        *(
            " HTTP/1.0",
            " HTTP/1.1\r\nX: y",
            "a b",
            "a\tb",
            "a#b",
            "\x00",
            "\x7f",
            "\r",
            "\n",
            "\x85",
        ),
        *("&token=x", "&f=height:..1", "%", "%zz", '"<>[]^`{|}\\', "a" * 4097, "a" * 9000, "ä"),
    ]
)


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(raw=RAW, at=st.sampled_from(["query", "field", "after"]))
def test_whatever_is_said_gets_the_same_bytes_from_both_lanes(
    edge: Edge, mint: Mint, raw: str, at: str
) -> None:
    token = mint(session="raw", issued_at=STARTED, expires_at=STARTED + 3600)
    target = f"/t/{token}/vod/title/small.m4s"
    edge.ask(get(target), get(target), hot=False)
    edge.ask(get(target), hot=True)
    query = f"?CMCD=bs{raw}" if at == "query" else ""
    field = f"CMCD-Request: bl=1{raw}\r\n" if at == "field" else ""
    after = f"CMCD-Request: bl=1{raw}\r\n" if at == "after" else ""
    request = f"GET {target}{query} HTTP/1.1\r\nHost: edge.example\r\n{field}\r\n{after}"

    ordinary = edge.ask(request.encode("latin-1"), hot=False)
    hot = edge.ask(request.encode("latin-1"), hot=True)

    assert [plain(each) for each in hot] == [plain(each) for each in ordinary]
