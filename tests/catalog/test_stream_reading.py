from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.streams.reading import Unreadable, read
from catalog.streams.told import Batch
from config.contracts.stream_events import (
    KINDS,
    Entry,
    NotAnEvent,
    StreamPart,
    StreamRejected,
    StreamStarted,
)
from tests.catalog.edges import entries, part, start_of, stop

_START = start_of("abc", subject="user:1")
GOOD = entries(
    "boot",
    StreamStarted(start=_START, edge="edge-1"),
    part(_START, 5),
    stop(part(_START, 6)),
    StreamRejected(start=_START, edge="edge-1", playing=0),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def test_what_an_edge_writes_is_what_is_read() -> None:
    for entry in GOOD:
        fields = {name.encode(): str(value).encode() for name, value in entry.to_fields().items()}
        assert Entry.from_fields(fields) == entry
        assert read(entry).event == KINDS[entry.kind].from_json(entry.event)


@given(st.dictionaries(st.sampled_from([b"b", b"n", b"o", b"k", b"e"]), st.binary(max_size=40)))
def test_fields_that_are_no_entry_are_refused(fields: dict[bytes, bytes]) -> None:
    with contextlib.suppress(NotAnEvent, Unreadable):
        read(Entry.from_fields(fields))


@st.composite
def damaged(draw: st.DrawFn) -> Entry:
    """A good event, one value of which is another."""
    entry = draw(st.sampled_from(GOOD))
    event: Any = json.loads(json.dumps(entry.event))
    place = event
    while True:
        name = draw(st.sampled_from(sorted(place)))
        if not isinstance(place[name], dict) or not place[name] or draw(st.booleans()):
            place[name] = draw(VALUES)
            return replace(entry, event=event)
        place = place[name]


@given(damaged())
def test_an_event_with_any_damage_is_refused_or_can_be_stored(entry: Entry) -> None:
    with contextlib.suppress(Unreadable):
        told = read(entry)
        batch = Batch()
        batch.add(told)
        batch.add(told)
        assert told.event.start.subject.isprintable()
        for row in batch.parts.values():
            counts = (row.counted.bytes, row.counted.requests, *row.counted.renditions.values())
            assert all(0 <= count < 2**53 for count in counts)


@pytest.mark.parametrize("is_later_first", [False, True])
def test_figures_go_on_though_the_clock_of_their_edge_was_set_back(is_later_first: bool) -> None:
    told = part(_START, 5, at=10_000.0), part(_START, 50, at=6_460.0)
    batch = Batch()

    for one in reversed(told) if is_later_first else told:
        (entry,) = entries("boot", one)
        batch.add(read(entry))

    (row,) = batch.parts.values()
    assert (row.counted, row.quality, row.at) == (told[1].counted, told[1].quality, 10_000)


def test_figures_that_a_newer_edge_adds_are_left_out() -> None:
    entry = GOOD[1]
    event = json.loads(json.dumps(entry.event))
    event["quality"]["smell"] = 1
    event["start"]["hat"] = "top"

    told = read(replace(entry, event=event))

    assert isinstance(told.event, StreamPart)
    assert told.event == part(_START, 5)
