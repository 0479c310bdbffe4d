"""What the use cases of media need from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from catalog.anime.ports import Writes
from catalog.media.domain import Job, Source, SourceState, Upload, WorkerEvent
from config.contracts.events import RenditionReport


class Sources(Protocol):
    async def add(
        self,
        *,
        id: UUID,
        episode_id: UUID | None,
        owner_id: UUID,
        filename: str,
        size_bytes: int,
        now: datetime,
    ) -> None: ...

    async def get(self, media_id: UUID, *, lock: bool = False) -> Source | None: ...

    async def set_state(self, media_id: UUID, state: SourceState, *, now: datetime) -> None: ...

    async def publish(
        self,
        media_id: UUID,
        *,
        state: SourceState,
        attempt: int,
        prefix: str,
        duration_seconds: float,
        renditions: Sequence[RenditionReport],
        now: datetime,
    ) -> None: ...

    async def retire_others(self, media_id: UUID, *, episode_id: UUID, now: datetime) -> None: ...

    async def has_newer_ready(self, source: Source) -> bool: ...

    async def ready_of(self, episode_ids: Collection[UUID]) -> list[Source]: ...

    async def remove(self, media_id: UUID) -> None: ...


class Uploads(Protocol):
    async def add(
        self, media_id: UUID, *, length_bytes: int, now: datetime, expires_at: datetime
    ) -> None: ...

    async def get(self, media_id: UUID, *, lock: bool = False) -> Upload | None: ...

    async def complete(self, media_id: UUID, *, now: datetime) -> None: ...

    async def expired(self, *, now: datetime, limit: int) -> list[UUID]: ...

    async def unfinished(self, *, limit: int) -> list[Upload]: ...

    async def known(self, media_ids: Collection[UUID]) -> set[UUID]:
        """Those of them that there is an upload of."""
        ...


class Jobs(Protocol):
    async def get(self, media_id: UUID, *, lock: bool = False) -> Job | None: ...

    async def enqueue(self, media_id: UUID, *, source_key: str) -> int:
        """Queue a transcode within this transaction, anew if there was one; the queue's id of the job."""
        ...

    async def cancel(self, job: Job, *, now: datetime) -> None: ...


class Events(Protocol):
    async def next_waiting(self) -> WorkerEvent | None:
        """The oldest event that nobody else is working on, kept from others until the commit."""
        ...

    async def consumed(self, event_id: UUID) -> None: ...

    async def remove_consumed(self, *, before: datetime) -> int: ...


class UnitOfWork(Writes, Protocol):
    """One transaction: leave the block without ``commit`` and nothing happened."""

    sources: Sources
    uploads: Uploads
    jobs: Jobs
    events: Events

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    async def commit(self) -> None: ...


class Checksum(Protocol):
    """A promise about the bytes of one request."""

    def update(self, data: bytes, /) -> None: ...

    def is_kept(self) -> bool: ...


class Spool(Protocol):
    """Where uploads grow; how far one is, is the length of its file."""

    async def size(self, media_id: UUID) -> int | None:
        """Bytes that are there, ``None`` without a file."""
        ...

    async def create(self, media_id: UUID) -> None: ...

    async def append(
        self,
        media_id: UUID,
        *,
        offset: int,
        most: int,
        pieces: AsyncIterator[bytes],
        checksum: Checksum | None,
    ) -> int:
        """Write the pieces at ``offset``; the new size, durable."""
        ...

    async def remove(self, media_id: UUID) -> None: ...

    async def older_than(self, at: datetime) -> list[UUID]:
        """The uploads whose files nobody has written to since then."""
        ...
