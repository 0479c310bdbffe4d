"""The rules of releases and episodes, and the words of the public contract."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from catalog.anime.transliteration import latin

MAX_ALIAS_CHARS = 128
MAX_ORDINAL = Decimal("9999.99")
MAX_PUBLIC_ID = 2**31 - 1

_ALIAS = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
# Words that stand where an alias could in the contract's paths.
_RESERVED_ALIASES = frozenset({"list", "latest", "random", "recommended", "episodes"})


class ReleaseType(StrEnum):
    TV = "TV"
    ONA = "ONA"
    WEB = "WEB"
    OVA = "OVA"
    OAD = "OAD"
    MOVIE = "MOVIE"
    DORAMA = "DORAMA"
    SPECIAL = "SPECIAL"


class Season(StrEnum):
    WINTER = "winter"
    SPRING = "spring"
    SUMMER = "summer"
    AUTUMN = "autumn"


class AgeRating(StrEnum):
    R0_PLUS = "R0_PLUS"
    R6_PLUS = "R6_PLUS"
    R12_PLUS = "R12_PLUS"
    R16_PLUS = "R16_PLUS"
    R18_PLUS = "R18_PLUS"

    @property
    def label(self) -> str:
        """As it is printed on a poster: ``16+``."""
        return self.value.removeprefix("R").removesuffix("_PLUS") + "+"

    @property
    def is_adult(self) -> bool:
        return self is AgeRating.R18_PLUS


class Sorting(StrEnum):
    FRESH_AT_DESC = "FRESH_AT_DESC"
    FRESH_AT_ASC = "FRESH_AT_ASC"
    YEAR_DESC = "YEAR_DESC"
    YEAR_ASC = "YEAR_ASC"


class PublishStatus(StrEnum):
    IS_ONGOING = "IS_ONGOING"
    IS_NOT_ONGOING = "IS_NOT_ONGOING"


class ProductionStatus(StrEnum):
    IS_IN_PRODUCTION = "IS_IN_PRODUCTION"
    IS_NOT_IN_PRODUCTION = "IS_NOT_IN_PRODUCTION"


# The contract's descriptions are Russian; the values are what programs compare.
TYPE_DESCRIPTIONS = {
    ReleaseType.TV: "ТВ",
    ReleaseType.ONA: "ONA",
    ReleaseType.WEB: "WEB",
    ReleaseType.OVA: "OVA",
    ReleaseType.OAD: "OAD",
    ReleaseType.MOVIE: "Фильм",
    ReleaseType.DORAMA: "Дорама",
    ReleaseType.SPECIAL: "Спешл",
}
SEASON_DESCRIPTIONS = {
    Season.WINTER: "Зима",
    Season.SPRING: "Весна",
    Season.SUMMER: "Лето",
    Season.AUTUMN: "Осень",
}
DAY_DESCRIPTIONS = {
    1: "Понедельник",
    2: "Вторник",
    3: "Среда",
    4: "Четверг",
    5: "Пятница",
    6: "Суббота",
    7: "Воскресенье",
}
AGE_DESCRIPTIONS = {
    AgeRating.R0_PLUS: "Для всех возрастов",
    AgeRating.R6_PLUS: "Для детей старше 6 лет",
    AgeRating.R12_PLUS: "Для детей старше 12 лет",
    AgeRating.R16_PLUS: "Для подростков старше 16 лет",
    AgeRating.R18_PLUS: "Только для взрослых",
}


def checked_alias(text: str) -> str:
    """An alias that fits into the contract's paths, or ``ValueError``."""
    if len(text) > MAX_ALIAS_CHARS or not _ALIAS.match(text):
        raise ValueError("must be words of a-z and 0-9 joined by '-'")
    if text.isdecimal():
        raise ValueError("must not be a number: it would be read as an id")
    if text in _RESERVED_ALIASES:
        raise ValueError("is a reserved word")
    return text


def alias_candidates(*names: str) -> Iterator[str]:
    """Aliases made of the first name that has letters: plain, then numbered."""
    base = next((slug for slug in map(_slug, names) if slug), "release")
    if base.isdecimal() or base in _RESERVED_ALIASES:
        base = f"release-{base}"
    yield base
    for number in range(2, 100):
        yield f"{base}-{number}"


def _slug(name: str) -> str:
    words = re.findall(r"[a-z0-9]+", latin(name))
    slug = "-".join(words)
    return slug[: MAX_ALIAS_CHARS - 3].strip("-")  # room for a number


def search_text(*names: str | None) -> str:
    """What search looks through: every name, folded."""
    return "\n".join(folded(name) for name in names if name)


def folded(text: str) -> str:
    """Letters as search compares them."""
    return text.casefold().replace("ё", "е")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A title that is new to the catalog."""

    id: UUID
    alias: str | None  # None: made of the names
    type: ReleaseType
    year: int
    season: Season | None
    name_main: str
    name_english: str
    name_alternative: str | None
    description: str
    notification: str | None
    poster: str | None
    age_rating: AgeRating
    publish_day: int  # 1 is Monday
    episodes_total: int | None
    average_duration: int | None  # minutes
    external_player: str | None
    is_ongoing: bool
    is_in_production: bool
    created_at: datetime

    def aliases(self) -> Iterator[str]:
        """The aliases to try, in order."""
        if self.alias is not None:
            return iter((self.alias,))
        return alias_candidates(self.name_main, self.name_english, self.name_alternative or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """An opening or an ending, in whole seconds."""

    start: int | None = None
    stop: int | None = None

    def __post_init__(self) -> None:
        if (self.start is None) != (self.stop is None):
            raise ValueError("needs both start and stop or neither")
        if self.start is not None and self.stop is not None and self.stop <= self.start:
            raise ValueError("must stop after it starts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """An episode that is new to its release."""

    id: UUID
    ordinal: Decimal
    sort_order: int
    name: str | None
    name_english: str | None
    opening: Skip
    ending: Skip
    preview: str | None
    rutube_id: str | None
    youtube_id: str | None
    created_at: datetime


def sort_order_of(ordinal: Decimal) -> int:
    """An order that puts 12.5 between 12 and 13."""
    return int(ordinal * 100)
