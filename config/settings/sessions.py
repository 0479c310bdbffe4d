"""Settings of stream sessions, which edges and catalog must have alike."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from pydantic import Field, SecretStr, model_validator

from config.settings.shared import Section


class CmcdSettings(Section):
    accept: bool = Field(
        default=True,
        description="Whether what players say of themselves (CMCD) is read; it is cut off from URLs in any case.",
    )
    most_bytes: int = Field(
        default=4096, ge=256, le=65536, description="Longest CMCD of one request; more is not read."
    )
    batch_bytes: int = Field(
        default=65536, ge=1024, le=2**20, description="Largest report that the collector takes."
    )
    collect_rate: float = Field(
        default=2.0,
        gt=0,
        le=100,
        description="Reports a second that the collector takes of one session, half a minute's worth at once;"
        " beyond, it answers 429.",
    )


def _most_of(kind: str) -> Any:
    return Field(default=None, ge=1, description=f"Streams of one subject at once on {kind}.")


class DeviceLimits(Section):
    other: int | None = _most_of("devices of no known kind")
    desktop: int | None = _most_of("desktop computers")
    phone: int | None = _most_of("phones")
    tablet: int | None = _most_of("tablets")
    tv: int | None = _most_of("TV sets")
    console: int | None = _most_of("game consoles")


class SessionSettings(Section):
    enabled: bool = Field(default=True, description="Whether sessions are tracked and limited.")
    limit: int | None = Field(
        default=3,
        ge=1,
        le=1000,
        description="Streams of one account at once: the catalog writes it into its tokens; empty means any number. A "
        "token that says no number has no limit.",
    )
    device_limits: DeviceLimits = Field(
        default=DeviceLimits(),
        description="Streams of one subject at once by class of device; a class is what the client claims to be.",
    )
    title_limit: int | None = Field(
        default=None, ge=1, description="Streams of one subject at once of the same title."
    )
    policy: Literal["deny", "evict-oldest"] = Field(
        default="deny",
        description="When one more wants to play than may: deny refuses it, evict-oldest ends the oldest stream.",
    )
    without_redis: Literal["allow", "deny"] = Field(
        default="allow",
        description="While Redis is away: allow lets new streams begin, limited by what this edge knows alone; deny "
        "refuses those that have a limit.",
    )
    idle: timedelta = Field(
        default=timedelta(seconds=90),
        ge=timedelta(seconds=1),
        le=timedelta(hours=1),
        description="A stream from which nothing was heard for this long has stopped; its viewer may come back to it.",
    )
    flush: timedelta = Field(
        default=timedelta(seconds=15),
        ge=timedelta(milliseconds=100),
        le=timedelta(minutes=5),
        description="How often each running stream's lease and figures go to Redis.",
    )
    report: timedelta = Field(
        default=timedelta(minutes=1),
        ge=timedelta(milliseconds=100),
        le=timedelta(hours=1),
        description="How often the figures of each running stream go to the catalog.",
    )
    switch_grace: timedelta = Field(
        default=timedelta(seconds=30),
        ge=timedelta(milliseconds=200),
        description="A stream that has been silent for this long gives its place to another device of its subject.",
    )
    paused: timedelta = Field(
        default=timedelta(minutes=10),
        ge=timedelta(0),
        description="How long a player that says it is paused keeps its place.",
    )
    expected: int = Field(
        default=100_000,
        ge=1,
        le=100_000_000,
        description="Streams at once, about, on all edges together: it shapes the keys in Redis, and must be the same "
        "on every edge and the catalog.",
    )
    most: int = Field(
        default=200_000, ge=1, description="Most streams that one edge follows at once."
    )
    key: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Secret that subjects and addresses are hashed with; the same on every edge and the catalog. Empty "
        "takes one that is kept in Redis.",
    )
    address: Literal["hash", "prefix", "none"] = Field(
        default="hash",
        description="What is kept of a viewer's address: a keyed hash that changes daily, its /24 or /48, or nothing.",
    )
    journal_bytes: int = Field(
        default=256 * 2**20,
        ge=2**16,
        description="Most bytes of figures that one edge keeps on disk until the catalog has stored them.",
    )
    events: int = Field(
        default=200_000, ge=1000, description="Most events that wait in Redis for the catalog."
    )
    retention: timedelta = Field(
        default=timedelta(days=90),
        ge=timedelta(hours=1),
        description="How long the catalog keeps what was watched.",
    )
    titles_shown: int = Field(
        default=50,
        ge=0,
        le=1000,
        description="Titles with counters of their own in the metrics; all others count together.",
    )
    cap_manifests: bool = Field(
        default=False,
        description="Whether a viewer whose player stalls gets manifests without the renditions that are too much.",
    )
    cmsd: Literal["off", "asked", "always"] = Field(
        default="asked",
        description="When answers tell players about the connection (CMSD): never, to those that send CMCD, always.",
    )
    cmcd: CmcdSettings = Field(default=CmcdSettings(), description="What players say.")

    @model_validator(mode="after")
    def _times_fit(self) -> SessionSettings:
        if self.switch_grace < 2 * self.flush:
            raise ValueError(
                "switch_grace must be at least twice flush, or streams that play look silent"
            )
        if self.idle <= self.switch_grace:
            raise ValueError("idle must be longer than switch_grace")
        return self
