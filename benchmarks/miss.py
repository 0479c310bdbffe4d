"""Files that nobody has yet, streamed from the origin: bytes per second, and how long until the first one."""

from __future__ import annotations

import socket
import statistics
import time

from benchmarks.options import Options
from benchmarks.servers import LARGE_BYTES, SMALL_BYTES, Server
from benchmarks.stage import Stage, in_turns, load_of, stage
from benchmarks.table import Row, compared
from benchmarks.wrk import Seen, wrk

PROGRAMS = ("nginx", "wrk", "taskset")
FIRST_BYTES = 300
_APART = 10_000_000  # between the names of two rounds


def measure(options: Options) -> list[Row]:
    """2 MB under ever new names, and the first byte of new 16 KB and 2 MB files on an otherwise idle edge."""
    with stage(options) as on:
        return [
            streamed(on),
            first_byte(on, "new-small", SMALL_BYTES, "16 KB"),
            first_byte(on, "new-large", LARGE_BYTES, "2 MB"),
        ]


def streamed(on: Stage) -> Row:
    """Both fetch each file from the same origin; Kawa keeps it as well."""

    def load(server: Server, path: str, number: int) -> Seen:
        first = (number + 1) * _APART
        return wrk(server.url, path, load_of(on.options, connections=16, first=first))

    mine, others = in_turns(
        on.options.rounds,
        lambda number: load(on.kawa, on.kawa.path("new-large/{n}.m4s"), number),
        lambda number: load(on.nginx, "/new-large/{n}.m4s", number),
    )
    return compared(
        work="miss, streamed, 2 MB",
        peer="nginx `proxy_pass`",
        ours=[each.per_second * LARGE_BYTES for each in mine],
        theirs=[each.per_second * LARGE_BYTES for each in others],
        unit="bytes/s",
        least=0.8,
        note="Kawa also keeps what it streams",
    )


def first_byte(on: Stage, folder: str, size: int, called: str) -> Row:
    """One viewer, one request at a time, in turns."""
    mine, others = [], []
    with Viewer(on.kawa) as ours, Viewer(on.nginx) as theirs:
        for number in range(FIRST_BYTES):
            mine.append(ours.first_byte(on.kawa.path(f"{folder}/{number}.m4s"), size))
            others.append(theirs.first_byte(f"/{folder}/{number}.m4s", size))
    later = (statistics.median(mine) - statistics.median(others)) * 1e3
    p99 = [statistics.quantiles(each, n=100)[98] * 1e3 for each in (mine, others)]
    return Row(
        work=f"miss, first byte of {called}",
        peer="nginx `proxy_pass`",
        figure=f"{later:+.2f} ms ({statistics.median(mine) * 1e3:.2f} and {statistics.median(others) * 1e3:.2f} ms;"
        f" p99 {p99[0]:.2f} and {p99[1]:.2f} ms)",
        target="≤ +1 ms",
        met=later <= 1,
    )


class Viewer:
    """One connection that is kept, and a clock."""

    def __init__(self, server: Server) -> None:
        self._sock = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def first_byte(self, path: str, size: int) -> float:
        """Seconds from asking until the first byte of the answer; the rest is read too."""
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        started = time.perf_counter()
        self._sock.sendall(request)
        data = self._sock.recv(65536)
        seconds = time.perf_counter() - started
        while b"\r\n\r\n" not in data:
            data += self._received()
        head, _, body = data.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{path}: {head[:200]!r}")
        if b"chunked" in head.lower():
            raise RuntimeError(f"{path}: the length is not told, although the origin tells it")
        got = len(body)
        while got < size:
            got += len(self._received())
        return seconds

    def _received(self) -> bytes:
        data = self._sock.recv(2**18)
        if not data:
            raise RuntimeError("the connection ended in the middle of an answer")
        return data
