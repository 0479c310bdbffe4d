"""How many sessions play now, by the few names that an operator's graphs can hold."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from config.contracts.sessions import DEVICES
from edge.sessions.life import Session

OTHER = "other"

_COUNTRIES = 250
_RENDITIONS = 32
_RENDITIONS_EVER = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCounts:
    """Sessions that play now; each mapping has a bounded number of names and adds up to ``sessions``."""

    sessions: int
    paused: int  # of them
    contents: Mapping[str, int]
    countries: Mapping[str, int]
    renditions: Mapping[str, int]  # of the last segment
    devices: Mapping[str, int]


class Tally:
    """Counts open sessions as they come, change and go."""

    def __init__(self) -> None:
        self.sessions = 0
        self.paused = 0
        self._content: Counter[str] = Counter()
        self._country: Counter[str] = Counter()
        self._device: Counter[str] = Counter()
        self._rendition: Counter[str] = Counter()
        self._shown: set[str] = set()  # renditions

    def came(self, session: Session) -> None:
        """It plays."""
        self.sessions += 1
        for counter, name in self._names(session):
            counter[name] += 1

    def went(self, session: Session) -> None:
        """It plays no more."""
        self.sessions -= 1
        self.paused -= session.paused_at is not None
        for counter, name in self._names(session):
            _less(counter, name)

    def switched(self, session: Session, before: str) -> None:
        """It plays another rendition."""
        _less(self._rendition, before)
        self._rendition[session.rendition] += 1

    def counts(self, *, titles: int) -> LiveCounts:
        """The greatest by name, and the sum of the rest."""
        return LiveCounts(
            sessions=self.sessions,
            paused=self.paused,
            contents=_top(self._content, titles),
            countries=_top(self._country, _COUNTRIES),
            renditions=_top(self._renditions(), _RENDITIONS),
            devices=_top(self._device, len(DEVICES)),
        )

    def _renditions(self) -> Counter[str]:
        """Viewers choose their names: only so many are ever shown, or one viewer could fill an operator's disk."""
        for name, _ in self._rendition.most_common(_RENDITIONS):
            if len(self._shown) < _RENDITIONS_EVER:
                self._shown.add(name)
        found: Counter[str] = Counter()
        for name, number in self._rendition.items():
            found[name if name in self._shown else OTHER] += number
        return found

    def _names(self, session: Session) -> tuple[tuple[Counter[str], str], ...]:
        start = session.start
        return (
            (self._content, start.content),
            (self._country, start.country),
            (self._device, start.device),
            (self._rendition, session.rendition),
        )


def _less(counter: Counter[str], name: str) -> None:
    counter[name] -= 1
    if not counter[name]:
        del counter[name]  # so that there are never more names than sessions


def _top(counter: Counter[str], most: int) -> dict[str, int]:
    found = heapq.nlargest(most, counter.items(), key=lambda item: (item[1], item[0]))
    top = {name or "unknown": number for name, number in found}
    rest = counter.total() - sum(number for _, number in found)
    if rest:
        top[OTHER] = top.get(OTHER, 0) + rest
    return top
