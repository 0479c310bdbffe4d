"""Settings of RFC 9246 URI signing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from config.settings.schemes.shared import Keyed

KeyIds = Annotated[tuple[str, ...], Field(min_length=1, max_length=16)]
ClaimName = Literal[
    "iss", "sub", "aud", "nbf", "iat", "jti", "cdniv", "cdniip", "cdniets", "cdnistt"
]


class UriSigning(Keyed):
    """Signed JWTs as RFC 9246 says, with encrypted client addresses and subjects."""

    scheme: Literal["uri-signing"]
    issuers: tuple[str, ...] = Field(
        default=(),
        description="Issuers (iss) that are accepted, besides those of issuer_keys; a token that names another is "
        "refused.",
    )
    issuer_keys: dict[str, KeyIds] = Field(
        default={},
        description="kids of an issuer's keys, where not every key of the set is every issuer's; they are also tried, "
        "in this order, for the issuer's tokens without a kid.",
    )
    renewal_issuer: str | None = Field(
        default=None,
        description="iss of renewed tokens that had one; empty: as it was. Needed if renewal_key is not among the "
        "issuer's issuer_keys.",
    )
    required_claims: tuple[ClaimName, ...] = Field(
        default=(),
        description="Claims that a token must have besides exp and cdniuc.",
    )
    jwt_header: str = Field(
        default="",
        max_length=1024,
        pattern=r"^[A-Za-z0-9_-]*$",
        description="JOSE header, base64url as it was signed, of tokens that come without one; empty: each brings "
        "its own.",
    )
