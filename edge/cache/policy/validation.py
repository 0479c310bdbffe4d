"""Conditions, those sent to the origin and those of a viewer, RFC 9110 section 13 and RFC 9111 section 4.3."""

from __future__ import annotations

import re
from enum import Enum, auto

from multidict import CIMultiDict

from edge.cache.policy.dates import parse_http_date
from edge.cache.policy.lists import OWS, members
from edge.origin.upstream import Fields

_STRONG = re.compile(r'"[\x21\x23-\x7e\x80-\uffff]*"')

CONDITIONS = frozenset(
    {"if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"}
)
# What a 304 carries besides what only the engine knows (Age, Cache-Status, Via), RFC 9110 section 15.4.5.
NOT_MODIFIED_FIELDS = (
    "Cache-Control",
    "CDN-Cache-Control",
    "Content-Location",
    "Date",
    "ETag",
    "Expires",
    "Last-Modified",
    "Vary",
)


class Outcome(Enum):
    """What the preconditions decide."""

    PROCEED = auto()
    NOT_MODIFIED = auto()
    FAILED = auto()


def strong_etag(fields: Fields) -> str | None:
    """The ETag, if it is a strong one."""
    etag = fields.get("ETag", "").strip(OWS)
    return etag if _STRONG.fullmatch(etag) else None


def names_a_version(fields: Fields) -> bool:
    """Whether parts of the file can be told from parts of another version of it."""
    return strong_etag(fields) is not None or "Last-Modified" in fields


def conditions_for(stored: Fields) -> dict[str, str]:
    """The fields that ask the origin whether the stored answer still holds; empty if nothing can be asked."""
    conditions: dict[str, str] = {}
    etag = stored.get("ETag", "").strip(OWS)
    if etag:
        conditions["If-None-Match"] = etag
    modified = stored.get("Last-Modified")
    if modified is not None and parse_http_date(modified) is not None:
        conditions["If-Modified-Since"] = modified
    return conditions


def without_conditions(request_fields: Fields) -> CIMultiDict[str]:
    """The request without any condition, and so without a range's."""
    return CIMultiDict(
        (name, value) for name, value in request_fields.items() if name.lower() not in CONDITIONS
    )


def is_for_origin(request_fields: Fields) -> bool:
    """Whether a condition is among the fields that only an origin decides, RFC 9111 section 4.3.2."""
    return "If-Match" in request_fields or "If-Unmodified-Since" in request_fields


def viewer_outcome(request_fields: Fields, stored_fields: Fields, status: int) -> Outcome:
    """What a GET's or HEAD's own conditions make of a stored answer, in the order of RFC 9110 section 13.2.2."""
    if not 200 <= status <= 299:
        return Outcome.PROCEED
    etag = stored_fields.get("ETag", "").strip(OWS) or None
    if "If-Match" in request_fields:
        failed = not _listed(request_fields, "If-Match", etag, weakly=False)
    else:
        failed = _changed_since(request_fields, stored_fields)
    if failed:
        return Outcome.FAILED
    if "If-None-Match" in request_fields:
        unchanged = _listed(request_fields, "If-None-Match", etag, weakly=True)
    else:
        unchanged = _unchanged_since(request_fields, stored_fields)
    return Outcome.NOT_MODIFIED if unchanged else Outcome.PROCEED


def if_range_holds(request_fields: Fields, stored_fields: Fields) -> bool:
    """Whether a range may be cut from the stored answer, RFC 9110 section 13.1.5."""
    condition = request_fields.get("If-Range", "").strip(OWS)
    if not condition:
        return "If-Range" not in request_fields
    if condition.startswith(('"', "W/")):
        return condition == strong_etag(stored_fields)
    modified = stored_fields.get("Last-Modified")
    modified_at = parse_http_date(modified)
    made_at = parse_http_date(stored_fields.get("Date"))
    # A date is a strong validator only if the answer was made later, RFC 9110 section 8.8.2.2.
    is_strong = modified_at is not None and made_at is not None and modified_at < made_at
    return is_strong and parse_http_date(condition) == modified_at


def not_modified_fields(stored_fields: Fields) -> CIMultiDict[str]:
    """The stored fields that a 304 repeats."""
    return CIMultiDict(
        (name, value) for name in NOT_MODIFIED_FIELDS for value in stored_fields.getall(name, ())
    )


def same_etag(one: str, other: str, *, weakly: bool) -> bool:
    """The comparisons of RFC 9110 section 8.8.3.2; tags that are not well formed compare as they stand."""
    if weakly:
        return one.removeprefix("W/") == other.removeprefix("W/")
    return one == other and not one.startswith("W/")


def _listed(request_fields: Fields, name: str, etag: str | None, *, weakly: bool) -> bool:
    listed = members(request_fields, name)
    if "*" in listed:
        return True
    return etag is not None and any(same_etag(tag, etag, weakly=weakly) for tag in listed)


def _changed_since(request_fields: Fields, stored_fields: Fields) -> bool:
    since = _instant(request_fields, "If-Unmodified-Since")
    if since is None:
        return False
    changed_at = parse_http_date(stored_fields.get("Last-Modified"))
    return changed_at is not None and changed_at > since


def _unchanged_since(request_fields: Fields, stored_fields: Fields) -> bool:
    """Compares Last-Modified or, where there is none, when the answer was made: RFC 9111 section 4.3.2."""
    since = _instant(request_fields, "If-Modified-Since")
    if since is None:
        return False
    name = "Last-Modified" if "Last-Modified" in stored_fields else "Date"
    modified_at = parse_http_date(stored_fields.get(name))
    return modified_at is not None and modified_at <= since


def _instant(request_fields: Fields, name: str) -> int | None:
    lines = request_fields.getall(name, ())
    return parse_http_date(lines[0].strip(OWS)) if len(lines) == 1 else None
