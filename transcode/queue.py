"""The Procrastinate application of the workers, hardened for jobs of hours."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from procrastinate import App, BaseRetryStrategy, PsycopgConnector, RetryDecision
from procrastinate.exceptions import ConnectorException, JobAborted
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager, NotificationCallback
from procrastinate.utils import utcnow
from psycopg.errors import ForeignKeyViolation

from config.contracts.jobs import TRANSCODE_QUEUE, TRANSCODE_TASK
from config.runtime.logging import get_logger
from config.runtime.postgres import dsn_of, server_settings
from config.settings.shared import PostgresSettings
from transcode.errors import Passing
from transcode.metrics import DATABASE_FAILURES

log = get_logger(__name__)

_FIRST_BACKOFF_SECONDS = 2
_LONGEST_BACKOFF_SECONDS = 300
_LISTEN_PAUSE_SECONDS = 1.0

# Procrastinate's own end of a job is not fenced: a worker that woke up late would end the job of the one that
# took it over. The worker's id is gone (NULL) when others pruned it; then the job is still its own.
_OURS = "id = %(job_id)s AND (worker_id IS NULL OR worker_id = %(worker_id)s)"
_FINISH = f"""
    SELECT procrastinate_finish_job_v1(id, %(status)s, %(delete_job)s)
      FROM procrastinate_jobs WHERE {_OURS} AND status IN ('todo', 'doing')
"""  # noqa: S608 - no value is put into the text
_RETRY = f"""
    SELECT procrastinate_retry_job_v2(id, %(retry_at)s, NULL, NULL, NULL)
      FROM procrastinate_jobs WHERE {_OURS} AND status = 'doing'
"""  # noqa: S608
_FORGET_TRY = f"""
    UPDATE procrastinate_jobs SET attempts = attempts - 1
     WHERE {_OURS} AND status = 'todo' AND attempts > 0
"""  # noqa: S608


class GivenBack(JobAborted):
    """The worker is stopping: the job goes back to the queue as if it had not been tried."""


class Retries(BaseRetryStrategy):
    """What failed for a reason that may pass is tried again, later each time; what was given back, at once."""

    def __init__(self, *, max_attempts: int) -> None:
        self._max_attempts = max_attempts

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if isinstance(exception, GivenBack):
            return RetryDecision()
        if isinstance(exception, Passing) and not self.is_last(job):
            return RetryDecision(retry_in={"seconds": backoff_seconds(job.attempts)})
        return None

    def is_last(self, job: Job) -> bool:
        """Whether a failure of this try is the end."""
        return job.attempts + 1 >= self._max_attempts

    def is_beyond(self, job: Job) -> bool:
        """Whether earlier tries, lost with their workers, have used up all there are."""
        return job.attempts >= self._max_attempts


def backoff_seconds(tries: int) -> int:
    """How long to wait after so many earlier tries."""
    return min(_LONGEST_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS << 2 * min(tries, 10))


class FencedManager(JobManager):
    """Ends only jobs that are still this worker's, and outlives a database that is away for a moment."""

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        await self.connector.execute_query_async(
            _FINISH,
            job_id=job.id,
            worker_id=job.worker_id,
            status=status.value,
            delete_job=delete_job,
        )

    async def retry_job(
        self,
        job: Job,
        retry_at: datetime.datetime | None = None,
        priority: int | None = None,
        queue: str | None = None,
        lock: str | None = None,
    ) -> None:
        ids: dict[str, Any] = {"job_id": job.id, "worker_id": job.worker_id}
        await self.connector.execute_query_async(_RETRY, retry_at=retry_at or utcnow(), **ids)
        if retry_at is None:  # given back
            await self.connector.execute_query_async(_FORGET_TRY, **ids)

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        try:
            return await super().fetch_job(queues, worker_id)
        except ConnectorException as error:
            if isinstance(error.__cause__, ForeignKeyViolation):
                raise  # others have pruned this worker: it must register anew
            _count(error, "fetch")
            return None

    async def update_heartbeat(self, worker_id: int) -> None:
        try:
            await super().update_heartbeat(worker_id)
        except ConnectorException as error:
            _count(error, "heartbeat")

    async def listen_for_jobs(
        self, *, on_notification: NotificationCallback, queues: Iterable[str] | None = None
    ) -> None:
        while True:
            try:
                await super().listen_for_jobs(on_notification=on_notification, queues=queues)
            except ConnectorException as error:
                _count(error, "listen")
            await asyncio.sleep(_LISTEN_PAUSE_SECONDS)


def build_queue(
    postgres: PostgresSettings, retries: Retries, task: Callable[..., Awaitable[None]]
) -> App:
    """The application with the one task; ``task`` is called with the context and the request's JSON."""
    app = App(connector=_connector(postgres))
    app.job_manager = FencedManager(app.connector)
    app.task(name=TRANSCODE_TASK, queue=TRANSCODE_QUEUE, pass_context=True, retry=retries)(task)
    return app


def _connector(postgres: PostgresSettings) -> PsycopgConnector:
    limits = server_settings(postgres, program="transcode-queue")
    name = limits.pop("application_name")
    return PsycopgConnector(
        conninfo=dsn_of(postgres),
        min_size=1,
        max_size=postgres.pool_size,
        timeout=postgres.connect_timeout.total_seconds(),
        kwargs={
            "connect_timeout": max(2, round(postgres.connect_timeout.total_seconds())),
            "application_name": name,
            "options": " ".join(f"-c {key}={value}" for key, value in limits.items()),
        },
    )


def _count(error: ConnectorException, what: str) -> None:
    DATABASE_FAILURES.inc()
    log.warning("queue call failed", call=what, error=str(error.__cause__ or error))
