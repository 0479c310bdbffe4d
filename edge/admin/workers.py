"""The parent's questions to its workers, over their private sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from edge.peers.peers import Line, PeerUnavailable
from edge.processes.fleet import Fleet
from edge.processes.worker import Worker

_ANSWER_SECONDS = 5.0
_MOST_ANSWER_BYTES = 2**20


class Workers:
    """Asks every worker that serves, also one that is about to leave: it may still be writing to the disk."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._lines: dict[Path, Line] = {}

    async def ask_all(
        self, method: str, path: str, data: bytes | None = None
    ) -> dict[Worker, dict[str, Any] | None]:
        """The answer of each worker; None from one that could not be asked though it serves."""
        await self.forget_ended()
        workers = self._fleet.workers
        answers = await asyncio.gather(*(self._try(w, method, path, data) for w in workers))
        pairs = zip(workers, answers, strict=True)
        # One that leaves closes its socket when it has nothing more to do: that it is silent then is right.
        return {worker: found for worker, found in pairs if found is not None or not worker.leaving}

    async def ask(
        self, worker: Worker, method: str, path: str, data: bytes | None = None
    ) -> dict[str, Any]:
        """The answer of one worker, or ``PeerUnavailable``."""
        socket_path = worker.handover.peer_socket
        line = self._lines.get(socket_path)
        if line is None:
            line = self._lines[socket_path] = Line(socket_path)
        async with line.ask(
            method, path, data=data, head_seconds=_ANSWER_SECONDS, idle_seconds=_ANSWER_SECONDS
        ) as answer:
            body = await answer.content.read(_MOST_ANSWER_BYTES)
            if answer.status != 200:
                raise PeerUnavailable(f"a worker answered {answer.status}")
            found = json.loads(body)
            return found if isinstance(found, dict) else {}

    async def forget_ended(self) -> None:
        """Close the lines to those who ask for nothing any more."""
        paths = {worker.handover.peer_socket for worker in self._fleet.workers}
        for line in [self._lines.pop(path) for path in self._lines.keys() - paths]:
            await line.close()

    async def close(self) -> None:
        """Close every line."""
        for line in self._lines.values():
            await line.close()
        self._lines.clear()

    async def _try(
        self, worker: Worker, method: str, path: str, data: bytes | None
    ) -> dict[str, Any] | None:
        try:
            return await self.ask(worker, method, path, data)
        except PeerUnavailable:
            return None


@asynccontextmanager
async def asking(fleet: Fleet) -> AsyncIterator[Workers]:
    """``Workers`` for the length of the block."""
    workers = Workers(fleet)
    try:
        yield workers
    finally:
        await workers.close()


def summed(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """The numbers of all answers added up, name by name; what is no number is left out."""
    total: dict[str, Any] = {}
    for answer in answers:
        for name, value in answer.items():
            if isinstance(value, dict):
                before = total.get(name)
                total[name] = summed([before if isinstance(before, dict) else {}, value])
            elif isinstance(value, int | float) and not isinstance(value, bool):
                before = total.get(name, 0)
                total[name] = value + (before if isinstance(before, int | float) else 0)
    return total
