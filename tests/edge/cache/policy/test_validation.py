from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from edge.cache.policy.validation import (
    Outcome,
    conditions_for,
    if_range_holds,
    is_for_origin,
    not_modified_fields,
    viewer_outcome,
    without_conditions,
)

OLD = "Wed, 01 Jan 2020 00:00:00 GMT"
OLD_850 = "Wednesday, 01-Jan-20 00:00:00 GMT"
NEW = "Fri, 01 Jan 2021 00:00:00 GMT"

PROCEED, NOT_MODIFIED, FAILED = Outcome.PROCEED, Outcome.NOT_MODIFIED, Outcome.FAILED


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ({}, {}),
        ({"ETag": '"a"'}, {"If-None-Match": '"a"'}),
        ({"ETag": 'W/"a"'}, {"If-None-Match": 'W/"a"'}),
        ({"ETag": ""}, {}),
        ({"Last-Modified": OLD}, {"If-Modified-Since": OLD}),
        ({"Last-Modified": "yesterday"}, {}),
        (
            {"ETag": '"a"', "Last-Modified": OLD},
            {"If-None-Match": '"a"', "If-Modified-Since": OLD},
        ),
    ],
)
def test_what_the_origin_is_asked_with(stored: dict[str, str], expected: dict[str, str]) -> None:
    assert conditions_for(CIMultiDict(stored)) == expected


@pytest.mark.parametrize(
    ("request_", "stored", "outcome"),
    [
        ({}, {"ETag": '"a"'}, PROCEED),
        ({"If-None-Match": '"a"'}, {"ETag": '"a"'}, NOT_MODIFIED),
        ({"If-None-Match": '"b"'}, {"ETag": '"a"'}, PROCEED),
        ({"If-None-Match": '"a"'}, {}, PROCEED),
        ({"If-None-Match": "*"}, {}, NOT_MODIFIED),
        ({"If-None-Match": 'W/"a"'}, {"ETag": '"a"'}, NOT_MODIFIED),
        ({"If-None-Match": '"a"'}, {"ETag": 'W/"a"'}, NOT_MODIFIED),
        ({"If-None-Match": '"1", "a", "2"'}, {"ETag": '"a"'}, NOT_MODIFIED),
        ({"If-None-Match": '"1", "2", "a"'}, {"ETag": '"a"'}, NOT_MODIFIED),
        ({"If-None-Match": '"1,a", "2"'}, {"ETag": '"a"'}, PROCEED),
        ({"If-None-Match": '"é"'}, {"ETag": '"é"'}, NOT_MODIFIED),
        ({"If-None-Match": "abc"}, {"ETag": "abc"}, NOT_MODIFIED),
        ({"If-None-Match": '"a"', "If-Modified-Since": OLD}, {"ETag": '"b"', "Last-Modified": OLD}, PROCEED),
        ({"If-None-Match": '"a"', "If-Modified-Since": OLD}, {"ETag": '"a"', "Last-Modified": NEW}, NOT_MODIFIED),
        ({"If-Modified-Since": OLD}, {"Last-Modified": OLD}, NOT_MODIFIED),
        ({"If-Modified-Since": OLD_850}, {"Last-Modified": OLD}, NOT_MODIFIED),
        ({"If-Modified-Since": NEW}, {"Last-Modified": OLD}, NOT_MODIFIED),
        ({"If-Modified-Since": OLD}, {"Last-Modified": NEW}, PROCEED),
        ({"If-Modified-Since": OLD}, {"Last-Modified": "yesterday"}, PROCEED),
        ({"If-Modified-Since": "yesterday"}, {"Last-Modified": OLD}, PROCEED),
        ({"If-Modified-Since": NEW}, {"Date": OLD}, NOT_MODIFIED),
        ({"If-Modified-Since": OLD}, {"Date": NEW}, PROCEED),
        ({"If-Modified-Since": OLD}, {}, PROCEED),
        ({"If-Match": '"a"'}, {"ETag": '"a"'}, PROCEED),
        ({"If-Match": '"a"'}, {"ETag": 'W/"a"'}, FAILED),
        ({"If-Match": 'W/"a"'}, {"ETag": 'W/"a"'}, FAILED),
        ({"If-Match": "*"}, {}, PROCEED),
        ({"If-Match": '"b"', "If-None-Match": '"a"'}, {"ETag": '"a"'}, FAILED),
        ({"If-Unmodified-Since": OLD}, {"Last-Modified": NEW}, FAILED),
        ({"If-Unmodified-Since": NEW}, {"Last-Modified": OLD}, PROCEED),
        ({"If-Unmodified-Since": OLD}, {"Date": NEW}, PROCEED),
    ],
)  # fmt: skip
def test_a_viewers_conditions(
    request_: dict[str, str], stored: dict[str, str], outcome: Outcome
) -> None:
    fields = CIMultiDict(request_), CIMultiDict(stored)
    assert viewer_outcome(*fields, 200) is outcome
    assert viewer_outcome(*fields, 404) is PROCEED


def test_two_lines_of_a_date_are_no_condition() -> None:
    request = CIMultiDict([("If-Modified-Since", NEW), ("If-Modified-Since", NEW)])
    assert viewer_outcome(request, CIMultiDict({"Last-Modified": OLD}), 200) is PROCEED


@pytest.mark.parametrize(
    ("request_", "stored", "holds"),
    [
        ({}, {}, True),
        ({"If-Range": '"a"'}, {"ETag": '"a"'}, True),
        ({"If-Range": '"a"'}, {"ETag": '"b"'}, False),
        ({"If-Range": 'W/"a"'}, {"ETag": 'W/"a"'}, False),
        ({"If-Range": '"a"'}, {}, False),
        ({"If-Range": ""}, {}, False),
        ({"If-Range": OLD}, {"Last-Modified": OLD, "Date": NEW}, True),
        ({"If-Range": OLD}, {"Last-Modified": OLD, "Date": OLD}, False),
        ({"If-Range": OLD}, {"Last-Modified": OLD}, False),
        ({"If-Range": NEW}, {"Last-Modified": OLD, "Date": NEW}, False),
        ({"If-Range": "x"}, {"Last-Modified": "x", "Date": NEW}, False),
    ],
)
def test_a_range_needs_the_very_same_bytes(
    request_: dict[str, str], stored: dict[str, str], holds: bool
) -> None:
    assert if_range_holds(CIMultiDict(request_), CIMultiDict(stored)) is holds


def test_a_request_loses_its_conditions_and_nothing_else() -> None:
    request = CIMultiDict(
        [("If-Match", "a"), ("IF-RANGE", "b"), ("If-None-Match", "c"), ("A", "1"), ("a", "2")]
    )
    assert list(without_conditions(request).items()) == [("A", "1"), ("a", "2")]


def test_conditions_that_only_an_origin_decides() -> None:
    assert is_for_origin(CIMultiDict({"if-match": "*"}))
    assert is_for_origin(CIMultiDict({"If-Unmodified-Since": OLD}))
    assert not is_for_origin(CIMultiDict({"If-None-Match": "*"}))


def test_a_304_repeats_what_the_viewer_may_update() -> None:
    stored = CIMultiDict(
        [("ETag", '"a"'), ("Vary", "A"), ("Vary", "B"), ("Content-Type", "x/y"), ("Date", OLD)]
    )
    assert sorted(not_modified_fields(stored).items()) == [
        ("Date", OLD),
        ("ETag", '"a"'),
        ("Vary", "A"),
        ("Vary", "B"),
    ]


names = st.sampled_from(["If-None-Match", "If-Modified-Since", "If-Match", "If-Range"])


@given(st.dictionaries(names, st.text(max_size=30)), st.text(max_size=30))
def test_any_text_is_decided(request: dict[str, str], etag: str) -> None:
    stored = CIMultiDict({"ETag": etag, "Last-Modified": OLD})
    assert viewer_outcome(CIMultiDict(request), stored, 200) in Outcome
    if_range_holds(CIMultiDict(request), stored)
