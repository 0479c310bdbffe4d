"""A worker's line to the registry in its parent: one connection, many questions at once, each with its deadline."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from config.contracts.sessions import SessionStart
from edge.errors import StreamRefused, TooManyStreams, error_called
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
    replies,
)
from edge.sessions.registry import Answer, NoRegistry, Report

_MOST_ASKING = 20_000
_STREAM_BYTES = 2**20

_Kind = TypeVar("_Kind", bound=Reply)


class RegistryLine:
    """The registry behind a Unix socket; ``NoRegistry`` when it cannot be asked or takes longer than ``seconds``."""

    def __init__(self, path: Path, *, seconds: float) -> None:
        self._path = path
        self._seconds = seconds
        self._numbers = itertools.count()
        self._asking: dict[int, asyncio.Future[Reply]] = {}
        self._connecting = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def open(self, start: SessionStart, *, joins: bool) -> None:
        """As ``Registry.open``."""
        await self._ask(lambda number: Open(number, start, joins), Done)

    async def tell(self, worker: str, reports: Sequence[Report]) -> Answer:
        """As ``Registry.tell``."""
        told = await self._ask(lambda number: Tell(number, worker, list(reports)), Told)
        return Answer(
            unknown=told.unknown, forgotten=told.forgotten, ended=told.ended, caps=told.caps
        )

    async def stop(self, session: str) -> None:
        """As ``Registry.stop``."""
        await self._ask(lambda number: Stop(number, session), Done)

    async def close(self) -> None:
        """Hang up."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        self._hang_up()

    async def _ask(self, make: Callable[[int], Question], kind: type[_Kind]) -> _Kind:
        if len(self._asking) >= _MOST_ASKING:
            raise NoRegistry("too many questions wait for the registry")
        number = next(self._numbers)
        try:
            async with asyncio.timeout(self._seconds):
                writer = await self._connected()
                answer = self._asking[number] = asyncio.get_running_loop().create_future()
                writer.write(framed(make(number)))
                reply = await answer
        except (OSError, TimeoutError) as error:
            raise NoRegistry from error
        finally:
            self._asking.pop(number, None)
        if isinstance(reply, Refused):
            raise _refusal(reply)
        if not isinstance(reply, kind):
            raise NoRegistry("the registry failed")
        return reply

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._writer is None or self._writer.is_closing():
                reader, self._writer = await asyncio.open_unix_connection(
                    str(self._path), limit=_STREAM_BYTES
                )
                self._reading = asyncio.create_task(
                    self._read(reader, self._writer), name="registry"
                )
            return self._writer

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (frame := await next_frame(reader)) is not None:
                reply = replies.decode(frame)
                answer = self._asking.get(reply.number)
                if answer is not None and not answer.done():
                    answer.set_result(reply)
        except (OSError, msgspec.DecodeError):
            pass  # whoever waits is told below
        finally:
            if self._writer is writer:
                self._hang_up()
            writer.close()

    def _hang_up(self) -> None:
        """Whoever waits for an answer gets none."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        for number, answer in self._asking.items():
            if not answer.done():
                answer.set_result(Failed(number))


def _refusal(reply: Refused) -> StreamRefused:
    error = error_called(reply.code)
    if isinstance(error, TooManyStreams):
        return TooManyStreams(reply.playing)
    return error if isinstance(error, StreamRefused) else StreamRefused()
