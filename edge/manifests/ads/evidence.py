"""What speaks for ad material in a manifest, and the breaks that follow from it; nothing here knows a format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple, overload

# One witness each: of a family only the heaviest signal counts, so that the same marker in two spellings is one.
Family = Literal["splice", "stitcher", "title", "place", "shape"]


class Evidence(NamedTuple):
    """One signal of one rule, for a run of segments (HLS) or Periods (DASH), with the reason in a sentence."""

    first: int  # index among the playlist's URIs, or among the MPD's Periods, from 0
    last: int  # inclusive
    rule: str  # 'scte35@1': name and version
    signal: str  # 'cue', 'daterange-out', …: the closed set that metrics count by
    family: Family
    weight: int  # 1 to 100
    sentence: str = ""  # for a person: 'line 12: EXT-X-CUE-OUT opens a break of 30 s'
    key: str = ""  # what identifies the break: 'event:4711', 'daterange:ad-1'; empty: nothing does
    seconds: Decimal | None = None  # as declared
    time_range: tuple[Decimal, Decimal] | None = (
        None  # DASH, in mid-Period: seconds on the Period timeline
    )
    open_start: bool = False  # it began before the window
    open_end: bool = False  # nothing closes it yet
    ambiguous: bool = False  # told, never acted upon
    says: Callable[[], str] | None = None  # makes the sentence; few are ever read

    def read(self) -> str:
        """The sentence."""
        return self.sentence if self.says is None else self.says()


class Sentences(Sequence[str]):
    """Sentences that are made when somebody reads one."""

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], Sequence[str]]) -> None:
        self._make = make
        self._made: Sequence[str] | None = None

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[str]: ...

    def __getitem__(self, place: int | slice) -> str | Sequence[str]:
        return self._all()[place]

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> Sequence[str]:
        if self._made is None:
            self._made = self._make()
        return self._made


class Break(NamedTuple):
    """A run of ad material, with everything that a person needs to judge the decision."""

    first_index: int | None  # of the playlist's URIs; None for DASH
    last_index: int | None
    seconds: Decimal
    score: int  # the least of its segments' scores, at most 100
    signals: tuple[str, ...]
    sentences: Sequence[str]
    rule: str
    periods: tuple[int, ...] = ()  # DASH: the Periods, by their position
    time_range: tuple[Decimal, Decimal] | None = None  # DASH: the part of its one Period
    key: str = ""
    aliases: tuple[str, ...] = ()  # what else it is known by
    open_end: bool = False
    ambiguous: bool = False

    def to_json(self) -> Mapping[str, object]:
        """The entry under ``ads`` of ``kawa manifest --format json``, in the terms of the corpus' truth."""
        time_range = None
        if self.time_range is not None:
            start, end = self.time_range
            time_range = {
                "period_index": self.periods[0],
                "start": float(start),
                "end": float(end),
            }
        return {
            "first_index": self.first_index,
            "last_index": self.last_index,
            "periods": None if time_range is not None else list(self.periods) or None,
            "time_range": time_range,
            "seconds": round(float(self.seconds), 6),
            "score": self.score,
            "signals": list(self.signals),
            "because": [_readable(sentence) for sentence in self.sentences],
            "rule": self.rule,
            "ambiguous": self.ambiguous,
        }


def _readable(text: str) -> str:
    """Text that any encoder takes, also where the manifest's bytes were none."""
    return text.encode("utf-8", "replace").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Everything that the rules found in one version of one manifest."""

    breaks: Sequence[Break] = ()  # ambiguous ones too: those are never acted upon
    interstitials: Sequence[str] = ()  # IDs of DATERANGEs for which a player would insert ads
    announced: Sequence[str] = ()  # sentences about breaks that lie behind the last segment
    left: Mapping[str, str] = field(
        default_factory=dict
    )  # key of a break -> why it cannot be cut out

    @property
    def certain(self) -> tuple[Break, ...]:
        """The breaks that a policy acts upon."""
        return tuple(found for found in self.breaks if not found.ambiguous)
