"""Stream sessions: one viewer's playback of one title, in the forms that edges, catalog and Redis share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

MOST_RENDITIONS = 64  # told apart of one session: viewers choose their names
MAX_ID_CHARS = 54  # of a session id in Redis: a longer one is stood for by a hash of it

# From the family of the User-Agent: a hint, since any client can claim another.
DeviceClass = Literal["other", "desktop", "phone", "tablet", "tv", "console"]
DEVICES: tuple[DeviceClass, ...] = get_args(DeviceClass)

# Why a session ended.
StopReason = Literal["stop", "timeout", "expired", "limit", "evicted", "kicked"]


def short_id(session: str) -> str:
    """``session`` itself, or a hash in its place if it is longer than ``MAX_ID_CHARS`` or not printable ASCII."""
    if len(session) <= MAX_ID_CHARS and session.isascii() and session.isprintable():
        return session
    return "~" + hashlib.blake2b(session.encode(), digest_size=16).hexdigest()


def session_key(session: str, prefix: str, *, alone: bool) -> str:
    """The id of what is played under ``prefix``; ``alone`` if the grant covers no other prefix.

    The catalog signs one token for a list of episodes: each of them is a playback of its own.
    """
    if alone:
        return short_id(session)
    name = hashlib.blake2b(prefix.encode(), digest_size=6).hexdigest()
    return short_id(f"{session}.{name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStart:
    """What is known of a session from its first request; nothing in it changes later."""

    id: str  # as ``session_key`` makes it
    grant: str  # the session that the token names, which revocations name too
    subject: str
    content: str  # what is played: the grant's path prefix, '/{origin}/{path}/'
    started_at: int  # seconds since the epoch, UTC
    ends_at: int  # seconds since the epoch, UTC: no token of the session holds any longer
    limit: int | None = None  # streams of the subject at once; None: the setting's
    device: DeviceClass = "other"
    agent: str = ""  # family of the User-Agent, never the whole
    country: str = ""  # ISO 3166-1 alpha-2, empty if unknown
    network: str = (
        ""  # the address as the privacy settings allow it: a keyed hash, a prefix, or empty
    )

    def to_json(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SessionStart:
        return cls(**value)


@dataclass(slots=True, kw_only=True)
class Counted:
    """What was given to one session: never decreasing, so that what is told twice counts once."""

    requests: int = 0
    bytes: int = 0  # of bodies, handed to the kernel
    manifests: int = 0
    segments: int = 0
    active_ms: int = 0  # between requests that were no further apart than the idle time
    renditions: dict[str, int] = field(default_factory=dict)  # segments by rendition

    def add(self, other: Counted) -> None:
        """Count what ``other`` counted too."""
        self.requests += other.requests
        self.bytes += other.bytes
        self.manifests += other.manifests
        self.segments += other.segments
        self.active_ms = max(self.active_ms, other.active_ms)  # the same hours, seen by two
        for name, number in other.renditions.items():
            if name not in self.renditions and len(self.renditions) >= MOST_RENDITIONS - 1:
                name = ""
            self.renditions[name] = self.renditions.get(name, 0) + number

    def to_json(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Counted:
        return cls(**value)


@dataclass(slots=True, kw_only=True)
class Quality:
    """How well a session plays, as its player says or the edge concludes; every figure only grows or is the latest."""

    stalls: int = 0
    stall_ms: int = 0
    startup_ms: int = 0  # 0: not known
    errors: int = 0
    lost: int = 0  # reports of the player that never came
    buffer_ms: int = 0  # latest
    throughput_kbps: int = 0  # latest, smoothed
    played_kbps: int = 0  # greatest that was played
    top_kbps: int = 0  # greatest that there is
    reported_at: float = 0.0  # seconds since the epoch of the latest; 0: never
    is_estimate: bool = False  # some of it was concluded, not said
    # What requests and events may say of one stall to two processes, so that it counts once when they are joined.
    asked_stalls: int = 0  # those that only requests told of
    told_stalls: int = 0  # those that only events told of
    reports: int = 0  # events that came
    due: int = 0  # events that the player has sent, by their numbers

    def add(self, other: Quality) -> None:
        """Join what another process heard of the same session."""
        self._add_stalls(other)
        self.errors += other.errors
        self.reports += other.reports
        self.due = max(self.due, other.due)
        self.lost = (
            min(max(0, self.due - self.reports), 65_535) if self.due else self.lost + other.lost
        )
        self.startup_ms = self.startup_ms or other.startup_ms
        self.played_kbps = max(self.played_kbps, other.played_kbps)
        self.top_kbps = max(self.top_kbps, other.top_kbps)
        self.is_estimate = self.is_estimate or other.is_estimate
        if other.reported_at > self.reported_at:
            self.buffer_ms = other.buffer_ms
            self.throughput_kbps = other.throughput_kbps
            self.reported_at = other.reported_at

    def _add_stalls(self, other: Quality) -> None:
        both_ways = (
            min(self.asked_stalls, other.told_stalls),
            min(self.told_stalls, other.asked_stalls),
        )
        twice = sum(both_ways)
        lengths = [one.stall_ms // one.stalls for one in (self, other) if one.stalls]
        self.stalls += other.stalls - twice
        self.stall_ms += other.stall_ms - (twice * min(lengths) if twice else 0)
        self.asked_stalls += other.asked_stalls - twice
        self.told_stalls += other.told_stalls - twice

    def to_json(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Quality:
        return cls(**value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Playing:
    """One of a subject's running streams, as a refusal lists it: nothing that opens or locates anything."""

    session: str
    content: str
    device: DeviceClass
    started_at: int  # seconds since the epoch, UTC

    def to_json(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in fields(self)}
