"""What media look like from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from catalog.media.domain import Job, Source, SourceState, quality_of
from config.contracts.jobs import JobState


class MediaPath(BaseModel):
    media_id: UUID


class UploadQuery(BaseModel):
    episode_id: UUID | None = Field(
        default=None, description="The episode that the video is of; or in Upload-Metadata."
    )


class Rendition(BaseModel):
    kind: str
    codec: str
    bandwidth: int
    width: int
    height: int
    frame_rate: float
    language: str
    quality: int | None = Field(description="For video: 360, 480, 720, 1080, 1440 or 2160.")


class JobError(BaseModel):
    code: str
    message: str


class JobView(BaseModel):
    state: JobState
    stage: str | None
    progress: float = Field(description="0 to 1.")
    attempt: int
    error: JobError | None


class MediaResponse(BaseModel):
    id: UUID
    episode_id: UUID | None
    filename: str
    size_bytes: int
    state: SourceState
    duration: float | None = Field(description="Seconds.")
    job: JobView | None
    renditions: list[Rendition]
    created_at: datetime
    updated_at: datetime


class UploadCreated(BaseModel):
    media_id: UUID
    expires_at: datetime


def media_view(source: Source, job: Job | None) -> dict[str, Any]:
    """A media for those who manage it."""
    return {
        "id": source.id,
        "episode_id": source.episode_id,
        "filename": source.filename,
        "size_bytes": source.size_bytes,
        "state": source.state,
        "duration": source.duration_seconds,
        "job": None if job is None else _job(job),
        "renditions": renditions_view(source),
        "created_at": source.created_at,
        "updated_at": source.updated_at,
    }


def _job(job: Job) -> dict[str, Any]:
    error = None
    if job.error_code is not None:
        error = {"code": job.error_code, "message": job.error_message or ""}
    return {
        "state": job.state,
        "stage": job.stage,
        "progress": round(job.progress, 4),
        "attempt": job.attempt,
        "error": error,
    }


def renditions_view(source: Source) -> list[dict[str, Any]]:
    """What a source can be played in."""
    return [
        {
            "kind": item.kind,
            "codec": item.codec,
            "bandwidth": item.bandwidth,
            "width": item.width,
            "height": item.height,
            "frame_rate": item.frame_rate,
            "language": item.language,
            "quality": quality_of(item.width, item.height) if item.kind == "video" else None,
        }
        for item in source.renditions
    ]
