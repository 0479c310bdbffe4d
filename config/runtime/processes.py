"""Child processes with an owner: restarted when they end, stopped when the owner leaves."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import random
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from prometheus_client import Counter

from config.runtime.logging import get_logger

log = get_logger(__name__)

RESTARTS = Counter("kawa_process_restarts_total", "Child processes started again.", ["program"])

# A program that cannot work with its settings says so by this status; starting it again would not help.
WRONG_USE = 2

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1


class WrongUse(RuntimeError):
    """The program cannot work with what it was given; the operator must change something (exit status 2)."""


class ProgramFailed(RuntimeError):
    """A program ended in a way that starting it again cannot mend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """How one child process is started and stopped."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)  # beside the parent's
    pass_fds: tuple[int, ...] = ()
    stop_signal: int = signal.SIGTERM
    stop_timeout_seconds: float = 30.0
    user: int | None = None  # numeric user and group to become
    before_exec: Callable[[], None] | None = None
    quiet: bool = False  # throw its output away
    log: Path | None = None  # append its output here


class ProcessSupervisor:
    """Keeps programs running for the length of an ``async with`` block."""

    def __init__(self) -> None:
        self._keepers: list[tuple[Program, asyncio.Task[None]]] = []
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._ends: dict[str, int] = {}
        self.failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def start(self, program: Program) -> None:
        """Start ``program`` and keep it running."""
        process = await spawn(program)
        self._processes[program.name] = process
        keeper = asyncio.create_task(self._keep(program, process), name=f"keep {program.name}")
        self._keepers.append((program, keeper))

    def pid_of(self, name: str) -> int:
        """The process id that a program has now."""
        return self._processes[name].pid

    def ends_of(self, name: str) -> int:
        """How often a program has ended by itself."""
        return self._ends.get(name, 0)

    async def until_failed(self) -> None:
        """Wait until a program ends for good, then raise ``ProgramFailed``."""
        raise ProgramFailed(await asyncio.shield(self.failed))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for _, keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*(keeper for _, keeper in self._keepers), return_exceptions=True)
        # All at once: each may take its whole drain time.
        await asyncio.gather(
            *(stop(self._processes[program.name], program) for program, _ in self._keepers)
        )
        self._keepers.clear()

    async def _keep(self, program: Program, process: asyncio.subprocess.Process) -> None:
        pause = _FIRST_PAUSE_SECONDS
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            status = await process.wait()
            log.error("program ended", name=program.name, status=status)
            self._ends[program.name] = self.ends_of(program.name) + 1
            if status == WRONG_USE:
                if not self.failed.done():
                    self.failed.set_result(f"{program.name} cannot start with these settings")
                return
            if loop.time() - started > _LONGEST_PAUSE_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            while True:
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
                try:
                    process = await spawn(program)
                except OSError as error:  # no memory, no file descriptors: it may pass
                    log.error("program cannot be started", name=program.name, error=str(error))
                else:
                    break
            RESTARTS.labels(program.name).inc()
            self._processes[program.name] = process


async def spawn(program: Program) -> asyncio.subprocess.Process:
    """Start a program that will not outlive this process, even if this one is killed."""
    with contextlib.ExitStack() as stack:
        output = asyncio.subprocess.DEVNULL if program.quiet else None
        if program.log is not None:
            program.log.parent.mkdir(parents=True, exist_ok=True)
            output = stack.enter_context(program.log.open("ab")).fileno()
        return await _spawn(program, output)


async def _spawn(program: Program, output: int | None) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *program.argv,
        env={**os.environ, **program.env},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=program.pass_fds,
        # Ctrl-C goes to this process alone, which then stops the children in order.
        start_new_session=True,
        **_identity(program.user),
        preexec_fn=_before_exec(program),
    )


async def stop(process: asyncio.subprocess.Process, program: Program) -> None:
    """Ask a process to end, wait, and kill its whole group if it does not."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(program.stop_signal)
    try:
        async with asyncio.timeout(program.stop_timeout_seconds):
            await process.wait()
    except TimeoutError:
        log.error("program did not stop in time and was killed", name=program.name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _identity(user: int | None) -> dict[str, Any]:
    # uvloop knows none of these, and root becomes someone else only in the launcher, which runs without it.
    return {} if user is None else {"user": user, "group": user, "extra_groups": ()}


def _before_exec(program: Program) -> Callable[[], None]:
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

    def prepare() -> None:
        if program.before_exec is not None:
            program.before_exec()
        if libc is not None:
            # After the change of user, which clears it (prctl(2)).
            libc.prctl(_PR_SET_PDEATHSIG, program.stop_signal)

    return prepare
