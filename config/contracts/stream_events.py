"""What edges tell the catalog of stream sessions: numbered per boot, told until acknowledged, stored once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from config.contracts.sessions import Counted, Quality, SessionStart, StopReason

# Redis: the stream of events, and by boot the highest number up to which the catalog has stored all.
EVENTS = "kawa:{sessions}:events"
STORED = "kawa:{sessions}:stored"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStarted:
    """A session was opened at an edge."""

    NAME = "StreamStarted"

    start: SessionStart
    edge: str
    revision: int = 1  # 2 and more: a session that had ended goes on

    def to_json(self) -> dict[str, Any]:
        return {"start": self.start.to_json(), "edge": self.edge, "revision": self.revision}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> StreamStarted:
        return cls(
            start=SessionStart.from_json(value["start"]),
            edge=value["edge"],
            revision=value.get("revision", 1),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPart:
    """Everything that one boot of one edge has given to a session so far; the session goes on."""

    NAME = "StreamPart"

    start: SessionStart  # in whole, so that no other event need have arrived
    edge: str
    at: float  # seconds since the epoch
    counted: Counted
    quality: Quality
    part: str = ""  # whose figures: the same part's replace each other, a session's parts add up

    def to_json(self) -> dict[str, Any]:
        return {
            "start": self.start.to_json(),
            "edge": self.edge,
            "at": self.at,
            "counted": self.counted.to_json(),
            "quality": self.quality.to_json(),
            "part": self.part,
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
    part: str = ""  # as of StreamPart

    def to_json(self) -> dict[str, Any]:
        return {
            "start": self.start.to_json(),
            "edge": self.edge,
            "at": self.at,
            "counted": self.counted.to_json(),
            "quality": self.quality.to_json(),
            "reason": self.reason,
            "revision": self.revision,
            "part": self.part,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> StreamStopped:
        return cls(**_part(value), reason=value["reason"], revision=value["revision"])


def part_or_end(
    *,
    start: SessionStart,
    edge: str,
    at: float,
    counted: Counted,
    quality: Quality,
    part: str,
    reason: StopReason | None,
    revision: int,
) -> StreamPart | StreamStopped:
    """What is told of a session that goes on, or of one that has ended for a reason."""
    if reason is None:
        return StreamPart(
            start=start, edge=edge, at=at, counted=counted, quality=quality, part=part
        )
    return StreamStopped(
        start=start,
        edge=edge,
        at=at,
        counted=counted,
        quality=quality,
        reason=reason,
        revision=revision,
        part=part,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRejected:
    """A session was not opened, since as many play as may."""

    NAME = "StreamRejected"

    start: SessionStart
    edge: str
    playing: int  # what the subject plays instead

    def to_json(self) -> dict[str, Any]:
        return {
            "start": self.start.to_json(),
            "edge": self.edge,
            "playing": self.playing,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> StreamRejected:
        return cls(
            start=SessionStart.from_json(value["start"]),
            edge=value["edge"],
            playing=value["playing"],
        )


StreamEvent = StreamStarted | StreamPart | StreamStopped | StreamRejected
KINDS: dict[str, type[StreamEvent]] = {
    kind.NAME: kind for kind in (StreamStarted, StreamPart, StreamStopped, StreamRejected)
}

_MOST_BYTES = 64 * 1024
_LONGEST_BOOT = 64


class NotAnEvent(ValueError):
    """This entry of the stream was not written by an edge; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event as it stands in the stream: numbers of a boot begin at 1 and leave nothing out.

    ``oldest`` tells the catalog not to wait for lower numbers: they are stored, or lost for good.
    """

    boot: str  # of the edge: a name that no later process will have
    number: int
    oldest: int  # lowest number of this boot that its edge still keeps; at most ``number``
    kind: str  # one of KINDS
    event: Mapping[str, Any]  # as its to_json made it

    @classmethod
    def of(cls, event: StreamEvent, *, boot: str, number: int, oldest: int) -> Entry:
        return cls(boot=boot, number=number, oldest=oldest, kind=event.NAME, event=event.to_json())

    def to_fields(self) -> dict[str, str | int]:
        """The fields of the stream's entry."""
        text = json.dumps(self.event, separators=(",", ":"), ensure_ascii=False)
        return {"b": self.boot, "n": self.number, "o": self.oldest, "k": self.kind, "e": text}

    @classmethod
    def from_fields(cls, fields: Mapping[bytes, bytes]) -> Entry:
        """What ``to_fields`` made, its numbers checked but not what the event says; else ``NotAnEvent``."""
        try:
            boot, kind = fields[b"b"].decode(), fields[b"k"].decode()
            number, oldest = _number(fields[b"n"]), _number(fields[b"o"])
            text = fields[b"e"]
            event = json.loads(text) if len(text) <= _MOST_BYTES else None
        except (KeyError, ValueError, RecursionError) as error:
            raise NotAnEvent("a field is missing or wrong") from error
        if not 0 < len(boot) <= _LONGEST_BOOT or not boot.isprintable():
            raise NotAnEvent("the boot has no proper name")
        if not 0 < oldest <= number:
            raise NotAnEvent("the numbers do not fit")
        return cls(
            boot=boot,
            number=number,
            oldest=oldest,
            kind=kind,
            event=event if isinstance(event, dict) else {},
        )


def _number(text: bytes) -> int:
    if not text.isdigit() or len(text) > 18:
        raise ValueError(text[:20])
    return int(text)


def _part(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "start": SessionStart.from_json(value["start"]),
        "edge": value["edge"],
        "at": value["at"],
        "counted": Counted.from_json(value["counted"]),
        "quality": Quality.from_json(value["quality"]),
        "part": value.get("part", ""),
    }
