"""Preconditions of a request, RFC 9110 section 13."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from enum import Enum, auto

# RFC 9110 section 8.8.3.
_ENTITY_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


class Outcome(Enum):
    """What the preconditions decide."""

    PROCEED = auto()
    NOT_MODIFIED = auto()
    FAILED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Validators:
    """What the stored representation is compared by."""

    etag: str  # with its quotes; strong
    modified_at: int  # whole seconds since the epoch, UTC

    @property
    def last_modified(self) -> str:
        """The Last-Modified field's value."""
        return http_date(self.modified_at)


def evaluate(headers: Mapping[str, str], validators: Validators) -> Outcome:
    """Decide a GET or HEAD in the order of RFC 9110 section 13.2.2."""
    if "If-Match" in headers:
        failed = not _matches(headers["If-Match"], validators.etag, weak=False)
    else:
        since = _instant(headers.get("If-Unmodified-Since"))
        failed = since is not None and validators.modified_at > since
    if failed:
        return Outcome.FAILED
    if "If-None-Match" in headers:
        unchanged = _matches(headers["If-None-Match"], validators.etag, weak=True)
    else:
        since = _instant(headers.get("If-Modified-Since"))
        unchanged = since is not None and validators.modified_at <= since
    return Outcome.NOT_MODIFIED if unchanged else Outcome.PROCEED


def range_applies(headers: Mapping[str, str], validators: Validators) -> bool:
    """Whether ``If-Range`` lets the range stand, RFC 9110 section 13.1.5: strong comparison only."""
    condition = headers.get("If-Range")
    if condition is None:
        return True
    if condition.startswith(('"', "W/")):
        return condition == validators.etag and not condition.startswith("W/")
    return _instant(condition) == validators.modified_at


def http_date(instant: float) -> str:
    """IMF-fixdate, RFC 9110 section 5.6.7."""
    return format_datetime(datetime.fromtimestamp(int(instant), UTC), usegmt=True)


def _matches(field: str, etag: str, *, weak: bool) -> bool:
    if field.strip() == "*":
        return True
    tags = _ENTITY_TAG.findall(field)
    if weak:
        return etag.removeprefix("W/") in (tag.removeprefix("W/") for tag in tags)
    return not etag.startswith("W/") and etag in tags


def _instant(value: str | None) -> int | None:
    if value is None:
        return None
    try:
        parsed = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None  # a date that cannot be read is ignored, RFC 9110 section 13.1.3
    try:
        return int(parsed.replace(tzinfo=parsed.tzinfo or UTC).timestamp())
    except (ValueError, OverflowError):
        return None
