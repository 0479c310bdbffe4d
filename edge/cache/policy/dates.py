"""Instants in HTTP fields: the three forms of RFC 9110 section 5.6.7 and nothing else."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_TIME = r"(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d):(?P<second>[0-5]\d|60)"
_SHORT = "(?:mon|tue|wed|thu|fri|sat|sun)"
_LONG = "(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)"

# Upper and lower case are not told apart, as RFC 9110 allows a recipient; white space and digits are counted.
_FORMS = tuple(
    re.compile(form, re.IGNORECASE | re.ASCII)
    for form in (
        rf"{_SHORT}, (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_TIME} GMT",
        rf"{_LONG}, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_TIME} GMT",
        rf"{_SHORT} {_MONTH} (?P<day>\d\d| \d) {_TIME} (?P<year>\d{{4}})",
    )
)
_LONGEST = 40  # characters


def parse_http_date(text: str | None, *, now: float | None = None) -> int | None:
    """Seconds since the epoch, or ``None`` for anything that is not an HTTP date.

    A year of two digits is the last such year that is not more than 50 years after ``now``; without
    ``now`` it lies between 1969 and 2068.
    """
    if text is None or len(text) > _LONGEST:
        return None
    for form in _FORMS:
        match = form.fullmatch(text)
        if match is not None:
            return _instant(match, now)
    return None


def _instant(match: re.Match[str], now: float | None) -> int | None:
    year = int(match["year"])
    if len(match["year"]) == 2:
        year = _whole_year(year, now)
    try:
        midnight = datetime(
            year, _MONTHS.index(match["month"].lower()) + 1, int(match["day"]), tzinfo=UTC
        )
        time = timedelta(
            hours=int(match["hour"]), minutes=int(match["minute"]), seconds=int(match["second"])
        )
        return int(midnight.timestamp()) + int(time.total_seconds())
    except (ValueError, OverflowError):
        return None


def _whole_year(last_digits: int, now: float | None) -> int:
    if now is None:
        return last_digits + (1900 if last_digits >= 69 else 2000)
    latest = datetime.fromtimestamp(now, UTC).year + 50
    return latest - (latest - last_digits) % 100


def http_date(instant: float) -> str:
    """IMF-fixdate, RFC 9110 section 5.6.7."""
    return format_datetime(datetime.fromtimestamp(int(instant), UTC), usegmt=True)
