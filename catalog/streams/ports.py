"""What the use cases of stream sessions need from outside."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self
from uuid import UUID

from catalog.media import ports as media
from catalog.streams.domain import Aspect, Experience, StreamSession
from catalog.streams.told import Batch
from config.contracts.sessions import Playing, SessionStart


class Unstorable(ValueError):
    """The database refuses something of this for good."""


class Streams(Protocol):
    async def lock_boots(self, boots: Sequence[str], *, now: datetime) -> dict[str, int]:
        """How far each boot is stored; nobody else stores any of them before the commit."""
        ...

    async def set_boots(self, numbers: Mapping[str, int], *, now: datetime) -> None: ...

    async def recent_boots(self, *, since: datetime) -> dict[str, int]:
        """How far the boots are that were heard of since then."""
        ...

    async def forgotten(self, hashes: Collection[bytes]) -> dict[bytes, datetime]:
        """When those of these subjects who asked for it were forgotten."""
        ...

    async def store(self, batch: Batch) -> None:
        """Write what is new in these rows, or raise ``Unstorable``."""
        ...

    async def open(self, start: SessionStart, *, now: datetime) -> None:
        """Write down a session that no edge has told of yet."""
        ...

    async def get(self, session: str, *, user_id: UUID) -> StreamSession | None: ...

    async def beat(self, session: str, *, lock: bool = False) -> dict[str, Any] | None: ...

    async def set_beat(self, session: str, beat: Mapping[str, Any], *, now: datetime) -> None: ...

    async def stop(self, session: str, *, reason: str, now: datetime) -> None: ...

    async def of_user(self, user_id: UUID, *, limit: int, offset: int) -> list[StreamSession]:
        """A user's sessions, the newest first."""
        ...

    async def count_of_user(self, user_id: UUID) -> int: ...

    async def running_of_user(self, user_id: UUID, *, since: datetime) -> list[StreamSession]:
        """Those that have not stopped and were heard of since then."""
        ...

    async def by_ids(self, sessions: Collection[str], *, user_id: UUID) -> list[StreamSession]: ...

    async def experience(
        self, by: Aspect, *, since: datetime, media_id: UUID | None, limit: int
    ) -> list[Experience]:
        """How streams played that were heard of since then, most of them first."""
        ...

    async def forget(self, subject: str, *, now: datetime) -> int:
        """Delete what is known of a subject, and refuse what edges still tell of it; how many sessions it was."""
        ...

    async def close_silent(self, *, before: datetime, limit: int) -> int:
        """Stop those that were not heard of since then: their edge is gone."""
        ...

    async def remove_old(self, *, before: datetime, limit: int) -> int: ...

    async def remove_old_rejections(self, *, before: datetime, limit: int) -> int: ...

    async def remove_old_boots(self, *, before: datetime) -> list[str]: ...

    async def remove_old_forgotten(self, *, before: datetime) -> int: ...


class UnitOfWork(Protocol):
    """One transaction: leave the block without ``commit`` and nothing happened."""

    streams: Streams

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    async def commit(self) -> None: ...


class ViewersWork(media.UnitOfWork, UnitOfWork, Protocol):
    """A transaction that also knows what can be played."""


class Places(Protocol):
    """Who plays what now, at all edges together."""

    async def take(self, start: SessionStart) -> None:
        """Take a place; ``TooManyStreams`` or ``StreamsUnavailable``."""
        ...

    async def keep(self, start: SessionStart, *, paused: bool) -> None:
        """Keep its place, or take one anew; as ``take``."""
        ...

    async def give_back(self, start: SessionStart) -> None: ...

    async def end(self, start: SessionStart, *, revoke: bool) -> None:
        """Have every edge end it, or raise ``StreamsUnavailable``; ``revoke``: its tokens open nothing more."""
        ...

    async def playing(self, subject: str) -> Sequence[Playing] | None:
        """What plays, ``None`` if that cannot be said now."""
        ...

    async def forget(self, subject: str) -> None: ...
