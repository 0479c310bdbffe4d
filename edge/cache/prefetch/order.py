"""What follows what, by the manifests seen last; bounded, least recently learnt out first."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edge.cache.prefetch.names import Piece, key_of
from edge.cache.prefetch.playlists import Step
from edge.cache.sources import SourceKey

_MOST_MANIFESTS = 1024
_MOST_ENTRIES = 100_000  # of some 400 bytes each
_DIGITS = re.compile(r"\d{1,19}", re.ASCII)
_DIGIT_RUNS = 4  # the number in a template stands near the end
_PLACEHOLDER = "{}"  # in no name


@dataclass(frozen=True, slots=True)
class Numbered:
    """Segments whose names differ by a number, or by their time."""

    head: str
    tail: str
    width: int
    values: Sequence[int]  # in ascending order

    @property
    def key(self) -> str:
        return self.head + _PLACEHOLDER + self.tail

    def after(self, digits: str) -> Iterator[tuple[Piece, ...]]:
        """What follows the segment with these digits in its name."""
        value = int(digits)
        if self._written(value) != digits:
            return
        place = bisect_left(self.values, value)
        if place == len(self.values) or self.values[place] != value:
            return
        for follower in self.values[place + 1 :]:
            yield (Piece(self.head + self._written(follower) + self.tail),)

    def _written(self, value: int) -> str:
        return f"{value:0{self.width}d}"


@dataclass(frozen=True, slots=True)
class Learnt:
    """What one version of a manifest says: segments one by one, in as many rows as there are, or by templates."""

    rows: tuple[tuple[Step, ...], ...] = ()
    numbered: tuple[Numbered, ...] = ()

    @property
    def size(self) -> int:
        """Entries that it takes."""
        values = {id(n.values): n.values for n in self.numbered if not isinstance(n.values, range)}
        return sum(map(len, self.rows)) + sum(map(len, values.values())) + len(self.numbered)


def learnt_row(row: tuple[Step, ...]) -> Learnt:
    """One row; as a template, which takes next to nothing, if its names are numbered in order."""
    numbered = _numbered(row)
    return Learnt(rows=(row,)) if numbered is None else Learnt(numbered=(numbered,))


def _numbered(row: tuple[Step, ...]) -> Numbered | None:
    if len(row) < 2 or any(step.piece.span is not None or step.init != row[0].init for step in row):
        return None
    first, second = row[0].piece.name, row[1].piece.name
    for match in _digit_runs(first):
        head, tail = first[: match.start()], first[match.end() :]
        if second == first or not (second.startswith(head) and second.endswith(tail)):
            continue
        width = len(match[0]) if match[0][0] == "0" else 1
        values: list[int] = []
        for step in row:
            name = step.piece.name
            digits = name[len(head) : len(name) - len(tail)]
            if not _DIGITS.fullmatch(digits) or (values and int(digits) <= values[-1]):
                return None
            values.append(int(digits))
            if f"{head}{values[-1]:0{width}d}{tail}" != name:
                return None
        every = range(values[0], values[-1] + 1)
        return Numbered(head, tail, width, every if len(every) == len(values) else tuple(values))
    return None


def _digit_runs(name: str) -> list[re.Match[str]]:
    return list(_DIGITS.finditer(name))[-_DIGIT_RUNS:]


class Order:
    """Finds the followers of a segment with a few look-ups."""

    def __init__(
        self, *, most_manifests: int = _MOST_MANIFESTS, most_entries: int = _MOST_ENTRIES
    ) -> None:
        self._most_manifests = most_manifests
        self._most_entries = most_entries
        self._learnt: OrderedDict[SourceKey, Learnt] = OrderedDict()
        self._steps: dict[str, tuple[tuple[Step, ...], int]] = {}
        self._numbered: dict[str, Numbered] = {}
        self._entries = 0

    def __len__(self) -> int:
        return len(self._learnt)

    def touch(self, key: SourceKey) -> bool:
        """Whether the manifest is known; it is in use."""
        if key not in self._learnt:
            return False
        self._learnt.move_to_end(key)
        return True

    def learn(self, key: SourceKey, learnt: Learnt) -> None:
        """A manifest has a new version."""
        self._forget(key)
        if learnt.size > self._most_entries:
            learnt = Learnt()
        self._learnt[key] = learnt
        self._entries += learnt.size
        for row in learnt.rows:
            for place, step in enumerate(row):
                self._steps[step.piece.key] = (row, place)
        for numbered in learnt.numbered:
            self._numbered[numbered.key] = numbered
        while len(self._learnt) > self._most_manifests or self._entries > self._most_entries:
            self._forget(next(iter(self._learnt)))

    def after(self, name: str, start: int | None) -> Iterator[tuple[Piece, ...]]:
        """The segments that follow one, the nearest first; each with what must be read before it if that changes."""
        found = self._steps.get(name) or (
            None if start is None else self._steps.get(key_of(name, start))
        )
        if found is None:
            yield from self._after_numbered(name)
            return
        row, place = found
        init = row[place].init
        for step in row[place + 1 :]:
            if step.init is not None and step.init != init:
                yield step.init, step.piece
            else:
                yield (step.piece,)
            init = step.init

    def _after_numbered(self, name: str) -> Iterator[tuple[Piece, ...]]:
        for match in _digit_runs(name):
            key = name[: match.start()] + _PLACEHOLDER + name[match.end() :]
            numbered = self._numbered.get(key)
            if numbered is not None:
                yield from numbered.after(match[0])
                return

    def _forget(self, key: SourceKey) -> None:
        learnt = self._learnt.pop(key, None)
        if learnt is None:
            return
        self._entries -= learnt.size
        for row in learnt.rows:
            for step in row:
                found = self._steps.get(step.piece.key)
                if found is not None and found[0] is row:
                    del self._steps[step.piece.key]
        for numbered in learnt.numbered:
            if self._numbered.get(numbered.key) is numbered:
                del self._numbered[numbered.key]
