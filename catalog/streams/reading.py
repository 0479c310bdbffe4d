"""Reads what edges told: every type and bound is checked before anything of it reaches the database."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from catalog.streams.told import Told, most_of
from config.contracts.sessions import Counted, Quality, SessionStart
from config.contracts.stream_events import (
    KINDS,
    Entry,
    StreamEvent,
    StreamRejected,
    StreamStarted,
    StreamStopped,
)

_READERS: dict[str, TypeAdapter[Any]] = {name: TypeAdapter(kind) for name, kind in KINDS.items()}

_LONGEST_TEXT = 2048
_LONGEST_NAME = 128
_NEEDED = {
    "id": _LONGEST_NAME,
    "grant": _LONGEST_TEXT,
    "subject": _LONGEST_TEXT,
    "content": _LONGEST_TEXT,
}
_GREATEST = 2**53
_LATEST = 2**33  # seconds since the epoch: the year 2242
_LATEST_END = 253_402_214_400  # 9999-12-31, of a token that never ends


class Unreadable(ValueError):
    """The event does not say what it should; it never will."""


def read(entry: Entry) -> Told:
    """The event of an entry, or ``Unreadable``."""
    reader = _READERS.get(entry.kind)
    if reader is None:
        raise Unreadable(f"no such event: {entry.kind[:64]!r}")
    try:
        event = reader.validate_python(entry.event)
    except (ValidationError, RecursionError) as error:
        raise Unreadable(entry.kind) from error
    return Told(boot=entry.boot, number=entry.number, event=_checked(event))


def _checked(event: StreamEvent) -> StreamEvent:
    _check_start(event.start)
    _check_text("edge", event.edge, _LONGEST_NAME)
    if isinstance(event, StreamStarted | StreamStopped) and not 0 < event.revision < 2**31:
        raise Unreadable("revision")
    if isinstance(event, StreamRejected) and not 0 <= event.playing < 2**31:
        raise Unreadable("playing")
    if isinstance(event, StreamStarted | StreamRejected):
        return event
    _check_text("part", event.part, _LONGEST_NAME, empty=True)
    _check_instant("at", event.at)
    counted = replace(event.counted, renditions=most_of(event.counted.renditions))
    _check_figures(counted)
    _check_figures(event.quality)
    for name in counted.renditions:
        _check_text("renditions", name, _LONGEST_NAME, empty=True)  # those that have no name
    return replace(event, counted=counted)


def _check_start(start: SessionStart) -> None:
    for item in fields(start):
        value = getattr(start, item.name)
        if item.name in _NEEDED:
            _check_text(item.name, value, _NEEDED[item.name])
        elif isinstance(value, str):
            _check_text(item.name, value, _LONGEST_NAME, empty=True)
    _check_instant("started_at", start.started_at)
    if not 0 <= start.ends_at <= _LATEST_END:
        raise Unreadable("ends_at")


def _check_figures(figures: Counted | Quality) -> None:
    for name, value in _numbers(figures):
        if not math.isfinite(value) or not 0 <= value < _GREATEST:
            raise Unreadable(name)


def _numbers(figures: Counted | Quality) -> Iterator[tuple[str, float]]:
    for item in fields(figures):
        value = getattr(figures, item.name)
        if isinstance(value, dict):
            yield from ((item.name, number) for number in value.values())
        else:
            yield item.name, value


def _check_instant(name: str, value: float) -> None:
    if not 0 <= value < _LATEST:  # not a number is neither
        raise Unreadable(name)


def _check_text(name: str, value: str, longest: int, *, empty: bool = False) -> None:
    """What PostgreSQL can store and an index can hold."""
    if not (value or empty) or len(value) > longest or not (value.isprintable() or not value):
        raise Unreadable(name)
