"""What edges tell of sessions: which events are new, and what several of them say together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from catalog.streams.domain import subject_hash
from config.contracts.sessions import (
    MOST_RENDITIONS,
    Counted,
    Quality,
    SessionStart,
    StopReason,
)
from config.contracts.stream_events import (
    Entry,
    StreamEvent,
    StreamPart,
    StreamRejected,
    StreamStarted,
    StreamStopped,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One event that was read, and where it stands among those of its edge."""

    boot: str
    number: int
    event: StreamEvent


def advance(
    stored: Mapping[str, int], entries: Iterable[Entry]
) -> tuple[list[Entry], dict[str, int]]:
    """Those of the entries that are not stored yet, and up to where each boot is when they are.

    What was sent again is left out here; what came while something before it is missing is taken (it does no harm
    twice), but not counted as stored, so that its edge sends both again.
    """
    new, reached = [], dict(stored)
    for entry in entries:
        number = reached.get(entry.boot, 0)
        if entry.number <= number:
            continue
        number = max(number, entry.oldest - 1)
        reached[entry.boot] = entry.number if entry.number == number + 1 else number
        new.append(entry)
    return new, reached


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """What is known of a session beside its figures."""

    start: SessionStart
    edge: str
    last_at: float  # seconds since the epoch, as all below
    stopped_at: float | None = None
    reason: StopReason | None = None
    revision: int = 1

    def joined(self, other: SessionRow) -> SessionRow:
        """Both together, in whatever order they come."""
        later = other if other.last_at >= self.last_at else self
        stop = other if (other.stopped_at or 0.0) >= (self.stopped_at or 0.0) else self
        return replace(
            later,
            stopped_at=stop.stopped_at,
            reason=stop.reason,
            revision=max(self.revision, other.revision),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRow:
    """What one process of an edge gave to a session, from when it heard of it until it forgot it."""

    session: str
    part: str
    edge: str
    at: float
    counted: Counted
    quality: Quality

    @property
    def age(self) -> tuple[int, float, float]:
        """What tells which of two reports is the newer one."""
        return self.counted.requests, self.at, self.quality.reported_at

    def joined(self, other: PartRow) -> PartRow:
        """Two reports of the same part together: every count at its greatest, all else as the newer one has it."""
        newer, older = (other, self) if other.age >= self.age else (self, other)
        greatest = {
            name: max(getattr(newer.counted, name), getattr(older.counted, name))
            for name in ("requests", "bytes", "manifests", "segments", "active_ms")
        }
        at = max(newer.at, older.at)
        return replace(newer, at=at, counted=replace(newer.counted, **greatest))


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionRow:
    """A session that was not opened."""

    boot: str
    number: int
    start: SessionStart
    edge: str
    playing: int


@dataclass(slots=True)
class Batch:
    """Rows to be written, each key once."""

    sessions: dict[str, SessionRow] = field(default_factory=dict)
    parts: dict[tuple[str, str], PartRow] = field(default_factory=dict)
    rejections: dict[tuple[str, int], RejectionRow] = field(default_factory=dict)

    def add(self, told: Told) -> None:
        """Take one more event in."""
        event = told.event
        if isinstance(event, StreamRejected):
            self.rejections[told.boot, told.number] = RejectionRow(
                boot=told.boot,
                number=told.number,
                start=event.start,
                edge=event.edge,
                playing=event.playing,
            )
            return
        self._add_session(_session(event))
        if not isinstance(event, StreamStarted):
            self._add_part(told.boot, event)

    def _add_session(self, row: SessionRow) -> None:
        known = self.sessions.get(row.start.id)
        self.sessions[row.start.id] = row if known is None else known.joined(row)

    def _add_part(self, boot: str, event: StreamPart | StreamStopped) -> None:
        part = PartRow(
            session=event.start.id,
            part=event.part or boot,
            edge=event.edge,
            at=event.at,
            counted=event.counted,
            quality=event.quality,
        )
        known = self.parts.get((part.session, part.part))
        self.parts[part.session, part.part] = part if known is None else known.joined(part)


def _session(event: StreamStarted | StreamPart | StreamStopped) -> SessionRow:
    if isinstance(event, StreamStarted):
        return SessionRow(
            start=event.start,
            edge=event.edge,
            last_at=float(event.start.started_at),
            revision=event.revision,
        )
    if isinstance(event, StreamPart):
        return SessionRow(start=event.start, edge=event.edge, last_at=event.at)
    return SessionRow(
        start=event.start,
        edge=event.edge,
        last_at=event.at,
        stopped_at=event.at,
        reason=event.reason,
        revision=event.revision,
    )


def most_of(renditions: Mapping[str, int]) -> dict[str, int]:
    """The renditions that were asked for most, if there are too many to keep."""
    if len(renditions) <= MOST_RENDITIONS:
        return dict(renditions)
    kept = sorted(renditions.items(), key=lambda item: (-item[1], item[0]))[:MOST_RENDITIONS]
    return dict(kept)


def is_forgotten(start: SessionStart, forgotten: Mapping[bytes, datetime]) -> bool:
    """Whether its viewer asked to be forgotten after it had begun."""
    at = forgotten.get(subject_hash(start.subject))
    return at is not None and start.started_at <= at.timestamp()


def boots_of(entries: Sequence[Entry]) -> list[str]:
    """Their boots, in the order in which rows are locked."""
    return sorted({entry.boot for entry in entries})
