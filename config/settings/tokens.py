"""Settings of playback tokens: Kawa's own, and those of other signers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from config.contracts.tokens import MAX_LIFETIME_SECONDS, MIN_RENEWED_SECONDS
from config.settings.schemes.cat import CommonAccessToken
from config.settings.schemes.links import AccessControl, Akamai, CloudFront, SecureLink, UrlSig
from config.settings.schemes.uri_signing import UriSigning
from config.settings.shared import Section

AnyScheme = Annotated[
    UriSigning | CommonAccessToken | UrlSig | AccessControl | SecureLink | CloudFront | Akamai,
    Field(discriminator="scheme"),
]


def _not_our_own(name: str) -> str:
    if name == "kawa":
        raise ValueError("kawa is the catalog: choose another name")
    return name


SignerName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$"), AfterValidator(_not_our_own)]


class RevocationSettings(Section):
    stale: Literal["open", "closed"] = Field(
        default="open",
        description="What happens while revocations of other edges have not arrived for stale_after: open goes on with "
        "those that are known; closed renews no token meanwhile, so that no session outlives the token it has.",
    )
    stale_after: timedelta = Field(
        default=timedelta(minutes=10),
        ge=timedelta(seconds=5),
        description="How old the last certain knowledge of what is revoked may become.",
    )
    most: int = Field(
        default=500_000,
        ge=1,
        description="Most revocations that one edge knows at a time; it refuses more.",
    )


class ReplaySettings(Section):
    without_redis: Literal["machine", "refuse"] = Field(
        default="machine",
        description="Who decides whether a one-time token was used while Redis is away: this machine alone, or nobody, "
        "and no such token opens anything.",
    )
    most: int = Field(
        default=1_000_000,
        ge=1,
        description="Most used one-time tokens that one edge keeps until they end; it refuses more.",
    )


class TokenSettings(Section):
    keys_file: Path | None = Field(
        default=None,
        description="JWK Set (RFC 7517) with the signing keys; empty means secrets/keys.json under var_dir.",
    )
    lifetime: timedelta = Field(
        default=timedelta(minutes=10),
        ge=timedelta(seconds=MIN_RENEWED_SECONDS),
        le=timedelta(seconds=MAX_LIFETIME_SECONDS),
        description="How long one token holds; edges follow it with the next until the session must end.",
    )
    session: timedelta = Field(
        default=timedelta(hours=12),
        gt=timedelta(0),
        le=timedelta(seconds=MAX_LIFETIME_SECONDS),
        description="How long a playback URL works. Edges without the private key renew nothing: let the lifetime be "
        "as long there.",
    )
    leeway: timedelta = Field(
        default=timedelta(seconds=30),
        ge=timedelta(0),
        le=timedelta(minutes=5),
        description="How far the clocks of signer and edge may differ.",
    )
    jwks_url: str | None = Field(
        default=None,
        description="URL where the catalog publishes its public keys, for edges that have no keys_file of their own.",
    )
    jwks_refresh: timedelta = Field(
        default=timedelta(minutes=5),
        ge=timedelta(seconds=30),
        le=timedelta(hours=1),
        description="How often a JWK Set is fetched again from its URL; sooner if its Cache-Control says so.",
    )
    jwks_timeout: timedelta = Field(
        default=timedelta(seconds=5),
        gt=timedelta(0),
        le=timedelta(minutes=1),
        description="How long one fetch of a JWK Set may take.",
    )
    jwks_kept: timedelta = Field(
        default=timedelta(hours=24),
        ge=timedelta(minutes=1),
        le=timedelta(days=7),
        description="How long keys that were fetched are good while their URL gives none, restarts included.",
    )
    jwks_plain_http: bool = Field(
        default=False,
        description="Whether a jwks_url may begin with http: on another host than this one; whoever is on the way "
        "could then put in keys of their own.",
    )
    key_publication: timedelta = Field(
        default=timedelta(minutes=15),
        ge=timedelta(0),
        le=timedelta(days=7),
        description="How long a new key is published before it signs; longer than jwks_refresh, so that every edge "
        "has it.",
    )
    key_overlap: timedelta = Field(
        default=timedelta(days=8),
        gt=timedelta(0),
        le=timedelta(days=366),
        description="How long a key that was replaced goes on verifying; longer than any session.",
    )
    signers: dict[SignerName, AnyScheme] = Field(
        default={},
        description="Further signers whose tokens and links are accepted, by a name of your choice.",
    )
    remembered: int = Field(
        default=100_000, ge=1, description="Most verified tokens that one edge process remembers."
    )
    revocation: RevocationSettings = Field(
        default=RevocationSettings(), description="Tokens, sessions and subjects that are revoked."
    )
    replay: ReplaySettings = Field(
        default=ReplaySettings(), description="Tokens that open one session."
    )
