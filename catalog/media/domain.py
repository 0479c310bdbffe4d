"""The rules of media: the states of a source, what quality a rendition has, and which event counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from config.contracts.events import RenditionReport
from config.contracts.jobs import JobState

MAX_FILENAME_CHARS = 255

# Heights that have a name. A little less counts as well: 1072 lines are called 1080.
PRESETS = (360, 480, 720, 1080, 1440, 2160)
_TOLERANCE = 0.02


class SourceState(StrEnum):
    """uploading -> processing -> (ready | failed | cancelled); ready -> retired when a newer one is ready."""

    UPLOADING = "uploading"
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RETIRED = "retired"


def quality_of(width: int, height: int) -> int:
    """The name of a picture size, rounded down; portrait pictures count by their short side."""
    lines = min(width, height) if width else height
    fitting = [preset for preset in PRESETS if lines >= preset * (1 - _TOLERANCE)]
    return fitting[-1] if fitting else PRESETS[0]


def playlists_by_quality(renditions: list[RenditionReport]) -> dict[int, str]:
    """The best video rendition's playlist of every quality, relative to the output prefix."""
    best: dict[int, RenditionReport] = {}
    for item in renditions:
        if item.kind == "video" and item.playlist:
            quality = quality_of(item.width, item.height)
            if quality not in best or item.bandwidth > best[quality].bandwidth:
                best[quality] = item
    return {quality: item.playlist for quality, item in best.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One uploaded video and what has become of it."""

    id: UUID
    episode_id: UUID | None
    filename: str
    size_bytes: int
    state: SourceState
    attempt: int
    prefix: str | None
    duration_seconds: float | None
    renditions: tuple[RenditionReport, ...]
    created_at: datetime
    updated_at: datetime

    @property
    def is_playable(self) -> bool:
        """Whether its files can be played: also those of an older source that was replaced."""
        return self.prefix is not None and self.state in (SourceState.READY, SourceState.RETIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The row of a transcode job."""

    media_id: UUID
    job_id: int | None
    state: JobState
    stage: str | None
    progress: float
    attempt: int
    error_code: str | None
    error_message: str | None

    @property
    def can_be_cancelled(self) -> bool:
        return not self.state.is_final

    @property
    def can_be_retried(self) -> bool:
        return self.state in (JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """How far an upload may go, and until when."""

    media_id: UUID
    length_bytes: int
    expires_at: datetime
    completed_at: datetime | None

    def has_expired(self, *, now: datetime) -> bool:
        return self.completed_at is None and now >= self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEvent:
    """One row of worker_events, as it was written."""

    id: UUID
    name: str
    payload: Any
    created_at: datetime


def clean_filename(name: str) -> str:
    """A file name for people to read: no folders, nothing unprintable, not too long."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(char for char in last if char.isprintable())[:MAX_FILENAME_CHARS].strip()
