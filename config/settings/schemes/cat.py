"""Settings of CTA-5007 Common Access Tokens."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from config.settings.schemes.shared import Keyed


class CommonAccessToken(Keyed):
    """CWTs in COSE as CTA-5007 says."""

    scheme: Literal["cat"]
    default_key: str | None = Field(
        default=None,
        description="kid of the key for tokens that name none; empty: they are refused.",
    )
    ignored_claims: tuple[int | str, ...] = Field(
        default=(),
        description="Numbers or names of the signer's own claims that say nothing about access; "
        "a token with any other claim that is not known is refused.",
    )
