"""Two ways to be a cache: as safe as possible, or as useful as RFC 9111 allows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from config.settings.cache import CacheSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Every choice in which the profiles differ."""

    name: Literal["safe", "generic-cache"]
    obey_request_directives: bool  # a viewer's Cache-Control and Pragma
    heuristics: bool  # freshness guessed from Last-Modified
    store_set_cookie: bool
    store_authorized: bool  # by RFC 9111 section 3.5, never more
    store_post: bool  # an answer to a POST that is a representation of its own URL
    vary_allowed: frozenset[str] | None  # lower case; None: any field
    negative_seconds: float  # how long an error that says nothing is kept; 0: not at all
    stale_if_error_default: float  # seconds, where the origin names no limit
    # Whether an answer's age is what its Age field says. If not, Date is believed where it says older, RFC 9111
    # section 4.2.3; an origin whose clock is slow by a playlist's lifetime would then never be cached.
    trust_age: bool
    # Whether s-maxage forbids stale use even beside a named stale-while-revalidate or stale-if-error, as RFC 9111
    # section 5.2.2.10 has it; many origins send them together and mean both.
    strict_s_maxage: bool
    surrogate_names: frozenset[
        str
    ]  # lower case; whom a targeted Surrogate-Control directive may name


SAFE = Profile(
    name="safe",
    obey_request_directives=False,
    heuristics=False,
    store_set_cookie=False,
    store_authorized=False,
    store_post=False,
    vary_allowed=frozenset({"accept-encoding", "origin"}),
    negative_seconds=2.0,
    stale_if_error_default=600.0,
    trust_age=True,
    strict_s_maxage=False,
    surrogate_names=frozenset({"kawa"}),
)

GENERIC = Profile(
    name="generic-cache",
    obey_request_directives=True,
    heuristics=True,
    store_set_cookie=True,
    store_authorized=True,
    store_post=True,
    vary_allowed=None,
    negative_seconds=0.0,
    # RFC 9111 section 4.2.4 lets a cache that cannot reach the origin answer with what it has.
    stale_if_error_default=600.0,
    trust_age=False,
    strict_s_maxage=True,
    surrogate_names=frozenset({"kawa"}),
)


def profile_named(name: Literal["safe", "generic-cache"], settings: CacheSettings) -> Profile:
    """The profile with the operator's limits in it."""
    stale_if_error = settings.stale_if_error.total_seconds()
    if name == "generic-cache":
        return replace(GENERIC, stale_if_error_default=stale_if_error)
    return replace(
        SAFE,
        stale_if_error_default=stale_if_error,
        negative_seconds=settings.negative.total_seconds(),
    )
