"""How old an answer is and how long it stays fresh, RFC 9111 section 4.2 and RFC 5861."""

from __future__ import annotations

from dataclasses import dataclass

from edge.cache.policy.dates import parse_http_date
from edge.cache.policy.directives import MAX_SECONDS, Directives, seconds
from edge.cache.policy.lists import members, names_in
from edge.cache.policy.profile import Profile
from edge.cache.policy.statuses import DEFAULTABLE, HEURISTIC
from edge.cache.policy.targeted import effective
from edge.origin.upstream import Fields

_HEURISTIC_PART = 0.1
_HEURISTIC_CEILING = 24 * 3600.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what terms an answer may be used again; all spans in seconds."""

    received_age: float  # how old it was when it came
    fresh_seconds: float
    while_revalidating_seconds: float  # after freshness, while somebody asks the origin
    if_error_seconds: float  # after freshness, while the origin fails
    must_revalidate: bool  # never stale
    no_cache: bool  # never without asking
    explicit: bool  # the origin itself said how long it is fresh


def terms_of(
    status: int,
    fields: Fields,
    *,
    requested_at: float,
    received_at: float,
    profile: Profile,
    default_fresh: float | None = None,
    heuristic_ok: bool = True,
    negative_fresh: float | None = None,
) -> Terms:
    """The terms of an answer with these fields, as it was received.

    ``default_fresh`` is for good answers that say nothing; ``negative_fresh``, from ``negative.kept_seconds``,
    is for errors that say nothing.
    """
    found = effective(fields, profile)
    directives = found.directives
    fresh = _explicit_seconds(fields, directives, received_at, targeted=found.targeted)
    explicit = fresh is not None
    if fresh is None and "no-cache" not in names_in(fields, "Pragma"):
        if negative_fresh is not None:
            fresh = negative_fresh
        elif default_fresh is not None and status in DEFAULTABLE:
            fresh = default_fresh
        elif heuristic_ok and profile.heuristics and (status in HEURISTIC or directives.public):
            fresh = _heuristic_seconds(fields, received_at)
    while_revalidating = directives.stale_while_revalidate
    if_error = directives.stale_if_error
    must_revalidate = (
        directives.must_revalidate
        or directives.proxy_revalidate
        or (
            directives.s_maxage is not None
            and (profile.strict_s_maxage or (while_revalidating is None and if_error is None))
        )
    )
    if if_error is None:
        # One error is no better than another, so only good answers stand in for a failing origin unasked.
        by_default = directives.s_maxage is None and status < 400
        if_error_seconds = profile.stale_if_error_default if by_default else 0.0
    else:
        if_error_seconds = float(if_error)
    return Terms(
        received_age=_received_age(
            fields, requested_at=requested_at, received_at=received_at, profile=profile
        ),
        fresh_seconds=fresh or 0.0,
        while_revalidating_seconds=float(while_revalidating or 0),
        if_error_seconds=if_error_seconds,
        must_revalidate=must_revalidate,
        no_cache=directives.no_cache,
        explicit=explicit,
    )


def age(terms: Terms, received_at: float, now: float) -> float:
    """Seconds since the origin made or confirmed the answer, RFC 9111 section 4.2.3."""
    return terms.received_age + max(0.0, now - received_at)


def worth_keeping(terms: Terms, fields: Fields) -> bool:
    """Whether an answer that may be kept could ever serve anybody: it can be validated, or used as it is."""
    if "ETag" in fields or "Last-Modified" in fields:
        return True
    if terms.no_cache or not (terms.explicit or terms.fresh_seconds > 0):
        return False
    stale = max(terms.while_revalidating_seconds, terms.if_error_seconds)
    usable = terms.fresh_seconds if terms.must_revalidate else terms.fresh_seconds + stale
    return usable > terms.received_age


def is_explicit(fields: Fields, directives: Directives, *, targeted: bool) -> bool:
    """Whether the origin names a freshness at all, a bad one or one of zero included."""
    return (
        directives.max_age is not None
        or directives.s_maxage is not None
        or (not targeted and "Expires" in fields)
    )


def _explicit_seconds(
    fields: Fields, directives: Directives, received_at: float, *, targeted: bool
) -> float | None:
    if directives.s_maxage is not None:
        return float(directives.s_maxage)
    if directives.max_age is not None:
        return float(directives.max_age)
    if targeted or "Expires" not in fields:
        return None
    made_at = _made_at(fields, received_at)
    ends = [parse_http_date(line, now=received_at) for line in fields.getall("Expires")]
    # An Expires that is no date is in the past, RFC 9111 section 5.3; of several the earliest counts.
    return min(
        0.0 if end is None else min(max(0.0, end - made_at), float(MAX_SECONDS)) for end in ends
    )


def _heuristic_seconds(fields: Fields, received_at: float) -> float:
    modified_at = parse_http_date(fields.get("Last-Modified"), now=received_at)
    if modified_at is None:
        return 0.0
    unchanged = _made_at(fields, received_at) - modified_at
    return min(max(0.0, unchanged * _HEURISTIC_PART), _HEURISTIC_CEILING)


def _received_age(
    fields: Fields, *, requested_at: float, received_at: float, profile: Profile
) -> float:
    corrected = _age_field(fields) + max(0.0, received_at - requested_at)
    if profile.trust_age:
        return corrected
    return max(corrected, received_at - _made_at(fields, received_at))


def _age_field(fields: Fields) -> int:
    """The first member of the field; 0 if that is no number, RFC 9111 section 5.1."""
    listed = members(fields, "Age")
    return (seconds(listed[0]) if listed and listed[0][0] != '"' else None) or 0


def _made_at(fields: Fields, received_at: float) -> float:
    made_at = parse_http_date(fields.get("Date"), now=received_at)
    return received_at if made_at is None else float(made_at)
