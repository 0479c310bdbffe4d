from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from config.runtime.keys import make_key_file
from config.settings.load import Settings
from tests.edge.lane.lanes import PATIENCE_SECONDS, Reader

PROGRAM = (sys.executable, "-m", "edge")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Edge:
    """The edge as an operator starts it."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, admin: int) -> None:
        self.process = process
        self.port = port
        self.admin = admin

    def is_ready(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.admin}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def worker(self) -> int:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        [pid] = [int(pid) for pid in children.read_text().split()]
        return pid

    def connect(self) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., object]:
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "a.m4s").write_bytes(b"segment")
    make_key_file(Settings.model_validate({"var_dir": tmp_path}).keys_file)

    @contextmanager
    def started(*prefix: str) -> Iterator[Edge]:
        port, admin = free_port(), free_port()
        # Fresh for longer than any test lasts: a second look at the file would need a descriptor.
        folder = {"kind": "folder", "folder": f"{tmp_path}/open", "public": True, "fresh": 3600}
        environment = {
            **os.environ,
            "KAWA_VAR_DIR": str(tmp_path),
            "KAWA_EDGE__LISTEN__PORT": str(port),
            "KAWA_EDGE__ADMIN__PORT": str(admin),
            "KAWA_EDGE__ORIGINS": json.dumps({"open": folder}),
        }
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen((*prefix, *PROGRAM), env=environment, stderr=log)
        try:
            edge = Edge(process, port, admin)
            until(edge.is_ready)
            yield edge
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)

    return started


def is_served(sock: socket.socket) -> bool:
    sock.sendall(b"GET /open/a.m4s HTTP/1.1\r\nHost: a\r\n\r\n")
    return Reader(sock).answer(b"GET").endswith(b"segment")


def status_of(sock: socket.socket) -> bytes:
    sock.sendall(b"GET /open/a.m4s HTTP/1.1\r\nHost: a\r\n\r\n")
    return sock.recv(1000).split()[1]


def test_before_descriptors_run_out_clients_are_told_so(start: Callable[..., Edge]) -> None:
    with start("prlimit", "--nofile=128:128") as edge, ExitStack() as stack:  # type: ignore[attr-defined]
        socks = [stack.enter_context(edge.connect()) for _ in range(200)]
        statuses = [status_of(sock) for sock in socks]

        served = statuses.count(b"200")
        assert statuses == [b"200"] * served + [b"503"] * (200 - served)
        assert 48 < served < 96  # a quarter is ours, and what is held already
        assert edge.is_ready()


def test_when_none_is_left_the_process_neither_spins_nor_dies(start: Callable[..., Edge]) -> None:
    with start() as edge:  # type: ignore[attr-defined]
        worker = edge.worker()
        before = resource.prlimit(worker, resource.RLIMIT_NOFILE)
        with ExitStack() as stack:
            kept = stack.enter_context(edge.connect())
            # Fetched, kept, lent: what comes next needs no descriptor.
            assert [is_served(kept) for _ in range(3)] == [True] * 3
            held = len(list(Path(f"/proc/{worker}/fd").iterdir()))
            resource.prlimit(worker, resource.RLIMIT_NOFILE, (held, before[1]))
            turned_away = [stack.enter_context(edge.connect()) for _ in range(50)]
            # libuv takes these with its last spare descriptor and closes them.
            assert [closed(sock) for sock in turned_away] == [True] * 50
            used = cpu_seconds(worker)
            time.sleep(1)
            assert cpu_seconds(worker) - used < 0.5
            assert is_served(kept)
            assert edge.is_ready()
        resource.prlimit(worker, resource.RLIMIT_NOFILE, before)
        with edge.connect() as again:
            assert is_served(again)


def closed(sock: socket.socket) -> bool:
    try:
        return sock.recv(1000) == b""
    except ConnectionResetError:
        return True


def cpu_seconds(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
