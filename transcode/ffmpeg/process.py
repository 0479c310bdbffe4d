"""Runs ffmpeg and ffprobe: own process group, bounded output, ended with the block that started them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from transcode.errors import ProgramMissing, ProgramTimeout

_TAIL_BYTES = 16 * 1024
_LINE_BYTES = 64 * 1024
_GRACE = timedelta(seconds=0.7)  # between SIGTERM and SIGKILL: cancelling must take less than 2 s
_GUARD = Path(__file__).with_name("guard.py")


class OutputTooLong(Exception):
    """The program wrote more than it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What a program left behind."""

    code: int  # negative: the signal that killed it
    stdout: bytes
    stderr: str  # the last 16 KiB

    @property
    def complaint(self) -> str:
        """The last line of standard error, for a person."""
        return last_line(self.stderr)


class Running:
    """A running program whose standard error is drained."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._tail: deque[bytes] = deque()
        self._drain = asyncio.create_task(self._drain_stderr(), name="drain stderr")

    @property
    def pid(self) -> int:
        """The process id, which is also that of its group."""
        return self._process.pid

    async def lines(self) -> AsyncIterator[bytes]:
        """Standard output, line by line, without the line ends."""
        stdout = _pipe(self._process.stdout)
        while True:
            try:
                line = await stdout.readline()
            except ValueError as error:  # a line longer than the reader's limit
                raise OutputTooLong from error
            if not line:
                return
            yield line.rstrip(b"\r\n")

    async def read(self, *, max_bytes: int) -> bytes:
        """All of standard output, or ``OutputTooLong``."""
        stdout = _pipe(self._process.stdout)
        body = bytearray()
        while chunk := await stdout.read(_LINE_BYTES):
            body += chunk
            if len(body) > max_bytes:
                raise OutputTooLong
        return bytes(body)

    async def wait(self) -> int:
        """The exit code, once the program has ended and its standard error is read."""
        code = await self._process.wait()
        await self._drain
        return code

    @property
    def stderr(self) -> str:
        """The last 16 KiB of standard error so far."""
        return b"".join(self._tail)[-_TAIL_BYTES:].decode(errors="replace")

    async def stop(self) -> None:
        """End the whole group: SIGTERM, then SIGKILL."""
        if self._process.returncode is None:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GRACE.total_seconds()):
                    await self._process.wait()
        # Also when the leader is gone: a child of it may hold the pipes open.
        self._signal(signal.SIGKILL)
        await self._process.wait()
        # A pipe is closed once it is read to its end; one that a stranger to the group holds is left to him.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE.total_seconds()):
                await self._empty_stdout()
                await self._drain
        self._drain.cancel()
        await asyncio.gather(self._drain, return_exceptions=True)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    async def _empty_stdout(self) -> None:
        stdout = _pipe(self._process.stdout)
        while await stdout.read(_LINE_BYTES):
            pass

    async def _drain_stderr(self) -> None:
        stderr, size = _pipe(self._process.stderr), 0
        while chunk := await stderr.read(_TAIL_BYTES):
            self._tail.append(chunk)
            size += len(chunk)
            while size - len(self._tail[0]) >= _TAIL_BYTES:
                size -= len(self._tail.popleft())


@contextlib.asynccontextmanager
async def running(argv: Sequence[str]) -> AsyncIterator[Running]:
    """Start a program in its own group; leaving the block ends it in any case."""
    try:
        process = await asyncio.create_subprocess_exec(
            *guarded(argv),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LINE_BYTES,
            start_new_session=True,
            env=_environment(),
        )
    except OSError as error:
        raise ProgramMissing(f"{argv[0]} cannot be started: {error.strerror}") from error
    program = Running(process)
    try:
        yield program
    finally:
        # Shielded: a second cancel must not leave an encoder behind.
        await asyncio.shield(asyncio.ensure_future(program.stop()))


async def run(argv: Sequence[str], *, timeout: timedelta, max_bytes: int = 4 * 2**20) -> Finished:
    """Run a program to its end and keep its output."""
    try:
        async with asyncio.timeout(timeout.total_seconds()), running(argv) as program:
            stdout = await program.read(max_bytes=max_bytes)
            code = await program.wait()
            return Finished(code=code, stdout=stdout, stderr=program.stderr)
    except TimeoutError as error:
        raise ProgramTimeout(f"{Path(argv[0]).name} took longer than {timeout}") from error


def guarded(argv: Sequence[str]) -> list[str]:
    """The command line under a guard that dies with this worker, where the system can do that."""
    if sys.platform != "linux":
        return list(argv)
    return [sys.executable, "-I", "-S", str(_GUARD), str(os.getpid()), *argv]


def last_line(text: str) -> str:
    """The last line that says something, cut to what fits a message."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def _environment() -> dict[str, str]:
    """Only what a media program needs: no password of ours reaches a parser of foreign files."""
    kept = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "LANG", "FONTCONFIG_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ}


def _pipe(stream: asyncio.StreamReader | None) -> asyncio.StreamReader:
    if stream is None:
        raise RuntimeError("the program was started without pipes")
    return stream
