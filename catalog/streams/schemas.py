"""What streams look like from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from catalog.listing import PageMeta, PageQuery
from catalog.media.domain import Source
from catalog.media.playback import Stream
from catalog.media.schemas import Rendition, renditions_view
from catalog.schemas import without_controls
from catalog.streams.domain import Aspect, Beat, Experience, StreamSession
from catalog.streams.use_cases import Beaten
from config.contracts.advice import Reason
from config.contracts.sessions import DeviceClass

_Count = Annotated[int, Field(ge=0, lt=2**31)]
_Milliseconds = Annotated[int, Field(ge=0, le=7 * 24 * 3_600_000)]
_Kilobits = Annotated[int, Field(ge=0, le=10_000_000)]


class StreamPath(BaseModel):
    stream_id: Annotated[
        str, StringConstraints(min_length=1, max_length=64), AfterValidator(without_controls)
    ]


class StreamCreate(BaseModel):
    episode_id: UUID | None = None
    media_id: UUID | None = None
    device: DeviceClass | None = Field(
        default=None, description="What it is played on; if it is not said, the User-Agent tells."
    )
    reserve: bool = Field(
        default=True,
        description="Whether its place is taken now; if not, the edge takes it when it begins to play.",
    )

    @model_validator(mode="after")
    def _name_one(self) -> StreamCreate:
        if (self.episode_id is None) == (self.media_id is None):
            raise ValueError("give either episode_id or media_id")
        return self


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


class StreamBeat(BaseModel):
    """How it plays; whatever is not known may be left out."""

    model_config = ConfigDict(extra="ignore")

    buffer_ms: _Milliseconds | None = Field(default=None, description="How much it has ahead.")
    throughput_kbps: _Kilobits = Field(default=0, description="As it measures it; 0: not known.")
    stalls: _Count = Field(default=0, description="Since it began, like the next two.")
    stall_ms: _Milliseconds = 0
    errors: _Count = 0
    startup_ms: _Milliseconds = Field(default=0, description="From the start to the first picture.")
    played_height: Annotated[int, Field(gt=0, le=16_384)] | None = None
    paused: bool = Field(default=False, description="Its place is kept for longer then.")

    def beat(self) -> Beat:
        return Beat(**self.model_dump())


class StreamAdvice(BaseModel):
    target_height: int
    bitrate_kbps: int
    reason: Reason


class StreamKept(BaseModel):
    id: str
    advice: StreamAdvice | None = Field(description="Only when there is something new to advise.")
    target_height: int | None = Field(description="What was advised last; null: nothing yet.")
    expires_at: datetime


class MyStreamsQuery(PageQuery):
    playing: Annotated[bool, Field(description="Only those that play now.")] = False


class StreamItem(BaseModel):
    id: str
    media_id: UUID | None
    episode_id: UUID | None
    device: DeviceClass
    country: str | None = Field(description="ISO 3166-1 alpha-2.")
    started_at: datetime
    last_at: datetime
    stopped_at: datetime | None
    reason: str | None = Field(
        description="stop, timeout, expired, limit, evicted or kicked; null while it goes on."
    )
    is_playing: bool
    seconds: int = Field(description="For how long something was fetched for it.")
    bytes: int
    requests: int
    stalls: int
    stall_seconds: float
    startup_seconds: float | None
    played_kbps: int | None
    top_kbps: int | None


class StreamPage(BaseModel):
    data: list[StreamItem]
    meta: PageMeta


class QualityQuery(BaseModel):
    by: Aspect = Field(default="edge", description="What streams are told apart by.")
    hours: Annotated[
        int, Field(ge=1, le=90 * 24, description="Of streams that were heard of since then.")
    ] = 24
    media_id: UUID | None = Field(default=None, description="Only streams of this media.")
    limit: Annotated[int, Field(ge=1, le=500, description="Most lines.")] = 50


class QualityItem(BaseModel):
    value: str = Field(description="Of what was asked by; empty: not known.")
    streams: int
    viewers: int
    bytes: int
    seconds: int
    stalls: int
    stall_seconds: float
    stall_ratio: float = Field(description="Seconds of waiting by seconds.")
    startup_seconds: float | None = Field(description="The median.")
    errors: int
    renditions: dict[str, int] = Field(description="Segments that were fetched of each.")


class SubjectQuery(BaseModel):
    subject: Annotated[
        str,
        StringConstraints(min_length=1, max_length=1024),
        AfterValidator(without_controls),
        Field(description="As playback tokens name the viewer: user:17."),
    ]


class Forgotten(BaseModel):
    streams: int = Field(description="How many there were.")


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
        "renditions": renditions_view(source),
    }


def kept_view(beaten: Beaten) -> dict[str, Any]:
    """What a player is told."""
    return {
        "id": beaten.session.id,
        "advice": None if beaten.advice is None else beaten.advice.to_json(),
        "target_height": beaten.target_height,
        "expires_at": beaten.session.ends_at,
    }


def quality_view(item: Experience) -> dict[str, Any]:
    """How well some streams played."""
    return {
        "value": item.value,
        "streams": item.streams,
        "viewers": item.viewers,
        "bytes": item.bytes,
        "seconds": item.active_ms // 1000,
        "stalls": item.stalls,
        "stall_seconds": round(item.stall_ms / 1000, 3),
        "stall_ratio": round(item.stall_ratio, 6),
        "startup_seconds": None if item.startup_ms is None else round(item.startup_ms / 1000, 3),
        "errors": item.errors,
        "renditions": dict(item.renditions),
    }


def item_view(session: StreamSession, is_playing: bool) -> dict[str, Any]:
    """One stream in its viewer's list."""
    totals, stopped = session.totals, session.has_stopped and not is_playing
    return {
        "id": session.id,
        "media_id": session.media_id,
        "episode_id": session.episode_id,
        "device": session.device,
        "country": session.country or None,
        "started_at": session.started_at,
        "last_at": session.last_at,
        "stopped_at": session.stopped_at if stopped else None,
        "reason": session.reason if stopped else None,
        "is_playing": is_playing,
        "seconds": totals.active_ms // 1000,
        "bytes": totals.bytes,
        "requests": totals.requests,
        "stalls": totals.stalls,
        "stall_seconds": round(totals.stall_ms / 1000, 3),
        "startup_seconds": round(totals.startup_ms / 1000, 3) if totals.startup_ms else None,
        "played_kbps": totals.played_kbps or None,
        "top_kbps": totals.top_kbps or None,
    }
