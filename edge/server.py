"""The edge's processes: a parent that owns the sockets and counts, and workers that serve."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Coroutine
from typing import Any

from config.runtime.keys import KeySet
from config.runtime.logging import get_logger
from config.runtime.processes import ProcessSupervisor, Program
from config.runtime.serving import (
    Readiness,
    admin_app,
    listening_socket,
    serving,
    until_stopped,
)
from config.settings.load import Settings
from config.settings.shared import HttpLimits, ListenSettings
from edge.app import build_app

log = get_logger(__name__)

WORKER_FLAG = "--worker"


async def run_parent(settings: Settings) -> None:
    """Serve until SIGTERM: workers share the port, this process restarts them and serves health and metrics."""
    KeySet.read(settings.keys_file)  # a bad key file is said once, here
    edge = settings.edge
    first = listening_socket(edge.listen, backlog=edge.http.backlog, reuse_port=True)
    port = first.getsockname()[1]
    # The parent keeps every socket, so that a worker's restart loses no waiting connection.
    sockets = [first] + [
        listening_socket(
            ListenSettings(host=edge.listen.host, port=port),
            backlog=edge.http.backlog,
            reuse_port=True,
        )
        for _ in range(edge.workers - 1)
    ]
    ready = ReadyWorkers()
    readiness = Readiness()
    readiness.checks["workers"] = ready.all_ready
    admin = serving(
        admin_app(readiness), listening_socket(edge.admin, backlog=64), edge.http, logged=False
    )
    with contextlib.closing(ready):
        async with admin, ProcessSupervisor() as supervisor:
            for slot, sock in enumerate(sockets):
                await _start_worker(supervisor, settings, ready, slot, sock)
            log.info("edge listening", host=edge.listen.host, port=port, workers=edge.workers)
            await _until_over(supervisor, until_stopped(readiness, edge.http))
            # Whoever connects from now on shall be refused and try another edge.
            for sock in sockets:
                sock.close()


async def run_worker(settings: Settings, *, sock: socket.socket, ready: socket.socket) -> None:
    """Serve on an inherited socket until SIGTERM, then let running requests end."""
    async with serving(build_app(settings), sock, settings.edge.http):
        ready.send(f"{os.getpid()}\n".encode())
        # The parent has already waited for balancers: no delay of our own.
        await until_stopped(Readiness(), HttpLimits())


class ReadyWorkers:
    """Which workers have said that they serve."""

    def __init__(self) -> None:
        self._supervisor: ProcessSupervisor | None = None
        self._pids: dict[str, int] = {}
        self._sockets: list[socket.socket] = []

    def watch(self, supervisor: ProcessSupervisor, name: str) -> socket.socket:
        """The socket on which the worker ``name`` is to say its process id, over all its restarts."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._supervisor = supervisor
        self._pids[name] = 0
        self._sockets += [ours, theirs]
        asyncio.get_running_loop().add_reader(ours, self._heard, name, ours)
        return theirs

    async def all_ready(self) -> bool:
        """Whether every worker's present process serves."""
        supervisor = self._supervisor
        return supervisor is not None and all(
            supervisor.pid_of(name) == pid for name, pid in self._pids.items()
        )

    def close(self) -> None:
        """Stop listening."""
        for sock in self._sockets:
            asyncio.get_running_loop().remove_reader(sock)
            sock.close()

    def _heard(self, name: str, sock: socket.socket) -> None:
        self._pids[name] = int(sock.recv(4096).split()[-1])


async def _start_worker(
    supervisor: ProcessSupervisor,
    settings: Settings,
    ready: ReadyWorkers,
    slot: int,
    sock: socket.socket,
) -> None:
    name = f"edge-{slot}"
    theirs = ready.watch(supervisor, name)
    await supervisor.start(
        Program(
            name=name,
            argv=(
                *(sys.executable, "-m", "edge", WORKER_FLAG),
                *(str(slot), str(sock.fileno()), str(theirs.fileno())),
            ),
            pass_fds=(sock.fileno(), theirs.fileno()),
            stop_timeout_seconds=settings.edge.http.drain_timeout.total_seconds() + 5,
        )
    )


async def _until_over(supervisor: ProcessSupervisor, stopped: Coroutine[Any, Any, None]) -> None:
    """Wait until we are told to stop, or a worker cannot work at all."""
    waits = asyncio.create_task(stopped), asyncio.create_task(supervisor.until_failed())
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in waits:
            task.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
