"""What people read out of the corpus about ad breaks, and how near the rules come to it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import cache
from typing import Any

from edge.manifests.ads import rule_files
from edge.manifests.ads.dash.find import find as find_in_mpd
from edge.manifests.ads.evidence import Found
from edge.manifests.ads.hls.find import find
from edge.manifests.ads.hls.segments import Segments
from edge.manifests.ads.rules import Rules
from edge.manifests.dash.scan import scan
from edge.manifests.limits import DEFAULT
from tests.lacking import lacking
from tests.manifests import corpus, dash_corpus

Range = tuple[int, Decimal, Decimal]  # Period, start and end on its timeline

FILE = corpus.ROOT / "ad-breaks.json"
_NEAR = Decimal("0.01")  # of moments, which the truth has as floats
# A hole in the truth: the twin of eventStream.mpd, with the same ad Period and other events.
_FORGOTTEN = {"dash/videojs__http-streaming__eventStreamMessageData.mpd": frozenset({0})}
# What tells the breaks of a file; of several the first, as the later ones only repeat it.
_SCHEMES = (
    ("Twitch", rb"twitch|,(?:Amazon|commercial|advertisement)\b"),
    ("MediaTailor, stitched", rb"segment/[0-9a-f]{40}/"),
    ("EXT-X-SPLICEPOINT-SCTE35", rb"#EXT-X-SPLICEPOINT-SCTE35"),
    ("EXT-X-SCTE35", rb"#EXT-X-SCTE35:"),
    ("EXT-X-CUE", rb"#EXT-X-CUE:"),
    ("DATERANGE with SCTE-35", rb"SCTE35-(?:OUT|CMD)="),
    ("CUE-OUT/IN with OATCLS", rb"#EXT-OATCLS-SCTE35"),
    ("CUE-OUT/IN", rb"#EXT-X-CUE-OUT"),
)


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Of one file."""

    name: str
    breaks: tuple[tuple[int, int], ...] = ()  # segments, or Periods
    ranges: tuple[Range, ...] = ()  # DASH, in mid-Period
    ambiguous: frozenset[int] = frozenset()  # either way is right
    interstitials: tuple[str, ...] = ()

    @property
    def ads(self) -> frozenset[int]:
        """The segments or Periods that are ads for certain."""
        return members(self.breaks)


@dataclass(kw_only=True)
class Score:
    """How often the rules were right."""

    hit: int = 0  # segments or Periods
    missed: int = 0
    wrong: int = 0
    content: int = 0  # that must stay
    either: int = 0  # ambiguous ones that went
    breaks_hit: int = 0  # to the segment
    breaks_missed: int = 0
    breaks_wrong: int = 0  # with something in them that is content
    files: int = 0

    def __iadd__(self, other: Score) -> Score:
        for each in fields(Score):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        return self


def members(runs: Iterable[tuple[int, int]]) -> frozenset[int]:
    """All positions of some runs."""
    return frozenset(place for first, last in runs for place in range(first, last + 1))


def runs_of(places: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Positions as runs."""
    found: list[tuple[int, int]] = []
    for place in sorted(places):
        if found and found[-1][1] == place - 1:
            found[-1] = found[-1][0], place
        else:
            found.append((place, place))
    return tuple(found)


@cache
def truths() -> Mapping[str, Truth]:
    """Of every file of the corpus; those that nobody read out of are without ads."""
    if not FILE.is_file():
        lacking(f"the truth about ad breaks is not at {FILE}: put it beside the project")
    said: dict[str, Any] = json.loads(FILE.read_text())["files"]
    names = [f"hls/{path.name}" for path in corpus.hls()]
    names += [f"dash/{name}" for name in dash_corpus.names()]
    return {name: _truth(name, said.get(name, {})) for name in names}


@cache
def shipped() -> Rules:
    """All rules that Kawa comes with, named at once."""
    book = rule_files.load()
    return book.chosen([rule.name for rule in book])


def read(name: str) -> bytes:
    """A file of the corpus."""
    return (corpus.ROOT / name).read_bytes()


def scheme(name: str) -> str:
    """What tells the breaks of a file."""
    if name.startswith("dash/"):
        return "DASH, in mid-Period" if truths()[name].ranges else "DASH, whole Periods"
    data = read(name)
    return next(scheme for scheme, sign in _SCHEMES if re.search(sign, data))


def look(name: str, rules: Rules) -> tuple[Segments, Found]:
    """What the rules find in a playlist of the corpus."""
    return find(read(name), rules)


def scored(name: str, rules: Rules) -> Score:
    """One file's score."""
    truth = truths()[name]
    if name.startswith("dash/"):
        return _scored_mpd(truth, rules)
    segments, found = look(name, rules)
    total = len(segments) if segments.is_media else 0
    got = [
        (one.first_index, one.last_index)
        for one in found.certain
        if one.first_index is not None and one.last_index is not None
    ]
    return _compared(truth, got, total)


def _compared(truth: Truth, got: list[tuple[int, int]], total: int) -> Score:
    gone = members(got)
    exact = [run for run in truth.breaks if run in got]
    return Score(
        hit=len(gone & truth.ads),
        missed=len(truth.ads - gone),
        wrong=len(gone - truth.ads - truth.ambiguous),
        content=total - len(truth.ads | truth.ambiguous),
        either=len(gone & truth.ambiguous),
        breaks_hit=len(exact),
        breaks_missed=len(truth.breaks) - len(exact),
        breaks_wrong=sum(
            1 for run in got if run not in exact and members([run]) - truth.ads - truth.ambiguous
        ),
        files=1,
    )


def _scored_mpd(truth: Truth, rules: Rules) -> Score:
    document = scan(read(truth.name), DEFAULT)
    found = find_in_mpd(document, rules, base=dash_corpus.SOURCE)
    total = sum(1 for child in document.root.children if child.name == "Period")
    whole = runs_of(p for one in found.certain if one.time_range is None for p in one.periods)
    # Breaks of a file stand beside content, so that runs of Periods are breaks.
    score = _compared(truth, list(whole), total)
    ranges = [(one.periods[0], *one.time_range) for one in found.certain if one.time_range]
    for wanted in truth.ranges:
        near = [got for got in ranges if _is_near(got, wanted)]
        score.breaks_hit += bool(near)
        score.breaks_missed += not near
        ranges = [got for got in ranges if got not in near]
    score.breaks_wrong += len(ranges)
    return score


def _is_near(one: Range, other: Range) -> bool:
    return one[0] == other[0] and all(
        abs(a - b) <= _NEAR for a, b in zip(one[1:], other[1:], strict=True)
    )


def _truth(name: str, said: Mapping[str, Any]) -> Truth:
    breaks = said.get("breaks", [])
    if name.startswith("dash/"):
        periods = {one["period_index"] for each in breaks for one in each.get("periods", [])}
        ranges = [each["time_range"] for each in breaks if "time_range" in each]
        return Truth(
            name=name,
            breaks=runs_of(periods | _FORGOTTEN.get(name, frozenset())),
            ranges=tuple(
                (one["period_index"], Decimal(str(one["start"])), Decimal(str(one["end"])))
                for one in ranges
            ),
        )
    doubtful = [one for one in said.get("ambiguous", []) if "first_index" in one]
    return Truth(
        name=name,
        breaks=tuple((one["first_index"], one["last_index"]) for one in breaks),
        ambiguous=members((one["first_index"], one["last_index"]) for one in doubtful),
        interstitials=tuple(one["id"] for one in said.get("interstitials", [])),
    )
