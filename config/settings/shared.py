"""Settings that more than one program needs."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)

_NUMBER = re.compile(r"\d+(?:\.\d+)?\Z")

Port = Annotated[int, Field(ge=0, le=65535)]
Host = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Address = Annotated[str, StringConstraints(pattern=r"^[^\s/@]{1,255}:\d{1,5}$")]


class Section(BaseModel):
    """A frozen part of the settings that refuses names it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _seconds(cls, values: object) -> object:
        """A bare number is seconds in the environment too, where every value is text."""
        if not isinstance(values, dict):
            return values
        spans = {name for name, field in cls.model_fields.items() if field.annotation is timedelta}
        return {
            name: float(value)
            if name in spans and isinstance(value, str) and _NUMBER.match(value)
            else value
            for name, value in values.items()
        }


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least serious log event that is written."
    )


class S3Settings(Section):
    bucket: str = Field(
        default="kawa", min_length=3, description="The bucket that holds all media."
    )
    endpoint: str | None = Field(
        default=None, description="The server's URL; empty means AWS in the region."
    )
    region: str = Field(default="us-east-1", description="The region that requests are signed for.")
    access_key: SecretStr | None = Field(
        default=None, description="Access key id; empty takes the machine's own credentials."
    )
    secret_key: SecretStr | None = Field(default=None, description="Secret access key.")
    path_style: bool = Field(
        default=True, description="Put the bucket in the path, not in the host name."
    )
    part_bytes: int = Field(
        default=8 * 2**20, ge=5 * 2**20, description="Size of one part of a multipart upload."
    )


class StorageSettings(Section):
    kind: Literal["folder", "s3"] = Field(
        default="folder", description="Where sources and renditions are kept."
    )
    folder: Path | None = Field(
        default=None, description="The folder, for kind folder; empty means storage under var_dir."
    )
    s3: S3Settings = Field(default=S3Settings(), description="The bucket, for kind s3.")


class PostgresSettings(Section):
    dsn: SecretStr | None = Field(
        default=None,
        description="postgresql://user:password@host/name; empty starts an embedded server.",
    )
    pool_size: int = Field(default=4, ge=1, le=64, description="Most connections of one process.")
    connect_timeout: timedelta = Field(
        default=timedelta(seconds=5), description="Longest wait for a new connection."
    )
    acquire_timeout: timedelta = Field(
        default=timedelta(seconds=2), description="Longest wait for a free connection of the pool."
    )
    statement_timeout: timedelta = Field(
        default=timedelta(seconds=5), description="Longest run of one statement, on both sides."
    )
    idle_transaction_timeout: timedelta = Field(
        default=timedelta(seconds=15), description="Longest idle time inside a transaction."
    )


class RedisSettings(Section):
    url: SecretStr | None = Field(
        default=None,
        description="redis://, rediss:// or unix:// URL; empty starts an embedded Valkey.",
    )
    kind: Literal["single", "sentinel", "cluster"] = Field(
        default="single",
        description="Whether the URL is the server, or Sentinels name it, or it is a cluster; for the last two the URL "
        "gives user, password and TLS only.",
    )
    sentinels: tuple[Address, ...] = Field(
        default=(), max_length=16, description="host:port of each Sentinel, for kind sentinel."
    )
    service: str = Field(
        default="mymaster",
        min_length=1,
        max_length=255,
        description="What the Sentinels call the master.",
    )
    nodes: tuple[Address, ...] = Field(
        default=(),
        max_length=64,
        description="host:port of nodes to learn the cluster from, for kind cluster.",
    )
    pool_size: int = Field(
        default=8,
        ge=1,
        le=256,
        description="Most connections of one process (to each node of a cluster).",
    )
    acquire_timeout: timedelta = Field(
        default=timedelta(milliseconds=50), description="Longest wait for a free connection."
    )
    connect_timeout: timedelta = Field(
        default=timedelta(milliseconds=250), description="Longest wait for a new connection."
    )
    command_timeout: timedelta = Field(
        default=timedelta(milliseconds=100), description="Longest wait for one command's answer."
    )

    @model_validator(mode="after")
    def _is_somewhere(self) -> RedisSettings:
        if self.kind == "sentinel" and not self.sentinels:
            raise ValueError("redis.kind sentinel needs redis.sentinels")
        if self.kind == "cluster" and not self.nodes:
            raise ValueError("redis.kind cluster needs redis.nodes")
        if self.kind != "single" and self.url is None:
            raise ValueError("redis.url is needed for its user, password and TLS")
        return self


class ListenSettings(Section):
    """One listening address."""

    host: Host = Field(default="127.0.0.1", description="The address to listen on.")
    port: Port = Field(default=0, description="The port to listen on; 0 takes a free one.")


class HttpLimits(Section):
    """What one HTTP listener accepts from a client."""

    header_timeout: timedelta = Field(
        default=timedelta(seconds=15),
        gt=timedelta(0),
        description="Longest time for a whole request head, and longest idle time of a connection.",
    )
    max_line_bytes: int = Field(default=8190, ge=1024, description="Longest request line.")
    max_field_bytes: int = Field(default=8190, ge=1024, description="Longest header field.")
    max_body_bytes: int = Field(default=2**20, ge=1024, description="Largest body read at once.")
    body_timeout: timedelta = Field(
        default=timedelta(seconds=15),
        gt=timedelta(0),
        description="Longest pause inside a body that a client sends.",
    )
    backlog: int = Field(default=4096, ge=16, description="Connections that wait to be accepted.")
    drain_delay: timedelta = Field(
        default=timedelta(0),
        ge=timedelta(0),
        description="After SIGTERM: time not ready but still accepting, so that a balancer notices.",
    )
    drain_timeout: timedelta = Field(
        default=timedelta(seconds=20),
        gt=timedelta(0),
        description="After SIGTERM: longest time that running requests get to end.",
    )
