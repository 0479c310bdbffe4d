"""The rules of stream sessions: whose they are, when one plays, and what its player says of itself."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from config.contracts.advice import PRESETS, Rung, Sample
from config.contracts.events import RenditionReport
from config.contracts.paths import media_of
from config.contracts.sessions import (
    DeviceClass,
    Playing,
)

_SUBJECT = re.compile(r"user:([1-9][0-9]{0,9})\Z")
_GREATEST_PUBLIC_ID = 2**31 - 1


def user_of(subject: str) -> int | None:
    """The public id in a subject of our own tokens."""
    found = _SUBJECT.match(subject)
    number = 0 if found is None else int(found[1])
    return number if 0 < number <= _GREATEST_PUBLIC_ID else None


def subject_hash(subject: str) -> bytes:
    """What is kept of a subject that is to be forgotten."""
    return hashlib.blake2b(subject.encode(), digest_size=16, person=b"kawa-forgotten").digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a session was given by all edges together, and how well it played."""

    requests: int = 0
    bytes: int = 0
    manifests: int = 0
    segments: int = 0
    active_ms: int = 0
    stalls: int = 0
    stall_ms: int = 0
    startup_ms: int = 0  # 0: not known
    errors: int = 0
    played_kbps: int = 0  # greatest
    top_kbps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSession:
    """One viewer's playback of one title."""

    id: str
    grant: str
    subject: str
    user_id: UUID | None
    media_id: UUID | None
    episode_id: UUID | None
    content: str
    device: DeviceClass
    country: str
    started_at: datetime
    ends_at: datetime
    last_at: datetime
    stopped_at: datetime | None
    reason: str | None
    totals: Totals

    @classmethod
    def of(cls, live: Playing, *, now: datetime) -> StreamSession:
        """What is known of one that no edge has told of yet."""
        started_at = datetime.fromtimestamp(live.started_at, UTC)
        return cls(
            id=live.session,
            grant=live.session,
            subject="",
            user_id=None,
            media_id=media_of(live.content),
            episode_id=None,
            content=live.content,
            device=live.device,
            country="",
            started_at=started_at,
            ends_at=now,
            last_at=now,
            stopped_at=None,
            reason=None,
            totals=Totals(),
        )

    @property
    def has_stopped(self) -> bool:
        """Whether nothing was heard of it after its last stop."""
        return self.stopped_at is not None and self.stopped_at >= self.last_at

    def is_running(self, *, now: datetime, silent_for: timedelta) -> bool:
        """Whether it plays, as far as the edges' reports say."""
        return not self.has_stopped and now < self.ends_at and now - self.last_at < silent_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """What a player says of itself every now and then."""

    buffer_ms: int | None = None
    throughput_kbps: int = 0  # 0: not known
    stalls: int = 0  # since it began, as the next two
    stall_ms: int = 0
    errors: int = 0
    startup_ms: int = 0
    played_height: int | None = None
    paused: bool = False

    def sample(self) -> Sample:
        """As far as the choice of a rendition depends on it."""
        return Sample(
            throughput_kbps=self.throughput_kbps, buffer_ms=self.buffer_ms, stalls=self.stalls
        )

    def to_json(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in fields(self)}


def ladder_of(renditions: Iterable[RenditionReport]) -> tuple[Rung, ...]:
    """What there is to choose from; the usual steps if that is not known."""
    found = tuple(
        Rung(bitrate_kbps=max(1, item.bandwidth // 1000), height=item.height)
        for item in renditions
        if item.kind == "video"
    )
    return found or PRESETS


# What quality of experience can be told apart by.
Aspect = Literal["edge", "media", "device", "country", "agent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """How well streams with something in common played."""

    value: str  # of the aspect; empty: not known
    streams: int
    viewers: int
    bytes: int
    active_ms: int
    stalls: int
    stall_ms: int
    errors: int
    startup_ms: float | None  # the median of those that told
    renditions: Mapping[str, int]  # segments

    @property
    def stall_ratio(self) -> float:
        """The share of the time that was spent waiting."""
        return self.stall_ms / self.active_ms if self.active_ms else 0.0
