"""Settings of the catalog."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import Field

from config.settings.shared import HttpLimits, ListenSettings, Section


class CatalogSettings(Section):
    listen: ListenSettings = Field(
        default=ListenSettings(port=8090), description="Where catalog clients connect."
    )
    admin: ListenSettings = Field(
        default=ListenSettings(port=8091),
        description="Where operators connect: metrics and health. Never public.",
    )
    http: HttpLimits = Field(
        default=HttpLimits(), description="What the public listener accepts from a client."
    )
    edge_url: str | None = Field(
        default=None,
        description="The edge's URL that playback URLs start with; empty means this machine's edge.",
    )
    upload_folder: Path | None = Field(
        default=None, description="Unfinished uploads; empty means uploads under var_dir."
    )
    upload_max_bytes: int = Field(
        default=64 * 2**30, ge=1, description="Largest source that may be uploaded."
    )
    upload_lifetime: timedelta = Field(
        default=timedelta(days=7), description="How long an unfinished upload is kept."
    )
    session_idle: timedelta = Field(
        default=timedelta(days=30), description="A login ends after this long without a request."
    )
    session_lifetime: timedelta = Field(
        default=timedelta(days=180), description="A login ends after this long in any case."
    )
    login_attempts: int = Field(
        default=5, ge=1, description="Failed logins of one account within 15 minutes."
    )
    admin_login: str | None = Field(
        default=None, description="A user with this login may manage the catalog."
    )
