"""Every metric of the transcode workers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from prometheus_client import Counter, Gauge, Histogram

from config.contracts.jobs import JobStage

_JOB_BUCKETS = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600)

JOBS = Counter(
    "transcode_jobs_total",
    "Attempts by how they ended: done, failed, retried, cancelled, superseded, given_back.",
    ["result"],
)
ERRORS = Counter("transcode_errors_total", "Failed attempts by error code.", ["code"])
RUNNING = Gauge("transcode_jobs_running", "Jobs that this worker is working on.")
STAGE_SECONDS = Histogram(
    "transcode_stage_seconds", "Time that a stage took.", ["stage"], buckets=_JOB_BUCKETS
)
MEDIA_SECONDS = Counter("transcode_media_seconds_total", "Seconds of source that were encoded.")
PUBLISHED_BYTES = Counter("transcode_published_bytes_total", "Bytes of renditions uploaded.")
REAPED = Counter("transcode_reaped_jobs_total", "Jobs of lost workers that were put back.")
DATABASE_FAILURES = Counter(
    "transcode_database_failures_total", "Queue and lease calls that the database did not answer."
)


@contextlib.contextmanager
def timed(stage: JobStage) -> Iterator[None]:
    """Observe how long the block took, also when it failed."""
    started = time.perf_counter()
    try:
        yield
    finally:
        STAGE_SECONDS.labels(stage.value).observe(time.perf_counter() - started)
