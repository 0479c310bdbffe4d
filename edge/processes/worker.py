"""One worker process as its parent sees it: started, ready, silent, leaving, ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from config.runtime.logging import get_logger
from config.runtime.processes import Program, spawn
from edge.processes.handover import Handover
from edge.processes.link import LONGEST_LINE, Table, encode

log = get_logger(__name__)

WORKER_FLAG = "--worker"

_START_SECONDS = (
    600.0  # a large folder is read at the start; one that hangs is found by its silence
)
_DUMP_SECONDS = 2.0
_LATE_SECONDS = 5.0  # beyond the drain time, before a leaving process is killed


class WorkerFailed(RuntimeError):
    """A worker process did not come up; the message says why in one line."""


class CannotWork(WorkerFailed):
    """A worker process said itself that it cannot work with what it was given: trying again would not help."""


class Worker:
    """A process, the line to it, and what it said last."""

    def __init__(
        self,
        handover: Handover,
        process: asyncio.subprocess.Process,
        writer: asyncio.StreamWriter,
        *,
        on_silence: Callable[[], None],
    ) -> None:
        self.handover = handover
        self.ready = False
        self.silent = False  # says nothing for half of the time it may
        self.leaving = False  # serves nobody new
        self.watchdog = False  # was killed for its silence
        self._process = process
        self._writer = writer
        self._on_silence = on_silence
        self._closed = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._prepared: asyncio.Future[str | None] = loop.create_future()
        self._ready: asyncio.Future[str | None] = loop.create_future()
        self._listening: asyncio.Task[None] | None = None
        self.ended = asyncio.create_task(process.wait(), name=f"end of {handover.name}")

    @property
    def name(self) -> str:
        return self.handover.name

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return not self.ended.done()

    @property
    def prepared(self) -> bool:
        """Whether it takes orders."""
        return self._prepared.done() and self._prepared.result() is None

    @property
    def address(self) -> Path | None:
        """Where siblings may ask it now."""
        usable = self.running and self.ready and not self.silent
        return self.handover.peer_socket if usable else None

    @classmethod
    async def start(
        cls, handover: Handover, listening: socket.socket, *, on_silence: Callable[[], None]
    ) -> Worker:
        """Start the process and hand everything over."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await spawn(
                    Program(
                        name=handover.name,
                        argv=(
                            *(sys.executable, "-m", "edge", WORKER_FLAG),
                            *(str(listening.fileno()), str(theirs.fileno())),
                        ),
                        pass_fds=(listening.fileno(), theirs.fileno()),
                    )
                )
            ours.setblocking(False)
            reader, writer = await asyncio.open_unix_connection(sock=ours, limit=LONGEST_LINE)
        except BaseException:
            ours.close()
            raise
        writer.write(handover.to_bytes())
        worker = cls(handover, process, writer, on_silence=on_silence)
        worker._listening = asyncio.create_task(
            worker._listen(reader), name=f"from {handover.name}"
        )
        return worker

    async def until_prepared(self) -> None:
        """Return once it would serve and can be told what it must know first, or raise ``WorkerFailed``."""
        await self._until(self._prepared)

    async def until_ready(self) -> None:
        """Have it serve and return once it does, or raise ``WorkerFailed``."""
        self._say({"serve": True})
        await self._until(self._ready)
        self.ready = True

    async def _until(self, said: asyncio.Future[str | None]) -> None:
        waits: set[asyncio.Future[Any]] = {self.ended, said}
        await asyncio.wait(waits, timeout=_START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not said.done() and self.ended.done() and self._listening is not None:
            await asyncio.wait({self._listening}, timeout=1)  # its last words may still be there
        if said.done():
            if (reason := said.result()) is not None:
                raise CannotWork(reason)
            return
        if self.ended.done():
            raise WorkerFailed(f"a worker ended at once with status {self.ended.result()}")
        raise WorkerFailed(f"a worker was not ready within {_START_SECONDS:.0f} s")

    def tell_table(self, table: Table) -> None:
        """Where its siblings are."""
        self._say({"table": [None if path is None else str(path) for path in table]})

    def tell_closing(self) -> None:
        """Answers shall end their connections from now on; new ones are still accepted."""
        self._say({"closing": True})

    async def leave(self, *, linger_seconds: float) -> None:
        """Let it finish what runs, and wait for its end; it is killed if it takes too long."""
        self.leaving = True
        self._say({"leave": linger_seconds})
        drain = self.handover.settings.edge.http.drain_timeout.total_seconds()
        allowed = linger_seconds + drain + _LATE_SECONDS
        done, _ = await asyncio.wait({self.ended}, timeout=allowed)
        if not done:
            log.error("worker did not leave in time and was killed", worker=self.name)
            self.kill()
        await self.close()

    async def until_closed(self) -> None:
        """Return once no new connection can come to it, or after a while."""
        closed = asyncio.create_task(self._closed.wait())
        try:
            await asyncio.wait(
                {closed, self.ended},
                timeout=_LATE_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            closed.cancel()

    async def kill_for_silence(self) -> None:
        """Have it write down where it hangs, if it still can, and end it."""
        self.watchdog = True
        log.error("worker is silent and is killed", worker=self.name, pid=self.pid)
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGABRT)  # faulthandler prints every thread's stack
        await asyncio.wait({self.ended}, timeout=_DUMP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End it now."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def close(self) -> None:
        """Wait for its end and give back what it held here."""
        await self.ended
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        self._writer.close()
        self.handover.peer_socket.unlink(missing_ok=True)

    def _say(self, message: dict[str, object]) -> None:
        if not self._writer.is_closing():
            self._writer.write(encode(message))

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Hear it out; the second half of its time is also there because we may have been stopped ourselves."""
        half = self.handover.settings.edge.watchdog_timeout.total_seconds() / 2
        started = False
        while True:
            try:
                async with asyncio.timeout(half if started else None):
                    line = await reader.readline()
            except TimeoutError:
                if self.silent:
                    await self.kill_for_silence()
                    return
                self._turn_silent(True)
                continue
            except ConnectionError:
                line = b""
            if not line:  # it is about to end, or stuck in doing so
                await asyncio.wait({self.ended}, timeout=2 * half)
                self.kill()
                return
            started = True
            self._turn_silent(False)
            match json.loads(line):
                case {"prepared": True}:
                    self._hear(self._prepared, None)
                case {"ready": True}:
                    self._hear(self._ready, None)
                case {"closed": True}:
                    self._closed.set()
                case {"failed": str() as reason}:
                    self._hear(self._prepared, reason)
                    self._hear(self._ready, reason)

    def _hear(self, said: asyncio.Future[str | None], reason: str | None) -> None:
        if not said.done():
            said.set_result(reason)

    def _turn_silent(self, silent: bool) -> None:
        if silent != self.silent:
            self.silent = silent
            self._on_silence()
