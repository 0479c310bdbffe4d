"""How long an origin's error is remembered, so that a crowd of viewers asks once."""

from __future__ import annotations

from edge.cache.policy.freshness import is_explicit
from edge.cache.policy.profile import Profile
from edge.cache.policy.statuses import NEGATIVE
from edge.cache.policy.targeted import effective
from edge.origin.upstream import Fields


def kept_seconds(status: int, fields: Fields, profile: Profile, *, random: float) -> float | None:
    """For an error that names no freshness of its own: between half and all of the profile's span.

    ``random`` lies between 0 and 1, so that edges do not all ask again at once. ``None``: this is not such an answer.
    """
    if status not in NEGATIVE or profile.negative_seconds <= 0:
        return None
    found = effective(fields, profile)
    directives = found.directives
    if is_explicit(fields, directives, targeted=found.targeted):
        return None
    if directives.no_store or directives.no_cache or directives.private:
        return None
    return profile.negative_seconds * (1 - random / 2)
