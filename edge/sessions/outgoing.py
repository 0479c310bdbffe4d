"""Events of this boot on their way to the catalog: numbered, and told again until it says that it has them."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis

from config.contracts.stream_events import EVENTS, STORED, Entry, StreamEvent
from config.runtime.logging import get_logger
from config.runtime.tasks import heed_cancellation
from edge.sessions.journal import Word

log = get_logger(__name__)

FORGOTTEN = "StreamForgotten"  # in the place of an event about nobody any more

_SUBJECT = re.compile(r'"subject":("(?:[^"\\]|\\.)*")')
_AT_ONCE = 100
_WINDOW = 5000
_OVERHEAD_BYTES = 200
_STALLED_SECONDS = 600.0


class Outgoing:
    """Bounded: an event for which there is no room is not taken, so that no number is ever missing."""

    def __init__(self, boot: str, *, most_bytes: int) -> None:
        self.boot = boot
        self.number = 0  # given last
        self.stored = 0  # up to which the catalog has them all
        self.bytes = 0
        self._most_bytes = most_bytes
        self._waiting: deque[Word] = deque()  # numbers from ``stored`` + 1 on
        self._told = 0  # up to which they are in Redis
        self._places: deque[bytes] = deque()  # there, of those

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def waiting(self) -> tuple[Word, ...]:
        """Those that the catalog has not stored."""
        return tuple(self._waiting)

    @property
    def oldest(self) -> int:
        """The lowest number that is kept."""
        return self.stored + 1

    def add(self, event: StreamEvent) -> Word | None:
        """Give it a number; None if there is no room."""
        text = json.dumps(event.to_json(), separators=(",", ":"), ensure_ascii=False)
        return self.add_text(event.NAME, text)

    def add_text(self, kind: str, text: str) -> Word | None:
        """The same for what a journal kept."""
        size = len(text) + _OVERHEAD_BYTES
        if self.bytes + size > self._most_bytes:
            return None
        self.number += 1
        self.bytes += size
        word = Word(number=self.number, kind=kind, text=text)
        self._waiting.append(word)
        return word

    def forget(self, subject: str) -> int:
        """Say nothing of a subject any more; the numbers stay."""
        name = f'"subject":{json.dumps(subject, ensure_ascii=False)}'
        count = 0
        for place, word in enumerate(self._waiting):
            if name in word.text:
                self.bytes -= len(word.text)
                self._waiting[place] = Word(number=word.number, kind=FORGOTTEN, text="")
                count += 1
        return count

    def subjects(self) -> set[str]:
        """Whom the events name."""
        found = (_SUBJECT.search(word.text) for word in self._waiting)
        return {json.loads(one[1]) for one in found if one is not None}

    def next_words(self) -> list[Word]:
        """What is to be told now; little, if the catalog has far to go."""
        first = self._told - self.stored
        most = min(_AT_ONCE, _WINDOW - first)
        return [self._waiting[i] for i in range(first, min(first + most, len(self._waiting)))]

    def told(self, words: list[Word], places: list[bytes]) -> None:
        """They are in Redis."""
        self._told = words[-1].number
        self._places.extend(places)

    def tell_again(self) -> None:
        """They are not in Redis any more, or nobody knows."""
        self._told = self.stored
        self._places.clear()

    @property
    def place(self) -> bytes | None:
        """Where the oldest lies in Redis that is told and not stored."""
        return self._places[0] if self._places else None

    def has_stored(self, number: int) -> bool:
        """The catalog has all up to ``number``; whether that is news."""
        number = min(number, self.number)
        if number <= self.stored:
            return False
        for _ in range(number - self.stored):
            self.bytes -= len(self._waiting.popleft().text) + _OVERHEAD_BYTES
            if self._places:
                self._places.popleft()
        self.stored = number
        self._told = max(self._told, number)
        return True


class Teller:
    """Moves them through a stream in Redis."""

    def __init__(self, outgoing: Outgoing, *, most: int, clock: Callable[[], float]) -> None:
        self._outgoing = outgoing
        self._most = most
        self._clock = clock
        self._moved_at = clock()

    async def turn(self, client: Redis) -> bool:
        """Hear what is stored and tell what is new; whether anything was stored. Redis errors as they are."""
        is_news = await self._hear(client)
        while words := self._outgoing.next_words():
            heed_cancellation()
            if self._outgoing.place is None:
                self._moved_at = self._clock()
            pipeline = client.pipeline(transaction=False)
            for word in words:
                fields: Any = self._entry(word).to_fields()
                pipeline.xadd(EVENTS, fields, maxlen=self._most, approximate=True)
            self._outgoing.told(words, await pipeline.execute())
        return is_news

    async def _hear(self, client: Redis) -> bool:
        outgoing = self._outgoing
        place = outgoing.place
        if place is None:
            return False
        # In this order: the catalog takes away only what it has said before to be stored.
        is_there = bool(await client.xrange(EVENTS, place, place, count=1))
        stored: Any = await client.hget(STORED, outgoing.boot)
        if stored is not None and stored.isdigit() and outgoing.has_stored(int(stored)):
            self._moved_at = self._clock()
            return True
        if not is_there or self._clock() - self._moved_at > _STALLED_SECONDS:
            log.warning("events for the catalog are told again", waiting=len(outgoing))
            self._moved_at = self._clock()
            outgoing.tell_again()
        return False

    def _entry(self, word: Word) -> Entry:
        return Entry(
            boot=self._outgoing.boot,
            number=word.number,
            oldest=self._outgoing.oldest,
            kind=word.kind,
            event=json.loads(word.text) if word.text else {},
        )
