"""A running session as Redis holds it: 46 bytes, of which the first six are the end of its lease."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import Final

from config.contracts.sessions import (
    DEVICES,
    Counted,
    DeviceClass,
    Playing,
    Quality,
    SessionStart,
)

# started s, device class, flags, content, active s, bytes, stall ms, stalls, startup 10 ms, played, throughput and top
# in 100 kbit/s. The scripts know the places of the first, second and fourth.
_TAIL: Final = struct.Struct("<IBB8sIQIHHHHH")
TAIL_BYTES: Final = _TAIL.size
LEASE_BYTES: Final = 6  # milliseconds of Redis's clock
RECORD_BYTES: Final = LEASE_BYTES + TAIL_BYTES

_PAUSED = 1
_ESTIMATE = 2
_MOST_16: Final = 2**16 - 1
_MOST_32: Final = 2**32 - 1
_MOST_64: Final = 2**64 - 1
_MOST: Final = (_MOST_32, _MOST_64, _MOST_32, *5 * (_MOST_16,))  # of the figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What edges tell one another of a running session, in round figures."""

    started_at: int  # seconds since the epoch
    device: DeviceClass
    content: bytes  # 8: see ``content_hash``
    active_seconds: int = 0
    given_bytes: int = 0
    stalls: int = 0
    stall_ms: int = 0
    startup_ms: int = 0
    played_kbps: int = 0
    throughput_kbps: int = 0
    top_kbps: int = 0
    is_estimate: bool = False  # of the stalls: some of it was concluded, not said
    paused: bool = False
    seen_at: float = 0.0  # seconds since the epoch: the last sign of life, from which the lease runs; not in Redis

    @classmethod
    def of(
        cls,
        start: SessionStart,
        counted: Counted,
        quality: Quality,
        *,
        seen_at: float,
        paused: bool = False,
    ) -> Record:
        """The record of a session as an edge knows it."""
        return cls(
            started_at=start.started_at,
            device=start.device,
            content=content_hash(start.content),
            active_seconds=counted.active_ms // 1000,
            given_bytes=counted.bytes,
            stalls=quality.stalls,
            stall_ms=quality.stall_ms,
            startup_ms=quality.startup_ms,
            played_kbps=quality.played_kbps,
            throughput_kbps=quality.throughput_kbps,
            top_kbps=quality.top_kbps,
            is_estimate=quality.is_estimate,
            paused=paused,
            seen_at=seen_at,
        )

    def pack(self) -> bytes:
        """Everything but the lease; a figure that is too great is told as the greatest there is."""
        flags = self.paused * _PAUSED | self.is_estimate * _ESTIMATE
        figures = (
            self.active_seconds,
            self.given_bytes,
            self.stall_ms,
            self.stalls,
            self.startup_ms // 10,
            self.played_kbps // 100,
            self.throughput_kbps // 100,
            self.top_kbps // 100,
        )
        device = DEVICES.index(self.device)
        try:
            return _TAIL.pack(self.started_at, device, flags, self.content, *figures)
        except struct.error:
            fitting = (max(0, min(one, most)) for one, most in zip(figures, _MOST, strict=True))
            started_at = max(0, min(self.started_at, _MOST_32))
            return _TAIL.pack(started_at, device, flags, self.content, *fitting)

    @classmethod
    def unpack(cls, tail: bytes) -> Record:
        """The record without its lease; a ``ValueError`` if it is none."""
        if len(tail) != TAIL_BYTES:
            raise ValueError("a session's record has another length")
        (
            started_at,
            device,
            flags,
            content,
            active_seconds,
            given,
            stall_ms,
            stalls,
            startup,
            played,
            throughput,
            top,
        ) = _TAIL.unpack(tail)
        return cls(
            started_at=started_at,
            device=DEVICES[device] if device < len(DEVICES) else "other",
            content=content,
            active_seconds=active_seconds,
            given_bytes=given,
            stalls=stalls,
            stall_ms=stall_ms,
            startup_ms=startup * 10,
            played_kbps=played * 100,
            throughput_kbps=throughput * 100,
            top_kbps=top * 100,
            is_estimate=bool(flags & _ESTIMATE),
            paused=bool(flags & _PAUSED),
        )

    def joined(self, other: Record) -> Record:
        """This session as two edges serve it."""
        return replace(
            self,
            started_at=min(self.started_at, other.started_at),
            active_seconds=max(self.active_seconds, other.active_seconds),
            given_bytes=self.given_bytes + other.given_bytes,
            stalls=self.stalls + other.stalls,
            stall_ms=self.stall_ms + other.stall_ms,
            startup_ms=self.startup_ms or other.startup_ms,
            played_kbps=max(self.played_kbps, other.played_kbps),
            throughput_kbps=self.throughput_kbps or other.throughput_kbps,
            top_kbps=max(self.top_kbps, other.top_kbps),
            is_estimate=self.is_estimate or other.is_estimate,
            paused=self.paused and other.paused,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A session that plays now, at whichever edges."""

    session: str
    content: str  # '/{origin}/{path}/'; empty if nobody told its name lately
    edges: tuple[str, ...]  # names of nodes; none: reserved by the catalog, not yet played
    left: timedelta  # of its lease
    record: Record

    @property
    def device(self) -> DeviceClass:
        return self.record.device

    @property
    def started_at(self) -> int:
        return self.record.started_at

    def playing(self) -> Playing:
        """As a refusal lists it."""
        return Playing(
            session=self.session,
            content=self.content,
            device=self.device,
            started_at=self.started_at,
        )


@lru_cache(maxsize=10_000)
def content_hash(content: str) -> bytes:
    """8 bytes that stand for what is played: lists are right as long as no two titles that play have the same."""
    return hashlib.blake2b(content.encode(), digest_size=8).digest()
