"""One record for each group of renditions: moved on by compare-and-set, and what to do without Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from edge import metrics
from edge.cache.ads.store import NoStore, Store, StoreAway, Stored
from edge.cache.bounded import Bounded
from edge.manifests.ads.hls.islands import reconcile
from edge.manifests.ads.hls.record import Group, decode, encode

_MOST_GROUPS = 2048
# Each conflict is another edge's success; after so many this one goes on by itself, and numbers move forward later.
_TRIES = 12
# A record in use outlives every pause of a stream that players may survive. But anybody can make one, by a query that
# goes on to the origin: until it has been moved on for some time it goes soon after its last use.
_MOST_SECONDS = 24 * 3600
_LEAST_SECONDS = 300
_SECONDS_A_CHANGE = 60

T = TypeVar("T")
# From the record as it is to the record as it becomes, and what follows from it.
Work = Callable[[Group | None], tuple[Group, T]]


@dataclass(slots=True)
class _Mine:
    """What this process knows of one group."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    group: Group | None = None
    stored: str = ""  # the version that it was, when it was last stored
    is_island: bool = False  # moved on while the store was away
    is_gapping: bool = False  # begun while the store was away: nothing was ever cut by it


class Agreement:
    """The records in use; those that were not used for longest are forgotten, and read again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mine: Bounded[str, _Mine] = Bounded(_MOST_GROUPS)

    @property
    def is_possible(self) -> bool:
        """Whether there is anything by which the processes of this edge could agree."""
        return not isinstance(self._store, NoStore)

    async def known(self, key: str) -> Group | None:
        """The record of a group; ``StoreAway`` if nobody can say."""
        mine = self._mine.get(key)
        if mine is not None and mine.group is not None:
            return mine.group
        return decode((await self._store.load(key)).record)

    def begin(self, key: str, group: Group) -> None:
        """Take a record for what this process gave out before it could ask, unless it knows one."""
        mine = self._of(key)
        if mine.group is None:
            mine.group, mine.is_island, mine.is_gapping = group, True, True

    async def reach(self, key: str, work: Work[T], *, alone: Work[T]) -> tuple[T, bool]:
        """What ``work`` made of the record that is now everybody's.

        With True what ``alone`` made of a record that is nobody's, for viewers of a process that knows nothing while
        the store is away; what it has given out is made good when the store is back.
        """
        mine = self._of(key)
        async with mine.lock:
            with metrics.ADS_STATE_SECONDS.time():
                try:
                    return await self._agreed(key, mine, work), False
                except StoreAway:
                    return self._by_itself(mine, work, alone)

    async def _agreed(self, key: str, mine: _Mine, work: Work[T]) -> T:
        begins = mine.group is None or mine.is_gapping
        stored = await self._store.load(key) if begins else Stored(mine.stored, b"")
        held = decode(stored.record) if begins else mine.group
        for _ in range(_TRIES):
            base = (
                reconcile(held, mine.group, island=mine.is_island)
                if held is not mine.group
                else held
            )
            group, made = work(base)
            record = b"" if group == held and stored.version else encode(group)
            # What the others wrote before it was lost must not be taken for what this process makes of it.
            other = await self._store.swap(
                key,
                expected=stored.version,
                record=record,
                seconds=_seconds_of(group),
                only=True,
            )
            if other is None:
                if record:
                    _count_stored(held, mine.group, group)
                    mine.stored = Stored.of(record).version
                else:
                    mine.stored = stored.version
                mine.group, mine.is_island, mine.is_gapping = group, False, False
                return made
            metrics.ADS_STATE.labels("conflict" if other.version else "restored").inc()
            stored, held = other, decode(other.record)
        raise StoreAway

    def _by_itself(self, mine: _Mine, work: Work[T], alone: Work[T]) -> tuple[T, bool]:
        if mine.group is None:
            mine.is_gapping = True
        gapping = mine.is_gapping
        metrics.ADS_STATE.labels("gap" if gapping else "island").inc()
        mine.group, made = (alone if gapping else work)(mine.group)
        mine.is_island = True
        return made, gapping

    def _of(self, key: str) -> _Mine:
        mine = self._mine.get(key)
        if mine is None:
            mine = _Mine()
            self._mine.put(key, mine)
        return mine


def _seconds_of(group: Group) -> int:
    """How long a record is kept when nobody uses it."""
    return min(_LEAST_SECONDS + _SECONDS_A_CHANGE * group.serial, _MOST_SECONDS)


def _count_stored(held: Group | None, mine: Group | None, group: Group) -> None:
    metrics.ADS_STATE.labels("stored").inc()
    if held is None and mine is None:
        metrics.ADS_STATE.labels("epoch").inc()
    elif mine is not None and group.epoch_ms == mine.epoch_ms and group.jumps > mine.jumps:
        metrics.ADS_STATE.labels("raised").inc()
