"""Settings of what the edge knows of where its viewers are."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import Field

from config.settings.shared import Section


class GeoSettings(Section):
    databases: tuple[Path, ...] = Field(
        default=(),
        description="MaxMind DB files (City, Country, ASN layout): of each fact the first file that has it counts. "
        "Without one and without country_header no token that names places opens anything.",
    )
    poll: timedelta = Field(
        default=timedelta(seconds=30),
        gt=timedelta(0),
        description="How often a file is looked at; one that was replaced is read again, a broken one is not used.",
    )
    country_header: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$",
        description="The field in which trusted_proxies name the viewer's country, such as CF-IPCountry; it counts "
        "before the files. Each of these proxies must overwrite what a viewer sends.",
    )
    remembered: int = Field(
        default=8192, ge=1, description="Most addresses whose place one process remembers."
    )
