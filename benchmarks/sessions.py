"""Fifty thousand sessions through one edge worker: memory for each, and whether every byte is counted."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

from benchmarks.servers import Kawa, kawa, make_files, origin
from benchmarks.table import keep_section
from config.contracts.tokens import PlaybackClaims
from config.launch.embedded.valkey import embedded_valkey
from config.runtime.keys import KeySet

SESSIONS = 50_000
CONNECTIONS = 64
PATHS = ("media.m3u8", "small.m4s", "small.m4s")
_PAGE = 1000
_LONGEST_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one run left behind."""

    worker_bytes: int  # resident, more than before
    parent_bytes: int
    seconds: float  # of CPU, for all requests
    sessions: int
    bytes: int  # that the edge says it gave
    read: int  # by clients


async def main() -> None:
    """With sessions and without, in turn; printed and kept."""
    off = await _run(enabled=False)
    on = await _run(enabled=True)
    each = (on.worker_bytes - off.worker_bytes) / SESSIONS
    parent = (on.parent_bytes - off.parent_bytes) / SESSIONS
    cost = (on.seconds - off.seconds) / SESSIONS
    verdict = "equal" if on.bytes == on.read else "NOT equal"
    text = (
        f"{datetime.now(UTC).date().isoformat()}, `.venv/bin/python -m benchmarks sessions`: {SESSIONS} tokens, each a"
        " session of its own (one manifest, two segments of 16 KB) through one worker with Valkey, beside the same with"
        " `sessions.enabled` off.\n\n"
        "| what | figure |\n|---|---|\n"
        f"| sessions that the parent follows | {on.sessions} of {SESSIONS} |\n"
        f"| bytes counted | {on.bytes} of {on.read} that clients read ({verdict}) |\n"
        f"| memory for each session in the worker | {each:.0f} bytes |\n"
        f"| memory for each session in the parent | {parent:.0f} bytes |\n"
        f"| CPU of the edge for opening and counting one session | {cost * 1e6:.0f} us |\n"
    )
    print(text)
    keep_section("sessions", text)


async def _run(*, enabled: bool) -> Found:
    with tempfile.TemporaryDirectory(prefix="kawa-bench-") as name:
        folder = Path(name)
        async with embedded_valkey(folder / "valkey") as url:
            return await asyncio.to_thread(_measured, folder, url, enabled)


def _measured(folder: Path, redis: str, enabled: bool) -> Found:
    with _edge(folder, redis, enabled) as edge:
        before, cpu = _memory(edge), edge.cpu_seconds()
        read = asyncio.run(_play(edge))
        sessions, sent = _told(edge, read) if enabled else (0, 0)
        after = _memory(edge)
        return Found(
            worker_bytes=after[1] - before[1],
            parent_bytes=after[0] - before[0],
            seconds=edge.cpu_seconds() - cpu,
            sessions=sessions,
            bytes=sent,
            read=read,
        )


@contextmanager
def _edge(folder: Path, redis: str, enabled: bool) -> Iterator[Kawa]:
    make_files(folder / "www")
    more = {
        "KAWA_REDIS__URL": redis,
        "KAWA_SESSIONS__ENABLED": str(enabled).lower(),
        "KAWA_SESSIONS__IDLE": "600",
    }
    with origin(folder, folder / "www") as behind, kawa(folder / "kawa", behind, more=more) as edge:
        yield edge


def _memory(edge: Kawa) -> tuple[int, int]:
    """Resident bytes of the parent and of its worker."""
    sizes = edge.memory()
    return sizes.pop(edge.pid), max(sizes.values())


async def _play(edge: Kawa) -> int:
    """Everybody asks for everything once; the bytes of all bodies."""
    key_set = KeySet.read(edge.keys)
    numbers = iter(range(SESSIONS))
    now = int(time.time())

    async def client() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        read = 0
        for number in numbers:
            claims = PlaybackClaims(
                subject=f"viewer:{number}",
                session=f"session-{number}",
                path_prefixes=("/live/",),
                issued_at=now,
                expires_at=now + 3600,
                stream_limit=3,
            )
            token = key_set.sign(claims)
            for path in PATHS:
                target = f"/t/{token}/live/{path}"
                writer.write(f"GET {target} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
                read += await _body(reader)
        writer.close()
        return read

    return sum(await asyncio.gather(*(client() for _ in range(CONNECTIONS))))


async def _body(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(head.split(b"\r\n")[0].decode())
    [length] = [
        int(line.partition(b":")[2])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    ]
    return len(await reader.readexactly(length))


def _told(edge: Kawa, wanted: int) -> tuple[int, int]:
    """How many sessions the parent knows and what it counted, once that is all or time is over."""
    end = time.monotonic() + _LONGEST_SECONDS
    while True:
        sessions = sent = 0
        after = ""
        while True:
            query = urlencode({"limit": _PAGE, "after": after})
            with urlopen(f"http://127.0.0.1:{edge.admin}/sessions?{query}") as answer:
                page = json.load(answer)
            sessions += len(page["sessions"])
            sent += sum(one["counted"]["bytes"] for one in page["sessions"])
            if "next" not in page:
                break
            after = page["next"]
        if sent >= wanted or time.monotonic() > end:
            return sessions, sent
        time.sleep(0.5)
