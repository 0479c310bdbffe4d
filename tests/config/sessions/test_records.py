from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.contracts.sessions import DEVICES, Counted, Quality
from config.runtime.sessions.records import RECORD_BYTES, TAIL_BYTES, Record, content_hash
from tests.config.sessions.starts import start

whole = st.integers(0, 2**70)
records = st.builds(
    Record,
    started_at=st.integers(0, 2**32 - 1),
    device=st.sampled_from(DEVICES),
    content=st.binary(min_size=8, max_size=8),
    active_seconds=st.integers(0, 2**32 - 1),
    given_bytes=st.integers(0, 2**64 - 1),
    stalls=st.integers(0, 2**16 - 1),
    stall_ms=st.integers(0, 2**32 - 1),
    startup_ms=st.integers(0, 2**16 - 1).map(lambda number: number * 10),
    played_kbps=st.integers(0, 2**16 - 1).map(lambda number: number * 100),
    throughput_kbps=st.integers(0, 2**16 - 1).map(lambda number: number * 100),
    top_kbps=st.integers(0, 2**16 - 1).map(lambda number: number * 100),
    is_estimate=st.booleans(),
    paused=st.booleans(),
)


@given(records)
def test_a_record_is_read_as_it_was_written(record: Record) -> None:
    assert Record.unpack(record.pack()) == record


def test_a_record_is_short_enough_for_redis_to_keep_it_packed() -> None:
    assert RECORD_BYTES == 46  # of at most 64


@given(st.binary())
def test_any_bytes_are_a_record_or_refused(tail: bytes) -> None:
    if len(tail) == TAIL_BYTES:
        Record.unpack(tail)
    else:
        with pytest.raises(ValueError, match="length"):
            Record.unpack(tail)


@given(
    st.builds(Counted, bytes=whole, active_ms=whole),
    st.builds(
        Quality,
        stalls=whole,
        stall_ms=whole,
        startup_ms=whole,
        played_kbps=whole,
        throughput_kbps=whole,
        top_kbps=whole,
    ),
)
def test_figures_of_any_size_fit(counted: Counted, quality: Quality) -> None:
    record = Record.of(start(1), counted, quality, seen_at=0)

    read = Record.unpack(record.pack())

    assert read.given_bytes == min(counted.bytes, 2**64 - 1)
    assert read.stalls == min(quality.stalls, 2**16 - 1)


def test_two_edges_together_gave_what_both_gave() -> None:
    one = Record(
        started_at=10, device="tv", content=content_hash("/a/b/"), given_bytes=5, active_seconds=7
    )
    other = replace(one, started_at=8, given_bytes=6, active_seconds=3, stalls=1)

    joined = one.joined(other)

    assert (joined.started_at, joined.given_bytes, joined.active_seconds) == (8, 11, 7)
    assert joined.stalls == 1
