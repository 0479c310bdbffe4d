from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from edge.cache.policy.partial import (
    Part,
    completing_range,
    content_range,
    covers,
    joined,
    may_combine,
    missing,
    range_for,
)
from edge.cache.ranges import Span, resolve


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("bytes 4-8/10", Part(Span(4, 9), 10)),
        ("Bytes 0-0/1", Part(Span(0, 1), 1)),
        ("bytes 4-8/*", Part(Span(4, 9), None)),
        ("bytes 4-10/10", None),
        ("bytes 5-4/10", None),
        ("bytes */10", None),
        ("bytes=4-8/10", None),
        ("bytes 4-8", None),
        ("items 4-8/10", None),
        ("bytes -4-8/10", None),
        ("bytes 0-" + "9" * 100 + "/*", None),
        ("bytes ٤-8/10", None),
        ("", None),
        (None, None),
    ],
)
def test_what_a_content_range_says(text: str | None, part: Part | None) -> None:
    assert content_range(text) == part


@pytest.mark.parametrize(
    ("stored", "new", "may"),
    [
        ({"ETag": '"a"'}, {"ETag": '"a"'}, True),
        ({"ETag": '"a"'}, {"ETag": '"b"'}, False),
        ({"ETag": 'W/"a"'}, {"ETag": 'W/"a"'}, False),
        ({}, {}, False),
        ({"ETag": '"a"', "Content-Range": "bytes 0-4/10"}, {"ETag": '"a"', "Content-Range": "bytes 5-9/10"}, True),
        ({"ETag": '"a"', "Content-Range": "bytes 0-4/10"}, {"ETag": '"a"', "Content-Range": "bytes 5-9/11"}, False),
        ({"ETag": '"a"', "Content-Range": "bytes 0-4/*"}, {"ETag": '"a"', "Content-Range": "bytes 5-9/10"}, True),
        ({"ETag": '"a"', "Content-Length": "10"}, {"ETag": '"a"', "Content-Range": "bytes 5-9/11"}, False),
        ({"ETag": '"a"', "Content-Encoding": "br"}, {"ETag": '"a"'}, False),
    ],
)  # fmt: skip
def test_only_parts_of_the_same_bytes_are_put_together(
    stored: dict[str, str], new: dict[str, str], may: bool
) -> None:
    assert may_combine(CIMultiDict(stored), CIMultiDict(new)) is may


def test_spans_that_touch_become_one() -> None:
    spans = [Span(8, 9), Span(0, 3), Span(3, 5), Span(1, 2)]
    assert joined(spans) == (Span(0, 5), Span(8, 9))


@pytest.mark.parametrize(
    ("held", "size", "field"),
    [
        ([Span(0, 5)], 10, "bytes=5-"),
        ([Span(5, 10)], 10, "bytes=0-4"),
        ([Span(0, 3), Span(6, 10)], 10, "bytes=3-5"),
        ([Span(3, 6)], 10, None),
        ([Span(0, 10)], 10, None),
    ],
)
def test_the_range_that_completes_the_whole(held: list[Span], size: int, field: str | None) -> None:
    assert completing_range(held, size=size) == field


spans = st.builds(
    lambda start, size: Span(start, start + size), st.integers(0, 40), st.integers(1, 15)
)


@given(st.lists(spans, max_size=8), spans)
def test_what_is_missing_is_what_no_span_holds(held: list[Span], wanted: Span) -> None:
    bytes_held = {byte for span in held for byte in range(span.start, span.stop)}
    gaps = missing(held, wanted)
    bytes_missing = [byte for gap in gaps for byte in range(gap.start, gap.stop)]
    assert bytes_missing == [b for b in range(wanted.start, wanted.stop) if b not in bytes_held]
    assert covers(held, wanted) is (not gaps)
    for gap in gaps:
        assert resolve(range_for(gap, size=wanted.stop), size=wanted.stop) == gap
