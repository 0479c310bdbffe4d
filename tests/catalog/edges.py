"""Edges as the catalog knows them: numbered events that are told until they are stored."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from config.contracts.paths import playback_scope
from config.contracts.sessions import Counted, Quality, SessionStart
from config.contracts.stream_events import (
    EVENTS,
    STORED,
    Entry,
    StreamEvent,
    StreamPart,
    StreamStarted,
    StreamStopped,
)

STARTED_AT = int(time.time()) - 7200  # what is old is swept away
_AT_ONCE = 200
MEDIA = UUID("01890000-0000-7000-8000-000000000001")


def start_of(session: str, *, subject: str = "someone", **more: Any) -> SessionStart:
    known: dict[str, Any] = {
        "grant": session,
        "content": playback_scope(MEDIA),
        "started_at": STARTED_AT,
        "ends_at": STARTED_AT + 3600,
        "device": "tv",
        "agent": "Firefox",
        "country": "LV",
        "network": "k-0123456789",
    }
    return SessionStart(id=session, subject=subject, **(known | more))


def part(start: SessionStart, units: int, *, at: float | None = None) -> StreamPart:
    """What was given after so many units of playing, on one boot."""
    return StreamPart(
        start=start,
        edge="edge-1",
        at=start.started_at + units if at is None else at,
        counted=Counted(
            requests=units,
            bytes=1000 * units,
            manifests=units // 2,
            segments=units - units // 2,
            active_ms=1000 * units,
            renditions={"v480": units},
        ),
        quality=Quality(
            stalls=units // 3,
            stall_ms=100 * units,
            startup_ms=400,
            buffer_ms=7 * units,
            throughput_kbps=50 * units,
            played_kbps=3000,
            top_kbps=6000,
            reported_at=start.started_at + units,
        ),
    )


def stop(last: StreamPart, *, revision: int = 1, reason: Any = "timeout") -> StreamStopped:
    return StreamStopped(
        start=last.start,
        edge=last.edge,
        at=last.at,
        counted=last.counted,
        quality=last.quality,
        reason=reason,
        revision=revision,
        part=last.part,
    )


def entries(boot: str, *events: StreamEvent, first: int = 1, oldest: int = 1) -> list[Entry]:
    return [
        Entry.of(event, boot=boot, number=first + place, oldest=oldest)
        for place, event in enumerate(events)
    ]


@dataclass
class SimulatedEdge:
    """One boot of an edge with viewers of its own; it keeps its events until they are stored."""

    boot: str
    chance: random.Random
    kept: dict[int, StreamEvent] = field(default_factory=dict)
    number: int = 0
    given: dict[str, StreamPart] = field(default_factory=dict)  # the truth

    def play(self, session: str) -> None:
        """One viewer plays on, or begins to, or stops."""
        start = start_of(session)
        if session not in self.given:
            self._tell(StreamStarted(start=start, edge="edge-1"))
        known = self.given.get(session)
        units = self.chance.randrange(1, 9) + (0 if known is None else known.counted.requests)
        latest = replace(part(start, units), edge=self.boot)
        self.given[session] = latest
        self._tell(stop(latest) if self.chance.random() < 0.1 else latest)

    def _tell(self, event: StreamEvent) -> None:
        self.number += 1
        self.kept[self.number] = event

    async def send(self, client: Redis) -> None:
        """Tell everything that is not stored; now and then a piece of it twice, or in two goes."""
        stored = await client.hget(STORED, self.boot)
        for number in [number for number in self.kept if number <= int(stored or 0)]:
            del self.kept[number]
        pipeline = client.pipeline(transaction=False)
        for number, event in list(self.kept.items())[:_AT_ONCE]:
            entry = Entry.of(event, boot=self.boot, number=number, oldest=min(self.kept))
            for _ in range(1 + (self.chance.random() < 0.2)):
                fields: dict[Any, Any] = dict(entry.to_fields())
                pipeline.xadd(EVENTS, fields)
        await pipeline.execute()

    async def until_stored(self, client: Redis) -> None:
        """Send again and again until nothing is left, whatever happens to Redis meanwhile."""
        while self.kept:
            with contextlib.suppress(RedisError, OSError):
                await self.send(client)
            await asyncio.sleep(0.2)
