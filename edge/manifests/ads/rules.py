"""The rules that say what speaks for an ad, compiled; ``rule_files`` reads them from files.

* RuleFault
  x BadRuleFile
  x UnknownRule
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from edge.manifests.ads.evidence import Family
from edge.manifests.ads.matching import Pattern, Sieve, sieve


class RuleFault(ValueError):
    """A rule cannot be used."""


class BadRuleFile(RuleFault):
    """A file of a rule is not as it must be."""

    def __init__(self, file: Path, what: str, *, line: int | None = None, key: str = "") -> None:
        self.file = file
        self.line = line
        self.key = key
        self.what = what
        place = str(file) if line is None else f"{file}:{line}"
        super().__init__(f"{place}: {key}: {what}" if key else f"{place}: {what}")


class UnknownRule(RuleFault):
    """No rule has the name."""


# The built-in reader's tags: HLS tags by their usual names, and 'event' for SCTE-35 in DASH.
SpliceTag = Literal["cue", "oatcls", "splicepoint", "cue-type", "x-scte35", "daterange", "event"]
SPLICE_TAGS: frozenset[SpliceTag] = frozenset(get_args(SpliceTag))

# Whether the media on both sides of a hole follow one another: said by PROGRAM-DATE-TIMEs, by consecutive numbers in
# one URI template (same MAP and KEY), or by nothing, so that a DISCONTINUITY always stands there.
Contiguous = Literal["pdt", "numbers", "never"]

TextKind = Literal[
    "title",  # HLS: what follows EXTINF's comma
    "path",  # HLS: the segment's path as it is written, without query; both ways for absolute URIs
    "query",  # HLS: the segment's query as it is written, without '?'; '' without one
    "host",  # HLS: the segment's host, when it is absolute or the playlist's own URL is known
    "period-id",  # DASH: Period@id
    "period-url",  # DASH: a BaseURL of the Period, resolved when the MPD's own URL is known
    "asset-id",  # DASH: AssetIdentifier@value
    "xlink",  # DASH: Period@xlink:href that was not resolved
]
PlainKind = Literal[
    "prefetch-in-range",  # HLS: EXT-X-TWITCH-PREFETCH behind a DATERANGE that a 'daterange' signal named
    "minor-host",  # HLS: not the host of most of the playlist's seconds
    "uri-word",  # HLS: 'ad', 'ads', 'advert', 'preroll'… as a word of the path
]
Change = Literal["discontinuity", "map", "key", "codec", "grid"]
CHANGES: frozenset[Change] = frozenset(get_args(Change))

FAMILIES: Mapping[str, Family] = {
    "title": "title",
    "path": "place",
    "query": "place",
    "host": "place",
    "minor-host": "place",
    "uri-word": "place",
    "period-id": "stitcher",
    "period-url": "stitcher",
    "asset-id": "stitcher",
    "xlink": "stitcher",
    "daterange": "stitcher",
    "prefetch-in-range": "stitcher",
    "tag": "stitcher",
    "shape": "shape",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A pattern over one text of a segment or a Period."""

    kind: TextKind
    pattern: Pattern
    weight: int
    family: Family


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """A signal that needs nothing but its name."""

    kind: PlainKind
    weight: int
    family: Family


@dataclass(frozen=True, slots=True, kw_only=True)
class DateRange:
    """An EXT-X-DATERANGE by which a stitcher announces what it put in."""

    class_: Pattern | None
    id: Pattern | None
    attributes: Mapping[str, Pattern]  # others, by name; each must be there and match
    either: bool  # one of class and id is enough
    weight: int  # for segments that lie in it by PROGRAM-DATE-TIME
    without_pdt: (
        int  # for those that follow the tag for its duration, in a playlist without PDT; 0: none
    )
    family: Family = "stitcher"
    kind: Literal["daterange"] = "daterange"

    def names(self, attributes: Mapping[str, str]) -> bool:
        """Whether a date range with these attributes, quotes removed, is one of those."""
        if not all(
            name in attributes and pattern.found_in(attributes[name])
            for name, pattern in self.attributes.items()
        ):
            return False
        asked = [
            pattern.found_in(attributes.get(name, ""))
            for name, pattern in (("CLASS", self.class_), ("ID", self.id))
            if pattern is not None
        ]
        return not asked or (any(asked) if self.either else all(asked))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A tag of a vendor: patterns over what follows its name and colon, '' when nothing does."""

    name: str  # 'UPLYNK-SEGMENT': without '#', matched whole
    opens: (
        Pattern | None
    )  # an ad begins with the next segment; groups 'seconds' and 'id' may say how long, and which
    closes: (
        Pattern | None
    )  # content begins with the next segment; with 'id' only what has that id ends
    covers: Pattern | None  # the next segment, and it alone, is an ad
    max_seconds: Decimal  # what neither has seconds nor is closed is content again after so much
    weight: int
    family: Family = "stitcher"
    kind: Literal["tag"] = "tag"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A run of segments that something sets apart on both sides."""

    changes: frozenset[Change]  # any of them at its beginning and at its end
    max_seconds: Decimal  # of a run that counts
    weight: int
    family: Family = "shape"
    kind: Literal["shape"] = "shape"


Signal = Text | Plain | DateRange | Tag | Shape
_S = TypeVar("_S", Text, Plain, DateRange, Tag, Shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Splice:
    """What the built-in reader of SCTE-35 and its spellings takes for a break."""

    tags: frozenset[SpliceTag]
    types: frozenset[int]  # segmentation types that open a break; the next number closes it
    inserts: bool  # splice_insert, which has no type, counts too
    weight: int
    weights: Mapping[SpliceTag, int]  # where one tag's differs
    max_seconds: Decimal  # an opening without end and duration is content again after so much
    contiguous: Contiguous

    def weight_of(self, tag: SpliceTag) -> int:
        """What a tag weighs; 0 if it is not read."""
        return self.weights.get(tag, self.weight) if tag in self.tags else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Where a rule may be used, beside having to be named."""

    origins: tuple[str, ...] = ("*",)  # names of origins, with * and ?
    url: Pattern | None = None  # over the manifest's own URL

    def admits(self, *, origin: str | None, url: str | None) -> bool:
        """Whether the rule holds there; what is not known forbids nothing."""
        if origin is not None and not any(fnmatchcase(origin, name) for name in self.origins):
            return False
        return url is None or self.url is None or self.url.found_in(url)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One named, versioned reason to take something for an ad."""

    name: str
    version: int
    threshold: int  # of the sum over families; what stays below is content
    splice: Splice | None = None
    signals: tuple[Signal, ...] = ()
    match: Match = Match()
    about: str = ""
    digest: str = ""  # of the file's text

    @property
    def label(self) -> str:
        """How a break names the rule that decided."""
        return f"{self.name}@{self.version}"

    def of(self, kind: type[_S]) -> tuple[_S, ...]:
        """Its signals of one class."""
        return self._by_class.get(kind, ())

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of its signals."""
        return frozenset(signal.kind for signal in self.signals)

    @cached_property
    def _by_class(self) -> Mapping[type, tuple[Any, ...]]:
        return {
            kind: tuple(signal for signal in self.signals if isinstance(signal, kind))
            for kind in get_args(Signal)
        }


@dataclass(frozen=True)
class Rules:
    """What an origin names, in its order."""

    items: tuple[Rule, ...] = ()
    digest: str = field(default="", compare=False)

    def __bool__(self) -> bool:
        return bool(self.items)

    @classmethod
    def of(cls, items: Iterable[Rule]) -> Rules:
        """The rules with the digest that stands for them in names of state."""
        chosen = tuple(items)
        text = "\n".join(f"{rule.label} {rule.digest}" for rule in chosen)
        return cls(
            chosen, hashlib.blake2b(text.encode(), digest_size=8).hexdigest() if chosen else ""
        )

    def where(self, *, origin: str | None = None, url: str | None = None) -> Rules:
        """Those that their own ``match`` admits for a manifest of this origin at this URL."""
        kept = tuple(rule for rule in self.items if rule.match.admits(origin=origin, url=url))
        return self if len(kept) == len(self.items) else Rules.of(kept)

    @cached_property
    def splice_tags(self) -> frozenset[SpliceTag]:
        """Every spelling that some rule reads."""
        return frozenset().union(*(rule.splice.tags for rule in self.items if rule.splice))

    @cached_property
    def tag_names(self) -> frozenset[str]:
        """Every vendor tag that some rule reads."""
        return frozenset(signal.name for rule in self.items for signal in rule.of(Tag))

    @cached_property
    def kinds(self) -> frozenset[str]:
        """Every kind of signal that some rule has, for a reader to know whether it is needed at all."""
        return frozenset(signal.kind for rule in self.items for signal in rule.signals)

    @cached_property
    def texts(self) -> Sieve:
        """Every pattern over the texts of segments or Periods."""
        return sieve(tuple(signal.pattern for rule in self.items for signal in rule.of(Text)))

    @cached_property
    def contiguous(self) -> Contiguous:
        """The most careful word of the rules that have one."""
        said = {rule.splice.contiguous for rule in self.items if rule.splice}
        if "never" in said:
            return "never"
        return "numbers" if said == {"numbers"} else "pdt"


NO_RULES = Rules()


class RuleBook:
    """Every rule there is, by name and version."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._rules = {rule.label: rule for rule in rules}
        newest: dict[str, Rule] = {}
        for rule in self._rules.values():
            if rule.name not in newest or rule.version > newest[rule.name].version:
                newest[rule.name] = rule
        self._newest = newest

    def __iter__(self) -> Iterator[Rule]:
        return iter(sorted(self._rules.values(), key=lambda rule: (rule.name, rule.version)))

    def __len__(self) -> int:
        return len(self._rules)

    def named(self, name: str) -> Rule:
        """The rule called 'name' in its newest version, or 'name@version'; raises ``UnknownRule``."""
        rule = self._rules.get(name) or self._newest.get(name)
        if rule is None:
            there = ", ".join(sorted(self._newest)) or "none"
            raise UnknownRule(f"no rule is called {name!r}; there are: {there}")
        return rule

    def chosen(self, names: Iterable[str]) -> Rules:
        """The rules of these names, each once, in their order; raises ``UnknownRule``."""
        return Rules.of({rule.label: rule for rule in map(self.named, names)}.values())
