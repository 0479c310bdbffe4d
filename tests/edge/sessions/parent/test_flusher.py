from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from config.contracts.sessions import Playing, SessionStart
from config.runtime.sessions.records import Record
from config.runtime.sessions.store import Admitted, Renewed
from edge.sessions.flusher import Flusher
from edge.sessions.life import Session
from tests.edge.sessions.parent.harness import NOW, Clock, start


class Store:
    """A Redis that may be away, and in which something may happen before its answer arrives."""

    def __init__(self) -> None:
        self.is_away = False
        self.places: list[str] = []
        self.seen: set[str] = set()
        self.meanwhile: Callable[[], None] = lambda: None

    def shard_of(self, subject: str) -> int:
        return 0

    async def admit(self, start: SessionStart, record: Record, *, force: bool = False) -> Admitted:
        self._be_there()
        self.places.append(start.id)
        return Admitted(epoch=1)

    async def renew(self, shard: int, items: Sequence[tuple[SessionStart, Record]]) -> Renewed:
        self._be_there()
        return Renewed(gone=(), epoch=1)

    async def end(self, start: SessionStart, *, everywhere: bool = False) -> None:
        self._be_there()
        self.places.remove(start.id)
        self.meanwhile()

    async def saw(self, content: str, subjects: Iterable[str]) -> None:
        self.meanwhile()
        self._be_there()
        self.seen |= set(subjects)

    def _be_there(self) -> None:
        if self.is_away:
            raise RedisConnectionError


class Outcomes:
    """Takes note."""

    def admitted(self, session: Session, admitted: Admitted) -> None:
        session.place = "held"

    def no_room(self, session: Session, playing: tuple[Playing, ...]) -> None:
        session.place = "over"


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def flusher(store: Store, clock: Clock) -> Flusher:
    return Flusher(store, Outcomes(), flush_seconds=15, most=5, clock=clock)


def opened(id: str, *, subject: str = "user:1", age: int = 0) -> Session:
    return Session(
        start(id, subject=subject, started_at=int(NOW) - age), index=1, name=f"boot.{id}", now=NOW
    )


async def test_who_comes_back_while_redis_is_away_is_counted_when_it_is_back(
    flusher: Flusher, store: Store
) -> None:
    store.is_away = True
    before = opened("one")
    for session in (opened("plays-on", age=60), before):
        flusher.came(session)
    await flusher.turn()
    before.end("timeout", now=NOW + 90)
    flusher.went(before, is_there=False, everywhere=False)
    flusher.came(opened("one"))  # known no longer, it is another

    store.is_away = False
    for _ in range(3):
        await flusher.turn()

    assert store.places == ["plays-on", "one"]


async def test_a_second_stop_frees_the_place_though_the_first_is_still_being_told(
    flusher: Flusher, store: Store
) -> None:
    session = opened("one")
    flusher.came(session)
    await flusher.turn()
    assert store.places == ["one"]

    def comes_back_and_stops() -> None:
        store.meanwhile = lambda: None
        store.places.append("one")
        flusher.came(session)
        flusher.went(session, is_there=True, everywhere=True)

    store.meanwhile = comes_back_and_stops
    flusher.went(session, is_there=True, everywhere=True)
    for _ in range(2):
        await flusher.turn()

    assert store.places == []


async def test_viewers_who_come_back_again_and_again_while_redis_is_away_leave_room_for_others(
    flusher: Flusher, store: Store
) -> None:
    store.is_away = True
    session = opened("one")
    session.place = "held"
    store.meanwhile = lambda: flusher.came(session)
    flusher.came(session)
    for _ in range(10):
        await flusher.turn()

    store.is_away, store.meanwhile = False, lambda: None
    await flusher.turn()
    for number in range(2, 6):
        flusher.came(opened(f"s{number}", subject=f"user:{number}"))
    await flusher.turn()

    assert store.seen == {f"user:{number}" for number in range(1, 6)}
