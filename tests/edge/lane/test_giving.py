from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY

from config.settings.load import Settings
from tests.edge.lane.conftest import BIG, SMALL
from tests.edge.lane.lanes import Edge, Reader
from tests.edge.lane.test_alike import get, given_hot

Mint = Callable[..., str]


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def fold(edge: Edge) -> None:
    async def run() -> None:
        edge.lane.fold()

    asyncio.run_coroutine_threadsafe(run(), edge.loop).result(10)


@pytest.fixture
def token(edge: Edge, mint: Mint, request: pytest.FixtureRequest) -> str:
    """A token of this test's own, for which everything lies ready."""
    token = mint(subject=request.node.name)
    for path in ("small.m4s", "big.m4s", "media.m3u8"):
        edge.ask(*[get(f"/t/{token}/vod/title/{path}")] * 2, hot=False)
    return token


def test_what_is_given_is_counted_as_on_the_ordinary_way(edge: Edge, token: str) -> None:
    def counts() -> tuple[float, ...]:
        fold(edge)
        return (
            sample("edge_http_requests_total", route="segment", method="GET", status_class="2xx"),
            sample("edge_bytes_sent_total", route="segment"),
            sample("edge_http_request_duration_seconds_count", route="segment"),
            sample("edge_token_remembered_total"),
        )

    requests = [get(f"/t/{token}/vod/title/small.m4s")] * 5
    start = counts()
    edge.ask(*requests, hot=False)
    ordinary = counts()
    edge.ask(*requests, hot=True)
    hot = counts()

    assert given_hot(token) == 5
    added = [b - a for a, b in zip(start, ordinary, strict=True)]
    assert added == [5, 5 * len(SMALL), 5, 5]
    again = [b - a for a, b in zip(ordinary, hot, strict=True)]
    assert again == added


def test_a_slow_reader_gets_every_byte(edge: Edge, token: str) -> None:
    edge.lane.enabled = True
    with edge.connect(receive_bytes=4096) as sock:
        sock.sendall(get(f"/t/{token}/vod/title/big.m4s"))
        answer = Reader(sock).answer(b"GET")
    assert answer.endswith(b"\r\n\r\n" + BIG)
    assert given_hot(token) == 1


def test_requests_that_come_while_an_answer_is_on_its_way_are_answered_after_it(
    edge: Edge, token: str
) -> None:
    edge.lane.enabled = True
    with edge.connect(receive_bytes=4096) as sock:
        reader = Reader(sock)
        sock.sendall(get(f"/t/{token}/vod/title/big.m4s"))
        head = sock.recv(100)
        sock.sendall(get(f"/t/{token}/vod/title/small.m4s") * 3)
        sock.sendall(get(f"/t/{token}/vod/title/small.m4s", "Range: bytes=0-9"))
        reader._buffer = head
        bodies = [reader.answer(b"GET").partition(b"\r\n\r\n")[2] for _ in range(5)]
    assert bodies == [BIG, SMALL, SMALL, SMALL, SMALL[:10]]


def test_a_flood_of_pipelined_requests_is_answered_in_order_or_not_read(
    edge: Edge, token: str
) -> None:
    edge.lane.enabled = True
    with edge.connect() as sock:
        sock.sendall(get(f"/t/{token}/vod/title/small.m4s") * 500)
        reader = Reader(sock)
        bodies = {reader.answer(b"GET").partition(b"\r\n\r\n")[2] for _ in range(500)}
    assert bodies == {SMALL}


def test_a_head_in_single_bytes_is_answered(edge: Edge, token: str) -> None:
    request = get(f"/t/{token}/vod/title/small.m4s", "Accept: */*")
    [first, second] = edge.ask(request, request, hot=True, splits=range(1, len(request)))
    assert first.endswith(SMALL)
    assert second.endswith(SMALL)


def test_a_file_that_is_purged_is_not_given_from_what_lies_ready(
    edge: Edge, mint: Mint, settings: Settings
) -> None:
    token = mint(subject="purge")
    path = settings.storage_folder / "media" / "title" / "purged.m3u8"
    path.write_bytes(b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nold.m4s\n")
    request = get(f"/t/{token}/vod/title/purged.m3u8")
    edge.ask(request, request, hot=True)
    assert given_hot(token) == 1

    # What the ordinary way does when a newer version is there, or room is needed.
    for answer in edge.lane.answers._answers.values():
        if answer.scope == "/vod/title/purged.m3u8":
            answer.lent._source.alive = False  # type: ignore[attr-defined]
    edge.ask(request, hot=True)

    assert given_hot(token) == 1


def test_ready_answers_are_bounded_and_let_go(edge: Edge, token: str) -> None:
    del token
    assert 0 < len(edge.lane.answers) <= 8192
    edge.lane.answers.drop_dead(time.monotonic() + 10)
    assert len(edge.lane.answers) == 0


def test_a_viewer_who_leaves_in_the_middle_is_counted_and_forgotten(edge: Edge, token: str) -> None:
    edge.lane.enabled = True
    before = sample("edge_bodies_cut_total", reason="client_left")
    with edge.connect(receive_bytes=4096) as sock:
        sock.sendall(get(f"/t/{token}/vod/title/big.m4s"))
        sock.recv(10)
    deadline = time.monotonic() + 10
    while sample("edge_bodies_cut_total", reason="client_left") == before:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    while edge.lane.open:
        assert time.monotonic() < deadline
        time.sleep(0.01)
