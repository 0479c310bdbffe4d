"""Edges: the real tracker of each in its own memory, over one store that can be lost or out of reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

from edge.cache.ads.groups import Groups
from edge.cache.ads.store import MemoryStore, StoreAway, Stored
from edge.cache.ads.tracker import Tracker
from edge.cache.ads.treated import Ask, Rendition, Version
from edge.manifests.ads import rule_files
from edge.manifests.ads.hls.record import decode
from edge.manifests.ads.policy import AdPolicy, Treatment
from edge.manifests.ads.rules import Rules
from edge.manifests.ads.treated import Treated

ORIGIN = "live"
MASTER = Rendition(ORIGIN, "master.m3u8")
BASE = "https://origin.example/"


def rendition_of(grid: str) -> Rendition:
    """What a rendition of the show is called."""
    return Rendition(ORIGIN, f"{grid}.m3u8")


@cache
def rules_of(names: tuple[str, ...]) -> Rules:
    """The shipped rules."""
    return rule_files.load(()).chosen(names)


class Shared:
    """What all edges share."""

    def __init__(self) -> None:
        self.memory = MemoryStore()
        self._seen: set[str] = set()

    def empty(self) -> None:
        """Everything is lost."""
        self.memory = MemoryStore()

    def saw(self, key: str) -> None:
        self._seen.add(key)

    @property
    def keys(self) -> tuple[str, ...]:
        """Where records of groups are."""
        return tuple(self._seen)

    async def era(self) -> tuple[int, int] | None:
        """Within one, a name is one segment."""
        for key in self._seen:
            group = decode((await self.memory.load(key)).record)
            if group is not None:
                return group.era
        return None


class Link:
    """One edge's way to what is shared."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.is_cut = False

    async def load(self, key: str) -> Stored:
        self._look()
        return await self.shared.memory.load(key)

    async def swap(
        self, key: str, *, expected: str, record: bytes, seconds: int, only: bool = False
    ) -> Stored | None:
        self._look()
        self.shared.saw(key)
        return await self.shared.memory.swap(
            key, expected=expected, record=record, seconds=seconds, only=only
        )

    async def note(self, texts: Mapping[str, str]) -> Mapping[str, str]:
        self._look()
        return await self.shared.memory.note(texts)

    async def noted(self, key: str) -> str | None:
        self._look()
        return await self.shared.memory.noted(key)

    def _look(self) -> None:
        if self.is_cut:
            raise StoreAway


class Edge:
    """One process."""

    def __init__(
        self,
        name: int,
        shared: Shared,
        rules: tuple[str, ...],
        clock: Callable[[], int],
        *,
        policy: AdPolicy = AdPolicy.STRIP,
    ) -> None:
        self.name = name
        self.link = Link(shared)
        self.lives = 0
        self.knows = False  # what others have told, because it has reached the store in this life
        self._treatment = Treatment(policy=policy, rules=rules)
        self._clock = clock
        self._start()

    def _start(self) -> None:
        self._tracker = Tracker(
            self.link, Groups(self.link), rules_of=self._rules_of, clock=self._clock
        )

    @property
    def era(self) -> tuple[int, int] | None:
        """Of the record that it goes by; None: by none, in the origin's own numbers."""
        for key in self.link.shared.keys:
            mine = self._tracker._agreement._mine.get(key)
            if mine is not None and mine.group is not None and not mine.is_gapping:
                return mine.group.era
        return None

    def _rules_of(self, _origin: str) -> Rules:
        return rules_of(self._treatment.rules)

    def restart(self) -> None:
        """Everything that it had in memory is gone."""
        self.lives += 1
        self.knows = False
        self._start()

    def cut(self) -> None:
        """The store cannot be reached."""
        self.link.is_cut = True

    def heal(self) -> None:
        """It can again."""
        self.link.is_cut = False

    async def adopt(self, grids: Sequence[str]) -> None:
        """A viewer asks for the multivariant playlist."""
        await self._tracker.adopt(MASTER, [rendition_of(grid) for grid in grids])

    async def treat(self, grid: str, body: bytes, *, ask: Ask) -> Treated:
        """One version, without its breaks."""
        version = Version(rendition=rendition_of(grid), body=body, base=f"{BASE}{grid}.m3u8")
        treated = await self._tracker.treat(version, self._treatment, ask=ask)
        self.knows = self.knows or not self.link.is_cut
        return treated
