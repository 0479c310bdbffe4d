"""Files that memory has no room for, from the folder on disk and the page cache, beside nginx doing the same."""

from __future__ import annotations

import tempfile

from benchmarks.options import Options
from benchmarks.servers import FILES, LARGE_BYTES
from benchmarks.stage import fetch, hit_row, load_of, stage
from benchmarks.table import Row

PROGRAMS = ("nginx", "wrk", "taskset")
MEMORY_BYTES = 2**20  # no room for even one of them


def measure(options: Options) -> list[Row]:
    """2 MB files in turn, all of them on disk."""
    with (
        tempfile.TemporaryDirectory(prefix="kawa-bench-") as folder,
        stage(options, cache={"folder": folder, "memory_bytes": MEMORY_BYTES}) as on,
    ):
        for number in range(FILES):
            for server, path in (
                (on.kawa, on.kawa.path("large-{n}.m4s")),
                (on.nginx, "/large-{n}.m4s"),
            ):
                fetch(server, path.replace("{n}", str(number)))
        return [
            hit_row(
                on,
                work="disk-tier hit 2 MB",
                peer="nginx `proxy_cache`, the same files",
                ours=on.kawa.path("large-{n}.m4s"),
                theirs="/large-{n}.m4s",
                right=(on.www / "large-0.m4s").read_bytes().__eq__,
                least=1.0,
                load=load_of(options, connections=16, first=0, turn=FILES),
                body_bytes=LARGE_BYTES,
            )
        ]
