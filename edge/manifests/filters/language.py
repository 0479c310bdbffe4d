"""Language tags (BCP 47): one spelling, and matching as RFC 4647 says."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from edge.manifests.filters.iso639 import TWO_LETTERS

UNDETERMINED = "und"

# RFC 4647 section 2.1 without '*': what can be written in a filter.
_RANGE = re.compile(r"(?=.{2,35}\Z)[a-z]{2,8}(?:-[a-z0-9]{1,8})*\Z")


def normal(tag: str | None) -> str:
    """The one spelling of a tag: lower case, hyphens, the shortest code; 'und' when nothing is stated."""
    text = (tag or "").strip().lower().replace("_", "-")
    if not text:
        return UNDETERMINED
    primary, hyphen, rest = text.partition("-")
    return TWO_LETTERS.get(primary, primary) + hyphen + rest


def is_range(text: str) -> bool:
    """Whether a (lower-case) text can be written as a language range."""
    return _RANGE.match(text) is not None


def covers(wanted: str, tag: str) -> bool:
    """Extended filtering (RFC 4647 section 3.3.2): 'zh-tw' covers 'zh-tw' and 'zh-hant-tw', 'en' covers 'en-gb'."""
    subtags = iter(tag.split("-"))
    first, *others = wanted.split("-")
    if first != next(subtags):
        return False
    for subtag in others:
        for candidate in subtags:
            if candidate == subtag:
                break
            if (
                len(candidate) == 1
            ):  # a singleton starts an extension: nothing behind it may be skipped to
                return False
        else:
            return False
    return True


def find(wanted: str, available: Collection[str]) -> frozenset[str]:
    """The tags that a range stands for: those it covers; else Lookup (RFC 4647 section 3.4); else its relatives.

    'pt-br' takes every 'pt-br'; without one, 'pt'; without that, what 'pt' covers ('pt-pt').
    """
    covered = frozenset(tag for tag in available if covers(wanted, tag))
    if covered:
        return covered
    shorter = list(_truncated(wanted))
    for candidate in shorter:
        if candidate in available:
            return frozenset((candidate,))
    for candidate in shorter:
        covered = frozenset(tag for tag in available if covers(candidate, tag))
        if covered:
            return covered
    return frozenset()


def find_all(wanted: Iterable[str], available: Collection[str]) -> frozenset[str]:
    """Everything that any of the ranges stands for."""
    return frozenset().union(*(find(one, available) for one in wanted))


def _truncated(wanted: str) -> Iterable[str]:
    """RFC 4647 section 3.4: from the end; a single-character subtag goes together with what it introduced."""
    parts = wanted.split("-")
    while len(parts) > 1:
        parts.pop()
        while len(parts) > 1 and len(parts[-1]) == 1:
            parts.pop()
        yield "-".join(parts)
