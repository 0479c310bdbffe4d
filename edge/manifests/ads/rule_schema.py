"""The format of a rule file, checked key by key; edge/ADS.md explains it to operators."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from edge.manifests.ads.matching import Pattern
from edge.manifests.ads.rules import (
    CHANGES,
    FAMILIES,
    SPLICE_TAGS,
    Change,
    Contiguous,
    DateRange,
    Match,
    Plain,
    PlainKind,
    Rule,
    Shape,
    Signal,
    Splice,
    SpliceTag,
    Tag,
    Text,
    TextKind,
)
from edge.manifests.ads.segmentation import OPENING, TYPES

SCHEMA = 1
NAME = r"^[a-z][a-z0-9-]{0,31}$"
_MOST_SIGNALS = 64
_MOST_TESTS = 128
_OVERLAYS = frozenset((TYPES["provider-overlay-po"], TYPES["distributor-overlay-po"]))
_DEFAULT_TYPES = OPENING - _OVERLAYS  # an overlay does not replace the programme


def _pattern(value: object) -> object:
    return Pattern(value) if isinstance(value, str) else value


def _type(value: object) -> int:
    if isinstance(value, str) and value in TYPES:
        return TYPES[value]
    if isinstance(value, int) and value in OPENING:
        return value
    raise ValueError(f"write one of {', '.join(TYPES)}, or its number")


def _not_everything(pattern: Pattern) -> Pattern:
    if not pattern.source:
        raise ValueError("a pattern without a character would match everything")
    return pattern


Expression = Annotated[Pattern, BeforeValidator(_pattern)]
Weight = Annotated[int, Field(ge=1, le=100)]
Seconds = Annotated[Decimal, Field(strict=False, gt=0, le=86_400)]
_DEFAULT_SECONDS = Decimal(600)
Pair = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]
Moment = Annotated[Decimal, Field(strict=False, ge=0)]


class _Table(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True
    )


class TextTable(_Table):
    """[[signal]] with a pattern over one text."""

    kind: TextKind
    pattern: Annotated[Expression, AfterValidator(_not_everything)]
    weight: Weight

    def compiled(self) -> Signal:
        """The signal that it describes."""
        return Text(
            kind=self.kind, pattern=self.pattern, weight=self.weight, family=FAMILIES[self.kind]
        )


class PlainTable(_Table):
    """[[signal]] that only needs a weight."""

    kind: PlainKind
    weight: Weight

    def compiled(self) -> Signal:
        """The signal that it describes."""
        return Plain(kind=self.kind, weight=self.weight, family=FAMILIES[self.kind])


class DateRangeTable(_Table):
    """[[signal]] of kind 'daterange'."""

    kind: Literal["daterange"]
    class_: Expression | None = Field(None, alias="class")
    id: Expression | None = None
    attributes: dict[
        Annotated[str, StringConstraints(pattern=r"^[A-Z0-9-]{1,64}$")], Expression
    ] = Field({}, max_length=8)
    either: bool = False
    weight: Weight
    without_pdt: int = Field(0, ge=0, le=100)

    @model_validator(mode="after")
    def _asks_something(self) -> DateRangeTable:
        if self.class_ is None and self.id is None and not self.attributes:
            raise ValueError("a date range is known by class, id or attributes; none is here")
        if self.either and (self.class_ is None or self.id is None):
            raise ValueError("either is for a class and an id; one of them is missing")
        if {"CLASS", "ID"} & set(self.attributes):
            raise ValueError("CLASS and ID have keys of their own: class and id")
        return self

    def compiled(self) -> Signal:
        """The signal that it describes."""
        return DateRange(
            class_=self.class_,
            id=self.id,
            attributes=dict(self.attributes),
            either=self.either,
            weight=self.weight,
            without_pdt=self.without_pdt,
        )


class TagTable(_Table):
    """[[signal]] of kind 'tag'."""

    kind: Literal["tag"]
    tag: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
    opens: Expression | None = None
    closes: Expression | None = None
    covers: Expression | None = None
    max_seconds: Seconds = _DEFAULT_SECONDS
    weight: Weight

    @model_validator(mode="after")
    def _says_something(self) -> TagTable:
        if self.tag in ("EXTINF", "EXTM3U"):
            raise ValueError(f"{self.tag} is no tag of a vendor")
        if self.opens is None and self.covers is None:
            raise ValueError("a tag needs opens or covers")
        if self.closes is not None and self.opens is None:
            raise ValueError("closes is for a tag that opens")
        for pattern, known in (
            (self.opens, {"seconds", "id"}),
            (self.closes, {"id"}),
            (self.covers, set[str]()),
        ):
            if pattern is not None and not pattern.groups <= known:
                odd = ", ".join(sorted(pattern.groups - known))
                raise ValueError(f"no meaning is known for the group {odd} of {pattern.source!r}")
        return self

    def compiled(self) -> Signal:
        """The signal that it describes."""
        return Tag(
            name=self.tag,
            opens=self.opens,
            closes=self.closes,
            covers=self.covers,
            max_seconds=self.max_seconds,
            weight=self.weight,
        )


class ShapeTable(_Table):
    """[[signal]] of kind 'shape'."""

    kind: Literal["shape"]
    changes: list[Change] = Field(["discontinuity"], min_length=1, max_length=len(CHANGES))
    max_seconds: Seconds = Decimal(130)
    weight: Weight

    def compiled(self) -> Signal:
        """The signal that it describes."""
        return Shape(
            changes=frozenset(self.changes), max_seconds=self.max_seconds, weight=self.weight
        )


SignalTable = Annotated[
    TextTable | PlainTable | DateRangeTable | TagTable | ShapeTable, Field(discriminator="kind")
]


class SpliceTable(_Table):
    """[splice]: the built-in reader of SCTE 35."""

    tags: list[SpliceTag] = Field(sorted(SPLICE_TAGS), min_length=1, max_length=len(SPLICE_TAGS))
    types: list[Annotated[int, BeforeValidator(_type)]] = Field(
        sorted(_DEFAULT_TYPES), max_length=len(OPENING)
    )
    inserts: bool = True
    weight: Weight = 60
    weights: dict[SpliceTag, Weight] = {}
    max_seconds: Seconds = _DEFAULT_SECONDS
    contiguous: Contiguous = "pdt"

    def compiled(self) -> Splice:
        """What it describes."""
        return Splice(
            tags=frozenset(self.tags),
            types=frozenset(self.types),
            inserts=self.inserts,
            weight=self.weight,
            weights=dict(self.weights),
            max_seconds=self.max_seconds,
            contiguous=self.contiguous,
        )


class MatchTable(_Table):
    """[match]: where the rule may be used."""

    origins: list[Annotated[str, StringConstraints(pattern=r"^[a-z0-9*?-]{1,64}$")]] = Field(
        ["*"], min_length=1, max_length=64
    )
    url: Expression | None = None


class TestTable(_Table):
    """[[test]]: a manifest and what the rule alone must find in it."""

    __test__ = False  # no class of tests, whatever pytest thinks of its name

    about: str = Field("", max_length=400)
    corpus: (
        Annotated[str, StringConstraints(pattern=r"^(hls|dash)/[^/\\.][^/\\]{0,200}$")] | None
    ) = None
    manifest: str | None = None
    base: str | None = Field(None, max_length=2000)
    breaks: list[Pair] = []
    ambiguous: list[Pair] = []
    periods: list[Annotated[int, Field(ge=0)]] = []
    ranges: list[Annotated[list[Moment], Field(min_length=3, max_length=3)]] = []
    interstitials: list[str] | None = None

    @model_validator(mode="after")
    def _has_one_source(self) -> TestTable:
        if (self.corpus is None) == (self.manifest is None):
            raise ValueError("a test has either corpus or manifest")
        return self


class RuleTable(_Table):
    """A whole file."""

    schema_: Literal[1] = Field(alias="schema")
    name: Annotated[str, StringConstraints(pattern=NAME)]
    version: int = Field(ge=1, le=9999)
    about: str = Field(min_length=1, max_length=400)
    threshold: Weight = 50
    match: MatchTable = MatchTable()
    splice: SpliceTable | None = None
    signal: list[SignalTable] = Field([], max_length=_MOST_SIGNALS)
    test: list[TestTable] = Field([], max_length=_MOST_TESTS)

    @model_validator(mode="after")
    def _can_decide(self) -> RuleTable:
        if self.splice is None and not self.signal:
            raise ValueError("a rule needs [splice] or at least one [[signal]]")
        if self.most() < self.threshold:
            raise ValueError(
                f"all signals together weigh {self.most()}, so threshold {self.threshold} is never reached"
            )
        return self

    def most(self) -> int:
        """The highest score that a segment can have by this rule."""
        heaviest: dict[str, int] = {}
        for table in self.signal:
            family = FAMILIES[table.kind]
            heaviest[family] = max(heaviest.get(family, 0), table.weight)
        if self.splice is not None:
            splice = self.splice.compiled()
            heaviest["splice"] = max(splice.weight_of(tag) for tag in splice.tags)
        return min(100, sum(heaviest.values()))

    def compiled(self, *, digest: str) -> Rule:
        """The rule that it describes."""
        return Rule(
            name=self.name,
            version=self.version,
            threshold=self.threshold,
            splice=None if self.splice is None else self.splice.compiled(),
            signals=tuple(table.compiled() for table in self.signal),
            match=Match(origins=tuple(self.match.origins), url=self.match.url),
            about=self.about,
            digest=digest,
        )


def read(values: Mapping[str, Any]) -> RuleTable:
    """The table of a file's values; raises pydantic's ``ValidationError``."""
    return RuleTable.model_validate(values)
