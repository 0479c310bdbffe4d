"""The filter of a request: its path's, its query's and its grant's together."""

from __future__ import annotations

from functools import lru_cache

from edge.errors import BadFilter, TokenBadClaims
from edge.manifests.errors import BadFilter as BadFilterText
from edge.manifests.filters.filter import Filter, combine, from_grant
from edge.manifests.filters.grammar import parse_filter, parse_query
from edge.tokens.verified import Limits


def allowed_by(limits: Limits | None) -> Filter | None:
    """What a viewer may have at most, as a filter."""
    if limits is None:
        return None
    max_height, max_bitrate, languages, _ = limits
    try:
        return _limits(max_height, max_bitrate, languages)
    except BadFilterText as error:
        raise TokenBadClaims(str(error)) from error


@lru_cache(maxsize=4096)
def _limits(
    max_height: int | None, max_bitrate: int | None, languages: tuple[str, ...]
) -> Filter | None:
    if max_height is None and max_bitrate is None and not languages:
        return None
    return from_grant(max_height=max_height, max_bitrate=max_bitrate, languages=languages)


@lru_cache(maxsize=4096)
def filter_of(
    words: str, query: tuple[tuple[str, str], ...], limits: Filter | None
) -> Filter | None:
    """The filter of a path, a query and a grant together; ``BadFilter`` names what is wrong with it."""
    try:
        parts = [parse_filter(words)] if words else []
        if query:
            parts.append(parse_query(query))
        if limits is not None:
            parts.append(limits)
        result = None
        for part in parts:
            result = part if result is None else combine(result, part)
    except BadFilterText as error:
        raise BadFilter(str(error)) from error
    return result or None
