"""Settings of the edge."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

from pydantic import Field, SecretStr

from config.contracts.paths import MEDIA_FOLDER, MEDIA_ORIGIN
from config.settings.ads import AdsSettings
from config.settings.cache import CacheSettings
from config.settings.geo import GeoSettings
from config.settings.origins import (
    DnsSettings,
    OriginName,
    OriginSettings,
    ShieldKey,
    StorageOrigin,
)
from config.settings.shared import HttpLimits, ListenSettings, Section


class EdgeSettings(Section):
    listen: ListenSettings = Field(
        default=ListenSettings(port=8080), description="Where viewers connect."
    )
    admin: ListenSettings = Field(
        default=ListenSettings(port=8081),
        description="Where operators connect: metrics and health. Never public.",
    )
    admin_token: SecretStr | None = Field(
        default=None,
        description="What operators send as Bearer token to purge, reload and restart; empty lets this machine's "
        "own clients do that without one, and nobody else.",
    )
    sessions_token: SecretStr | None = Field(
        default=None,
        description="What those send as Bearer token who may look at streams and end them, and do nothing else; the "
        "admin token does it too.",
    )
    node: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="This edge's name in Via fields, by which loops are noticed; empty makes one of machine and port.",
    )
    public_url: str | None = Field(
        default=None,
        description="The edge's URL as viewers know it; empty means the listening address.",
    )
    workers: int = Field(
        default=1, ge=1, le=64, description="Processes that share the port by SO_REUSEPORT."
    )
    watchdog_timeout: timedelta = Field(
        default=timedelta(seconds=10),
        ge=timedelta(seconds=1),
        description="A worker process that says nothing for so long is replaced; peers stop asking it after half.",
    )
    purge_gap: Literal["soften", "log"] = Field(
        default="soften",
        description="Purges of other edges were missed for good: ask again about everything kept, or only say so.",
    )
    origins: dict[OriginName, OriginSettings] = Field(
        default={},
        description="Names in URLs and what stands behind them; without a root_origin `vod` is Kawa's own storage, "
        "unless it is set here.",
    )
    root_origin: OriginName | None = Field(
        default=None,
        description="A public origin that every other path belongs to: a plain caching proxy for any method.",
    )
    ads: AdsSettings = Field(default=AdsSettings(), description="Ad breaks.")
    dns: DnsSettings = Field(default=DnsSettings(), description="Looking up the names of origins.")
    shield_keys: tuple[ShieldKey, ...] = Field(
        default=(),
        description="Keys of other edges that may ask this one without a token (their shield_key).",
    )
    carry_key: ShieldKey | None = Field(
        default=None,
        description="Key that signs addresses of carried hosts (unlisted = carry). Edges with the same viewers need "
        "the same one; empty takes a new one at each start, after which players must load their manifests again.",
    )
    cache: CacheSettings = Field(default=CacheSettings(), description="The shared cache.")
    http: HttpLimits = Field(
        default=HttpLimits(), description="What the public listener accepts from a client."
    )
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=(),
        description="Addresses of balancers and CDNs in front of the edge, which say in forwarded_field who asks them; "
        "nobody else is believed. Never a network that viewers are in.",
    )
    forwarded_field: Literal["x-forwarded-for", "forwarded"] = Field(
        default="x-forwarded-for",
        description="The field in which trusted_proxies name the viewer (RFC 7239 is Forwarded); the other is ignored.",
    )
    geo: GeoSettings = Field(default=GeoSettings(), description="Where viewers are.")
    write_timeout: timedelta = Field(
        default=timedelta(seconds=30),
        gt=timedelta(0),
        description="A client that takes less than min_rate for so long is parted from.",
    )
    min_rate: int = Field(
        default=1024, ge=1, description="Least bytes per second that a client must take of a body."
    )
    max_connections: int = Field(
        default=100_000,
        ge=1,
        description="Most connections of viewers to one process; further ones get a 503.",
    )
    max_connections_per_network: int = Field(
        default=0,
        ge=0,
        description="Most connections of one IPv4 address or IPv6 /56 to one process; 0 sets no limit.",
    )
    hot_lane: bool = Field(
        default=True,
        description="Give ready answers before a request is read in full; off to look for a fault.",
    )
    access_log_hits: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Part of the hits that the access log shows; everything else is always shown.",
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
    entry: Literal["redirect", "in-place", "cookie"] = Field(
        default="redirect",
        description="A manifest asked for with a token outside the path: send the player to the path form, "
        "put the token into the query of every URI (for players that cannot follow), or set it as a cookie.",
    )
    page_origins: tuple[str, ...] = Field(
        default=(),
        description="Origins of pages (scheme://host[:port]) whose players may send cookies here; every page may play "
        "without.",
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

    @property
    def all_origins(self) -> dict[str, OriginSettings]:
        """The origins that are set, and the one that is there by default."""
        own: dict[str, OriginSettings] = {}
        if self.root_origin is None:
            own[MEDIA_ORIGIN] = StorageOrigin(kind="storage", prefix=MEDIA_FOLDER)
        return own | self.origins
