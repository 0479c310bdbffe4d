"""The edge as an operator starts it: real processes, real signals, the admin listener."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientConnectionError, ClientSession

from config.settings.load import Settings

Mint = Callable[..., str]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Edge:
    """A running edge."""

    def __init__(
        self, process: asyncio.subprocess.Process, port: int, admin: int, log: Path
    ) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.admin = f"http://127.0.0.1:{admin}"
        self.port = port
        self.log = log

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    async def metrics(self) -> str:
        async with ClientSession() as session, session.get(f"{self.admin}/metrics") as answer:
            return await answer.text()

    async def metric(self, line: str) -> float:
        """The value of one line of the metrics; 0 if there is none."""
        found = re.search(rf"^{re.escape(line)} (\S+)$", await self.metrics(), re.MULTILINE)
        return 0.0 if found is None else float(found[1])

    async def order(
        self, path: str, *, headers: Mapping[str, str] | None = None, body: object = None
    ) -> tuple[int, Any]:
        """What the admin listener answers to a POST."""
        async with (
            ClientSession() as session,
            session.post(self.admin + path, headers=headers, json=body) as answer,
        ):
            return answer.status, await answer.json()

    async def health(self) -> Any:
        async with (
            ClientSession() as session,
            session.get(f"{self.admin}/healthz?verbose") as answer,
        ):
            return await answer.json()

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log's events of this name; what stands before one, such as a piece of a stack, is passed over."""
        found = []
        for line in self.log.read_text().splitlines():
            with contextlib.suppress(ValueError):
                event = json.loads(line[max(0, line.find('{"')) :])
                if isinstance(event, dict) and event.get("event") == name:
                    found.append(event)
        return found


@asynccontextmanager
async def running(
    settings: Settings,
    *,
    workers: int = 1,
    log_name: str = "edge.log",
    admin: int | None = None,
    **env: str,
) -> AsyncIterator[Edge]:
    port, admin = free_port(), admin or free_port()
    settings.var_dir.mkdir(parents=True, exist_ok=True)
    log = settings.var_dir / log_name
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "edge",
            stderr=errors,
            env={
                **os.environ,
                "KAWA_VAR_DIR": str(settings.var_dir),
                "KAWA_EDGE__LISTEN__PORT": str(port),
                "KAWA_EDGE__ADMIN__PORT": str(admin),
                "KAWA_EDGE__WORKERS": str(workers),
                **env,
            },
        )
    edge = Edge(process, port, admin, log)
    try:
        await until_ready(edge)
        yield edge
    finally:
        if process.returncode is None:
            process.terminate()
            await asyncio.wait_for(process.wait(), 30)


async def until_ready(edge: Edge) -> None:
    try:
        async with asyncio.timeout(30), ClientSession() as session:
            while True:
                try:
                    async with session.get(f"{edge.admin}/readyz") as answer:
                        if answer.status == 200:
                            return
                except ClientConnectionError:
                    assert edge.process.returncode is None, edge.log.read_text()
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not ready: {edge.log.read_text()}") from None


async def until(check: Callable[[], Awaitable[bool]], *, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await check():
            await asyncio.sleep(0.02)
