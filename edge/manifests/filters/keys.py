"""How the value of each sort of key is read and written; writing what was read gives its normal form."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from edge.manifests.errors import BadFilter
from edge.manifests.filters import codecs, language
from edge.manifests.filters.values import ANY_WORD, EVERYTHING, Numbers, Span, Words

MAX_ITEMS = 64
_NUMBER = re.compile(r"([0-9]{1,13}(?:\.[0-9]{1,3})?)([a-z]?)\Z")
_FACTORS = {"k": 1000, "m": 1_000_000, "g": 1_000_000_000}


@dataclass(frozen=True, slots=True)
class Sort:
    """One sort of value."""

    read: Callable[[str], Any]
    write: Callable[[Any], str]


def numbers(*, highest: int, scale: int = 1, unit: str = "") -> Sort:
    """``720``, ``..720``, ``480..``, ``480..720``, several of them, each refused by a ``!`` in front.

    Kept as whole numbers: the value times ``scale``. ``unit`` 'k' reads 'k', 'm' and 'g' as powers of 1000,
    'p' allows the 'p' of '720p'.
    """

    def read(text: str) -> Numbers:
        include: list[Span] = []
        exclude: list[Span] = []
        for refused, item in _items(text):
            (exclude if refused else include).append(_span(item, read_one))
        value = Numbers.of(include, exclude)
        if value.exclude == (EVERYTHING,):
            raise BadFilter(f"{shown(text)} leaves nothing")
        return value

    def read_one(text: str) -> int:
        return _number(text, highest=highest, scale=scale, unit=unit)

    def write(value: Numbers) -> str:
        return ",".join(
            mark + _print_span(span, scale)
            for mark, spans in (("", value.include), ("!", value.exclude))
            for span in spans
        )

    return Sort(read, write)


def limit(*, highest: int, unit: str = "") -> Sort:
    """One whole number."""
    return Sort(lambda text: _number(text, highest=highest, scale=1, unit=unit), str)


def choice(
    words: frozenset[str],
    *,
    groups: Mapping[str, frozenset[str]] | None = None,
    aliases: Mapping[str, str] | None = None,
) -> Sort:
    """Words of which each rendition has exactly one; kept as the set of those that are wanted."""
    printed = {word: frozenset((word,)) for word in words} | dict(groups or {})
    names = printed | {alias: printed[word] for alias, word in (aliases or {}).items()}

    def read(text: str) -> Words:
        include: set[str] = set()
        exclude: set[str] = set()
        for refused, item in _items(text):
            if item not in names:
                raise BadFilter(f"{shown(item)} is none of {', '.join(sorted(printed))}")
            (exclude if refused else include).update(names[item])
        wanted = frozenset((include or words) - exclude)
        if not wanted:
            raise BadFilter(f"{shown(text)} leaves nothing")
        return ANY_WORD if wanted == words else Words(wanted)

    def write(value: Words) -> str:
        spelled = [
            ",".join(mark + name for name in _cover(part, printed))
            for mark, part in (("", value.include), ("!", words - value.include))
        ]
        return min(spelled, key=len)

    return Sort(read, write)


def families(known: Iterable[str], codes: Mapping[str, Iterable[str]]) -> Sort:
    """Codec families, by their own names or by any code that belongs to them."""
    names = {name: name for name in known}
    names |= {alias: name for alias, name in codecs.ALIASES.items() if name in names}
    names |= {code: name for name, spellings in codes.items() for code in spellings}

    def one(text: str) -> str:
        if text not in names:
            raise BadFilter(f"{shown(text)} is none of {', '.join(sorted(set(names.values())))}")
        return names[text]

    return _words(one)


def languages() -> Sort:
    """Language ranges, in any order."""
    return _words(_language)


def language_list() -> Sort:
    """Language ranges without refusals, in any order."""

    def read(text: str) -> tuple[str, ...]:
        return tuple(sorted({_language(item) for item in _plain_items(text)}))

    return Sort(read, ",".join)


def preference(*, words: tuple[str, ...] = ()) -> Sort:
    """Language ranges, the most wanted first; or one of ``words`` alone."""

    def read(text: str) -> tuple[str, ...]:
        if text in words:
            return (text,)
        return tuple(dict.fromkeys(_language(item) for item in _plain_items(text)))

    return Sort(read, ",".join)


def one_of(*words: str, number: Sort | None = None) -> Sort:
    """One of a few words, or a number."""

    def read(text: str) -> str | int:
        if text in words:
            return text
        if number is None or not text[:1].isdigit():
            raise BadFilter(f"{shown(text)} is none of {', '.join(words)}")
        value: int = number.read(text)
        return value

    return Sort(read, str)


def shown(text: str) -> str:
    """A foreign text for a message: short and in quotes."""
    return f"'{text if len(text) <= 40 else text[:40] + '…'}'"


def _words(one: Callable[[str], str]) -> Sort:
    def read(text: str) -> Words:
        include: set[str] = set()
        exclude: set[str] = set()
        for refused, item in _items(text):
            (exclude if refused else include).add(one(item))
        both = include & exclude
        if both:
            raise BadFilter(f"{shown(min(both))} is wanted and refused")
        return Words(frozenset(include), frozenset(exclude))

    def write(value: Words) -> str:
        return ",".join((*sorted(value.include), *("!" + w for w in sorted(value.exclude))))

    return Sort(read, write)


def _items(text: str) -> Iterator[tuple[bool, str]]:
    items = text.split(",")
    if len(items) > MAX_ITEMS:
        raise BadFilter(f"{shown(text)} has more than {MAX_ITEMS} values")
    for item in items:
        value = item.removeprefix("!")
        if not value:
            raise BadFilter("a value is missing")
        yield value != item, value


def _plain_items(text: str) -> Iterator[str]:
    for refused, item in _items(text):
        if refused:
            raise BadFilter(f"{shown('!' + item)} cannot be refused here")
        yield item


def _span(text: str, read_one: Callable[[str], int]) -> Span:
    low, dots, high = text.partition("..")
    if not dots:
        value = read_one(text)
        return Span(value, value)
    if not low and not high:
        raise BadFilter(f"{shown(text)} has no bound")
    span = Span(read_one(low) if low else None, read_one(high) if high else None)
    if span.low is not None and span.high is not None and span.low > span.high:
        raise BadFilter(f"{shown(text)} runs backwards")
    return span


def _number(text: str, *, highest: int, scale: int, unit: str) -> int:
    match = _NUMBER.match(text)
    if match is None:
        raise BadFilter(f"{shown(text)} is not a number")
    digits, suffix = match.groups()
    factor = 1
    if suffix:
        if suffix == unit:
            factor = _FACTORS.get(suffix, 1)
        elif unit == "k" and suffix in _FACTORS:
            factor = _FACTORS[suffix]
        else:
            raise BadFilter(f"{shown(text)} is not a number")
    value = Decimal(digits) * factor * scale
    if value != value.to_integral_value():
        raise BadFilter(f"{shown(text)} is not a whole number")
    if not 0 < value <= highest * scale:
        raise BadFilter(f"{shown(text)} is not between 1 and {highest}")
    return int(value)


def _print_span(span: Span, scale: int) -> str:
    if span.low == span.high:
        return printed(span.low, scale)
    return f"{printed(span.low, scale)}..{printed(span.high, scale)}"


def printed(value: int | None, scale: int) -> str:
    """A number as a filter spells it; 'no bound' is nothing."""
    if value is None:
        return ""
    whole, part = divmod(value, scale)
    return f"{whole}.{part:03d}".rstrip("0") if part else str(whole)


def _cover(part: frozenset[str], names: Mapping[str, frozenset[str]]) -> list[str]:
    """The fewest names for a set: the widest first, then what is left."""
    chosen: list[str] = []
    left = set(part)
    for name in sorted(names, key=lambda name: (-len(names[name]), name)):
        if left >= names[name]:
            chosen.append(name)
            left -= names[name]
    return sorted(chosen)


def _language(text: str) -> str:
    tag = language.normal(text)
    if not language.is_range(tag):
        raise BadFilter(f"{shown(text)} is not a language")
    return tag
