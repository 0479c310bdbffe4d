"""Cache-Control, read leniently for what it forbids and strictly for what it allows (RFC 9111 sections 4.2.1, 5.2)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from edge.cache.policy.lists import OWS, TOKEN, names_in, split_list, unquoted
from edge.origin.upstream import Fields

MAX_SECONDS = 2**31  # what a larger number stands for, RFC 9111 section 1.2.2

Pair = tuple[str, str | None]

# Origins say the same of most of their files; what is longer is not worth the memory.
_LONGEST_KNOWN = 256
_MOST_KNOWN = 512

# Heeded even where what follows is no directive, as in "private; max-age=60".
_FORBIDDING = frozenset({"no-store", "no-cache", "private"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Directives:
    """What an answer says about its own caching."""

    max_age: int | None = None
    s_maxage: int | None = None
    no_store: bool = False
    no_cache: bool = False
    no_cache_fields: frozenset[str] = frozenset()  # lower case
    private: bool = False
    private_fields: frozenset[str] = frozenset()  # lower case
    public: bool = False
    must_revalidate: bool = False
    proxy_revalidate: bool = False
    must_understand: bool = False
    stale_while_revalidate: int | None = None
    stale_if_error: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDirectives:
    """What a request says about the answers it would take."""

    no_cache: bool = False
    no_store: bool = False
    only_if_cached: bool = False
    max_age: int | None = None
    min_fresh: int | None = None
    max_stale: float | None = None  # infinite: any age
    stale_if_error: int | None = None


NO_REQUEST_DIRECTIVES = RequestDirectives()


def response_directives(fields: Fields) -> Directives:
    """The Cache-Control field of an answer."""
    lines = fields.getall("Cache-Control", ())
    if len(lines) == 1 and len(lines[0]) <= _LONGEST_KNOWN:
        return _of_line(lines[0])
    return from_pairs(pairs_in(lines)) if lines else Directives()


@lru_cache(maxsize=_MOST_KNOWN)
def _of_line(line: str) -> Directives:
    return from_pairs(pairs_in([line]))


def request_directives(fields: Fields) -> RequestDirectives:
    """The Cache-Control field of a request, or its Pragma where there is none (RFC 9111 section 5.4)."""
    lines = fields.getall("Cache-Control", ())
    if not lines:
        if "no-cache" in names_in(fields, "Pragma"):
            return RequestDirectives(no_cache=True)
        return NO_REQUEST_DIRECTIVES
    pairs = pairs_in(lines)
    names = {name for name, _ in pairs}
    return RequestDirectives(
        no_cache="no-cache" in names,
        no_store="no-store" in names,
        only_if_cached="only-if-cached" in names,
        max_age=_least(pairs, "max-age", invalid=None),
        min_fresh=_least(pairs, "min-fresh", invalid=None),
        max_stale=_max_stale(pairs),
        stale_if_error=_least(pairs, "stale-if-error", invalid=None),
    )


def from_pairs(pairs: list[Pair]) -> Directives:
    """Directives from names with their values, as they stand."""
    names = {name for name, _ in pairs}
    no_cache, no_cache_fields = _qualified(pairs, "no-cache")
    private, private_fields = _qualified(pairs, "private")
    return Directives(
        # A freshness that cannot be read is none: RFC 9111 section 4.2.1.
        max_age=_least(pairs, "max-age", invalid=0),
        s_maxage=_least(pairs, "s-maxage", invalid=0),
        no_store="no-store" in names,
        no_cache=no_cache,
        no_cache_fields=no_cache_fields,
        private=private,
        private_fields=private_fields,
        public="public" in names,
        must_revalidate="must-revalidate" in names,
        proxy_revalidate="proxy-revalidate" in names,
        must_understand="must-understand" in names,
        stale_while_revalidate=_least(pairs, "stale-while-revalidate", invalid=0),
        stale_if_error=_least(pairs, "stale-if-error", invalid=0),
    )


def pairs_in(lines: Iterable[str]) -> list[Pair]:
    """The directives of a field: names in lower case, values as they stand.

    White space at the equals sign is an error; it stays in the value, which is then good for nothing.
    """
    pairs: list[Pair] = []
    for line in lines:
        for member in split_list(line):
            name, equals, value = member.partition("=")
            bare = name.rstrip(OWS)
            if not TOKEN.fullmatch(bare):
                word = TOKEN.match(bare)
                if word is not None and word.group().lower() in _FORBIDDING:
                    pairs.append((word.group().lower(), None))
                continue
            spoilt = " " if len(bare) != len(name) else ""
            pairs.append((bare.lower(), spoilt + value if equals else None))
    return pairs


def seconds(value: str | None) -> int | None:
    """Delta-seconds, plain or in double quotes, with a ceiling; ``None`` if it is anything else."""
    if value is None:
        return None
    if value.startswith('"'):
        value = unquoted(value)
        if value is None:
            return None
    if not (value.isascii() and value.isdigit()):
        return None
    digits = value.lstrip("0")
    return MAX_SECONDS if len(digits) > 10 else min(int(digits or "0"), MAX_SECONDS)


def _least(pairs: list[Pair], wanted: str, *, invalid: int | None) -> int | None:
    """The smallest of the directive's values: never longer than the first, RFC 9111 section 4.2.1."""
    found = [seconds(value) for name, value in pairs if name == wanted]
    values = [invalid if value is None else value for value in found]
    return min((value for value in values if value is not None), default=None)


def _max_stale(pairs: list[Pair]) -> float | None:
    values = [value for name, value in pairs if name == "max-stale"]
    if not values:
        return None
    limits = [math.inf if value is None else seconds(value) for value in values]
    return min((limit for limit in limits if limit is not None), default=None)


def _qualified(pairs: list[Pair], wanted: str) -> tuple[bool, frozenset[str]]:
    """Whether the directive is about the whole answer, and the fields it is about otherwise."""
    whole = False
    named: set[str] = set()
    for name, value in pairs:
        if name != wanted:
            continue
        listed = field_names(value)
        named |= listed
        whole = whole or not listed
    return whole, frozenset(named)


def field_names(value: str | None) -> frozenset[str]:
    """The names in a quoted list of fields; empty if it is not exactly that."""
    text = None if value is None else unquoted(value)
    if text is None:
        return frozenset()
    names = split_list(text)
    if not all(TOKEN.fullmatch(name) for name in names):
        return frozenset()
    return frozenset(name.lower() for name in names)
