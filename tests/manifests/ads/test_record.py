from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.manifests.ads.hls.record import (
    MAX_BYTES,
    MAX_RENDITIONS,
    MAX_SPANS,
    Group,
    Interval,
    Rendition,
    Span,
    decode,
    encode,
)

NUMBERS = st.integers(-(2**62), 2**62)
MAYBE = st.none() | NUMBERS
PAIRS = st.tuples(NUMBERS, NUMBERS)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
INTERVALS = st.builds(
    Interval, NUMBERS, NUMBERS, st.booleans(), st.none() | st.booleans(), MAYBE, TEXTS, TEXTS
)


@st.composite
def renditions(draw: st.DrawFn) -> Rendition:
    edges = sorted(draw(st.sets(st.integers(0, 10_000), max_size=12)))
    runs = list(zip(edges[::2], edges[1::2], strict=False))
    spans: list[Span] = [
        Span(first, last, draw(NUMBERS), draw(st.booleans()), 7) for first, last in runs
    ]
    is_open = draw(st.booleans())
    if spans and is_open:
        spans[-1] = spans[-1]._replace(joined=None, shift=None)
    return Rendition(
        removed=draw(NUMBERS),
        shift=draw(NUMBERS),
        spans=tuple(spans),
        gaps=tuple(runs[:2]),
        start=draw(NUMBERS),
        decided=draw(st.integers(10_000, 2**40)),
        head=draw(PAIRS),
        mark=draw(PAIRS),
        drift=draw(NUMBERS),
        floor=draw(PAIRS),
        given=draw(NUMBERS),
        at=draw(MAYBE),
        seen_ms=draw(NUMBERS),
    )


GROUPS = st.builds(
    Group,
    epoch_ms=NUMBERS,
    jumps=NUMBERS,
    serial=NUMBERS,
    shift=NUMBERS,
    axis=st.sampled_from(["pdt", "numbers", "elapsed"]),
    leader=st.none() | TEXTS,
    until=MAYBE,
    intervals=st.lists(INTERVALS, max_size=4).map(tuple),
    renditions=st.dictionaries(TEXTS, renditions(), max_size=4),
)


@given(GROUPS)
def test_what_is_stored_is_read_again(group: Group) -> None:
    assert decode(encode(group)) == group


@given(st.none() | st.binary() | st.text().map(str.encode))
def test_what_is_no_record_is_none(data: bytes | None) -> None:
    assert decode(data) is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=8,
)


@given(GROUPS, st.sampled_from(["v", "e", "a", "l", "b", "r"]), VALUES, st.integers(0, 20))
def test_a_damaged_record_is_none_or_a_whole_one(
    group: Group, field: str, value: object, place: int
) -> None:
    whole = json.loads(encode(group))
    target = whole[field]
    if isinstance(target, list) and target and place % 2:
        target[place % len(target)] = value
    elif isinstance(target, dict) and target and place % 2:
        items = next(iter(target.values()))
        items[place % len(items)] = value
    else:
        whole[field] = value
    found = decode(json.dumps(whole).encode())
    assert found is None or decode(encode(found)) == found


@pytest.mark.parametrize(
    "data", [b"[" * 100_000, b"{}", b"null", b'{"v":2}', b" " * (MAX_BYTES + 1)]
)
def test_hostile_bytes_are_none(data: bytes) -> None:
    assert decode(data) is None


def test_a_record_at_its_bounds_can_be_stored() -> None:
    spans = tuple(Span(n * 10**12, n * 10**12 + 1, 10**7, True, 10**7) for n in range(MAX_SPANS))
    rendition = Rendition(
        removed=10**12,
        shift=10**7,
        spans=spans,
        gaps=tuple((span.first, span.last) for span in spans),
        start=0,
        decided=10**15,
        head=(10**12, 10**7),
        mark=(10**12, 10**7),
        floor=(10**12, 10**7),
        given=10**7,
        at=10**13,
        seen_ms=10**13,
    )
    interval = Interval(10**13, 10**13, False, True, 10**7, "k" * 80, "r" * 80)
    group = Group(
        epoch_ms=10**13,
        serial=10**9,
        shift=10**7,
        intervals=(interval,) * MAX_SPANS,
        renditions={"p" * 200 + str(n): rendition for n in range(MAX_RENDITIONS)},
    )
    assert decode(encode(group)) == group
