"""Keeps an attempt's claim alive while it works, reports its progress, and stops it when the claim is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from config.contracts.jobs import JobStage
from config.runtime.tasks import heed_cancellation, to_its_end
from config.settings.transcode import TranscodeSettings
from transcode.errors import DatabaseDown, JobTimeout, Superseded
from transcode.jobs import Attempt, JobTable

_WRITE_SECONDS = 1.0  # progress is written at most this often

# Where each stage begins and ends in the progress of the whole job.
_SPANS = {
    JobStage.FETCH: (0.0, 0.02),
    JobStage.PROBE: (0.02, 0.03),
    JobStage.ENCODE: (0.03, 0.94),
    JobStage.PACKAGE: (0.94, 0.96),
    JobStage.PUBLISH: (0.96, 0.999),
}


def overall(stage: JobStage, share: float) -> float:
    """The progress of the whole job, 0 to 1, when ``share`` of a stage is done."""
    start, end = _SPANS[stage]
    return start + (end - start) * min(max(share, 0.0), 1.0)


class Lease:
    """One attempt's claim."""

    def __init__(self, jobs: JobTable, attempt: Attempt, settings: TranscodeSettings) -> None:
        self._jobs = jobs
        self._attempt = attempt
        self._settings = settings
        self._stage = JobStage.FETCH
        self._progress = 0.0

    def report(self, stage: JobStage, share: float) -> None:
        """Note how far the work is; it never goes back."""
        progress = overall(stage, share)
        if progress >= self._progress:
            self._stage, self._progress = stage, progress

    async def hold(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work; raise ``Superseded`` and stop it as soon as the claim is lost. What came to its end counts."""
        working, keeping = asyncio.create_task(work), asyncio.create_task(self._keep())
        late = False
        try:
            async with asyncio.timeout(self._settings.job_timeout.total_seconds()):
                await asyncio.wait((working, keeping), return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            late = True
        except asyncio.CancelledError:
            pass  # raised again below, unless the work is done
        working.cancel()
        keeping.cancel()
        # Until the encoder is gone and nothing writes into the scratch folder any more.
        await to_its_end(asyncio.gather(working, keeping, return_exceptions=True))
        if not working.cancelled() and working.exception() is None:
            return  # published: nothing is left to be given back
        heed_cancellation()
        if late:
            raise JobTimeout(f"the job ran longer than {self._settings.job_timeout}")
        for task in (working, keeping):
            if not task.cancelled():
                task.result()

    async def _keep(self) -> None:
        """Write progress about once a second, and at least once in a heartbeat, until cancelled."""
        loop = asyncio.get_running_loop()
        heartbeat = self._settings.heartbeat.total_seconds()
        written, written_at = -1.0, loop.time()
        while True:
            await asyncio.sleep(min(_WRITE_SECONDS, heartbeat))
            now = loop.time()
            if self._progress == written and now - written_at < heartbeat:
                continue
            try:
                await self._jobs.advance(self._attempt, self._stage, self._progress)
                written, written_at = self._progress, now
            except DatabaseDown:
                # Others may reap the job by now; who is right is decided when it publishes.
                if now - written_at > self._settings.lost_after.total_seconds():
                    raise Superseded from None
