"""How packagers write breaks: one spelling each, as lines before the segments of a break."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.manifests.ads.scte35_encoder import InsertSpec, SectionSpec, SegmentationSpec
from tests.manifests.ads.world.show import Fault, Nature, Stretch

_TICKS = 90_000
ACCOUNT = "43f3e412052f2808dd84ea1da90e92e914edddee/news/ee1696a8-4f7f-4c4c-99de-9821131847e8/0"


@dataclass(frozen=True, kw_only=True)
class Told:
    """A break as its markers have it."""

    stretch: Stretch
    seconds: float  # of one segment of the leading rendition
    date: Callable[[int], str]  # of a place

    @property
    def key(self) -> int:
        return self.stretch.number

    @property
    def declared(self) -> float:
        return (self.stretch.end - self.stretch.start) * self.seconds

    def passed(self, place: int) -> float:
        return (place - self.stretch.start) * self.seconds

    def bits(self) -> int:
        return round(self.declared * _TICKS)


Lines = Callable[[Told], list[str]]
Inside = Callable[[Told, int], list[str]]


def _nothing(_told: Told) -> list[str]:
    return []


def _nothing_inside(_told: Told, _place: int) -> list[str]:
    return []


@dataclass(frozen=True, kw_only=True)
class Spelling:
    """The lines for a break's first segment, each of the others, and the segment behind it."""

    name: str
    rules: tuple[str, ...]
    nature: Nature
    opens: Lines = _nothing
    goes_on: Inside = _nothing_inside
    closes: Lines = _nothing
    head: Lines = _nothing  # while the break lasts and its first segment has left the window
    title: Callable[[Told], str] | None = None
    folder: str = ""  # of the segments of breaks
    tags: tuple[str, ...] = ("none", "both", "before", "behind")
    dated: bool = False  # means nothing without dates
    tells_ahead: bool = (
        True  # something says so before a segment's parts, not only about the whole one
    )


def _seconds(value: float) -> str:
    return f"{value:.3f}"


_HEALED: tuple[Fault, ...] = ("late-out", "early-in", "no-out")

CUE_BARE = Spelling(
    name="cue",
    rules=("scte35",),
    nature=Nature(continues=False, declares=False, faults=(*_HEALED, "late-in", "in-comes-late")),
    opens=lambda told: ["#EXT-X-CUE-OUT"],
    closes=lambda told: ["#EXT-X-CUE-IN"],
)
CUE_DURATION = Spelling(
    name="cue-duration",
    rules=("scte35",),
    nature=Nature(continues=False, declares=True, faults=(*_HEALED, "no-in", "late-in")),
    opens=lambda told: [f"#EXT-X-CUE-OUT:{_seconds(told.declared)}"],
    closes=lambda told: ["#EXT-X-CUE-IN"],
)
CUE_CONT = Spelling(
    name="cue-cont",
    rules=("scte35",),
    nature=Nature(continues=True, declares=True, faults=(*_HEALED, "no-in")),
    opens=lambda told: [f"#EXT-X-CUE-OUT:DURATION={_seconds(told.declared)}"],
    goes_on=lambda told, place: [
        f"#EXT-X-CUE-OUT-CONT:ElapsedTime={_seconds(told.passed(place))},Duration={_seconds(told.declared)}"
    ],
    closes=lambda told: ["#EXT-X-CUE-IN"],
)
CUE_SPAN = Spelling(
    name="cue-cont-bare",
    rules=("scte35",),
    nature=Nature(continues=True, declares=False, faults=(*_HEALED, "in-comes-late")),
    opens=lambda told: ["#EXT-X-CUE-OUT"],
    goes_on=lambda told, place: ["#EXT-X-CUE-OUT-CONT"],
    closes=lambda told: ["#EXT-X-CUE-IN"],
)


def _oatcls(told: Told) -> str:
    spec = SegmentationSpec(event=told.key, type=0x34, ticks=told.bits())
    return SectionSpec(segmentations=(spec,)).text()


def _oatcls_end(told: Told) -> str:
    return SectionSpec(segmentations=(SegmentationSpec(event=told.key, type=0x35),)).text()


def _insert(told: Told, *, out: bool) -> SectionSpec:
    ticks = told.bits() if out else None
    return SectionSpec(insert=InsertSpec(event=told.key, out=out, ticks=ticks))


OATCLS = Spelling(
    name="oatcls",
    rules=("scte35",),
    nature=Nature(continues=True, declares=True, faults=(*_HEALED, "no-in")),
    opens=lambda told: [
        f"#EXT-OATCLS-SCTE35:{_oatcls(told)}",
        f"#EXT-X-CUE-OUT:{_seconds(told.declared)}",
    ],
    goes_on=lambda told, place: [
        f"#EXT-X-CUE-OUT-CONT:ElapsedTime={_seconds(told.passed(place))},"
        f"Duration={_seconds(told.declared)},SCTE35={_oatcls(told)}"
    ],
    closes=lambda told: [f"#EXT-OATCLS-SCTE35:{_oatcls_end(told)}", "#EXT-X-CUE-IN"],
)
X_SCTE35 = Spelling(
    name="x-scte35",
    rules=("scte35",),
    nature=Nature(continues=True, declares=False, faults=(*_HEALED,)),
    opens=lambda told: [
        f'#EXT-X-SCTE35:TYPE=0x34,ID="{told.key}",CUE-OUT=YES,CUE="{_oatcls(told)}"'
    ],
    goes_on=lambda told, place: [f'#EXT-X-SCTE35:TYPE=0x34,ID="{told.key}",CUE-OUT=CONT'],
    closes=lambda told: [
        f'#EXT-X-SCTE35:TYPE=0x35,ID="{told.key}",CUE-IN=YES,CUE="{_oatcls_end(told)}"'
    ],
)
X_CUE = Spelling(
    name="x-cue",
    rules=("scte35",),
    nature=Nature(continues=False, declares=True, faults=(*_HEALED, "no-in")),
    opens=lambda told: [
        f'#EXT-X-CUE:DURATION="{_seconds(told.declared)}",ID="{told.key}",TYPE="SpliceOut",TIME="414.1"'
    ],
    closes=lambda told: [f'#EXT-X-CUE:ID="{told.key}",TYPE="SpliceIn",TIME="420.5"'],
)
SPLICEPOINT = Spelling(
    name="splicepoint",
    rules=("scte35",),
    nature=Nature(continues=False, declares=True, faults=(*_HEALED, "no-in")),
    opens=lambda told: [f"#EXT-X-SPLICEPOINT-SCTE35:{_insert(told, out=True).text()}"],
    closes=lambda told: [f"#EXT-X-SPLICEPOINT-SCTE35:{_insert(told, out=False).text()}"],
)


def _range(told: Told) -> str:
    return (
        f'#EXT-X-DATERANGE:ID="splice-{told.key}",START-DATE="{told.date(told.stretch.begins)}",'
        f"PLANNED-DURATION={_seconds(told.declared)},SCTE35-OUT={_insert(told, out=True).digits()}"
    )


def _range_end(told: Told) -> str:
    return (
        f'#EXT-X-DATERANGE:ID="splice-{told.key}",START-DATE="{told.date(told.stretch.begins)}",'
        f'END-DATE="{told.date(told.stretch.ends)}",SCTE35-IN={_insert(told, out=False).digits()}'
    )


DATERANGE = Spelling(
    name="daterange",
    rules=("scte35",),
    nature=Nature(continues=True, declares=True, faults=("late-out", "early-in", "no-in")),
    opens=lambda told: [_range(told)],
    head=lambda told: [_range(told)],
    closes=lambda told: [_range_end(told)],
    dated=True,
)
TWITCH = Spelling(
    name="twitch",
    rules=("twitch",),
    nature=Nature(continues=True, declares=True, faults=("late-out",)),
    opens=lambda told: [
        f'#EXT-X-DATERANGE:ID="stitched-ad-{told.key}",CLASS="twitch-stitched-ad",'
        f'START-DATE="{told.date(told.stretch.begins)}",DURATION={_seconds(told.declared)}'
    ],
    head=lambda told: [
        f'#EXT-X-DATERANGE:ID="stitched-ad-{told.key}",CLASS="twitch-stitched-ad",'
        f'START-DATE="{told.date(told.stretch.begins)}",DURATION={_seconds(told.declared)}'
    ],
    dated=True,
)
TWITCH_TITLES = Spelling(
    name="twitch-titles",
    rules=("twitch",),
    nature=Nature(continues=True, declares=True, faults=()),
    title=lambda told: f"Amazon|{told.key}",
    tells_ahead=False,
)
MEDIATAILOR = Spelling(
    name="mediatailor",
    rules=("mediatailor",),
    nature=Nature(continues=True, declares=True, faults=()),
    folder=f"../segment/{ACCOUNT}/",
    tells_ahead=False,
    tags=("both",),
)
UPLYNK = Spelling(
    name="uplynk",
    rules=("uplynk",),
    nature=Nature(continues=True, declares=False, faults=()),
    opens=lambda told: [f"#UPLYNK-SEGMENT:{told.key:032x},00000000,ad"],
    goes_on=lambda told, place: [
        f"#UPLYNK-SEGMENT:{told.key:032x},{place - told.stretch.start:08X},ad"
    ],
    closes=lambda told: [f"#UPLYNK-SEGMENT:{99:032x},{told.stretch.end:08X},segment"],
    tags=("both",),
)

SPELLINGS = {
    spelling.name: spelling
    for spelling in (
        CUE_BARE,
        CUE_DURATION,
        CUE_CONT,
        CUE_SPAN,
        OATCLS,
        X_SCTE35,
        X_CUE,
        SPLICEPOINT,
        DATERANGE,
        TWITCH,
        TWITCH_TITLES,
        MEDIATAILOR,
        UPLYNK,
    )
}
