"""A registry that a test can look into, and make slow, deaf or strict."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from config.contracts.sessions import Counted, Playing, SessionStart, StopReason
from edge.errors import TooManyStreams
from edge.sessions.registry import Answer, NoRegistry, Report


@dataclass
class Book:
    """What was opened, told and stopped."""

    limit: int = 10**9
    deaf: bool = False  # nobody can ask it
    hold: asyncio.Event | None = None  # opening waits for it
    asked: list[tuple[str, bool]] = field(default_factory=list)  # session, whether it joins
    starts: dict[str, SessionStart] = field(default_factory=dict)
    admitted: set[str] = field(default_factory=set)
    told: list[tuple[str, Report]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    refuse_with: Exception | None = None
    ended: dict[str, StopReason] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()
    caps: dict[str, int | None] = field(default_factory=dict)

    async def open(self, start: SessionStart, *, joins: bool) -> None:
        self.asked.append((start.id, joins))
        if self.hold is not None:
            await self.hold.wait()
        if self.deaf:
            raise NoRegistry
        if self.refuse_with is not None:
            raise self.refuse_with
        if not joins and start.id not in self.admitted and len(self.admitted) >= self.limit:
            raise TooManyStreams(
                tuple(
                    Playing(
                        session=one.id,
                        content=one.content,
                        device=one.device,
                        started_at=one.started_at,
                    )
                    for one in self.starts.values()
                    if one.id in self.admitted
                )
            )
        self.starts[start.id] = start
        if not joins:
            self.admitted.add(start.id)

    async def tell(self, worker: str, reports: Sequence[Report]) -> Answer:
        if self.deaf:
            raise NoRegistry
        self.told += [(worker, report) for report in reports]
        answer = Answer(
            unknown=self.unknown,
            forgotten=self.forgotten,
            ended=dict(self.ended),
            caps=dict(self.caps),
        )
        self.ended, self.unknown, self.forgotten, self.caps = {}, (), (), {}
        return answer

    async def stop(self, session: str) -> None:
        if self.deaf:
            raise NoRegistry
        self.stopped.append(session)

    def last(self, session: str) -> Report:
        """The latest report of a session."""
        return next(report for _, report in reversed(self.told) if report.id == session)

    def counted(self, session: str) -> Counted:
        """Everything that was ever given to a session, by the rules of ``Registry.tell``."""
        latest: dict[tuple[str, int], Counted] = {}
        for worker, report in self.told:
            if report.id == session:
                latest[worker, report.life] = report.counted
        total = Counted()
        for counted in latest.values():
            total.add(counted)
        return total
