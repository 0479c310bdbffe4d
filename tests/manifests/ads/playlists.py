"""Small media playlists with tags, and what the shipped or one's own rules find in them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from typing import Any

from edge.manifests.ads import rule_files
from edge.manifests.ads.evidence import Found
from edge.manifests.ads.hls.find import find
from edge.manifests.ads.rules import SPLICE_TAGS, Rule, Rules, Signal, Splice
from edge.manifests.ads.segmentation import OPENING

# A break of 15 s, a program and the end of the break, as OATCLS has them.
AD = "/DAsAAAAAAAAAP/wBQb+AAAAAAAWAhRDVUVJAAAATn//AAAK/IAAADABAUtlnUE="  # 0x30, 8 s, event 78
AD_ENDS = "/DAnAAAAAAAAAP/wBQb+AAAAAAARAg9DVUVJAAAATn+/AAAxAQH+qbU+"
CHAPTER = "/DAsAAAAAAAAAP/wBQb+AAAAAAAWAhRDVUVJAAAAT3//AAAK/IAAACABAb5LAzQ="  # 0x20
PROGRAM = "0xFC302C00000000000000FFF00506FE0000000000160214435545490000004D7FFF00134FD9000000100101D3FB19D0"
OPPORTUNITY = "0xFC302C00000000000000FFF00506FE000000000016021443554549000000507FFF00000AFC800000340101DBF2C05A"


def media(*lines: str, end: str = "\n") -> bytes:
    """A media playlist: a number stands for that many seconds of one segment."""
    text = ["#EXTM3U", "#EXT-X-TARGETDURATION:10"]
    for line in lines:
        text += [f"#EXTINF:{line},", f"s{len(text)}.ts"] if _is_number(line) else [line]
    return end.join([*text, ""]).encode()


@cache
def shipped(*names: str) -> Rules:
    """Rules that Kawa comes with."""
    return rule_files.load().chosen(names)


def splice(**more: Any) -> Splice:
    """The built-in reader; anything may be another."""
    known: dict[str, Any] = {
        "tags": SPLICE_TAGS,
        "types": OPENING,
        "inserts": True,
        "weight": 60,
        "weights": {},
        "max_seconds": Decimal(600),
        "contiguous": "pdt",
    }
    return Splice(**(known | more))


def rules(*signals: Signal, threshold: int = 50, splice: Splice | None = None) -> Rules:
    """One rule, 'mine@1', with these signals."""
    rule = Rule(name="mine", version=1, threshold=threshold, splice=splice, signals=signals)
    return Rules.of([rule])


def found(data: bytes, by: Rules | None = None, *, base: str | None = None) -> Found:
    """What rules find, 'scte35' unless others are given."""
    return find(data, shipped("scte35") if by is None else by, base=base)[1]


def breaks(data: bytes, by: Rules | None = None) -> list[tuple[int | None, int | None]]:
    """The first and the last segment of every break that a policy would act upon."""
    return [(one.first_index, one.last_index) for one in found(data, by).certain]


def doubtful(data: bytes, by: Rules | None = None) -> list[tuple[int | None, int | None]]:
    """The same of those that nobody acts upon."""
    return [(one.first_index, one.last_index) for one in found(data, by).breaks if one.ambiguous]


def lines(*groups: Iterable[str]) -> bytes:
    """A media playlist of several lists of lines."""
    return media(*(line for group in groups for line in group))


def _is_number(line: str) -> bool:
    return line.replace(".", "", 1).isdigit()
