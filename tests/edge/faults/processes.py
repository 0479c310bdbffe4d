"""The edge as an operator starts it: processes of its own, over one origin."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.runtime.keys import make_key_file
from tests.edge.suite.running import free_port

START_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class EdgeProcess:
    """A running edge and where it listens."""

    process: asyncio.subprocess.Process
    port: int
    admin: int
    keys: Path

    def workers(self) -> list[int]:
        """The process ids of its workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [
            int(pid)
            for pid in children.read_text().split()
            if b"--worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]

    async def metrics(self) -> dict[str, float]:
        """The sum of each metric over its labels."""
        status, body = await get(self.admin, "/metrics")
        assert status == 200
        found: dict[str, float] = {}
        for line in body.decode().splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                name = name.partition("{")[0]
                found[name] = found.get(name, 0) + float(value)
        return found


@asynccontextmanager
async def edge_process(
    folder: Path,
    origin: str,
    *,
    workers: int = 1,
    public: bool = False,
    log: int = subprocess.DEVNULL,
    cache: dict[str, Any] | None = None,
    limits: dict[str, Any] | None = None,
) -> AsyncIterator[EdgeProcess]:
    """``python -m edge``, ready; SIGTERM at the end must let it end with status 0."""
    var = folder / "var"
    port, admin = free_port(), free_port()
    make_key_file(var / "secrets" / "keys.json")
    given = {"kind": "http", "url": origin, "public": public, **(limits or {})}
    values = {
        "VAR_DIR": str(var),
        "CONFIG": str(var / "none.toml"),
        "EDGE__LISTEN__PORT": str(port),
        "EDGE__ADMIN__PORT": str(admin),
        "EDGE__WORKERS": str(workers),
        "EDGE__ORIGINS": json.dumps({"cdn": given}),
        "EDGE__HTTP__DRAIN_TIMEOUT": "5",
        **{f"EDGE__CACHE__{name.upper()}": str(value) for name, value in (cache or {}).items()},
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "edge"),
        env={**os.environ, **{f"KAWA_{name}": value for name, value in values.items()}},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )
    edge = EdgeProcess(process=process, port=port, admin=admin, keys=var / "secrets" / "keys.json")
    try:
        await _until_ready(edge)
        yield edge
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            status = await asyncio.wait_for(process.wait(), 30)
        except TimeoutError:
            process.kill()
            raise
    assert status == 0


async def _until_ready(edge: EdgeProcess) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            assert edge.process.returncode is None, "the edge ended"
            with contextlib.suppress(ConnectionError):
                status, _ = await get(edge.admin, "/readyz")
                if status == 200:
                    return
            await asyncio.sleep(0.05)


async def get(port: int, path: str) -> tuple[int, bytes]:
    """Status and body; an ``IncompleteReadError`` if the body is not whole."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    try:
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = int(head.split(" ", 2)[1])
        if "\r\ncontent-length:" not in head:
            return status, await reader.read()
        length = int(head.partition("\r\ncontent-length:")[2].partition("\r\n")[0])
        return status, await reader.readexactly(length)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
