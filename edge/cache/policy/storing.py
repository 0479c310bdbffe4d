"""Whether an answer may be kept at all, RFC 9111 section 3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urldefrag, urljoin

from edge.cache.policy.directives import Directives, request_directives
from edge.cache.policy.freshness import is_explicit
from edge.cache.policy.partial import part_in
from edge.cache.policy.profile import Profile
from edge.cache.policy.statuses import HEURISTIC, NEGATIVE, NEVER, UNDERSTOOD
from edge.cache.policy.targeted import effective
from edge.cache.policy.vary import variant_of
from edge.origin.upstream import Fields

Why = Literal[
    "stored",
    "method",
    "status",
    "partial",
    "request-no-store",
    "no-store",
    "private",
    "authorized",
    "set-cookie",
    "vary",
    "no-freshness",
]


@dataclass(frozen=True, slots=True)
class Storing:
    """The decision, a word for the metric, and the fields (lower case) that must not be kept with the rest."""

    store: bool
    why: Why
    no_store_fields: frozenset[str] = frozenset()


def storing(
    method: str,
    request_fields: Fields,
    status: int,
    fields: Fields,
    profile: Profile,
    *,
    target_url: str | None = None,
) -> Storing:
    """Decide on an answer with the fields as they were received; ``target_url`` matters to a POST only."""
    found = effective(fields, profile)
    directives = found.directives
    explicit = is_explicit(fields, directives, targeted=found.targeted)
    omitted = directives.no_cache_fields | directives.private_fields
    why = (
        _by_method(method, status, fields, profile, target_url=target_url, explicit=explicit)
        or _by_status(status, fields)
        or _by_directives(status, directives)
        or _by_request(request_fields, directives, profile)
        or _by_fields(request_fields, fields, omitted, profile)
        or _by_freshness(status, directives, profile, explicit=explicit)
    )
    return Storing(False, why) if why else Storing(True, "stored", omitted)


def _by_method(
    method: str,
    status: int,
    fields: Fields,
    profile: Profile,
    *,
    target_url: str | None,
    explicit: bool,
) -> Why | None:
    if method == "GET":
        return None
    # RFC 9110 section 9.3.3: such an answer may serve a later GET.
    if method == "POST" and profile.store_post and target_url is not None:
        location = fields.get("Content-Location")
        if status == 200 and explicit and location is not None and _same(target_url, location):
            return None
    return "method"


def _by_status(status: int, fields: Fields) -> Why | None:
    if not 200 <= status <= 599 or status in NEVER:
        return "status"
    if status == 206 and part_in(fields) is None:
        return "partial"
    return None


def _by_directives(status: int, directives: Directives) -> Why | None:
    if directives.must_understand:
        # RFC 9111 section 5.2.2.3: it is no-store for those who do not, and lifts no-store for those who do.
        if status not in UNDERSTOOD:
            return "no-store"
    elif directives.no_store:
        return "no-store"
    return "private" if directives.private else None


def _by_request(request_fields: Fields, directives: Directives, profile: Profile) -> Why | None:
    if profile.obey_request_directives and request_directives(request_fields).no_store:
        return "request-no-store"
    if "Authorization" not in request_fields:
        return None
    # RFC 9111 section 3.5.
    shared = directives.public or directives.must_revalidate or directives.s_maxage is not None
    return None if profile.store_authorized and shared else "authorized"


def _by_fields(
    request_fields: Fields, fields: Fields, omitted: frozenset[str], profile: Profile
) -> Why | None:
    if "Set-Cookie" in fields and not profile.store_set_cookie and "set-cookie" not in omitted:
        return "set-cookie"
    return "vary" if variant_of(request_fields, fields, profile) is None else None


def _by_freshness(
    status: int, directives: Directives, profile: Profile, *, explicit: bool
) -> Why | None:
    if explicit or directives.public or status in HEURISTIC:
        return None
    if profile.negative_seconds > 0 and status in NEGATIVE:
        return None
    return "no-freshness"


def _same(target_url: str, location: str) -> bool:
    try:
        return urldefrag(urljoin(target_url, location)).url == urldefrag(target_url).url
    except ValueError:
        return False
