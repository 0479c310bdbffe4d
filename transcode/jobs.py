"""The table transcode_jobs as a worker uses it: every change is fenced by the attempt that makes it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

from config.contracts.events import MediaFailed, MediaTranscoded
from config.contracts.jobs import EVENTS_CHANNEL, TRANSCODE_TASK, JobStage, JobState
from config.runtime.tasks import is_cancelled, to_its_end
from transcode.errors import DatabaseDown, JobLost, Superseded, TranscodeError
from transcode.metrics import DATABASE_FAILURES

T = TypeVar("T")

MAX_MESSAGE_CHARS = 1000
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The right to work on a media, until another attempt or a cancel takes it."""

    media_id: UUID
    number: int


# A job of the queue whose row names another one has been replaced: it must not start the new one's work.
_CLAIM = """
    UPDATE transcode_jobs
       SET state = 'running', attempt = attempt + 1, stage = 'fetch', progress = 0,
           started_at = now(), finished_at = NULL, updated_at = now(),
           error_code = NULL, error_message = NULL
     WHERE media_id = $1 AND state IN ('queued', 'running')
       AND (job_id IS NULL OR job_id = $2)
 RETURNING attempt
"""

_ADVANCE = """
    UPDATE transcode_jobs
       SET stage = $3, progress = greatest(progress, $4), updated_at = now()
     WHERE media_id = $1 AND attempt = $2 AND state = 'running'
 RETURNING attempt
"""

_PUT_BACK = """
    UPDATE transcode_jobs
       SET state = 'queued', stage = NULL, progress = 0, updated_at = now(),
           error_code = $3, error_message = $4
     WHERE media_id = $1 AND attempt = $2 AND state = 'running'
"""

_FINISH = """
    UPDATE transcode_jobs
       SET state = 'done', progress = 1, stage = NULL, prefix = $3, finished_at = now(),
           updated_at = now(), error_code = NULL, error_message = NULL
     WHERE media_id = $1 AND attempt = $2 AND state = 'running'
 RETURNING attempt
"""

_IS_FINISHED = """
    SELECT true FROM transcode_jobs
     WHERE media_id = $1 AND attempt = $2 AND state = 'done' AND prefix = $3
"""

_FAIL = """
    UPDATE transcode_jobs
       SET state = 'failed', stage = NULL, finished_at = now(), updated_at = now(),
           error_code = $3, error_message = $4
     WHERE media_id = $1 AND attempt = $2 AND state = ANY($5::text[])
 RETURNING attempt
"""

_ADD_EVENT = "INSERT INTO worker_events (id, name, payload) VALUES ($1, $2, $3::jsonb)"
_NOTIFY = "SELECT pg_notify($1, $2)"

# A job is alive while its row is touched: that is the lease. It is lost when the lease is old and its worker is
# gone, or silent, or (a worker that lives but could not record the end) the job did not just start. A worker
# that others pruned during an outage of the database keeps its jobs that way. A job whose row has gone on without
# it is only closed: as 'doing' it would keep the media's lock for ever. SKIP LOCKED: two reapers never take the
# same job.
_REAP = """
    WITH lost AS (
        SELECT job.id,
               coalesce(mine.state IN ('queued', 'running')
                        AND (mine.job_id IS NULL OR mine.job_id = job.id), false) AS is_wanted
          FROM procrastinate_jobs AS job
          LEFT JOIN procrastinate_workers AS worker ON worker.id = job.worker_id
          LEFT JOIN transcode_jobs AS mine
            ON mine.media_id = CASE WHEN job.args ->> 'media_id' ~ '^[0-9a-f-]{36}$'
                                    THEN (job.args ->> 'media_id')::uuid END
         WHERE job.status = 'doing' AND job.task_name = $1
           AND (mine.media_id IS NULL OR mine.updated_at < now() - $2::interval)
           AND (worker.id IS NULL
                OR worker.last_heartbeat < now() - $2::interval
                OR NOT EXISTS (SELECT 1 FROM procrastinate_events AS event
                                WHERE event.job_id = job.id AND event.type = 'started'
                                  AND event.at > now() - $2::interval))
           FOR UPDATE OF job SKIP LOCKED
    )
    SELECT is_wanted,
           CASE WHEN is_wanted THEN procrastinate_retry_job_v2(id, now(), NULL, NULL, NULL)
                ELSE procrastinate_finish_job_v1(id, 'failed', false)
           END
      FROM lost
"""

# Rows that wait for a queue job which is over or gone: nothing would ever end them.
_ORPHANS = """
    SELECT mine.media_id, mine.attempt
      FROM transcode_jobs AS mine
      LEFT JOIN procrastinate_jobs AS job ON job.id = mine.job_id
     WHERE mine.state IN ('queued', 'running') AND mine.job_id IS NOT NULL
       AND mine.updated_at < now() - $1::interval
       AND (job.id IS NULL OR job.status NOT IN ('todo', 'doing'))
     LIMIT 100
"""


class JobTable:
    """The rows of transcode_jobs and the events that belong to their ends."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def claim(self, media_id: UUID, *, job_id: int | None) -> Attempt | None:
        """Start the next attempt, or ``None`` if the job is over, cancelled or replaced."""
        number = await self._value(_CLAIM, media_id, job_id)
        return None if number is None else Attempt(media_id=media_id, number=number)

    async def advance(self, attempt: Attempt, stage: JobStage, progress: float) -> None:
        """Record how far the attempt is and that it lives, or raise ``Superseded``."""
        kept = await self._value(_ADVANCE, attempt.media_id, attempt.number, stage.value, progress)
        if kept is None:
            raise Superseded

    async def put_back(self, attempt: Attempt, error: TranscodeError | None = None) -> None:
        """Queue the job again; ``error`` is what the attempt failed of."""
        code, message = (error.code, _message(error)) if error else (None, None)
        await self._value(_PUT_BACK, attempt.media_id, attempt.number, code, message)

    async def finish(self, attempt: Attempt, event: MediaTranscoded) -> None:
        """Publish: the row and its event in one commit, or ``Superseded``. Safe to repeat."""
        # A commit that was sent cannot be called back: only its answer tells whether there is anything to give back.
        await to_its_end(self._finish(attempt, event))

    async def _finish(self, attempt: Attempt, event: MediaTranscoded) -> None:
        ids = (attempt.media_id, attempt.number)
        async with self._transaction() as connection:
            if await connection.fetchval(_FINISH, *ids, event.prefix) is not None:
                await _add_event(connection, event.NAME, event.to_json())
            # An earlier try whose answer was lost may have committed: then this attempt has won.
            elif not await connection.fetchval(_IS_FINISHED, *ids, event.prefix):
                raise Superseded

    async def fail(
        self,
        attempt: Attempt,
        error: TranscodeError,
        *,
        states: tuple[JobState, ...] = (JobState.RUNNING,),
    ) -> bool:
        """End the job for good, with its event in the same commit; False if it was no longer ours."""
        event = MediaFailed(
            media_id=attempt.media_id,
            attempt=attempt.number,
            code=error.code,
            message=_message(error),
        )
        names = [state.value for state in states]
        async with self._transaction() as connection:
            failed = await connection.fetchval(
                _FAIL, attempt.media_id, attempt.number, event.code, event.message, names
            )
            if failed is None:
                return False
            await _add_event(connection, event.NAME, event.to_json())
        return True

    async def reap(self, *, lost_after: timedelta) -> int:
        """Put the jobs of lost workers back into the queue, end those that left it, and count the former."""
        async with self._transaction() as connection:
            lost = await connection.fetch(_REAP, TRANSCODE_TASK, lost_after)
            orphans = await connection.fetch(_ORPHANS, lost_after)
        for row in orphans:
            await self.fail(
                Attempt(media_id=row["media_id"], number=row["attempt"]),
                JobLost(),
                states=(JobState.QUEUED, JobState.RUNNING),
            )
        return sum(1 for row in lost if row["is_wanted"])

    async def is_reachable(self) -> bool:
        """Whether the database answers."""
        try:
            return bool(await self._value("SELECT true"))
        except DatabaseDown:
            return False

    async def _value(self, statement: str, *values: Any) -> Any:
        async with self._transaction() as connection:
            return await connection.fetchval(statement, *values)

    @contextlib.asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Any]:
        try:
            async with self._pool.acquire(timeout=10) as connection, connection.transaction():
                yield connection
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            DATABASE_FAILURES.inc()
            raise DatabaseDown(
                f"the database failed: {str(error) or type(error).__name__}"
            ) from error


async def patiently(call: Callable[[], Awaitable[T]], *, patience: timedelta) -> T:
    """Repeat a call that may be repeated while the database is away, for a while; not once this task is told to end."""
    pause = _FIRST_PAUSE_SECONDS
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience.total_seconds()
    while True:
        try:
            return await call()
        except DatabaseDown:
            if is_cancelled() or loop.time() + pause > deadline:
                raise
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


async def _add_event(connection: Any, name: str, payload: dict[str, Any]) -> None:
    identity = uuid.uuid4()
    await connection.execute(_ADD_EVENT, identity, name, json.dumps(payload))
    await connection.execute(_NOTIFY, EVENTS_CHANNEL, str(identity))


def _message(error: TranscodeError) -> str:
    # PostgreSQL text holds no NUL, and ffmpeg quotes whatever a source contains.
    return str(error).replace("\x00", "")[:MAX_MESSAGE_CHARS]
