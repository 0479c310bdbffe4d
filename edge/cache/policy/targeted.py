"""Cache control meant for caches like this one: CDN-Cache-Control (RFC 9213) and the older Surrogate-Control."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge.cache.policy.directives import (
    MAX_SECONDS,
    Directives,
    Pair,
    from_pairs,
    response_directives,
    seconds,
)
from edge.cache.policy.lists import split_list
from edge.cache.policy.profile import Profile
from edge.origin.upstream import Fields
from edge.structured_fields import BadStructuredField, Item, Member, parse_dictionary

_NUMBERS = frozenset({"max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"})
_FLAGS = frozenset({"no-store", "public", "must-revalidate", "proxy-revalidate", "must-understand"})
_QUALIFIED = frozenset({"no-cache", "private"})

# Edge Architecture Specification 1.0, section 2.2: max-age is freshness, and after a plus, how long stale may serve.
_SURROGATE_AGE = re.compile(r"max-age=(\d+)(?:\+(\d+))?", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Effective:
    """The directives that count, and whether they replace Cache-Control and Expires."""

    directives: Directives
    targeted: bool


def effective(fields: Fields, profile: Profile) -> Effective:
    """The first field that speaks to this cache: CDN-Cache-Control, Surrogate-Control, Cache-Control."""
    if "CDN-Cache-Control" in fields:
        directives = _cdn(fields)
        if directives is not None:
            return Effective(directives, targeted=True)
    if "Surrogate-Control" in fields:
        directives = _surrogate(fields, profile)
        if directives is not None:
            return Effective(directives, targeted=True)
    return Effective(response_directives(fields), targeted=False)


def _cdn(fields: Fields) -> Directives | None:
    """``None`` for a field that is empty or no dictionary of directives: it is as if absent, RFC 9213 section 2.1."""
    try:
        dictionary = parse_dictionary(", ".join(fields.getall("CDN-Cache-Control", ())))
        pairs = [pair for name, member in dictionary.items() for pair in _pairs(name, member)]
    except BadStructuredField:
        return None
    return from_pairs(pairs) if dictionary else None


def _pairs(name: str, member: Member) -> list[Pair]:
    """The directive as Cache-Control would have it, none for one that is off or unknown."""
    value = member.value if isinstance(member, Item) else None
    if name in _NUMBERS:
        if isinstance(value, bool) or not isinstance(value, int):
            raise BadStructuredField(f"{name} is a number of seconds")
        return [(name, str(min(max(value, 0), MAX_SECONDS)))]
    if name in _QUALIFIED and isinstance(value, str):
        return [(name, f'"{value}"')]
    if name in _FLAGS or name in _QUALIFIED:
        if not isinstance(value, bool):
            raise BadStructuredField(f"{name} is there or not")
        return [(name, None)] if value else []
    return []


def _surrogate(fields: Fields, profile: Profile) -> Directives | None:
    """``None`` where nothing is said about caching, or only to others."""
    to_all: dict[str, str] = {}
    to_us: dict[str, str] = {}
    for line in fields.getall("Surrogate-Control", ()):
        for member in split_list(line):
            directive, *targets = (part.strip(" \t") for part in member.split(";"))
            name = directive.partition("=")[0].lower()
            if not targets:
                to_all[name] = directive
            elif profile.surrogate_names & {target.lower() for target in targets}:
                to_us[name] = directive
    said = to_all | to_us
    if "no-store" in said or "no-store-remote" in said:
        return Directives(no_store=True)
    match = _SURROGATE_AGE.fullmatch(said.get("max-age", ""))
    if match is None:
        return None
    return Directives(
        max_age=seconds(match.group(1)), stale_while_revalidate=seconds(match.group(2))
    )
