"""Servers of a test's own, that it may stop, kill and start again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from config.launch.embedded.valkey import find_binary
from config.runtime.serving import listening_socket
from config.settings.shared import ListenSettings

_START_SECONDS = 20.0


def free_port() -> int:
    with contextlib.closing(listening_socket(ListenSettings(), backlog=1)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Valkey:
    """One server, whose port outlives it."""

    def __init__(self, folder: Path, *options: str, mode: tuple[str, ...] = ()) -> None:
        self.port = free_port()
        self._folder = folder
        self._options = options
        self._mode = mode
        self._process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"redis://{self.address}"

    async def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        common = () if self._mode else ("--save", "", "--appendonly", "no")
        self._process = await asyncio.create_subprocess_exec(
            str(await find_binary()),
            *self._mode,
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)),
            *common,
            *self._options,
            stdout=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(_START_SECONDS):
            await self._until_ready()

    async def kill(self) -> None:
        """End it at once, and with it all that it held."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
            self._process = None

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """It takes commands in and answers none."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    async def ask(self, *command: str | int) -> Any:
        async with Redis(host="127.0.0.1", port=self.port, socket_timeout=5) as client:
            return await client.execute_command(*command)  # type: ignore[no-untyped-call]

    async def _until_ready(self) -> None:
        while True:
            try:
                await self.ask("PING")
                return
            except (RedisError, OSError):
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def running(*servers: Valkey) -> AsyncIterator[None]:
    """All of them, until the end."""
    try:
        for server in servers:
            await server.start()
        yield
    finally:
        for server in servers:
            await server.kill()
