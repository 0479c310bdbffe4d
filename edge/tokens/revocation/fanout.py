"""Has every worker know what its parent knows: each is told on its own, so that one that hangs delays nobody."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from functools import partial

from config.runtime.tasks import BackgroundTasks
from edge.admin.workers import Workers
from edge.peers.peers import PeerUnavailable
from edge.processes.worker import Worker, WorkerFailed
from edge.tokens.revocation.register import Change, Register
from edge.tokens.revocation.revocations import Part, Told

_AT_ONCE = 500
_PATH = "/revocations"
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0


@dataclass(slots=True, eq=False)
class _Line:
    """How far one worker is."""

    worker: Worker
    number: int | None = None  # None: it knows nothing, or nobody knows what
    certain_at: float = 0.0


class Fanout:
    """Tells workers from the moment at which they take orders until they end."""

    def __init__(self, register: Register, workers: Workers, tasks: BackgroundTasks) -> None:
        self.certain_at = 0.0  # all that was revoked anywhere before is in the register
        self._register = register
        self._workers = workers
        self._tasks = tasks
        self._lines: set[_Line] = set()
        self._news = asyncio.Event()  # a new one after each that is set

    async def bring_up(self, worker: Worker) -> None:
        """Have a new worker know everything before it serves anybody; ``WorkerFailed`` if that cannot be."""
        line = _Line(worker)
        try:
            await self._tell(line)
        except PeerUnavailable as error:
            raise WorkerFailed(f"a worker could not be told what is revoked: {error}") from error
        self._lines.add(line)
        self._tasks.start("revocations to a worker", partial(self._keep_telling, line))

    def spread(self) -> None:
        """There is something to tell, or somebody was told."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def until_told(self, number: int, *, seconds: float) -> tuple[int, tuple[str, ...]]:
        """How many workers know the first ``number`` changes after a while, and the names of those that do not."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._behind(number):
                    await self._news.wait()
        behind = self._behind(number)
        return len(self._serving()) - len(behind), behind

    @property
    def told_until(self) -> float:
        """The last moment of which every worker knows all that was revoked before."""
        return min((line.certain_at for line in self._serving()), default=self.certain_at)

    def _behind(self, number: int) -> tuple[str, ...]:
        return tuple(
            line.worker.name
            for line in self._serving()
            if line.number is None or line.number < number
        )

    def _serving(self) -> list[_Line]:
        # One that leaves closes its socket when it has nothing more to do: that it is silent then is right.
        return [line for line in self._lines if line.worker.running and not line.worker.leaving]

    async def _keep_telling(self, line: _Line) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while line.worker.running:
            try:
                while not self._is_due(line):
                    await self._news.wait()
                await self._tell(line)
            except PeerUnavailable:
                await asyncio.wait({line.worker.ended}, timeout=pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            else:
                pause = _FIRST_PAUSE_SECONDS
        self._lines.discard(line)
        await self._workers.forget_ended()

    def _is_due(self, line: _Line) -> bool:
        told = line.number == self._register.number and line.certain_at == self.certain_at
        return not told or not line.worker.running

    async def _tell(self, line: _Line) -> None:
        number, certain_at = self._register.number, self.certain_at
        changes = None if line.number is None else self._register.since(line.number)
        if changes is not None:
            while len(changes) > _AT_ONCE:
                now, changes = changes[:_AT_ONCE], changes[_AT_ONCE:]
                await self._say(line, "new", number - len(changes), line.certain_at, now)
            await self._say(line, "new", number, certain_at, changes)
        else:
            everything = self._register.in_force()
            await self._say(line, "first", 0, 0.0, [])
            for start in range(0, len(everything), _AT_ONCE):
                await self._say(line, "more", 0, 0.0, everything[start : start + _AT_ONCE])
            await self._say(line, "last", number, certain_at, [])
        line.number, line.certain_at = number, certain_at
        self.spread()

    async def _say(
        self, line: _Line, part: Part, number: int, certain_at: float, changes: list[Change]
    ) -> None:
        told = Told(part=part, number=number, certain_at=certain_at, changes=tuple(changes))
        await self._workers.ask(line.worker, "POST", _PATH, told.to_json())
