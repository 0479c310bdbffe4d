"""Settings of playback tokens: Kawa's own, and those of other signers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field

from config.settings.schemes.cat import CommonAccessToken
from config.settings.schemes.links import AccessControl, Akamai, CloudFront, SecureLink, UrlSig
from config.settings.schemes.uri_signing import UriSigning
from config.settings.shared import Section

AnyScheme = Annotated[
    UriSigning | CommonAccessToken | UrlSig | AccessControl | SecureLink | CloudFront | Akamai,
    Field(discriminator="scheme"),
]
SignerName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]


class TokenSettings(Section):
    keys_file: Path | None = Field(
        default=None,
        description="JWK Set (RFC 7517) with the signing keys; empty means secrets/keys.json under var_dir.",
    )
    lifetime: timedelta = Field(
        default=timedelta(hours=6),
        gt=timedelta(0),
        le=timedelta(days=7),
        description="How long a playback URL works.",
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
    signers: dict[SignerName, AnyScheme] = Field(
        default={},
        description="Further signers whose tokens and links are accepted, by a name of your choice.",
    )
    remembered: int = Field(
        default=100_000, ge=1, description="Most verified tokens that one edge process remembers."
    )
