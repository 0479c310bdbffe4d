"""One edge's parent with a clock that stands still, workers that tell it, and a catalog that stores its events."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from config.contracts.sessions import Counted, Quality, SessionStart
from config.contracts.stream_events import (
    EVENTS,
    KINDS,
    STORED,
    Entry,
    StreamEvent,
    StreamPart,
    StreamRejected,
    StreamStarted,
)
from config.runtime.redis import open_redis
from config.settings.load import Settings
from config.settings.shared import RedisSettings
from edge.sessions.control import SessionControl
from edge.sessions.open import Together
from edge.sessions.registry import Answer, Report

NOW = 1_800_000_000.0


class Clock:
    """Seconds since the epoch, as a test wants them."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


def start(id: str = "one", *, subject: str = "user:1", **changes: Any) -> SessionStart:
    """Somebody who wants to watch."""
    values: dict[str, Any] = {
        "content": "/vod/title/",
        "started_at": int(NOW),
        "ends_at": int(NOW) + 6 * 3600,
        "device": "desktop",
        "country": "DE",
    }
    return SessionStart(id=id, grant=id, subject=subject, **(values | changes))


def registry_settings(redis: RedisSettings | None = None, **sessions: Any) -> Settings:
    """The settings of an edge whose sessions are to be as told."""
    values: dict[str, Any] = {"sessions": sessions}
    if redis is not None:
        values["redis"] = redis
    return Settings.model_validate(values)


class Worker:
    """A worker process: what it gave, and what it tells of it."""

    def __init__(self, control: SessionControl, name: str, clock: Clock) -> None:
        self.name = name
        self.control = control
        self._clock = clock
        self._given: dict[str, Report] = {}
        self._changed: set[str] = set()

    def give(
        self, session: str, size: int, *, rendition: str = "720p", paused: bool = False
    ) -> None:
        """One segment."""
        before = self._given.get(session)
        counted = Counted() if before is None else replace(before.counted)
        counted.renditions = {
            **counted.renditions,
            rendition: counted.renditions.get(rendition, 0) + 1,
        }
        counted.requests += 1
        counted.segments += 1
        counted.bytes += size
        self._given[session] = Report(
            id=session,
            counted=counted,
            quality=Quality() if before is None else before.quality,
            seen_at=self._clock(),
            paused=paused,
            life=0 if before is None else before.life,
        )
        self._changed.add(session)

    def hear(self, session: str, quality: Quality) -> None:
        """Its player says how it plays."""
        self._given[session] = replace(self._given[session], quality=quality)
        self._changed.add(session)

    def begin_anew(self, session: str) -> None:
        """The session was dropped here for being silent: what it is given from now on counts from nothing."""
        before = self._given[session]
        self._given[session] = replace(
            before, counted=Counted(), quality=Quality(), life=before.life + 1
        )

    def reports(self) -> list[Report]:
        """What it would tell now."""
        return [self._given[id] for id in sorted(self._changed)]

    async def tell(self) -> Answer:
        """Say what has changed since the last time, and forget that it has."""
        answer = await self.control.tell(self.name, self.reports())
        self._changed.clear()
        return answer


@dataclass
class Row:
    """A session as the catalog has it."""

    start: SessionStart
    parts: dict[str, Counted] = field(default_factory=dict)
    stopped_at: float | None = None
    reason: str | None = None
    revision: int = 1
    last_at: float = 0.0

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts.values())

    @property
    def requests(self) -> int:
        return sum(part.requests for part in self.parts.values())

    @property
    def active_ms(self) -> int:
        return sum(part.active_ms for part in self.parts.values())

    @property
    def is_stopped(self) -> bool:
        return self.stopped_at is not None and self.stopped_at >= self.last_at


class Catalog:
    """Stores what edges tell, each once, by the rules of the contract: it may read any entry any number of times."""

    def __init__(self, client: Redis) -> None:
        self.client = client
        self.rows: dict[str, Row] = {}
        self.rejected: list[StreamRejected] = []
        self.read = 0
        self._place = b"0"
        self._got: dict[str, set[int]] = {}
        self._stored: dict[str, int] = {}

    async def store(self, *, again: bool = False, acknowledge: bool = True) -> None:
        """Read what is new (``again``: all there is), and say that it is stored."""
        entries: Any = await self.client.xrange(EVENTS, "-" if again else b"(" + self._place, "+")
        for place, fields in entries:
            entry = Entry.from_fields(fields)
            if entry.kind in KINDS:
                self._know(KINDS[entry.kind].from_json(entry.event))
            self._account(entry)
            self._place = max(self._place, place, key=_order)
            self.read += 1
        if acknowledge:
            for boot, number in self._stored.items():
                await self.client.hset(STORED, boot, str(number))

    def _account(self, entry: Entry) -> None:
        got = self._got.setdefault(entry.boot, set())
        got.add(entry.number)
        number = max(self._stored.get(entry.boot, 0), entry.oldest - 1)
        while number + 1 in got:
            number += 1
        self._stored[entry.boot] = number

    def _know(self, event: StreamEvent) -> None:
        if isinstance(event, StreamRejected):
            self.rejected.append(event)
            return
        row = self.rows.setdefault(event.start.id, Row(start=event.start))
        row.revision = max(row.revision, getattr(event, "revision", 1))
        if isinstance(event, StreamStarted):
            return
        before = row.parts.get(event.part, Counted())
        row.parts[event.part] = Counted(
            requests=max(before.requests, event.counted.requests),
            bytes=max(before.bytes, event.counted.bytes),
            manifests=max(before.manifests, event.counted.manifests),
            segments=max(before.segments, event.counted.segments),
            active_ms=max(before.active_ms, event.counted.active_ms),
        )
        if isinstance(event, StreamPart):
            row.last_at = max(row.last_at, event.at)
        elif event.at >= (row.stopped_at or 0):
            row.stopped_at, row.reason = event.at, event.reason


def _order(place: bytes) -> tuple[int, int]:
    milliseconds, _, sequence = place.partition(b"-")
    return int(milliseconds), int(sequence or b"0")


class Edges:
    """Parents of edges, each with connections of its own, that share one Redis."""

    def __init__(self, settings: Settings, clock: Clock, folder: Path) -> None:
        self.settings = settings
        self.clock = clock
        self.folder = folder
        self.revoked: list[str] = []
        self._stack = AsyncExitStack()
        self._all: list[Together] = []

    async def __aenter__(self) -> Edges:
        return self

    async def __aexit__(self, *_: object) -> None:
        for one in self._all:
            await one.control.close()
            one.close()
        await self._stack.aclose()

    async def add(self, node: str = "edge-a", *, settings: Settings | None = None) -> Together:
        """Begin one; its journal is in the folder of its name."""
        settings = settings or self.settings
        quick = await self._stack.enter_async_context(open_redis(settings.redis))
        client = await self._stack.enter_async_context(open_redis(settings.redis))
        edge = Together(
            settings,
            quick,
            client,
            folder=self.folder / node,
            node=node,
            revoke=self._revoke,
            clock=self.clock,
        )
        self._all.append(edge)
        await edge.get_ready()
        return edge

    async def _revoke(self, session: str) -> None:
        self.revoked.append(session)

    def worker(self, edge: Together, name: str = "w0a") -> Worker:
        return Worker(edge.control, name, self.clock)


async def pass_time(edges: Sequence[Together], clock: Clock, seconds: float) -> None:
    """Let every edge do what is due, second by second."""
    for _ in range(int(seconds)):
        clock.wait(1)
        for edge in edges:
            await edge.tick()
            await edge.flusher.turn()
