"""What the settings of every token scheme share."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import Field, SecretStr

from config.settings.origins import OriginName
from config.settings.shared import Section


class Scheme(Section):
    """One signer's tokens: which scheme, which keys, what they may open here."""

    origins: tuple[OriginName, ...] = Field(
        default=(), description="Origins that these tokens may open; empty: every one."
    )
    max_lifetime: timedelta = Field(
        default=timedelta(days=7),
        gt=timedelta(0),
        description="Tokens that would hold for longer from now, or from when they were issued, are refused.",
    )


class Keyed(Scheme):
    """A scheme whose keys are JSON Web Keys (RFC 7517); exactly one of three settings says where they are."""

    keys_file: Path | None = Field(default=None, description="JWK Set file with the signer's keys.")
    jwks_url: str | None = Field(
        default=None, description="URL where the signer publishes its JWK Set."
    )
    keys: SecretStr | None = Field(
        default=None,
        description="The JWK Set itself, as JSON text: for settings that come from a secret.",
    )
    renewal_key: str | None = Field(
        default=None,
        description="kid of the private key in keys_file that signs renewed tokens; empty: none are renewed.",
    )
    issuers: tuple[str, ...] = Field(
        default=(), description="Issuers (iss) that are accepted; empty: any, or none named."
    )
    audiences: tuple[str, ...] = Field(
        default=(),
        description="Names of this edge in aud; a token that names an audience must name one of them.",
    )
