"""The parent's end of the lines from its workers: whatever they ask, the registry answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from config.runtime.logging import get_logger
from edge.errors import StreamRefused
from edge.sessions.frames import (
    Done,
    Failed,
    Open,
    Question,
    Refused,
    Reply,
    Stop,
    Tell,
    Told,
    framed,
    next_frame,
    questions,
)
from edge.sessions.registry import Registry

log = get_logger(__name__)

_MOST_AT_ONCE = 4096  # of one worker: it waits with the next until some are answered
_STREAM_BYTES = 2**20
_FINISH_SECONDS = 2.0


@contextlib.asynccontextmanager
async def serving_registry(registry: Registry, path: Path) -> AsyncIterator[None]:
    """Answer at ``path``, in a folder that only this user's processes reach, for the length of the block."""
    lines: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker: a coroutine runs in a task
        lines.add(task)
        try:
            await _Line(registry, writer).run(reader)
        finally:
            lines.discard(task)
            writer.close()

    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(connected, str(path), limit=_STREAM_BYTES)
    try:
        yield
    finally:
        server.close()
        for task in list(lines):
            task.cancel()
        await asyncio.gather(*lines, return_exceptions=True)
        path.unlink(missing_ok=True)


class _Line:
    """One worker's connection."""

    def __init__(self, registry: Registry, writer: asyncio.StreamWriter) -> None:
        self._registry = registry
        self._writer = writer
        self._room = asyncio.Semaphore(_MOST_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, reader: asyncio.StreamReader) -> None:
        """Take questions until the worker hangs up; what still runs then is not waited for."""
        try:
            while (frame := await next_frame(reader)) is not None:
                question = questions.decode(frame)
                await self._room.acquire()
                task = asyncio.create_task(self._do(question))
                self._tasks.add(task)
                task.add_done_callback(self._done)
                await self._writer.drain()
        except (OSError, msgspec.DecodeError) as error:
            log.warning("a worker's line broke", cause=str(error))
        finally:
            await self._finish()

    async def _finish(self) -> None:
        """Let go of no session that is half admitted because its worker ended."""
        if self._tasks:
            _, late = await asyncio.wait(list(self._tasks), timeout=_FINISH_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._room.release()

    async def _do(self, question: Question) -> None:
        reply = await self._reply(question)
        if not self._writer.is_closing():
            self._writer.write(framed(reply))

    async def _reply(self, question: Question) -> Reply:
        number = question.number
        try:
            match question:
                case Open():
                    await self._registry.open(question.start, joins=question.joins)
                case Tell():
                    answer = await self._registry.tell(question.worker, question.reports)
                    return Told(number, answer.unknown, answer.forgotten, answer.ended, answer.caps)
                case Stop():
                    await self._registry.stop(question.session)
        except StreamRefused as refused:
            return Refused(number, refused.code, refused.playing)
        except Exception:
            # This is the loop of a server: one question that cannot be answered leaves the others be.
            log.exception("the registry failed")
            return Failed(number)
        return Done(number)
