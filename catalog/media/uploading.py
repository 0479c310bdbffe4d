"""The life of an upload: created, grown, put into storage, and its job queued in one commit."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol
from uuid import UUID

from catalog import metrics
from catalog.errors import (
    CatalogError,
    EpisodeNotFound,
    NoRoom,
    OffsetMismatch,
    StorageUnavailable,
    TooLarge,
    UploadBusy,
    UploadExpired,
    UploadFinished,
    UploadNotFound,
)
from catalog.ids import new_id
from catalog.media.domain import SourceState, Upload, clean_filename
from catalog.media.ports import Checksum, Spool, UnitOfWork
from config.contracts.paths import source_key
from config.runtime.logging import get_logger
from config.runtime.storage.base import ObjectNotFound, Storage, StorageError, StorageFull

log = get_logger(__name__)

_BATCH = 1000
_ORPHAN_AGE = timedelta(hours=1)


class LocalSpool(Spool, Protocol):
    """A spool whose files can be handed to storage."""

    def path(self, media_id: UUID) -> Path: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an upload is."""

    offset: int
    length: int
    expires_at: datetime


@dataclass(slots=True, kw_only=True)
class Uploading:
    """The uploads of this process; one request at a time may write one of them."""

    spool: LocalSpool
    storage: Storage
    units: Callable[[], UnitOfWork]
    max_bytes: int
    lifetime: timedelta
    clock: Callable[[], datetime]
    _busy: set[UUID] = field(default_factory=set)

    async def create(
        self, *, length: int, filename: str, episode_id: UUID | None, owner_id: UUID
    ) -> tuple[UUID, datetime]:
        """A new upload: its media's id, and when it expires."""
        if length > self.max_bytes:
            raise TooLarge
        now, media_id = self.clock(), new_id()
        expires_at = now + self.lifetime
        # The file first: a file without a row is swept away, a row without a file could never be finished.
        await self.spool.create(media_id)
        try:
            async with self.units() as uow:
                if episode_id is not None and not await uow.episodes.exists(episode_id):
                    raise EpisodeNotFound
                await uow.sources.add(
                    id=media_id,
                    episode_id=episode_id,
                    owner_id=owner_id,
                    filename=clean_filename(filename),
                    size_bytes=length,
                    now=now,
                )
                await uow.uploads.add(media_id, length_bytes=length, now=now, expires_at=expires_at)
                await uow.commit()
        except BaseException:
            await self.spool.remove(media_id)
            raise
        metrics.UPLOADS.labels("created").inc()
        return media_id, expires_at

    async def progress(self, media_id: UUID) -> Progress:
        """How far the upload is; one that only lacks its last commit gets it now."""
        upload = await self._live(media_id)
        offset = await self._offset(upload)
        if offset == upload.length_bytes and upload.completed_at is None:
            with contextlib.suppress(UploadBusy), self._writing(media_id):
                await self._finish(upload)
        return Progress(offset=offset, length=upload.length_bytes, expires_at=upload.expires_at)

    async def append(
        self,
        media_id: UUID,
        *,
        offset: int,
        body_length: int | None,
        pieces: AsyncIterator[bytes],
        checksum: Checksum | None,
    ) -> Progress:
        """Add a body at ``offset``; with the last byte the media is stored and its transcode queued."""
        with self._writing(media_id):
            upload = await self._live(media_id)
            present = await self._offset(upload)
            if offset != present:
                raise OffsetMismatch(present)
            most = upload.length_bytes - offset
            if body_length is not None and body_length > most:
                raise TooLarge
            if most:
                present = await self.spool.append(
                    media_id, offset=offset, most=most, pieces=pieces, checksum=checksum
                )
            if present == upload.length_bytes and upload.completed_at is None:
                await self._finish(upload)
        return Progress(offset=present, length=upload.length_bytes, expires_at=upload.expires_at)

    async def terminate(self, media_id: UUID) -> None:
        """Forget an upload that is not finished."""
        with self._writing(media_id):
            await self._live(media_id)
            await self._remove(media_id)
        metrics.UPLOADS.labels("terminated").inc()

    async def sweep(self) -> None:
        """Finish what a crash left one step before its end, then remove what expired and what has no row."""
        async with self.units() as uow:
            unfinished = await uow.uploads.unfinished(limit=_BATCH)
        for upload in unfinished:
            await self._attempt(upload.media_id, self._finish_if_whole(upload))
        async with self.units() as uow:
            expired = await uow.uploads.expired(now=self.clock(), limit=_BATCH)
        for media_id in expired:
            if await self._attempt(media_id, self._remove(media_id)):
                metrics.UPLOADS.labels("expired").inc()
        old = (await self.spool.older_than(self.clock() - _ORPHAN_AGE))[:_BATCH]
        async with self.units() as uow:
            known = await uow.uploads.known(old)
        for media_id in set(old) - known:
            await self.spool.remove(media_id)

    async def _attempt(self, media_id: UUID, work: Coroutine[None, None, None]) -> bool:
        """Do one upload's work; its failure must not stop the work of the others."""
        try:
            with self._writing(media_id):
                await work
        except CatalogError as error:
            work.close()
            log.warning("upload was not swept", media_id=str(media_id), code=error.code)
            return False
        return True

    async def _finish_if_whole(self, upload: Upload) -> None:
        if await self._offset(upload) == upload.length_bytes:
            await self._finish(upload)

    @contextlib.contextmanager
    def _writing(self, media_id: UUID) -> Iterator[None]:
        if media_id in self._busy:
            raise UploadBusy
        self._busy.add(media_id)
        try:
            yield
        finally:
            self._busy.discard(media_id)

    async def _live(self, media_id: UUID) -> Upload:
        async with self.units() as uow:
            upload = await uow.uploads.get(media_id)
        if upload is None:
            raise UploadNotFound
        if upload.has_expired(now=self.clock()):
            raise UploadExpired
        return upload

    async def _offset(self, upload: Upload) -> int:
        if upload.completed_at is not None:
            return upload.length_bytes
        size = await self.spool.size(upload.media_id)
        if size is not None:
            return size
        # The file was moved into storage, and then the process died before its commit.
        with _storage_errors():
            try:
                stored = await self.storage.stat(source_key(upload.media_id))
            except ObjectNotFound:
                raise UploadNotFound from None
        return stored.size_bytes

    async def _finish(self, upload: Upload) -> None:
        """Store the file, then change the media's state and queue its job in one commit."""
        media_id, key = upload.media_id, source_key(upload.media_id)
        if await self.spool.size(media_id) is not None:
            with _storage_errors():
                await self.storage.upload(key, self.spool.path(media_id), move=True)
        now = self.clock()
        async with self.units() as uow:
            current = await uow.uploads.get(media_id, lock=True)
            if current is None:
                raise UploadNotFound
            if current.completed_at is not None:
                return
            await uow.uploads.complete(media_id, now=now)
            await uow.sources.set_state(media_id, SourceState.PROCESSING, now=now)
            job_id = await uow.jobs.enqueue(media_id, source_key=key)
            await uow.commit()
        metrics.UPLOADS.labels("finished").inc()
        log.info(
            "upload finished", media_id=str(media_id), job_id=job_id, bytes=upload.length_bytes
        )

    async def _remove(self, media_id: UUID) -> None:
        async with self.units() as uow:
            upload = await uow.uploads.get(media_id, lock=True)
            if upload is not None and upload.completed_at is not None:
                raise UploadFinished
            await uow.sources.remove(media_id)  # its upload goes with it
            await uow.commit()
        await self.spool.remove(media_id)
        with _storage_errors():
            await self.storage.delete(source_key(media_id))


@contextlib.contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except StorageFull as error:
        raise NoRoom from error
    except StorageError as error:
        raise StorageUnavailable from error
