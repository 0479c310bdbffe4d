"""What stays and what goes: S3-FIFO (Yang et al., SOSP 2023), bounded by bytes.

A small queue takes what is new, the main queue what was asked for again, and a ghost queue remembers what
the small queue dropped. A scan passes through the small queue and never touches the main one.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from edge.cache.tiers.ghost import Ghost

MOST_FREQ = 3
_SMALL_SHARE = 0.1
_FEWEST_GHOSTS = 64


class Entry(Protocol):
    """What a tier keeps. Key and size do not change while it is kept."""

    freq: int
    alive: bool

    @property
    def key(self) -> str: ...

    @property
    def size(self) -> int: ...


E = TypeVar("E", bound=Entry)


class S3Fifo(Generic[E]):
    """Entries by key, within both bounds at any time; ``on_evict`` gets each one that had to go."""

    def __init__(
        self,
        *,
        max_bytes: int,
        max_count: int = sys.maxsize,
        overhead_bytes: int = 0,
        largest_fraction: float = 0.25,
        on_evict: Callable[[E], None] | None = None,
    ) -> None:
        self.max_bytes = max_bytes
        self.max_count = max_count
        self.largest_bytes = int(max_bytes * largest_fraction)
        self.on_evict = on_evict
        self._overhead = overhead_bytes
        self._small: OrderedDict[str, E] = OrderedDict()
        self._main: OrderedDict[str, E] = OrderedDict()
        self._ghost = Ghost()
        self._small_bytes = 0
        self._main_bytes = 0

    @property
    def bytes(self) -> int:
        """What is kept, with the overhead of each entry."""
        return self._small_bytes + self._main_bytes

    def __len__(self) -> int:
        return len(self._small) + len(self._main)

    def __iter__(self) -> Iterator[E]:
        """Every entry at this moment; the caller may remove while iterating."""
        return iter([*self._small.values(), *self._main.values()])

    def get(self, key: str) -> E | None:
        """The entry, noted as used."""
        entry = self.peek(key)
        if entry is not None and entry.freq < MOST_FREQ:
            entry.freq += 1
        return entry

    def peek(self, key: str) -> E | None:
        """The entry, not noted as used."""
        entry = self._main.get(key)
        return self._small.get(key) if entry is None else entry

    def wants(self, key: str) -> bool:
        """Whether it was dropped lately for want of use: coming back, it would stay."""
        return key in self._ghost

    def fits(self, size: int) -> bool:
        """Whether an entry of this size would be taken at all."""
        return size + self._overhead <= self.largest_bytes

    def put(self, entry: E) -> bool:
        """Keep ``entry``, in the place of one of the same key; False if it is too large, and then none is kept."""
        old = self.peek(entry.key)
        was_main = entry.key in self._main
        if old is not None:
            self._unlink(old)
            if old is not entry:
                old.alive = False
                entry.freq = max(
                    entry.freq, old.freq
                )  # a new version of a popular thing is popular
        if not self.fits(entry.size):
            return False
        needed = entry.size + self._overhead
        while self.bytes + needed > self.max_bytes or len(self) >= self.max_count:
            self._evict()
        if self._ghost.take(entry.key) or was_main:
            self._main[entry.key] = entry
            self._main_bytes += needed
        else:
            self._small[entry.key] = entry
            self._small_bytes += needed
        return True

    def remove(self, key: str) -> E | None:
        """Take the entry out for good; it is not alive any more."""
        entry = self.peek(key)
        if entry is not None:
            self._unlink(entry)
            entry.alive = False
        return entry

    def _unlink(self, entry: E) -> None:
        size = entry.size + self._overhead
        if self._main.pop(entry.key, None) is not None:
            self._main_bytes -= size
        else:
            del self._small[entry.key]
            self._small_bytes -= size

    def _evict(self) -> None:
        """Let one entry go, or bring one nearer to it."""
        if self._small and (self._small_bytes >= self.max_bytes * _SMALL_SHARE or not self._main):
            self._evict_small()
        else:
            self._evict_main()

    def _evict_small(self) -> None:
        key, entry = self._small.popitem(last=False)
        size = entry.size + self._overhead
        self._small_bytes -= size
        if entry.freq > 1:
            entry.freq = 0
            self._main[key] = entry
            self._main_bytes += size
            return
        # As many ghosts as there are entries: memory for them grows with what is kept, not with what passes by.
        self._ghost.add(key, limit=max(_FEWEST_GHOSTS, len(self)))
        self._gone(entry)

    def _evict_main(self) -> None:
        key, entry = self._main.popitem(last=False)
        if entry.freq > 0:
            entry.freq -= 1
            self._main[key] = entry
            return
        self._main_bytes -= entry.size + self._overhead
        self._gone(entry)

    def _gone(self, entry: E) -> None:
        if self.on_evict is not None:
            self.on_evict(entry)
