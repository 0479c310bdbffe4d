"""Which element of one MPD is which element of the next one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from edge.manifests.dash.scan import Element

_IDENTITIES = {
    "Period": ("id", "start"),
    "AdaptationSet": ("id",),
    "Representation": ("id",),
    "Preselection": ("id",),
    "InitializationSet": ("id",),
    "EventStream": ("schemeIdUri",),
    "Event": ("id", "presentationTime"),
    "SegmentURL": ("media", "mediaRange"),
}

Key = tuple[str, ...]


def identity(element: Element) -> tuple[str, str] | None:
    """The attribute that says which element this is, and its value."""
    for name in _IDENTITIES.get(element.name, ()):
        value = element.get(name)
        if value is not None:
            return name, value
    return None


def pair(old: Sequence[Element], new: Sequence[Element]) -> list[tuple[int, int]]:
    """Positions of what is in both lists, rising in both."""
    timeline = _timeline(old, new)
    if timeline is not None:
        return timeline
    unsure = _unsure(old) | _unsure(new)
    where = {key: index for index, key in enumerate(_keys(old, unsure))}
    pairs: list[tuple[int, int]] = []
    last = -1
    for index, key in enumerate(_keys(new, unsure)):
        found = where.get(key, -1)
        if found > last:
            pairs.append((found, index))
            last = found
    return pairs


def _unsure(elements: Sequence[Element]) -> set[str]:
    """The names under which two elements have the same identity, or one has none."""
    counts = Counter((element.name, identity(element)) for element in elements)
    return {name for (name, found), count in counts.items() if found is None or count > 1}


def _keys(elements: Sequence[Element], unsure: set[str]) -> list[Key]:
    ordinals: Counter[str] = Counter()
    keys: list[Key] = []
    for element in elements:
        found = identity(element)
        if element.name in unsure or found is None:
            ordinals[element.name] += 1
            keys.append((element.name, str(ordinals[element.name])))
        else:
            keys.append((element.name, *found))
    return keys


@dataclass(frozen=True, slots=True)
class _Run:
    """The segments of one S element: ISO/IEC 23009-1 section 5.3.9.6."""

    start: int
    stop: float  # of the last one; infinite when it repeats until something else begins
    duration: int

    def continues(self, other: _Run) -> bool:
        """Whether both are the same segments, some added at the end or gone from the start."""
        return (
            self.duration == other.duration and self.start < other.stop and other.start < self.stop
        )


def _timeline(old: Sequence[Element], new: Sequence[Element]) -> list[tuple[int, int]] | None:
    before, after = _runs(old), _runs(new)
    if before is None or after is None:
        return None
    pairs: list[tuple[int, int]] = []
    i = j = 0
    while i < len(before) and j < len(after):
        if before[i].continues(after[j]):
            pairs.append((i, j))
            i += 1
            j += 1
        elif before[i].stop <= after[j].start:
            i += 1
        elif after[j].stop <= before[i].start:
            j += 1
        else:
            i += 1
            j += 1
    return pairs


def _runs(elements: Sequence[Element]) -> list[_Run] | None:
    """The S elements of a SegmentTimeline in time, ``None`` when these are none or cannot be read."""
    if not elements or any(element.name != "S" for element in elements):
        return None
    runs: list[_Run] = []
    time: float = 0
    for element in elements:
        start = _number(element.get("t"), time)
        duration, repeat = _number(element.get("d"), None), _number(element.get("r"), 0)
        if start is None or duration is None or duration <= 0 or repeat is None or start == inf:
            return None
        time = inf if repeat < 0 else start + duration * (repeat + 1)
        runs.append(_Run(int(start), time, int(duration)))
    return runs


def _number(text: str | None, default: float | None) -> float | None:
    if text is None:
        return default
    text = text.strip()
    digits = text.removeprefix("-")
    return int(text) if digits.isdecimal() and digits.isascii() and len(digits) <= 20 else None
