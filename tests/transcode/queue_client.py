"""The catalog's side of the queue, in plain SQL: enqueue, cancel, look."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from config.contracts.jobs import TRANSCODE_QUEUE, TRANSCODE_TASK, TranscodeRequest
from config.contracts.paths import source_key
from config.runtime.postgres import open_pool
from config.runtime.storage.folder import FolderStorage
from config.settings.shared import PostgresSettings

_DEFER = """
    SELECT unnest(procrastinate_defer_jobs_v1(ARRAY[
        ROW($1, $2, 0, $3, $3, $4::jsonb, NULL)::procrastinate_job_to_defer_v1]))
"""
_ENQUEUE = """
    INSERT INTO transcode_jobs (media_id, source_key, job_id) VALUES ($1, $2, $3)
    ON CONFLICT (media_id) DO UPDATE
       SET job_id = excluded.job_id, state = 'queued', stage = NULL, progress = 0,
           updated_at = now()
"""


class QueueClient:
    """The workers' database and storage, from outside."""

    def __init__(self, pool: asyncpg.Pool, storage: Path) -> None:
        self._pool = pool
        self.storage = FolderStorage(storage)

    async def submit(self, source: Path) -> UUID:
        """Upload a source and enqueue its job."""
        media_id = uuid.uuid4()
        await self.storage.upload(source_key(media_id), source)
        await self.enqueue(media_id)
        return media_id

    async def enqueue(self, media_id: UUID) -> None:
        """Queue a media, in one commit as the catalog does."""
        request = TranscodeRequest(media_id=media_id, source_key=source_key(media_id))
        async with self._pool.acquire() as connection, connection.transaction():
            job_id = await connection.fetchval(
                _DEFER,
                TRANSCODE_QUEUE,
                TRANSCODE_TASK,
                f"{TRANSCODE_TASK}:{media_id}",
                json.dumps(request.to_json()),
            )
            await connection.execute(_ENQUEUE, media_id, request.source_key, job_id)

    async def cancel(self, media_id: UUID) -> None:
        """Cancel a media's job, in one commit as the catalog does."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "SELECT procrastinate_cancel_job_v1(job_id, true, false)"
                " FROM transcode_jobs WHERE media_id = $1",
                media_id,
            )
            await connection.execute(
                "UPDATE transcode_jobs SET state = 'cancelled' WHERE media_id = $1", media_id
            )

    async def row(self, media_id: UUID) -> asyncpg.Record:
        """The job's row."""
        row = await self._pool.fetchrow(
            "SELECT * FROM transcode_jobs WHERE media_id = $1", media_id
        )
        assert row is not None
        return row

    async def queue_status(self, media_id: UUID) -> str:
        """What the queue's engine says of the job."""
        status: str = await self._pool.fetchval(
            "SELECT status::text FROM procrastinate_jobs WHERE args ->> 'media_id' = $1"
            " ORDER BY id DESC LIMIT 1",
            str(media_id),
        )
        return status

    async def events(self) -> list[tuple[str, dict[str, Any]]]:
        """Every event, oldest first."""
        rows = await self._pool.fetch("SELECT name, payload FROM worker_events ORDER BY created_at")
        return [(row["name"], json.loads(row["payload"])) for row in rows]

    async def execute(self, statement: str, *values: object) -> None:
        """Anything else that a test does to the database."""
        await self._pool.execute(statement, *values)

    async def until_state(
        self, media_id: UUID, state: str, *, seconds: float = 60
    ) -> asyncpg.Record:
        """Wait for the row to say so."""
        row = await self.row(media_id)

        async def check() -> bool:
            nonlocal row
            row = await self.row(media_id)
            return bool(row["state"] == state)

        await eventually(check, seconds=seconds)
        return row

    async def until_encoding(self, media_id: UUID) -> None:
        """Wait until the encoder of a job has visibly made progress."""

        async def check() -> bool:
            row = await self.row(media_id)
            return bool(row["stage"] == "encode" and row["progress"] > 0.04)

        await eventually(check, seconds=30)

    async def objects(self, prefix: str = "media/") -> list[str]:
        """Keys of what is published."""
        return sorted([key async for key in self.storage.keys(prefix)])


async def eventually(check: Callable[[], Awaitable[bool]], *, seconds: float) -> None:
    """Ask again and again until it is so, or fail."""
    async with asyncio.timeout(seconds):
        for _ in range(int(seconds * 100)):
            if await check():
                return
            await asyncio.sleep(0.02)
    raise TimeoutError


@asynccontextmanager
async def queue_client(database: PostgresSettings, storage: Path) -> AsyncIterator[QueueClient]:
    """A client of the database and the folder that a worker uses."""
    storage.mkdir(parents=True, exist_ok=True)
    async with open_pool(database, program="test") as pool:
        yield QueueClient(pool, storage)
