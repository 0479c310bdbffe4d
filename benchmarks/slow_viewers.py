"""Ten thousand viewers that read slowly, on one core, and how long another viewer then waits for a first byte."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.memory import worker_bytes
from benchmarks.miss import Viewer
from benchmarks.options import Options
from benchmarks.programs import LOAD_CORE
from benchmarks.servers import FILES, ROOT, SMALL_BYTES, Server
from benchmarks.stage import Stage, fetch, stage
from benchmarks.table import Row

PROGRAMS = ("nginx", "taskset", "nice")
PIECE_BYTES = 32 * 1024  # each second, of a 2 MB file: 256 kbit/s
PROBE_SECONDS = 15
PROBES_PER_SECOND = 50
TCP_MEMORY = Path("/proc/sys/net/ipv4/tcp_mem")
KERNEL_BYTES = 800 * 1024  # at both ends of one connection
MOST_MS = 20
MOST_BYTES = 40 * 1024


def measure(options: Options) -> list[Row]:
    """First bytes of a small file while all the others are in the middle of large ones."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = options.viewers + 500
    if hard < needed:
        raise SystemExit(f"{needed} descriptors are needed and {hard} allowed: ulimit -Hn {needed}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    affinity = os.sched_getaffinity(0)
    with kernel_memory(options.viewers), stage(options) as on:
        os.sched_setaffinity(0, {LOAD_CORE})  # the probe must not take the server's core
        try:
            return rows(on)
        finally:
            os.sched_setaffinity(0, affinity)


@contextlib.contextmanager
def kernel_memory(viewers: int) -> Iterator[None]:
    """Room in the kernel for both ends of every connection, which no other machine here shares.

    Without it the kernel, short of memory for TCP, drops segments at the receiving end and repeats them seconds later,
    whichever server sent them.
    """
    before = TCP_MEMORY.read_text()
    pages = viewers * KERNEL_BYTES // os.sysconf("SC_PAGE_SIZE")
    low, pressure, most = map(int, before.split())
    try:
        TCP_MEMORY.write_text(f"{max(low, pages)} {max(pressure, pages)} {max(most, 2 * pages)}")
    except OSError:
        print(
            f"cannot raise {TCP_MEMORY}: with {viewers} viewers on this machine the figures tell of the kernel",
            file=sys.stderr,
        )
        yield
        return
    try:
        yield
    finally:
        TCP_MEMORY.write_text(before)


def rows(on: Stage) -> list[Row]:
    """The same crowd before both, one after the other."""
    ours = crowd(on.kawa, on.kawa.path, on.options.viewers)
    theirs = crowd(on.nginx, "/{}".format, on.options.viewers)
    work = f"{on.options.viewers} viewers at {PIECE_BYTES * 8 // 1024} kbit/s on one core"
    return [
        Row(
            work=f"{work}: first byte of another",
            peer="nginx `proxy_cache`",
            figure=f"{ours} (nginx {theirs})",
            target="p99 ≤ 20 ms",
            met=ours.p99_ms <= MOST_MS,
        ),
        Row(
            work=f"{work}: memory of each",
            peer="nginx `proxy_cache`",
            figure=f"{ours.bytes_each / 1024:.1f} KB in the worker, {ours.kernel_each / 1024:.0f} KB in the kernel at"
            f" both ends (nginx {theirs.bytes_each / 1024:.1f} KB, {theirs.kernel_each / 1024:.0f} KB)",
            target="≤ 40 KB in the worker",
            met=ours.bytes_each <= MOST_BYTES,
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class Crowded:
    """What another viewer noticed of the crowd, and what the crowd cost."""

    median_ms: float
    p99_ms: float
    busy: float
    passed: float  # bytes per second
    starved: float  # part of the reads that found nothing
    bytes_each: float
    kernel_each: float

    def __str__(self) -> str:
        return (
            f"p99 {self.p99_ms:.1f} ms, median {self.median_ms:.2f} ms, {self.passed / 1e6:.0f} MB/s,"
            f" {self.starved:.1%} of reads empty, core {self.busy:.0%} busy"
        )


def crowd(server: Server, path: Callable[[str], str], viewers: int) -> Crowded:
    """Let the viewers come, ask beside them for a while, and let them go."""
    for number in range(FILES):
        fetch(server, path(f"large-{number}.m4s"))
    probe(server, path("small.m4s"), seconds=1)
    memory, sockets = worker_bytes(server), socket_bytes()
    argv = [
        *("taskset", "-c", str(LOAD_CORE), "nice", "-n", "10", sys.executable),
        *("-m", "benchmarks.paced", str(server.port), path("large-{n}.m4s")),
        *(str(viewers), str(PIECE_BYTES)),
    ]
    with subprocess.Popen(
        argv, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("the viewers could not be served")
            before = server.cpu_seconds()
            waits = probe(server, path("small.m4s"), seconds=PROBE_SECONDS)
            busy = (server.cpu_seconds() - before) / PROBE_SECONDS
            memory, sockets = worker_bytes(server) - memory, socket_bytes() - sockets
            process.stdin.close()
            seen = json.loads(process.stdout.readline())
        finally:
            process.terminate()
    if seen["failed"] or seen["still_waiting"]:
        raise RuntimeError(f"of {viewers} viewers: {seen}")
    return Crowded(
        median_ms=statistics.median(waits),
        p99_ms=statistics.quantiles(waits, n=100)[98],
        busy=busy,
        passed=seen["bytes_per_second"],
        starved=seen["empty_handed"],
        bytes_each=memory / viewers,
        kernel_each=sockets / viewers,
    )


def probe(server: Server, path: str, *, seconds: float) -> list[float]:
    """Milliseconds until the first byte of a small file, at an even pace."""
    waits = []
    with Viewer(server) as viewer:
        began = time.perf_counter()
        for number in range(int(seconds * PROBES_PER_SECOND)):
            time.sleep(max(0.0, began + number / PROBES_PER_SECOND - time.perf_counter()))
            waits.append(viewer.first_byte(path, SMALL_BYTES) * 1e3)
    return waits


def socket_bytes() -> int:
    """What all TCP sockets of this machine hold in the kernel."""
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        if line.startswith("TCP:"):
            return int(line.split()[-1]) * os.sysconf("SC_PAGE_SIZE")
    raise RuntimeError("the kernel does not tell")
