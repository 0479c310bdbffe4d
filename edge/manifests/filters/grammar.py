"""Reading a filter from the path segment after ``/f/`` or from a query; the language is described in FILTERS.md."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from edge.manifests.errors import BadFilter
from edge.manifests.filters.filter import (
    CLAUSE_END,
    KEY_END,
    KEYS,
    LIMIT_PREFIX,
    MAX_CHARS,
    Filter,
    checked,
)
from edge.manifests.filters.keys import shown

__all__ = ["Filter", "parse_filter", "parse_query"]

QUERY = "f"  # ?f=height:..720~alang:ja
QUERY_PREFIX = "f."  # ?f.height=..720&f.alang=ja

# Every value is made of these; with '~' and ':' between them, all may stand in a path segment (RFC 3986 pchar).
_PLAIN = re.compile(r"[A-Za-z0-9.,!_-]*\Z")


def parse_filter(text: str, *, limits: bool = False) -> Filter:
    """Read a whole filter such as ``height:..720~alang:ja,en``; raises ``BadFilter`` with key and value.

    Limits are for grants and operators (``limits=True``): where two limits cannot both be met, one that a viewer
    adds could otherwise push aside one that the grant sets.
    """
    if len(text) > MAX_CHARS:
        raise BadFilter(f"the filter is longer than {MAX_CHARS} characters")
    return _filter(_pairs(text), limits=limits)


def parse_query(query: Iterable[tuple[str, str]]) -> Filter:
    """Read the filter in a query's names and values: ``f``, ``f.KEY`` or both; other names are not ours."""
    pairs: list[tuple[str, str]] = []
    chars = 0
    for name, value in query:
        if name != QUERY and not name.startswith(QUERY_PREFIX):
            continue
        chars += len(name) + len(value)
        if chars > 2 * MAX_CHARS:
            raise BadFilter(f"the filter is longer than {MAX_CHARS} characters")
        if name == QUERY:
            pairs += _pairs(value)
        else:
            pairs.append((name.removeprefix(QUERY_PREFIX), value))
    return _filter(pairs, limits=False)


def _pairs(text: str) -> Iterable[tuple[str, str]]:
    for clause in text.split(CLAUSE_END) if text else ():
        key, colon, value = clause.partition(KEY_END)
        if not colon:
            raise BadFilter(f"{shown(clause)} is not 'key{KEY_END}value'")
        yield key, value


def _filter(pairs: Iterable[tuple[str, str]], *, limits: bool) -> Filter:
    values: dict[str, Any] = {}
    for key, value in pairs:
        name = key.lower()
        if name not in KEYS:
            raise BadFilter(f"unknown key {shown(key)}: there are {', '.join(KEYS)}")
        if name.startswith(LIMIT_PREFIX) and not limits:
            wish = "alang and tlang" if name == "limit-lang" else name.removeprefix(LIMIT_PREFIX)
            raise BadFilter(
                f"{name}: only a grant sets limits; {wish} is what a viewer can ask for"
            )
        field, sort = KEYS[name]
        if field in values:
            raise BadFilter(f"{name}: stands there twice")
        if not _PLAIN.match(value):
            raise BadFilter(f"{name}: {shown(value)} has a character that no value has")
        try:
            values[field] = sort.read(value.lower())
        except BadFilter as error:
            raise BadFilter(f"{name}: {error}") from None
    return checked(Filter(**values))
