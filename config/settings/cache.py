"""Settings of the edge's shared cache."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field

from config.settings.shared import Section


class PrefetchSettings(Section):
    ahead: int = Field(
        default=1,
        ge=0,
        le=16,
        description="How many segments after the one that is played are fetched ahead; 0 means none.",
    )
    concurrency: int = Field(
        default=4, ge=1, le=64, description="Most fetches ahead at a time, from one origin."
    )
    share: float = Field(
        default=0.5,
        ge=0,
        le=10,
        description="Bytes fetched ahead in vain, as a part of what viewers' own requests fetch.",
    )
    max_bytes: int = Field(
        default=64 * 2**20,
        ge=0,
        description="Most bytes of one process that are fetched ahead and not asked for yet.",
    )


class CacheSettings(Section):
    profile: Literal["safe", "generic-cache"] = Field(
        default="safe",
        description="safe: viewers cannot make the edge ask again, cookies and authorised answers are never kept; "
        "generic-cache: everything that RFC 9111 allows a shared cache.",
    )
    memory_bytes: int = Field(
        default=512 * 2**20,
        ge=2**20,
        description="Memory for files, of all worker processes together.",
    )
    folder: Path | None = Field(
        default=None, description="Folder for files that memory has no room for; empty means none."
    )
    disk_bytes: int = Field(default=10 * 2**30, ge=2**20, description="Most bytes in that folder.")
    object_bytes: int = Field(
        default=16 * 2**20,
        ge=2**16,
        description="Largest file that is kept in one piece; larger ones are kept as slices.",
    )
    slice_bytes: int = Field(default=4 * 2**20, ge=2**16, description="Size of one slice.")
    fill_bytes: int = Field(
        default=256 * 2**20,
        ge=2**20,
        description="Memory of one process for bodies that are just arriving; beyond it they pass by unkept.",
    )
    negative: timedelta = Field(
        default=timedelta(seconds=2),
        ge=timedelta(0),
        le=timedelta(minutes=1),
        description="How long an origin's 404, 410 or 5xx answers others too; spread by up to a half.",
    )
    stale_if_error: timedelta = Field(
        default=timedelta(minutes=10),
        ge=timedelta(0),
        description="How long a file is still served while its origin fails, if the origin sets no limit.",
    )
    finish_fraction: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="A fill that nobody waits for any more goes on if this part of it is there already.",
    )
    prefetch: PrefetchSettings = Field(
        default=PrefetchSettings(),
        description="Fetching the next segments before viewers ask for them.",
    )
    tag_fields: tuple[str, ...] = Field(
        default=("Cache-Tag", "Surrogate-Key", "xkey"),
        description="Fields of an origin's answer that hold the tags to purge by.",
    )
