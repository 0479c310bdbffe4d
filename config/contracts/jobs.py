"""What the catalog asks of the workers, and how both speak of a job's state."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

TRANSCODE_TASK = "transcode"
TRANSCODE_QUEUE = "transcode"

# PostgreSQL channel that tells the catalog of a new row in worker_events.
EVENTS_CHANNEL = "kawa_worker_events"


class JobState(StrEnum):
    """queued -> running -> (done | failed | cancelled); a lost worker's job goes on running under a new attempt."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the state never changes again."""
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


class JobStage(StrEnum):
    """What a running job is doing."""

    FETCH = "fetch"
    PROBE = "probe"
    ENCODE = "encode"
    PACKAGE = "package"
    PUBLISH = "publish"


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscodeRequest:
    """The arguments of one transcode job; the media's id is also the key of its row in transcode_jobs."""

    media_id: UUID
    source_key: str

    def to_json(self) -> dict[str, str]:
        return {"media_id": str(self.media_id), "source_key": self.source_key}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> TranscodeRequest:
        return cls(media_id=UUID(value["media_id"]), source_key=str(value["source_key"]))
