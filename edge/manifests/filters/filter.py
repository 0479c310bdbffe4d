"""The filter: what one viewer may get, wants to get, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from edge.manifests.errors import BadFilter
from edge.manifests.filters import codecs, keys, language
from edge.manifests.filters.values import ANY_NUMBER, ANY_WORD, Numbers, Words

MAX_CHARS = 512
CLAUSE_END, KEY_END = "~", ":"

# 60 means 60.000 and 59.94 (60000/1001), 24 means 23.976: rates closer than this share are the same rate.
FRAME_RATE_TOLERANCE = 0.002
FRAME_RATE_SCALE = 1000

_TYPES = frozenset(("video", "audio", "text", "image", "trick"))
_HDR = frozenset(("hlg", "pq"))
_RANGES = _HDR | {"sdr"}
_HEIGHT = keys.numbers(highest=100_000, unit="p")
_BANDWIDTH_LIMIT = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Limits are not exceeded, conditions are met where possible, arrangements change order and defaults.

    ``str()`` gives the normal form: equal filters print equally, and what is printed can be parsed.
    """

    limit_lang: tuple[str, ...] = ()
    limit_height: int | None = None
    limit_bandwidth: int | None = None
    type: Words = ANY_WORD
    vcodec: Words = ANY_WORD
    acodec: Words = ANY_WORD
    alang: Words = ANY_WORD
    tlang: Words = ANY_WORD
    range: Words = ANY_WORD
    bandwidth: Numbers = ANY_NUMBER
    height: Numbers = ANY_NUMBER
    width: Numbers = ANY_NUMBER
    fps: Numbers = ANY_NUMBER  # thousandths
    channels: Numbers = ANY_NUMBER
    order: Literal["up", "down"] | None = None
    first: Literal["low", "high"] | int | None = None  # a number is a height
    default: tuple[str, ...] = ()  # audio
    tdefault: tuple[str, ...] = ()  # text; ('off',) for none

    def clauses(self) -> Iterator[tuple[str, str]]:
        """Every clause that says something, as field and text, the most important first."""
        for name, (field, sort) in KEYS.items():
            value = getattr(self, field)
            if value:
                yield field, f"{name}{KEY_END}{sort.write(value)}"

    def __str__(self) -> str:
        return CLAUSE_END.join(text for _, text in self.clauses())

    def __bool__(self) -> bool:
        return any(getattr(self, field) for field, _ in KEYS.values())


LIMIT_PREFIX = "limit-"

# Name -> field and sort of value, the most important first: conditions further down are given up earlier.
KEYS: dict[str, tuple[str, keys.Sort]] = {
    "limit-lang": ("limit_lang", keys.language_list()),
    "limit-height": ("limit_height", keys.limit(highest=100_000, unit="p")),
    "limit-bandwidth": ("limit_bandwidth", keys.limit(highest=_BANDWIDTH_LIMIT, unit="k")),
    "type": ("type", keys.choice(_TYPES, aliases={"iframe": "trick"})),
    "vcodec": ("vcodec", keys.families(codecs.VIDEO, codecs.VIDEO)),
    "acodec": ("acodec", keys.families(codecs.AUDIO, codecs.AUDIO)),
    "alang": ("alang", keys.languages()),
    "tlang": ("tlang", keys.languages()),
    "range": ("range", keys.choice(_RANGES, groups={"hdr": _HDR}, aliases={"hdr10": "pq"})),
    "bandwidth": ("bandwidth", keys.numbers(highest=_BANDWIDTH_LIMIT, unit="k")),
    "height": ("height", _HEIGHT),
    "width": ("width", keys.numbers(highest=100_000)),
    "fps": ("fps", keys.numbers(highest=1000, scale=FRAME_RATE_SCALE)),
    "channels": ("channels", keys.numbers(highest=128)),
    "order": ("order", keys.one_of("up", "down")),
    "first": ("first", keys.one_of("low", "high", number=keys.limit(highest=100_000, unit="p"))),
    "default": ("default", keys.preference()),
    "tdefault": ("tdefault", keys.preference(words=("off",))),
}


def from_grant(
    *, max_height: int | None, max_bitrate: int | None, languages: Iterable[str]
) -> Filter:
    """The limits of a grant; '*' among the languages allows every language."""
    tags = sorted({language.normal(tag) for tag in languages})
    bad = next((tag for tag in tags if not language.is_range(tag) and tag != "*"), None)
    if bad is not None:
        raise BadFilter(f"limit-lang: {keys.shown(bad)} is not a language")
    return checked(
        Filter(
            # A limit of nothing is still a limit: the lowest rendition remains.
            limit_height=None if max_height is None else max(1, max_height),
            limit_bandwidth=None if max_bitrate is None else max(1, max_bitrate),
            limit_lang=() if "*" in tags else tuple(tags),
        )
    )


def combine(first: Filter, second: Filter) -> Filter:
    """Both filters at once; where they contradict each other the second counts, limits are the tighter ones.

    Raises ``BadFilter`` when the result would be too long.
    """
    changes: dict[str, Any] = {}
    for field, _ in KEYS.values():
        a, b = getattr(first, field), getattr(second, field)
        changes[field] = _both(field, a, b) if a and b else a or b
    return checked(replace(first, **changes))


def checked(value: Filter) -> Filter:
    """``value``, unless its normal form passes the limits of a filter's text."""
    text = str(value)
    if len(text) > MAX_CHARS or any(
        clause.count(",") >= keys.MAX_ITEMS for clause in text.split(CLAUSE_END)
    ):
        raise BadFilter(
            f"the filter is longer than {MAX_CHARS} characters or {keys.MAX_ITEMS} values"
        )
    return value


def _both(field: str, a: Any, b: Any) -> Any:
    if isinstance(a, Numbers):
        return a.narrowed(b)
    if isinstance(a, Words):
        common = (
            _common_ranges(a.include, b.include)
            if field in ("alang", "tlang")
            else a.include & b.include
        )
        return a.narrowed(b, common)
    if field == "limit_lang":
        return tuple(sorted(_common_ranges(a, b))) or b
    if field in ("limit_bandwidth", "limit_height"):
        return min(a, b)
    return b


def _common_ranges(a: Iterable[str], b: Iterable[str]) -> frozenset[str]:
    """The languages that lie in a range of both."""
    pairs = [(one, other) for one in a for other in b]
    return frozenset(
        [other for one, other in pairs if language.covers(one, other)]
        + [one for one, other in pairs if language.covers(other, one)]
    )
