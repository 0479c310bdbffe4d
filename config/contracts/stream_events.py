"""What edges tell the catalog of stream sessions: numbered per boot, told until acknowledged, stored once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from config.contracts.sessions import Counted, Playing, Quality, SessionStart, StopReason

# Redis: the stream of events, and by boot the highest number up to which the catalog has stored all.
EVENTS = "kawa:{sessions}:events"
STORED = "kawa:{sessions}:stored"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStarted:
    """A session was opened at an edge."""

    NAME = "StreamStarted"

    start: SessionStart
    edge: str

    def to_json(self) -> dict[str, Any]:
        return {"start": self.start.to_json(), "edge": self.edge}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> StreamStarted:
        return cls(start=SessionStart.from_json(value["start"]), edge=value["edge"])


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPart:
    """Everything that one boot of one edge has given to a session so far; the session goes on."""

    NAME = "StreamPart"

    start: SessionStart  # in whole, so that no other event need have arrived
    edge: str
    at: float  # seconds since the epoch
    counted: Counted
    quality: Quality

    def to_json(self) -> dict[str, Any]:
        return {
            "start": self.start.to_json(),
            "edge": self.edge,
            "at": self.at,
            "counted": self.counted.to_json(),
            "quality": self.quality.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> StreamPart:
        return cls(**_part(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStopped:
    """A session ended, with everything that this boot of the edge gave to it."""

    NAME = "StreamStopped"

    start: SessionStart
    edge: str
    at: float  # seconds since the epoch
    counted: Counted
    quality: Quality
    reason: StopReason
    revision: int = 1  # of how many ends: a viewer may come back to a session that had ended

    def to_json(self) -> dict[str, Any]:
        return {
            "start": self.start.to_json(),
            "edge": self.edge,
            "at": self.at,
            "counted": self.counted.to_json(),
            "quality": self.quality.to_json(),
            "reason": self.reason,
            "revision": self.revision,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> StreamStopped:
        return cls(**_part(value), reason=value["reason"], revision=value["revision"])


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRejected:
    """A session was not opened, since as many play as may."""

    NAME = "StreamRejected"

    start: SessionStart
    edge: str
    playing: tuple[Playing, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "start": self.start.to_json(),
            "edge": self.edge,
            "playing": [one.to_json() for one in self.playing],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> StreamRejected:
        return cls(
            start=SessionStart.from_json(value["start"]),
            edge=value["edge"],
            playing=tuple(Playing.from_json(one) for one in value["playing"]),
        )


StreamEvent = StreamStarted | StreamPart | StreamStopped | StreamRejected
KINDS: dict[str, type[StreamEvent]] = {
    kind.NAME: kind for kind in (StreamStarted, StreamPart, StreamStopped, StreamRejected)
}


def _part(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "start": SessionStart.from_json(value["start"]),
        "edge": value["edge"],
        "at": value["at"],
        "counted": Counted.from_json(value["counted"]),
        "quality": Quality.from_json(value["quality"]),
    }
