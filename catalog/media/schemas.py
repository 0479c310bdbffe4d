"""What media look like from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from catalog.media.domain import Job, Source, SourceState, quality_of
from catalog.media.playback import Stream
from config.contracts.jobs import JobState


class MediaPath(BaseModel):
    media_id: UUID


class UploadQuery(BaseModel):
    episode_id: UUID | None = Field(
        default=None, description="The episode that the video is of; or in Upload-Metadata."
    )


class StreamCreate(BaseModel):
    episode_id: UUID | None = None
    media_id: UUID | None = None

    @model_validator(mode="after")
    def _name_one(self) -> StreamCreate:
        if (self.episode_id is None) == (self.media_id is None):
            raise ValueError("give either episode_id or media_id")
        return self


class Rendition(BaseModel):
    kind: str
    codec: str
    bandwidth: int
    width: int
    height: int
    frame_rate: float
    language: str
    quality: int | None = Field(description="For video: 360, 480, 720, 1080, 1440 or 2160.")


class StreamResponse(BaseModel):
    id: str
    media_id: UUID
    episode_id: UUID | None
    hls: str
    dash: str
    player: str
    expires_at: datetime
    duration: float | None = Field(description="Seconds.")
    renditions: list[Rendition]


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
        "renditions": _renditions(source),
        "created_at": source.created_at,
        "updated_at": source.updated_at,
    }


def stream_view(stream: Stream, source: Source) -> dict[str, Any]:
    """Where a viewer can play this."""
    return {
        "id": stream.id,
        "media_id": source.id,
        "episode_id": source.episode_id,
        "hls": stream.hls,
        "dash": stream.dash,
        "player": stream.player,
        "expires_at": stream.expires_at,
        "duration": source.duration_seconds,
        "renditions": _renditions(source),
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


def _renditions(source: Source) -> list[dict[str, Any]]:
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
