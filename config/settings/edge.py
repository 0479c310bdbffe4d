"""Settings of the edge."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from config.contracts.paths import MEDIA_FOLDER, MEDIA_ORIGIN
from config.settings.shared import HttpLimits, ListenSettings, Section

OriginName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,31}$")]


class StorageOrigin(Section):
    """Kawa's own storage, folder or S3."""

    kind: Literal["storage"] = Field(description="storage: Kawa's own storage, folder or S3.")
    prefix: str = Field(
        default="", description="The folder in storage that URLs of this origin see."
    )
    public: bool = Field(default=False, description="Serve without a token.")


class FolderOrigin(Section):
    """Any folder of this machine."""

    kind: Literal["folder"] = Field(description="folder: any folder of this machine.")
    folder: Path = Field(description="Its path.")
    public: bool = Field(default=False, description="Serve without a token.")


OriginSettings = Annotated[StorageOrigin | FolderOrigin, Field(discriminator="kind")]


class EdgeSettings(Section):
    listen: ListenSettings = Field(
        default=ListenSettings(port=8080), description="Where viewers connect."
    )
    admin: ListenSettings = Field(
        default=ListenSettings(port=8081),
        description="Where operators connect: metrics and health. Never public.",
    )
    public_url: str | None = Field(
        default=None,
        description="The edge's URL as viewers know it; empty means the listening address.",
    )
    workers: int = Field(
        default=1, ge=1, le=64, description="Processes that share the port by SO_REUSEPORT."
    )
    origins: dict[OriginName, OriginSettings] = Field(
        default={MEDIA_ORIGIN: StorageOrigin(kind="storage", prefix=MEDIA_FOLDER)},
        description="Names in URLs and what stands behind them.",
    )
    http: HttpLimits = Field(
        default=HttpLimits(), description="What the public listener accepts from a client."
    )
    write_timeout: timedelta = Field(
        default=timedelta(seconds=30),
        gt=timedelta(0),
        description="Longest time a client may take to accept the next piece of a body.",
    )
    manifest_max_bytes: int = Field(
        default=8 * 2**20, ge=1024, description="Largest manifest that is served."
    )
    manifest_max_age: timedelta = Field(
        default=timedelta(seconds=2),
        ge=timedelta(0),
        description="Cache-Control max-age of manifests.",
    )
    segment_max_age: timedelta = Field(
        default=timedelta(days=1),
        ge=timedelta(0),
        description="Cache-Control max-age of everything that is not a manifest.",
    )
