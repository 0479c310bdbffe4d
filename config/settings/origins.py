"""Settings of the places that the edge takes streams from."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from config.settings.shared import Section

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


class HttpOrigin(Section):
    """Another HTTP server, for example a packager or a CDN."""

    kind: Literal["http"] = Field(description="http: another HTTP server.")
    url: str = Field(
        pattern=r"^https?://[^/?#@\s]+(/[^?#\s]*)?$",
        description="What the paths of this origin are relative to; its host is the only one asked.",
    )
    public: bool = Field(default=False, description="Serve without a token.")
    unlisted: Literal["refuse", "leave"] = Field(
        default="refuse",
        description="A manifest names a host that no origin covers: refuse the manifest, or leave the URI.",
    )
    xlink: Literal["leave", "resolve"] = Field(
        default="leave",
        description="DASH xlink: leave it to the player, or put the remote part into the document.",
    )
    connections: int = Field(default=64, ge=1, le=4096, description="Most connections at a time.")
    connect_timeout: timedelta = Field(
        default=timedelta(seconds=2), gt=timedelta(0), description="Longest wait for a connection."
    )
    first_byte_timeout: timedelta = Field(
        default=timedelta(seconds=10),
        gt=timedelta(0),
        description="Longest wait for the whole head of an answer.",
    )
    block_timeout: timedelta = Field(
        default=timedelta(seconds=30),
        gt=timedelta(0),
        description="The same for a playlist request that the origin holds back on purpose (LL-HLS).",
    )
    idle_timeout: timedelta = Field(
        default=timedelta(seconds=10),
        gt=timedelta(0),
        description="Longest pause inside a body.",
    )


OriginSettings = Annotated[StorageOrigin | FolderOrigin | HttpOrigin, Field(discriminator="kind")]
