from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.cache.policy.dates import http_date, parse_http_date

NOW = 1_790_000_000.0  # September 2026


def at(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", at(1994, 11, 6, 8, 49, 37)),
        ("Sunday, 06-Nov-94 08:49:37 GMT", at(1994, 11, 6, 8, 49, 37)),
        ("Sun Nov  6 08:49:37 1994", at(1994, 11, 6, 8, 49, 37)),
        ("Tue, 19 Jan 2038 14:14:08 GMT", at(2038, 1, 19, 14, 14, 8)),
        ("Sun, 21 Nov 2286 04:46:39 GMT", at(2286, 11, 21, 4, 46, 39)),
        ("Thursday, 18-Aug-50 02:01:18 GMT", at(2050, 8, 18, 2, 1, 18)),
        ("Thu Aug  8 02:01:18 2050", at(2050, 8, 8, 2, 1, 18)),
        ("THU, 18 Aug 2050 02:01:18 GMT", at(2050, 8, 18, 2, 1, 18)),
        ("Thu, 18 AUG 2050 02:01:18 GMT", at(2050, 8, 18, 2, 1, 18)),
        ("Thu, 18 Aug 2050 02:01:18 gMT", at(2050, 8, 18, 2, 1, 18)),
        ("Fri, 31 Dec 2016 23:59:60 GMT", at(2017, 1, 1, 0, 0, 0)),
        ("0", None),
        ("", None),
        ("Thu, 18 Aug 2050 02:01:18 UTC", None),
        ("Thu, 18 Aug 2050 02:01:18 AEST", None),
        ("Thu, 18 Aug 50 02:01:18 GMT", None),
        ("Thu 18 Aug 2050 02:01:18 GMT", None),
        ("Thu, 18  Aug  2050 02:01:18 GMT", None),
        ("Thu, 18-Aug-2050 02:01:18 GMT", None),
        ("Thu, 18 Aug 2050 02.01.18 GMT", None),
        ("Thu, 18 Aug 2050 2:01:18 GMT", None),
        ("Thu, 31 Feb 2050 02:01:18 GMT", None),
        ("Thu, 18 Aug 0000 02:01:18 GMT", None),
        ("Thu, 18 Aug 2050 24:01:18 GMT", None),
        ("Thu, ١٨ Aug 2050 02:01:18 GMT", None),
        (" Thu, 18 Aug 2050 02:01:18 GMT", None),
    ],
)
def test_only_the_three_forms_are_dates(text: str, expected: int | None) -> None:
    assert parse_http_date(text, now=NOW) == expected


@pytest.mark.parametrize(
    ("year", "whole"), [("76", 2076), ("77", 1977), ("26", 2026), ("00", 2000)]
)
def test_two_digits_mean_the_last_year_that_is_not_too_far_ahead(year: str, whole: int) -> None:
    text = f"Monday, 01-Jan-{year} 00:00:00 GMT"
    assert parse_http_date(text, now=NOW) == at(whole, 1, 1)


@pytest.mark.parametrize(("year", "whole"), [("68", 2068), ("69", 1969)])
def test_without_a_clock_the_century_turns_at_1969(year: str, whole: int) -> None:
    assert parse_http_date(f"Monday, 01-Jan-{year} 00:00:00 GMT") == at(whole, 1, 1)


def test_no_field_is_no_date() -> None:
    assert parse_http_date(None) is None


@given(st.integers(-(10**10), 10**11))
def test_a_written_date_reads_the_same(instant: int) -> None:
    assert parse_http_date(http_date(instant)) == instant


@given(st.text(max_size=50))
def test_any_text_is_a_date_or_none(text: str) -> None:
    assert parse_http_date(text, now=NOW) is None or len(text) <= 40
