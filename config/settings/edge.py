"""Settings of the edge."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from config.contracts.paths import MEDIA_FOLDER, MEDIA_ORIGIN
from config.settings.cache import CacheSettings
from config.settings.origins import OriginName, OriginSettings, StorageOrigin
from config.settings.shared import HttpLimits, ListenSettings, Section


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
    root_origin: OriginName | None = Field(
        default=None,
        description="A public origin that every other path belongs to: a plain caching proxy for any method.",
    )
    cache: CacheSettings = Field(default=CacheSettings(), description="The shared cache.")
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
    manifest_max_lines: int = Field(
        default=200_000, ge=100, description="Most lines of a playlist that is served."
    )
    manifest_max_line_bytes: int = Field(
        default=64 * 2**10, ge=1024, description="Longest line of a playlist that is served."
    )
    manifest_max_depth: int = Field(
        default=64, ge=8, le=256, description="Deepest nesting of an MPD that is served."
    )
    manifest_max_attributes: int = Field(
        default=256, ge=16, description="Most attributes of one tag or element that is served."
    )
    manifest_cache_bytes: int = Field(
        default=128 * 2**20, ge=2**20, description="Memory for manifests and their forms."
    )
    manifest_stale: timedelta = Field(
        default=timedelta(seconds=60),
        ge=timedelta(0),
        description="How long the last good manifest is served while its origin fails.",
    )
    entry: Literal["redirect", "in-place"] = Field(
        default="redirect",
        description="A manifest asked for with a token outside the path: send the player to the path form, "
        "or put the token into the query of every URI (for players that cannot follow).",
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
