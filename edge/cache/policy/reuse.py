"""Whether a stored answer serves this request, RFC 9111 section 4.2.4, 5.2.1 and RFC 5861."""

from __future__ import annotations

from enum import Enum, auto

from edge.cache.policy.directives import RequestDirectives
from edge.cache.policy.freshness import Terms
from edge.cache.policy.profile import Profile


class Verdict(Enum):
    """What may be done with the stored answer."""

    FRESH = auto()
    WHILE_REVALIDATING = auto()  # serve it, and ask the origin meanwhile
    STALE_ALLOWED = auto()  # serve it; the viewer takes stale ones
    VALIDATE = auto()  # ask the origin first


def judge(request: RequestDirectives, terms: Terms, age: float, profile: Profile) -> Verdict:
    """What to do with an answer of this age."""
    staleness = age - terms.fresh_seconds
    if terms.no_cache:
        return Verdict.VALIDATE
    if profile.obey_request_directives:
        if request.no_cache:
            return Verdict.VALIDATE
        if request.max_age is not None and age > request.max_age:
            return Verdict.VALIDATE
        if request.min_fresh is not None and -staleness < request.min_fresh:
            return Verdict.VALIDATE
    if staleness < 0:
        return Verdict.FRESH
    if terms.must_revalidate:
        return Verdict.VALIDATE
    if staleness < terms.while_revalidating_seconds:
        return Verdict.WHILE_REVALIDATING
    if profile.obey_request_directives and _tolerated(request.max_stale, staleness):
        return Verdict.STALE_ALLOWED
    return Verdict.VALIDATE


def on_error(request: RequestDirectives, terms: Terms, age: float, profile: Profile) -> bool:
    """Whether the stored answer may stand in for an origin that failed or answered 500, 502, 503 or 504."""
    if terms.no_cache:
        return False
    staleness = age - terms.fresh_seconds
    obey = profile.obey_request_directives
    if obey and request.no_cache:
        return False
    if staleness < 0:
        return True
    if terms.must_revalidate:
        return False
    if staleness < max(terms.if_error_seconds, terms.while_revalidating_seconds):
        return True
    return obey and (
        _tolerated(request.stale_if_error, staleness) or _tolerated(request.max_stale, staleness)
    )


def _tolerated(limit: float | None, staleness: float) -> bool:
    return limit is not None and staleness <= limit
