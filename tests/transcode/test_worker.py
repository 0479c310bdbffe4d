from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import aiohttp
import asyncpg
import pytest

from config.contracts.events import MediaFailed, MediaTranscoded
from config.contracts.jobs import JobStage
from config.contracts.paths import MASTER_PLAYLIST
from config.runtime.postgres import dsn_of, open_pool
from config.runtime.storage.base import ObjectInfo, Storage, StorageError
from config.runtime.storage.folder import FolderStorage
from config.runtime.tasks import BackgroundTasks
from config.settings.load import Settings
from config.settings.shared import ListenSettings, PostgresSettings
from config.settings.transcode import TranscodeSettings
from tests.transcode.processes import processes_with
from tests.transcode.queue_client import QueueClient, eventually, queue_client
from transcode.jobs import Attempt, JobTable
from transcode.lease import Lease
from transcode.packaging import rules
from transcode.scratch import worker_folder
from transcode.worker import Worker, main, reap_lost_jobs, take_jobs


@pytest.fixture
def settings(database: PostgresSettings, tmp_path: Path) -> Settings:
    return Settings(
        var_dir=tmp_path / "var",
        postgres=database,
        transcode=TranscodeSettings.model_validate(
            {
                "preset": "ultrafast",
                "admin": ListenSettings(port=0),
                "heartbeat": "PT0.3S",
                "lost_after": "PT2S",
            }
        ),
    )


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[QueueClient]:
    async with queue_client(settings.postgres, settings.storage_folder) as opened:
        yield opened


@asynccontextmanager
async def worker_in_process(settings: Settings) -> AsyncIterator[None]:
    task = asyncio.create_task(main(settings))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def worker_with(
    settings: Settings, storage: Storage, table: type[JobTable] = JobTable
) -> AsyncIterator[JobTable]:
    """A worker whose storage, and whose way to its rows, is the test's."""
    async with open_pool(settings.postgres, program="test") as pool:
        jobs = table(pool)
        with worker_folder(settings.scratch_folder) as scratch:
            worker = Worker(settings.transcode, jobs=jobs, storage=storage, scratch=scratch)
            async with BackgroundTasks() as tasks:
                tasks.start("queue", lambda: take_jobs(settings, worker))
                tasks.start("reaper", lambda: reap_lost_jobs(settings.transcode, jobs))
                yield jobs


@asynccontextmanager
async def worker_program(
    settings: Settings, **extra: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """``python -m transcode`` as an operator starts it."""
    names = {
        "VAR_DIR": str(settings.var_dir),
        "POSTGRES__DSN": dsn_of(settings.postgres),
        "TRANSCODE__PRESET": "ultrafast",
        "TRANSCODE__ADMIN__PORT": "0",
        "TRANSCODE__HEARTBEAT": "PT0.3S",
        "TRANSCODE__LOST_AFTER": "PT2S",
        **extra,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "transcode"),
        env={**os.environ, **{f"KAWA_{name}": value for name, value in names.items()}},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class BrokenStorage(FolderStorage):
    """A folder that runs a hook before each upload."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.failures_left = 0
        self.statement: tuple[QueueClient, str] | None = None

    async def upload(self, key: str, source: Path, *, move: bool = False) -> ObjectInfo:
        if key.endswith(MASTER_PLAYLIST) and self.failures_left:
            self.failures_left -= 1
            raise StorageError("the disk is on fire")
        if key.endswith(MASTER_PLAYLIST) and self.statement:
            client, statement = self.statement
            await client.execute(statement)
        return await super().upload(key, source, move=move)


class LateAnswers(JobTable):
    """The answer to a commit comes only when the worker has been told to stop."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        super().__init__(pool)
        self.committed = asyncio.Event()
        self._working: asyncio.Task[object] | None = None

    async def finish(self, attempt: Attempt, event: MediaTranscoded) -> None:
        self._working = asyncio.current_task()
        await super().finish(attempt, event)

    async def _finish(self, attempt: Attempt, event: MediaTranscoded) -> None:
        await super()._finish(attempt, event)
        self.committed.set()
        while self._working is not None and not self._working.cancelling():
            await asyncio.sleep(0)


def scratch_of(settings: Settings) -> list[Path]:
    return [path for path in settings.scratch_folder.rglob("*") if path.name != ".lock"]


async def test_a_job_is_done_once_and_reported_in_the_same_commit(
    settings: Settings, client: QueueClient, clip: Path
) -> None:
    async with worker_in_process(settings):
        media_id = await client.submit(clip)
        row = await client.until_state(media_id, "done")

    assert (row["attempt"], row["progress"], row["error_code"]) == (1, 1.0, None)
    assert row["finished_at"] >= row["started_at"]
    ((name, payload),) = await client.events()
    assert name == MediaTranscoded.NAME
    event = MediaTranscoded.from_json(payload)
    assert (event.media_id, event.attempt, event.prefix) == (media_id, 1, row["prefix"])
    assert event.duration_seconds == 5
    assert [rendition.kind for rendition in event.renditions] == ["video", "audio"]
    for rendition in event.renditions:
        assert f"{event.prefix}/{rendition.playlist}" in await client.objects()
    assert rules.check(settings.storage_folder / event.prefix) == []
    assert await client.queue_status(media_id) == "succeeded"
    assert scratch_of(settings) == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"no film at all\n" * 100, "source-unreadable", id="text"),
        pytest.param(b"", "source-empty", id="nothing"),
    ],
)
async def test_a_bad_source_fails_at_once_with_its_reason(
    body: bytes, code: str, settings: Settings, client: QueueClient, tmp_path: Path
) -> None:
    source = tmp_path / "upload"
    source.write_bytes(body)

    async with worker_in_process(settings):
        media_id = await client.submit(source)
        row = await client.until_state(media_id, "failed")

    assert (row["attempt"], row["error_code"]) == (1, code)
    assert row["error_message"]
    ((name, payload),) = await client.events()
    assert (name, MediaFailed.from_json(payload).code) == (MediaFailed.NAME, code)
    assert await client.objects() == []


async def test_a_source_that_is_gone_is_named(settings: Settings, client: QueueClient) -> None:
    media_id = uuid4()
    await client.enqueue(media_id)

    async with worker_in_process(settings):
        row = await client.until_state(media_id, "failed")

    assert row["error_code"] == "source-missing"


async def test_a_cancelled_job_ends_quickly_and_leaves_nothing(
    settings: Settings, client: QueueClient, long_clip: Path
) -> None:
    loop = asyncio.get_running_loop()
    async with worker_in_process(settings):
        media_id = await client.submit(long_clip)
        await client.until_encoding(media_id)
        started = loop.time()

        await client.cancel(media_id)

        async def is_aborted() -> bool:
            return await client.queue_status(media_id) == "aborted"

        await eventually(is_aborted, seconds=10)
        assert loop.time() - started < 2
        assert not processes_with(str(settings.scratch_folder))
        assert [path for path in scratch_of(settings) if path.name.startswith("job-")] == []

    assert (await client.row(media_id))["state"] == "cancelled"
    assert await client.events() == []
    assert await client.objects() == []


async def test_a_job_cancelled_while_it_waits_is_never_started(
    settings: Settings, client: QueueClient, clip: Path
) -> None:
    waiting = await client.submit(clip)
    await client.cancel(waiting)

    async with worker_in_process(settings):
        other = await client.submit(clip)
        await client.until_state(other, "done")

    row = await client.row(waiting)
    assert (row["state"], row["attempt"]) == ("cancelled", 0)


async def test_a_cancelled_media_can_be_queued_again(
    settings: Settings, client: QueueClient, clip: Path, long_clip: Path
) -> None:
    async with worker_in_process(settings):
        media_id = await client.submit(long_clip)
        await client.until_encoding(media_id)
        await client.cancel(media_id)
        await client.enqueue(media_id)
        row = await client.until_state(media_id, "done")

    assert row["attempt"] == 2
    assert [name for name, _ in await client.events()] == [MediaTranscoded.NAME]


async def test_an_attempt_that_lost_its_claim_publishes_nothing(
    settings: Settings, client: QueueClient, clip: Path
) -> None:
    storage = BrokenStorage(settings.storage_folder)
    storage.statement = (client, "UPDATE transcode_jobs SET attempt = attempt + 1")

    async with worker_with(settings, storage):
        media_id = await client.submit(clip)

        async def is_over() -> bool:
            return await client.queue_status(media_id) == "aborted"

        await eventually(is_over, seconds=30)

    row = await client.row(media_id)
    assert (row["state"], row["attempt"], row["prefix"]) == ("running", 2, None)
    assert await client.events() == []
    assert await client.objects() == []


async def test_an_encoder_whose_claim_is_lost_is_stopped(
    settings: Settings, client: QueueClient, long_clip: Path
) -> None:
    async with worker_in_process(settings):
        media_id = await client.submit(long_clip)
        await client.until_encoding(media_id)

        await client.execute("UPDATE transcode_jobs SET attempt = attempt + 1")

        async def is_idle() -> bool:
            return not processes_with(str(settings.scratch_folder))

        await eventually(is_idle, seconds=5)

    assert await client.events() == []


async def test_a_worker_stopped_while_its_commit_is_on_the_way_keeps_what_it_published(
    settings: Settings, client: QueueClient, clip: Path
) -> None:
    storage = FolderStorage(settings.storage_folder)
    async with worker_with(settings, storage, LateAnswers) as jobs:
        assert isinstance(jobs, LateAnswers)
        media_id = await client.submit(clip)
        await asyncio.wait_for(jobs.committed.wait(), 60)

    row = await client.row(media_id)
    assert (row["state"], await client.queue_status(media_id)) == ("done", "succeeded")
    assert f"{row['prefix']}/{MASTER_PLAYLIST}" in await client.objects()
    assert rules.check(settings.storage_folder / row["prefix"]) == []
    assert scratch_of(settings) == []


async def test_work_that_is_done_counts_although_the_worker_stops_before_the_lease_is_let_go(
    settings: Settings,
) -> None:
    advancing, stopping, stopped = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class Unhurried(JobTable):
        async def advance(self, attempt: Attempt, stage: JobStage, progress: float) -> None:
            advancing.set()
            try:
                await asyncio.Event().wait()
            finally:
                stopping.set()
                await stopped.wait()

    async def work() -> None:
        await advancing.wait()

    async with open_pool(settings.postgres, program="test") as pool:
        attempt = Attempt(media_id=uuid4(), number=1)
        lease = Lease(Unhurried(pool), attempt, settings.transcode)
        holding = asyncio.create_task(lease.hold(work()))
        await asyncio.wait_for(stopping.wait(), 10)
        holding.cancel()
        stopped.set()
        await asyncio.wait_for(holding, 10)


async def test_a_passing_failure_is_tried_again(
    settings: Settings, client: QueueClient, clip: Path
) -> None:
    storage = BrokenStorage(settings.storage_folder)
    storage.failures_left = 1

    async with worker_with(settings, storage):
        media_id = await client.submit(clip)
        row = await client.until_state(media_id, "done")

    assert row["attempt"] == 2
    assert [name for name, _ in await client.events()] == [MediaTranscoded.NAME]
    # The first attempt's folder was taken back.
    assert all(key.startswith(row["prefix"]) for key in await client.objects())


async def test_a_failure_that_does_not_pass_ends_the_job(
    settings: Settings, client: QueueClient, clip: Path
) -> None:
    storage = BrokenStorage(settings.storage_folder)
    storage.failures_left = 100
    patient = settings.model_copy(
        update={"transcode": settings.transcode.model_copy(update={"max_attempts": 2})}
    )

    async with worker_with(patient, storage):
        media_id = await client.submit(clip)
        row = await client.until_state(media_id, "failed")

    assert (row["attempt"], row["error_code"]) == (2, "storage-down")
    assert [name for name, _ in await client.events()] == [MediaFailed.NAME]
    assert await client.objects() == []


async def test_the_job_of_a_killed_worker_is_taken_over_and_ends_once(
    settings: Settings, client: QueueClient, long_clip: Path
) -> None:
    async with worker_program(settings) as first:
        media_id = await client.submit(long_clip)
        await client.until_encoding(media_id)
        first.kill()
        await first.wait()

    async def is_idle() -> bool:
        return not processes_with(str(settings.scratch_folder))

    await eventually(is_idle, seconds=2)  # the encoder dies with its worker
    async with worker_in_process(settings):
        row = await client.until_state(media_id, "done")

    assert row["attempt"] == 2
    assert [name for name, _ in await client.events()] == [MediaTranscoded.NAME]
    assert scratch_of(settings) == []


async def test_a_worker_that_slept_too_long_publishes_nothing(
    settings: Settings, client: QueueClient, long_clip: Path
) -> None:
    async with worker_program(settings) as sleeper:
        media_id = await client.submit(long_clip)
        await client.until_encoding(media_id)
        sleeper.send_signal(signal.SIGSTOP)
        async with worker_in_process(settings):

            async def is_taken_over() -> bool:
                return bool((await client.row(media_id))["attempt"] == 2)

            await eventually(is_taken_over, seconds=30)
            sleeper.send_signal(signal.SIGCONT)
            row = await client.until_state(media_id, "done")
            sleeper.send_signal(signal.SIGTERM)
            assert await sleeper.wait() == 0

    assert row["attempt"] == 2
    assert [name for name, _ in await client.events()] == [MediaTranscoded.NAME]
    assert await client.queue_status(media_id) == "succeeded"
    assert all(key.startswith(row["prefix"]) for key in await client.objects())


async def test_a_job_that_kills_every_worker_fails_in_the_end(
    settings: Settings, client: QueueClient, clip: Path
) -> None:
    media_id = await client.submit(clip)
    await client.execute("UPDATE procrastinate_jobs SET attempts = 3")

    async with worker_in_process(settings):
        row = await client.until_state(media_id, "failed")

    assert row["error_code"] == "too-many-attempts"
    assert [name for name, _ in await client.events()] == [MediaFailed.NAME]


async def test_a_job_that_left_the_queue_without_a_result_is_ended(
    settings: Settings, client: QueueClient, clip: Path
) -> None:
    media_id = await client.submit(clip)
    await client.execute("DELETE FROM procrastinate_jobs")

    async with worker_in_process(settings):
        row = await client.until_state(media_id, "failed")

    assert row["error_code"] == "job-lost"


async def test_a_stopping_worker_gives_its_job_back_untried(
    settings: Settings, client: QueueClient, long_clip: Path
) -> None:
    loop = asyncio.get_running_loop()
    async with worker_program(settings) as program:
        media_id = await client.submit(long_clip)
        await client.until_encoding(media_id)
        started = loop.time()
        program.send_signal(signal.SIGTERM)
        assert await program.wait() == 0
        assert loop.time() - started < 5

    row = await client.row(media_id)
    assert (row["state"], await client.queue_status(media_id)) == ("queued", "todo")
    assert not processes_with(str(settings.scratch_folder))
    assert scratch_of(settings) == []

    async with worker_in_process(settings):
        await client.until_state(media_id, "done")
    assert [name for name, _ in await client.events()] == [MediaTranscoded.NAME]


async def test_a_job_outlives_broken_database_connections(
    settings: Settings, client: QueueClient, long_clip: Path
) -> None:
    async with worker_in_process(settings):
        media_id = await client.submit(long_clip)
        await client.until_encoding(media_id)

        await client.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        row = await client.until_state(media_id, "done")

    assert row["attempt"] == 1


async def test_progress_only_grows(
    settings: Settings, client: QueueClient, long_clip: Path
) -> None:
    seen: list[float] = []
    async with worker_in_process(settings):
        media_id = await client.submit(long_clip)

        async def is_done() -> bool:
            row = await client.row(media_id)
            seen.append(row["progress"])
            return bool(row["state"] == "done")

        await eventually(is_done, seconds=60)

    assert seen == sorted(seen)
    assert len(set(seen)) > 3


async def test_operators_see_health_and_metrics(settings: Settings, client: QueueClient) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with (
        worker_program(settings, TRANSCODE__ADMIN__PORT=str(port)),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http,
    ):

        async def is_ready() -> bool:
            try:
                async with http.get("/readyz") as response:
                    return response.status == 200
            except aiohttp.ClientConnectionError:
                return False

        await eventually(is_ready, seconds=20)
        async with http.get("/metrics") as response:
            assert "transcode_jobs_running" in await response.text()


async def test_without_a_database_setting_the_operator_is_told(
    tmp_path: Path,
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "transcode"),
        env={**os.environ, "KAWA_VAR_DIR": str(tmp_path), "KAWA_TRANSCODE__ADMIN__PORT": "0"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, stderr = await process.communicate()

    assert process.returncode == 2
    assert b"KAWA_POSTGRES__DSN" in stderr.splitlines()[-1]
