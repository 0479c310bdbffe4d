from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from config.runtime.keys import KeySet, make_key_file
from config.settings.load import Settings
from tests.edge.lane.lanes import PATIENCE_SECONDS, Edge, Reader, edge_in_thread

BIG = bytes(range(256)) * 65536  # 16 MiB: more than kernels hold for one client
SMALL = b"small" * 100

Start = Callable[..., contextlib.AbstractContextManager[Edge]]


def get(path: str, *fields: str) -> bytes:
    return "\r\n".join([f"GET /open/{path} HTTP/1.1", "Host: a", *fields, "", ""]).encode()


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def start(tmp_path: Path) -> Start:
    folder = tmp_path / "open"
    folder.mkdir()
    (folder / "big.m4s").write_bytes(BIG)
    (folder / "small.m4s").write_bytes(SMALL)

    @contextlib.contextmanager
    def started(**changes: Any) -> Iterator[Edge]:
        origins = {"open": {"kind": "folder", "folder": folder, "public": True}}
        settings = Settings.model_validate(
            {"var_dir": tmp_path / "var", "edge": {"origins": origins, **changes}}
        )
        make_key_file(settings.keys_file)
        with edge_in_thread(settings, KeySet.read(settings.keys_file)) as edge:
            edge.ask(get("big.m4s"), get("big.m4s"), get("small.m4s"), get("small.m4s"), hot=False)
            yield edge

    return started


LANES = pytest.mark.parametrize("hot", [True, False], ids=["hot", "ordinary"])
BODIES = pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(get("big.m4s"), id="whole"),
        pytest.param(get("big.m4s", "Range: bytes=1-"), id="range"),
    ],
)


@LANES
@BODIES
def test_a_client_that_takes_nothing_is_parted_from_and_others_are_not(
    start: Start, hot: bool, request_bytes: bytes
) -> None:
    with start(write_timeout=0.5, min_rate=100_000) as edge:
        edge.lane.enabled = hot
        before = sample("edge_slow_clients_total")
        with edge.connect(receive_bytes=4096) as slow, edge.connect() as other:
            slow.sendall(request_bytes)
            reader = Reader(other)
            until(lambda: _is_served(other, reader) and sample("edge_slow_clients_total") > before)
            assert sample("edge_bodies_cut_total", reason="slow_client") > 0
            with pytest.raises(ConnectionResetError):
                take_all(slow)


def take_all(sock: socket.socket) -> None:
    while sock.recv(1 << 20):
        pass


def _is_served(sock: socket.socket, reader: Reader) -> bool:
    sock.sendall(get("small.m4s"))
    return reader.answer(b"GET").endswith(SMALL)


@LANES
def test_a_client_that_is_slow_but_not_too_slow_gets_its_body(start: Start, hot: bool) -> None:
    with start(write_timeout=0.2, min_rate=1000) as edge:
        edge.lane.enabled = hot
        before = sample("edge_slow_clients_total")
        received = b""
        with edge.connect(receive_bytes=65536) as sock:
            sock.sendall(get("big.m4s"))
            begun = time.monotonic()
            while time.monotonic() < begun + 1:  # longer than one look at all who are slow
                received += sock.recv(65536)
                time.sleep(0.01)
            whole = received.index(b"\r\n\r\n") + 4 + len(BIG)
            while len(received) < whole:
                piece = sock.recv(1 << 20)
                assert piece, "the server closed"
                received += piece
        assert received.endswith(BIG[-1000:])
        assert sample("edge_slow_clients_total") == before


@LANES
def test_a_slow_client_costs_little_memory_and_keeps_no_evicted_body(
    start: Start, hot: bool
) -> None:
    with start() as edge:
        edge.lane.enabled = hot
        socks = []
        for _ in range(50):
            sock = edge.connect(receive_bytes=4096)
            sock.sendall(get("big.m4s"))
            socks.append(sock)
        until(lambda: len(edge.lane.watch.waiting) == 50)
        waiting = [t.get_write_buffer_size() for t in edge.lane.watch.waiting.values()]
        assert max(waiting) <= 32 * 1024
        for sock in socks:
            sock.close()
        until(lambda: not edge.lane.open)


@pytest.mark.parametrize(
    "before",
    [
        pytest.param([], id="at once"),
        pytest.param([get("small.m4s")], id="after a hot answer"),
        pytest.param([get("small.m4s", "Range: bytes=0-1")], id="after an ordinary answer"),
    ],
)
def test_a_dripping_head_is_closed_at_its_deadline(start: Start, before: list[bytes]) -> None:
    with start(http={"header_timeout": 1}) as edge:
        edge.lane.enabled = True
        with edge.connect() as sock:
            reader = Reader(sock)
            for request in before:
                sock.sendall(request)
                assert reader.answer(b"GET").startswith(b"HTTP/1.1 20")
            begun = time.monotonic()
            sock.settimeout(0.1)
            with contextlib.suppress(ConnectionError):
                sock.sendall(b"GET /open/small.m4s HTTP/1.1\r\nHost: a\r\nX-Slow: ")
                while True:
                    assert time.monotonic() < begun + 5
                    sock.sendall(b"a")
                    with contextlib.suppress(TimeoutError):
                        if sock.recv(1000) == b"":
                            break
            assert 0.5 < time.monotonic() - begun < 3


@LANES
def test_an_idle_connection_lives_on_from_its_last_answer(start: Start, hot: bool) -> None:
    with start(http={"header_timeout": 1.5}) as edge:
        edge.lane.enabled = hot
        with edge.connect() as sock:
            reader = Reader(sock)
            begun = asked = time.monotonic()
            while asked < begun + 2:
                time.sleep(0.4)
                asked = time.monotonic()
                assert _is_served(sock, reader)
            assert sock.recv(10) == b""
            assert 1.4 < time.monotonic() - asked < 4.5


def test_a_body_that_takes_longer_than_an_idle_connection_may_is_sent_whole(start: Start) -> None:
    with start(http={"header_timeout": 0.3}, min_rate=1) as edge:
        edge.lane.enabled = True
        with edge.connect(receive_bytes=65536) as sock:
            sock.sendall(get("big.m4s"))
            time.sleep(1)
            assert Reader(sock).answer(b"GET").endswith(BIG[-1000:])


def test_beyond_the_limit_a_connection_is_told_so(start: Start) -> None:
    with start(max_connections=3) as edge:
        until(lambda: not edge.lane.open)
        socks = [edge.connect() for _ in range(3)]
        assert all(_is_served(sock, Reader(sock)) for sock in socks)

        with edge.connect() as further:
            answer = further.recv(1000)

        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nConnection: close\r\n" in answer
        socks.pop().close()
        until(lambda: len(edge.lane.open) == 2)
        with edge.connect() as again:
            assert _is_served(again, Reader(again))
        for sock in socks:
            sock.close()


def test_one_network_cannot_take_every_connection(start: Start) -> None:
    with start(max_connections_per_network=2) as edge:
        until(lambda: not edge.lane.open)
        with edge.connect() as first, edge.connect() as second:
            assert _is_served(first, Reader(first))
            assert _is_served(second, Reader(second))
            with edge.connect() as third:
                assert third.recv(1000).startswith(b"HTTP/1.1 503 ")
        until(lambda: not edge.lane.open)
        with edge.connect() as again:
            assert _is_served(again, Reader(again))


@LANES
def test_an_answer_on_its_way_reaches_its_client_before_the_end(start: Start, hot: bool) -> None:
    with contextlib.ExitStack() as stack:
        edge = stack.enter_context(start())
        edge.lane.enabled = hot
        sock = stack.enter_context(edge.connect(receive_bytes=65536))
        sock.sendall(get("big.m4s"))
        head = sock.recv(10)
        until(lambda: bool(edge.lane.watch.waiting))
        rest: list[bytes] = []

        def read() -> None:
            reader = Reader(sock)
            reader._buffer = head
            rest.append(reader.answer(b"GET"))

        # The edge's end waits for the answer, and this thread for the edge's end.
        thread = threading.Thread(target=read)
        stack.callback(thread.join)
        stack.callback(thread.start)
    assert rest[0].endswith(BIG[-1000:])


@LANES
@pytest.mark.parametrize("fields", [(), ("Range: bytes=0-",)], ids=["whole", "range"])
def test_a_body_that_is_evicted_while_it_is_sent_is_read_on_from_its_origin(
    start: Start, hot: bool, fields: tuple[str, ...]
) -> None:
    with start() as edge:
        edge.lane.enabled = hot
        with edge.connect(receive_bytes=65536) as sock:
            sock.sendall(get("big.m4s", *fields))
            until(lambda: bool(edge.lane.watch.waiting))
            lent = [a.lent for a in edge.lane.answers._answers.values() if a.size == len(BIG)]
            lent[0].chunks = None  # type: ignore[attr-defined]
            received = Reader(sock).answer(b"GET")
            assert received.partition(b"\r\n\r\n")[2] == BIG
            # The connection goes on as if nothing had happened.
            assert _is_served(sock, Reader(sock))
