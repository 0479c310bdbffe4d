"""The SQL of media, uploads, jobs and worker events."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog.media.domain import Job, Source, SourceState, Upload, WorkerEvent
from catalog.tables import transcode_jobs, uploads, video_sources, worker_events
from config.contracts.events import RenditionReport
from config.contracts.jobs import TRANSCODE_QUEUE, TRANSCODE_TASK, JobState, TranscodeRequest

_SOURCE = (
    video_sources.c.id,
    video_sources.c.episode_id,
    video_sources.c.filename,
    video_sources.c.size_bytes,
    video_sources.c.state,
    video_sources.c.attempt,
    video_sources.c.prefix,
    video_sources.c.duration_seconds,
    video_sources.c.renditions,
    video_sources.c.created_at,
    video_sources.c.updated_at,
)
_JOB = (
    transcode_jobs.c.media_id,
    transcode_jobs.c.job_id,
    transcode_jobs.c.state,
    transcode_jobs.c.stage,
    transcode_jobs.c.progress,
    transcode_jobs.c.attempt,
    transcode_jobs.c.error_code,
    transcode_jobs.c.error_message,
)
_UPLOAD = (
    uploads.c.media_id,
    uploads.c.length_bytes,
    uploads.c.expires_at,
    uploads.c.completed_at,
)

# Procrastinate's own function, on our connection: the job exists if and only if our rows do. The lock keeps
# two jobs of one media from running at the same time, the queueing lock from waiting at the same time.
_DEFER = text("""
    select unnest(procrastinate_defer_jobs_v1(array[
        row(:queue, :task, 0, :lock, :lock, cast(cast(:args as text) as jsonb), null)
        ::procrastinate_job_to_defer_v1
    ]))
""")
_CANCEL = text("select procrastinate_cancel_job_v1(:job_id, true, false)")


class SqlSources:
    """Video sources in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(
        self,
        *,
        id: UUID,
        episode_id: UUID | None,
        owner_id: UUID,
        filename: str,
        size_bytes: int,
        now: datetime,
    ) -> None:
        await self._connection.execute(
            insert(video_sources).values(
                id=id,
                episode_id=episode_id,
                owner_id=owner_id,
                filename=filename,
                size_bytes=size_bytes,
                state=SourceState.UPLOADING,
                created_at=now,
                updated_at=now,
            )
        )

    async def get(self, media_id: UUID, *, lock: bool = False) -> Source | None:
        statement = select(*_SOURCE).where(video_sources.c.id == media_id)
        if lock:
            # Serializes uploads, cancels, retries and events of one media.
            statement = statement.with_for_update()
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else _source(row)

    async def set_state(self, media_id: UUID, state: SourceState, *, now: datetime) -> None:
        await self._connection.execute(
            update(video_sources)
            .where(video_sources.c.id == media_id)
            .values(state=state, updated_at=now)
        )

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
    ) -> None:
        await self._connection.execute(
            update(video_sources)
            .where(video_sources.c.id == media_id)
            .values(
                state=state,
                attempt=attempt,
                prefix=prefix,
                duration_seconds=duration_seconds,
                renditions=[item.to_json() for item in renditions],
                ready_at=now,
                updated_at=now,
            )
        )

    async def retire_others(self, media_id: UUID, *, episode_id: UUID, now: datetime) -> None:
        await self._connection.execute(
            update(video_sources)
            .where(
                video_sources.c.episode_id == episode_id,
                video_sources.c.state == SourceState.READY,
                video_sources.c.id != media_id,
            )
            .values(state=SourceState.RETIRED, updated_at=now)
        )

    async def has_newer_ready(self, source: Source) -> bool:
        found = await self._connection.scalar(
            select(video_sources.c.id)
            .where(
                video_sources.c.episode_id == source.episode_id,
                video_sources.c.state == SourceState.READY,
                video_sources.c.id != source.id,
                video_sources.c.created_at > source.created_at,
            )
            .limit(1)
        )
        return found is not None

    async def ready_of(self, episode_ids: Collection[UUID]) -> list[Source]:
        rows = await self._connection.execute(
            select(*_SOURCE).where(
                video_sources.c.episode_id.in_(episode_ids),
                video_sources.c.state == SourceState.READY,
            )
        )
        return [_source(row) for row in rows]

    async def remove(self, media_id: UUID) -> None:
        await self._connection.execute(delete(video_sources).where(video_sources.c.id == media_id))


class SqlUploads:
    """Uploads in PostgreSQL; how far one is stands in the spool, not here."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(
        self, media_id: UUID, *, length_bytes: int, now: datetime, expires_at: datetime
    ) -> None:
        await self._connection.execute(
            insert(uploads).values(
                media_id=media_id, length_bytes=length_bytes, created_at=now, expires_at=expires_at
            )
        )

    async def get(self, media_id: UUID, *, lock: bool = False) -> Upload | None:
        statement = select(*_UPLOAD).where(uploads.c.media_id == media_id)
        if lock:
            # Two requests that both see the last byte must not both queue the job.
            statement = statement.with_for_update()
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else _upload(row)

    async def complete(self, media_id: UUID, *, now: datetime) -> None:
        await self._connection.execute(
            update(uploads).where(uploads.c.media_id == media_id).values(completed_at=now)
        )

    async def expired(self, *, now: datetime, limit: int) -> list[UUID]:
        rows = await self._connection.execute(
            select(uploads.c.media_id)
            .where(uploads.c.expires_at <= now, uploads.c.completed_at.is_(None))
            .limit(limit)
        )
        return [row.media_id for row in rows]

    async def unfinished(self, *, limit: int) -> list[Upload]:
        rows = await self._connection.execute(
            select(*_UPLOAD)
            .where(uploads.c.completed_at.is_(None))
            .order_by(uploads.c.created_at)
            .limit(limit)
        )
        return [_upload(row) for row in rows]

    async def known(self, media_ids: Collection[UUID]) -> set[UUID]:
        rows = await self._connection.execute(
            select(uploads.c.media_id).where(uploads.c.media_id.in_(media_ids))
        )
        return {row.media_id for row in rows}


class SqlJobs:
    """Transcode jobs: our row and Procrastinate's, always in one commit."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def get(self, media_id: UUID, *, lock: bool = False) -> Job | None:
        statement = select(*_JOB).where(transcode_jobs.c.media_id == media_id)
        if lock:
            # Serializes us with the worker, who writes progress and results into the same row.
            statement = statement.with_for_update()
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else _job(row)

    async def enqueue(self, media_id: UUID, *, source_key: str) -> int:
        request = TranscodeRequest(media_id=media_id, source_key=source_key)
        job_id: int = await self._connection.scalar(
            _DEFER,
            {
                "queue": TRANSCODE_QUEUE,
                "task": TRANSCODE_TASK,
                "lock": f"{TRANSCODE_TASK}:{media_id}",
                "args": json.dumps(request.to_json()),
            },
        )
        values: dict[str, Any] = {
            "source_key": source_key,
            "job_id": job_id,
            "state": JobState.QUEUED,
            "stage": None,
            "progress": 0.0,
            "error_code": None,
            "error_message": None,
            "started_at": None,
            "finished_at": None,
            "updated_at": func.now(),
        }
        await self._connection.execute(
            upsert(transcode_jobs)
            .values(media_id=media_id, **values)
            .on_conflict_do_update(index_elements=[transcode_jobs.c.media_id], set_=values)
        )
        return job_id

    async def cancel(self, job: Job, *, now: datetime) -> None:
        if job.job_id is not None:
            await self._connection.execute(_CANCEL, {"job_id": job.job_id})
        await self._connection.execute(
            update(transcode_jobs)
            .where(transcode_jobs.c.media_id == job.media_id)
            .values(state=JobState.CANCELLED, finished_at=now, updated_at=now)
        )


class SqlEvents:
    """What workers reported."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def next_waiting(self) -> WorkerEvent | None:
        # SKIP LOCKED: another catalog that works on an event holds up nobody.
        statement = (
            select(
                worker_events.c.id,
                worker_events.c.name,
                worker_events.c.payload,
                worker_events.c.created_at,
            )
            .where(worker_events.c.consumed_at.is_(None))
            .order_by(worker_events.c.created_at, worker_events.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        row = (await self._connection.execute(statement)).one_or_none()
        if row is None:
            return None
        return WorkerEvent(id=row.id, name=row.name, payload=row.payload, created_at=row.created_at)

    async def consumed(self, event_id: UUID) -> None:
        await self._connection.execute(
            update(worker_events)
            .where(worker_events.c.id == event_id)
            .values(consumed_at=func.now())
        )

    async def remove_consumed(self, *, before: datetime) -> int:
        result = await self._connection.execute(
            delete(worker_events).where(worker_events.c.consumed_at < before)
        )
        return result.rowcount


def _source(row: Row[*tuple[Any, ...]]) -> Source:
    return Source(
        id=row.id,
        episode_id=row.episode_id,
        filename=row.filename,
        size_bytes=row.size_bytes,
        state=SourceState(row.state),
        attempt=row.attempt,
        prefix=row.prefix,
        duration_seconds=row.duration_seconds,
        renditions=tuple(RenditionReport(**item) for item in row.renditions),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _job(row: Row[*tuple[Any, ...]]) -> Job:
    return Job(
        media_id=row.media_id,
        job_id=row.job_id,
        state=JobState(row.state),
        stage=row.stage,
        progress=row.progress,
        attempt=row.attempt,
        error_code=row.error_code,
        error_message=row.error_message,
    )


def _upload(row: Row[*tuple[Any, ...]]) -> Upload:
    return Upload(
        media_id=row.media_id,
        length_bytes=row.length_bytes,
        expires_at=row.expires_at,
        completed_at=row.completed_at,
    )
