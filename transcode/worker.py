"""The worker: takes jobs from the queue, runs them, reports their end, and looks after lost ones."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from procrastinate import JobContext
from procrastinate.exceptions import JobAborted
from procrastinate.job_context import AbortReason

from config.contracts.jobs import TRANSCODE_QUEUE, JobStage, TranscodeRequest
from config.contracts.paths import output_prefix
from config.runtime.logging import JOB_ID, get_logger
from config.runtime.postgres import open_pool
from config.runtime.serving import Readiness, admin_app, listening_socket, serving, until_stopped
from config.runtime.storage.base import Storage
from config.runtime.storage.open import open_storage
from config.runtime.tasks import BackgroundTasks
from config.runtime.threads import in_thread
from config.settings.load import Settings
from config.settings.shared import HttpLimits
from config.settings.transcode import TranscodeSettings
from transcode.digest import sha256_of
from transcode.errors import (
    DatabaseDown,
    InternalError,
    Superseded,
    TooManyAttempts,
    TranscodeError,
)
from transcode.ffmpeg.binaries import check, find_tools
from transcode.jobs import Attempt, JobTable, patiently
from transcode.lease import Lease
from transcode.metrics import ERRORS, JOBS, REAPED, RUNNING, timed
from transcode.pipeline import output_folder, room_in, transcode
from transcode.publish import fetch, transcoded_event, upload, withdraw
from transcode.queue import GivenBack, Retries, build_queue
from transcode.scratch import job_folder, worker_folder

log = get_logger(__name__)

# Retried jobs send no notification: this is how long they lie unseen.
_POLL_SECONDS = 1.0


class WorkerStopped(RuntimeError):
    """The queue worker ended although nobody asked it to."""


class Worker:
    """Runs one job after another for the queue, each to a recorded end."""

    def __init__(
        self, settings: TranscodeSettings, *, jobs: JobTable, storage: Storage, scratch: Path
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._storage = storage
        self._scratch = scratch
        self.retries = Retries(max_attempts=settings.max_attempts)

    async def run(self, context: JobContext, **arguments: Any) -> None:
        """The task: what it raises tells the queue whether to try again."""
        request = TranscodeRequest.from_json(arguments)
        JOB_ID.set(str(request.media_id))
        attempt = await self._jobs.claim(request.media_id, job_id=context.job.id)
        if attempt is None:
            log.info("job is over, nothing to do")
            return
        with RUNNING.track_inprogress():
            try:
                if self.retries.is_beyond(context.job):
                    raise TooManyAttempts
                await self._attempt(attempt, request)
                JOBS.labels("done").inc()
                log.info("job done", attempt=attempt.number)
            except Superseded:
                JOBS.labels("superseded").inc()
                log.warning("job was taken over or cancelled", attempt=attempt.number)
                raise JobAborted from None
            except asyncio.CancelledError:
                await self._stopped(attempt, context)
            except TranscodeError as error:
                await self._failed(attempt, error, context)
            except Exception as error:
                log.exception("job met an unknown error", attempt=attempt.number)
                known = InternalError(f"internal error ({type(error).__name__})")
                await self._failed(attempt, known, context)

    async def _attempt(self, attempt: Attempt, request: TranscodeRequest) -> None:
        lease = Lease(self._jobs, attempt, self._settings)
        with job_folder(self._scratch) as folder:
            await lease.hold(self._work(attempt, request, folder, lease))

    async def _work(
        self, attempt: Attempt, request: TranscodeRequest, folder: Path, lease: Lease
    ) -> None:
        source = folder / "source"
        with room_in(folder), timed(JobStage.FETCH):
            await fetch(self._storage, request.source_key, source)
            digest = await in_thread(lambda checkpoint: sha256_of(source, checkpoint))
        presentation = await transcode(
            source,
            folder,
            tools=await find_tools(self._settings),
            settings=self._settings,
            report=lease.report,
        )
        prefix = output_prefix(attempt.media_id, source_digest=digest, attempt=attempt.number)
        event = transcoded_event(
            presentation, media_id=attempt.media_id, attempt=attempt.number, prefix=prefix
        )
        with timed(JobStage.PUBLISH):
            async with self._withdrawn_on_failure(prefix):
                await upload(
                    self._storage,
                    output_folder(folder),
                    prefix,
                    report=lambda share: lease.report(JobStage.PUBLISH, share),
                )
                # Encoding again would cost far more than waiting for the database.
                await patiently(
                    lambda: self._jobs.finish(attempt, event), patience=self._settings.lost_after
                )

    @contextlib.asynccontextmanager
    async def _withdrawn_on_failure(self, prefix: str) -> AsyncIterator[None]:
        try:
            yield
        except DatabaseDown:
            raise  # the commit may have happened: what it published must stay
        except BaseException:
            await asyncio.shield(withdraw(self._storage, prefix))
            raise

    async def _stopped(self, attempt: Attempt, context: JobContext) -> None:
        """Cancelled: by the catalog, or because this worker stops. Never returns."""
        # The queue's engine would call a bare CancelledError of a retried task a failure.
        if context.abort_reason() is AbortReason.USER_REQUEST:
            JOBS.labels("cancelled").inc()
            log.info("job cancelled", attempt=attempt.number)
            raise JobAborted from None
        JOBS.labels("given_back").inc()
        log.info("job given back", attempt=attempt.number)
        with contextlib.suppress(DatabaseDown):  # then it is lost and found
            await self._jobs.put_back(attempt)
        raise GivenBack from None

    async def _failed(self, attempt: Attempt, error: TranscodeError, context: JobContext) -> None:
        """Record a failure, for good or to be tried again. Never returns."""
        ERRORS.labels(error.code).inc()
        is_final = error.is_permanent or self.retries.is_last(context.job)
        log.warning("job failed", code=error.code, error=str(error), is_final=is_final)
        patience = self._settings.lost_after
        if is_final:
            JOBS.labels("failed").inc()
            await patiently(lambda: self._jobs.fail(attempt, error), patience=patience)
        else:
            JOBS.labels("retried").inc()
            await patiently(lambda: self._jobs.put_back(attempt, error), patience=patience)
        raise error


async def main(settings: Settings) -> None:
    """Run one worker until it is told to stop."""
    transcode_settings = settings.transcode
    readiness, limits = Readiness(), HttpLimits()
    admin = listening_socket(transcode_settings.admin, backlog=64)
    async with (
        open_pool(settings.postgres, program="transcode") as pool,
        open_storage(settings) as storage,
        serving(admin_app(readiness), admin, limits, logged=False),
    ):
        jobs = JobTable(pool)
        readiness.checks["database"] = jobs.is_reachable
        for problem in await check(transcode_settings):
            log.error("this worker lacks something", what=problem.what, mend=problem.mend)
        with worker_folder(settings.scratch_folder) as scratch:
            worker = Worker(transcode_settings, jobs=jobs, storage=storage, scratch=scratch)
            async with BackgroundTasks() as tasks:
                tasks.start("queue", lambda: take_jobs(settings, worker))
                tasks.start("reaper", lambda: reap_lost_jobs(transcode_settings, jobs))
                await until_stopped(readiness, limits)


async def take_jobs(settings: Settings, worker: Worker) -> None:
    """Take jobs from the queue until cancelled; running jobs are then given back at once."""
    options = settings.transcode
    queue = build_queue(settings.postgres, worker.retries, worker.run)
    async with queue.open_async():
        await queue.run_worker_async(
            queues=[TRANSCODE_QUEUE],
            concurrency=options.concurrency,
            fetch_job_polling_interval=_POLL_SECONDS,
            abort_job_polling_interval=_POLL_SECONDS,
            shutdown_graceful_timeout=0,
            install_signal_handlers=False,
            update_heartbeat_interval=options.heartbeat.total_seconds(),
            stalled_worker_timeout=options.lost_after.total_seconds(),
        )
    # A side task of the engine failed: the supervisor starts anew, as a new worker of the queue.
    raise WorkerStopped(WorkerStopped.__doc__)


async def reap_lost_jobs(settings: TranscodeSettings, jobs: JobTable) -> None:
    """Look for jobs whose worker is lost, in every worker, until cancelled."""
    # After a start, or a time without database, the living need a moment to say so before anyone is reaped.
    grace = 2 * settings.heartbeat.total_seconds()
    pause = settings.lost_after.total_seconds() / 4
    await asyncio.sleep(grace)
    while True:
        try:
            reaped = await jobs.reap(lost_after=settings.lost_after)
        except DatabaseDown:
            await asyncio.sleep(grace)
        else:
            if reaped:
                REAPED.inc(reaped)
                log.warning("jobs of lost workers put back", count=reaped)
        await asyncio.sleep(pause)
