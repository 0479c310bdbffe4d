"""What the workers report: written in the commit that made it true, read by the catalog, at least once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RenditionReport:
    """One video or audio rendition of a published media."""

    kind: str  # "video" or "audio"
    codec: str  # RFC 6381
    bandwidth: int  # peak, bits per second
    width: int = 0  # pixels; 0 for audio
    height: int = 0
    frame_rate: float = 0.0
    language: str = ""
    playlist: str = ""  # the rendition's media playlist, relative to the output prefix

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "codec": self.codec,
            "bandwidth": self.bandwidth,
            "width": self.width,
            "height": self.height,
            "frame_rate": self.frame_rate,
            "language": self.language,
            "playlist": self.playlist,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaTranscoded:
    """Every object of the media lies under ``prefix``, the master written last."""

    NAME = "MediaTranscoded"

    media_id: UUID
    attempt: int
    prefix: str
    duration_seconds: float
    renditions: tuple[RenditionReport, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "media_id": str(self.media_id),
            "attempt": self.attempt,
            "prefix": self.prefix,
            "duration_seconds": self.duration_seconds,
            "renditions": [rendition.to_json() for rendition in self.renditions],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> MediaTranscoded:
        return cls(
            media_id=UUID(value["media_id"]),
            attempt=value["attempt"],
            prefix=value["prefix"],
            duration_seconds=value["duration_seconds"],
            renditions=tuple(RenditionReport(**item) for item in value["renditions"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFailed:
    """The job ended without a result; ``code`` is from a closed set, ``message`` is for a person."""

    NAME = "MediaFailed"

    media_id: UUID
    attempt: int
    code: str
    message: str

    def to_json(self) -> dict[str, Any]:
        return {
            "media_id": str(self.media_id),
            "attempt": self.attempt,
            "code": self.code,
            "message": self.message,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> MediaFailed:
        return cls(
            media_id=UUID(value["media_id"]),
            attempt=value["attempt"],
            code=value["code"],
            message=value["message"],
        )
