"""Kawa's own token claims: what the catalog signs and the edge verifies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from config.contracts.grants import Grant
from config.contracts.paths import BadPath, checked_path

ISSUER = "kawa"
ALGORITHMS = ("EdDSA", "ES256", "HS256")
MAX_TOKEN_CHARS = 4096  # a JWT in a URL; longer ones are refused unread
MAX_LIFETIME_SECONDS = 7 * 24 * 3600


class BadClaims(ValueError):
    """The signed claims are not those of a Kawa playback token; the message names the claim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackClaims:
    """What a viewer may play, and until when."""

    subject: str
    session: str
    path_prefixes: tuple[str, ...]
    issued_at: int  # seconds since the epoch, UTC
    expires_at: int  # seconds since the epoch, UTC
    not_before: int | None = None
    max_height: int | None = None
    max_bitrate: int | None = None  # bits per second
    languages: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The JWT payload, RFC 7519 section 4.1 for the registered names."""
        payload: dict[str, Any] = {
            "iss": ISSUER,
            "sub": self.subject,
            "sid": self.session,
            "paths": list(self.path_prefixes),
            "iat": self.issued_at,
            "exp": self.expires_at,
        }
        if self.not_before is not None:
            payload["nbf"] = self.not_before
        if self.max_height is not None:
            payload["max_height"] = self.max_height
        if self.max_bitrate is not None:
            payload["max_bitrate"] = self.max_bitrate
        if self.languages:
            payload["languages"] = list(self.languages)
        return payload

    @classmethod
    def from_json(cls, payload: Mapping[str, Any]) -> PlaybackClaims:
        """Read a payload whose signature was checked; every field's type and bound is checked here."""
        if payload.get("iss") != ISSUER:
            raise BadClaims("iss")
        issued_at, expires_at = _instant(payload, "iat"), _instant(payload, "exp")
        if not 0 < expires_at - issued_at <= MAX_LIFETIME_SECONDS:
            raise BadClaims("exp")
        return cls(
            subject=_text(payload, "sub"),
            session=_text(payload, "sid"),
            path_prefixes=_prefixes(payload.get("paths")),
            issued_at=issued_at,
            expires_at=expires_at,
            not_before=_instant(payload, "nbf") if "nbf" in payload else None,
            max_height=_positive(payload, "max_height"),
            max_bitrate=_positive(payload, "max_bitrate"),
            languages=_languages(payload.get("languages", [])),
        )

    def to_grant(self, *, key_id: str) -> Grant:
        """The grant these claims amount to."""
        return Grant(
            subject=self.subject,
            session=self.session,
            path_prefixes=self.path_prefixes,
            not_before=self.issued_at if self.not_before is None else self.not_before,
            expires_at=self.expires_at,
            key_id=key_id,
            max_height=self.max_height,
            max_bitrate=self.max_bitrate,
            languages=self.languages,
        )


def _instant(payload: Mapping[str, Any], name: str) -> int:
    value = payload.get(name)
    # RFC 7519 allows fractions; Kawa signs whole seconds, so anything else was not made by us.
    if type(value) is not int or not 0 <= value < 2**53:
        raise BadClaims(name)
    return value


def _positive(payload: Mapping[str, Any], name: str) -> int | None:
    if name not in payload:
        return None
    value = payload[name]
    if type(value) is not int or not 0 < value < 2**53:
        raise BadClaims(name)
    return value


def _text(payload: Mapping[str, Any], name: str) -> str:
    value = payload.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 128 or not value.isprintable():
        raise BadClaims(name)
    return value


def _prefixes(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= 16:
        raise BadClaims("paths")
    return tuple(_prefix(item) for item in value)


def _prefix(item: object) -> str:
    if item == "/":
        return "/"
    if not isinstance(item, str) or not (item.startswith("/") and item.endswith("/")):
        raise BadClaims("paths")
    try:
        checked_path(item[1:-1])
    except BadPath as error:
        raise BadClaims("paths") from error
    return item


def _languages(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > 16:
        raise BadClaims("languages")
    for item in value:
        if not isinstance(item, str) or not 0 < len(item) <= 35:
            raise BadClaims("languages")
    return tuple(value)
