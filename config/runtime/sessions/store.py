"""All running sessions in Redis: admitted by one atomic script, kept by leases on Redis's clock, listed."""

from __future__ import annotations

import asyncio
import random
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from config.contracts.sessions import SessionStart, short_id
from config.runtime.breaker import Breaker
from config.runtime.sessions import keys, live
from config.runtime.sessions.calls import Scripts
from config.runtime.sessions.errors import LimitReached, SettingsDiffer, StoreWarming
from config.runtime.sessions.founding import found, kept_secret, take_tag
from config.runtime.sessions.keys import Layout, shard_of
from config.runtime.sessions.orders import ORDERS_COUNT, ORDERS_KEPT, ORDERS_STREAM, OrderKind
from config.runtime.sessions.records import Live, Record
from config.runtime.sessions.scripts import (
    ADMIT,
    DIFFERS,
    DONE,
    END,
    FULL,
    LOST,
    NO_LIMIT,
    OF_SUBJECT,
    ORDER,
    PAGE,
    RENEW,
    WARMING,
    Script,
)
from config.runtime.sessions.titles import Titles
from config.runtime.sessions.viewers import count_viewers, note_viewers
from config.settings.sessions import SessionSettings

RENEWED_AT_ONCE: Final = 200

_SHORTEST_LIFE = timedelta(minutes=10)  # of a bucket that nobody writes to
_SHAPE_HELD = timedelta(minutes=2)
_AGREED_SECONDS = 60  # after which secret and tag are looked at again
_BUCKETS_AT_ONCE = 8
_RENEWAL = struct.Struct("<BI")
_ATTEMPTS = 3  # at a script that Redis did not run since it had lost what is agreed


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A session may play."""

    replaced: tuple[str, ...] = ()  # the oldest, ended for it though they were active
    quiet: tuple[str, ...] = ()  # silent for the grace, their place went to it
    epoch: int  # since when Redis has known the shard; another one: it lost what it had


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """What became of sessions whose leases were to go on."""

    gone: tuple[str, ...]  # ids that Redis has no longer: to be admitted again, or ended
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of all sessions."""

    sessions: tuple[Live, ...]
    next: int | None  # where the next page begins


class SessionStore:
    """The sessions of all edges, as one of them or the catalog sees and changes them.

    Redis's own errors go to the caller, whose policy decides; while the breaker is open they come at once.
    """

    def __init__(
        self,
        client: Redis,
        settings: SessionSettings,
        *,
        edge: str | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.breaker = Breaker()
        self._scripts = Scripts(client, self.breaker)
        self._settings = settings
        self._edge = edge  # None: the catalog, which only reserves
        self._clock = clock
        self._titles = Titles(self._scripts, clock)
        self._own_secret = settings.key.get_secret_value().encode() if settings.key else None
        self._secret = self._own_secret
        self._layout: Layout | None = None
        self._tag = keys.RESERVED
        self._agreed_at = 0.0
        self._agreeing = asyncio.Lock()
        self._epochs: dict[int, int] = {}  # by shard
        self._lease = _milliseconds(settings.idle)
        self._life = _milliseconds(max(_SHORTEST_LIFE, 2 * settings.idle, 2 * settings.paused))
        self._warm = _milliseconds(2 * settings.flush)

    async def admit(self, start: SessionStart, record: Record, *, force: bool = False) -> Admitted:
        """Let a session play, or raise ``LimitReached`` or ``StoreWarming``; to ask twice does no harm.

        ``force``: whatever the limits are.
        """
        of_class: int | None = getattr(self._settings.device_limits, start.device)
        limits = (start.limit, of_class, self._settings.title_limit)
        any_number = force or limits == (None, None, None)
        answer = await self._run(
            ADMIT,
            shard_of(start.subject),
            lambda layout: self._admission(layout, start, record, limits, any_number=any_number),
        )
        if answer[0] == FULL:
            found_there = live.sessions_in(answer[1:], names={})
            playing = [one.playing() for one in await self._titles.named(found_there)]
            raise LimitReached(tuple(sorted(playing, key=lambda one: one.started_at)))
        if answer[0] == WARMING:
            raise StoreWarming(answer[1] / 1000)
        await self._titles.tell([start.content])
        out = live.pairs(answer[2:])
        return Admitted(
            replaced=tuple(id.decode() for kind, id in out if kind == b"replaced"),
            quiet=tuple(id.decode() for kind, id in out if kind == b"quiet"),
            epoch=answer[1],
        )

    def shard_of(self, subject: str) -> int:
        """Of 256: what is renewed together must be of one shard."""
        return shard_of(subject)

    async def renew(self, shard: int, items: Sequence[tuple[SessionStart, Record]]) -> Renewed:
        """Tell Redis of up to ``RENEWED_AT_ONCE`` sessions of ``shard`` that they go on."""
        if len(items) > RENEWED_AT_ONCE:
            raise ValueError("too many sessions are renewed at once")
        answer = await self._run(RENEW, shard, lambda layout: self._renewal(layout, shard, items))
        await self._titles.tell(start.content for start, _ in items)
        gone = tuple(items[number][0].id for number in answer[2:])
        return Renewed(gone=gone, epoch=answer[1])

    async def end(self, start: SessionStart, *, everywhere: bool = False) -> None:
        """Give its place back; ``everywhere``: also if another edge serves it too."""
        layout = await self._agreed()
        place = layout.place(start.subject)
        await self._scripts.run(
            END,
            [keys.bucket_key(place.shard, place.bucket)],
            place.subject,
            short_id(start.id),
            self._tag,
            int(everywhere),
        )

    async def playing(self, subject: str) -> list[Live]:
        """What the subject plays, the oldest first."""
        now, *found_there = await self._of_subject(subject, delete=False)
        names = await self._nodes()
        sessions = live.sessions_in(found_there, names=names, now=now)
        return sorted(await self._titles.named(sessions), key=lambda one: one.started_at)

    async def page(self, after: int = 0, *, limit: int = 1000) -> Page:
        """Whole buckets from number ``after`` on, until ``limit`` sessions were found or there are no more."""
        layout = await self._agreed()
        names = await self._nodes()
        sessions: list[Live] = []
        number = max(0, after)
        last = keys.SHARDS * layout.buckets
        while number < last and len(sessions) < limit:
            shard, bucket = divmod(number, layout.buckets)
            upto = min(bucket + _BUCKETS_AT_ONCE, layout.buckets)
            buckets = [keys.bucket_key(shard, one) for one in range(bucket, upto)]
            now, *found_there = await self._scripts.run(PAGE, buckets)
            sessions += live.sessions_in(found_there, names=names, now=now)
            number += upto - bucket
        named = await self._titles.named(sessions)
        return Page(sessions=tuple(named), next=number if number < last else None)

    async def listed(self, *, limit: int = 1000) -> AsyncIterator[Live]:
        """Running sessions in no order, ``limit`` of them at most."""
        after: int | None = 0
        while after is not None and limit > 0:
            page = await self.page(after, limit=min(limit, 1000))
            for one in page.sessions[:limit]:
                yield one
            limit -= len(page.sessions)
            after = page.next

    async def forget(self, subject: str) -> int:
        """Delete what names the subject; edges that play to it are told by an order."""
        return int(await self._of_subject(subject, delete=True))

    async def order(self, kind: OrderKind, session: str, subject: str = "") -> None:
        """Tell all edges; to tell them twice does no harm."""
        mark = await self.mark(subject) if subject else ""
        await self._scripts.run(
            ORDER, [ORDERS_STREAM, ORDERS_COUNT], ORDERS_KEPT, kind, session, mark
        )

    async def mark(self, subject: str) -> str:
        """What stands for the subject in orders."""
        return (await self._agreed()).mark(subject)

    async def secret(self) -> bytes:
        """What subjects and addresses are hashed with, the same at every edge and the catalog."""
        await self._agreed()
        return self._secret or b""

    async def saw(self, content: str, subjects: Iterable[str]) -> None:
        """Count subjects as viewers of ``content`` today; each counts once."""
        layout = await self._agreed()
        viewers = [layout.viewer(subject) for subject in subjects]
        await note_viewers(self._scripts, content, viewers, now=self._clock())

    async def viewers(self, content: str, days: int = 1) -> int:
        """How many there were, about, today and on the days before."""
        return await count_viewers(self._scripts, content, days, now=self._clock())

    def _admission(
        self,
        layout: Layout,
        start: SessionStart,
        record: Record,
        limits: Sequence[int | None],
        *,
        any_number: bool,
    ) -> tuple[list[str], list[Any]]:
        place = layout.place(start.subject)
        return [keys.bucket_key(place.shard, place.bucket)], [
            place.subject,
            short_id(start.id),
            self._tag,
            record.pack(),
            self._left(record),
            self._lease,
            _milliseconds(self._settings.switch_grace),
            self._warm,
            self._life,
            *(NO_LIMIT if limit is None else limit for limit in limits),
            int(self._settings.policy == "evict-oldest"),
            int(any_number),
        ]

    def _renewal(
        self, layout: Layout, shard: int, items: Sequence[tuple[SessionStart, Record]]
    ) -> tuple[list[str], list[Any]]:
        swept = keys.bucket_key(shard, random.randrange(layout.buckets))
        numbers: dict[int, int] = {}  # of the keys, from 3 on, by bucket
        arguments: list[Any] = [self._warm, self._life]
        for start, record in items:
            place = layout.place(start.subject)
            if place.shard != shard:
                raise ValueError("only sessions of one shard are renewed together")
            number = numbers.setdefault(place.bucket, len(numbers) + 3)
            field = place.subject + short_id(start.id) + self._tag
            head = _RENEWAL.pack(number, self._left(record))
            arguments.append(head + record.pack() + field.encode())
        return [swept, *(keys.bucket_key(shard, one) for one in numbers)], arguments

    def _left(self, record: Record) -> int:
        """Milliseconds of the lease that runs from the last sign of life."""
        whole = self._lease
        if record.paused:
            whole = max(whole, _milliseconds(self._settings.paused))
        age = round((self._clock() - record.seen_at) * 1000)
        return max(0, min(whole, whole - age))

    async def _of_subject(self, subject: str, *, delete: bool) -> Any:
        layout = await self._agreed()
        place = layout.place(subject)
        key = keys.bucket_key(place.shard, place.bucket)
        return await self._scripts.run(OF_SUBJECT, [key], place.subject, int(delete))

    async def _run(
        self, script: Script, shard: int, ask: Callable[[Layout], tuple[list[str], list[Any]]]
    ) -> Any:
        """Run what needs the shard's epoch; agree again with the others if Redis lost it."""
        layout = await self._agreed()
        for _ in range(_ATTEMPTS):
            names, arguments = ask(layout)
            answer = await self._scripts.run(
                script,
                [keys.epoch_key(shard), *names],
                layout.shape,
                _milliseconds(_SHAPE_HELD),
                *arguments,
            )
            if answer[0] == LOST:
                layout = await self._agreed(anew=layout)
                await found(self._scripts, shard, shape=layout.shape)
            elif answer[0] == DIFFERS:
                was, layout = layout, await self._agreed(anew=layout)
                if layout.shape == was.shape:
                    raise SettingsDiffer
            else:
                if answer[0] == DONE:
                    self._know_epoch(shard, answer[1])
                return answer
        raise RedisConnectionError("Redis loses its keys again and again")

    def _know_epoch(self, shard: int, epoch: int) -> None:
        if self._epochs.get(shard, epoch) != epoch:
            self._epochs.clear()  # once for each loss: all shards are looked at anew
            self._titles.tell_again()
        self._epochs[shard] = epoch

    async def _agreed(self, *, anew: Layout | None = None) -> Layout:
        """The layout that all use; ``anew``: Redis may have lost the secret of that one."""
        layout = self._layout
        is_fresh = self._clock() - self._agreed_at < _AGREED_SECONDS
        if layout is not None and layout is not anew and is_fresh:
            return layout
        async with self._agreeing:
            if self._layout is not None and self._layout is not layout:
                return self._layout  # another call did it meanwhile
            secret = self._own_secret or await kept_secret(self._scripts, self._secret)
            if self._edge is not None:
                self._tag = await take_tag(self._scripts, self._edge)
            self._agreed_at = self._clock()
            self._secret = secret
            self._layout = Layout(secret, expected=self._settings.expected)
            return self._layout

    async def _nodes(self) -> dict[str, str]:
        return await live.nodes(self._scripts)


def _milliseconds(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
