"""The claims of RFC 9246 section 2.1: each of them has its type, its bounds and its place here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge.errors import TokenBadClaims, TokenUnsupported
from edge.tokens.strict import json_object

VERSION = 1
NO_TRANSPORT, COOKIE, QUERY = 0, 1, 2  # RFC 9246 section 6.5
_TRANSPORTS = (NO_TRANSPORT, COOKIE, QUERY)

_DEFINED = frozenset(
    {"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cdniv", "cdnicrit", "cdniip", "cdniuc"}
    | {"cdniets", "cdnistt", "cdnistd"}
)
_MOST_TEXT_CHARS = 256
_MOST_AUDIENCES = 16
_MOST_DEPTH = 64
_MOST_INSTANT = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class UriClaims:
    """What a token says; whether it holds here and now is not looked at."""

    signed: Mapping[str, Any]  # all of it, for the token that follows
    container: str  # cdniuc
    expires_at: int  # seconds since the epoch
    not_before: int | None
    issued_at: int | None
    issuer: str  # empty: it names none
    audiences: tuple[str, ...]
    token_id: str  # empty: it has none
    session: str  # of the token that this one followed; empty: it is the first
    encrypted_subject: str  # JWE; empty: it has none
    encrypted_address: str  # JWE; empty: it has none
    transport: int
    renewed_seconds: int
    depth: int


def read_claims(payload: bytes) -> UriClaims:
    """Read a payload whose signature was checked, or raise ``TokenBadClaims``, ``TokenUnsupported``."""
    claims = json_object(payload)
    # Section 2.1.8: without it, it is 1.
    version = claims.get("cdniv", VERSION)
    if type(version) is not int:
        raise bad("cdniv")
    if version != VERSION:
        raise TokenUnsupported("The token is of another version of URI signing.")
    _check_critical(claims)
    transport, renewed_seconds = _renewal(claims)
    return UriClaims(
        signed=claims,
        container=_text(claims, "cdniuc", most=len(payload)),
        expires_at=_whole(claims, "exp"),
        not_before=_whole(claims, "nbf") if "nbf" in claims else None,
        issued_at=_whole(claims, "iat") if "iat" in claims else None,
        issuer=_optional(claims, "iss"),
        audiences=_audiences(claims),
        token_id=_optional(claims, "jti"),
        session=_optional(claims, "sid"),
        encrypted_subject=_optional(claims, "sub", most=len(payload)),
        encrypted_address=_optional(claims, "cdniip", most=len(payload)),
        transport=transport,
        renewed_seconds=renewed_seconds,
        depth=_whole(claims, "cdnistd", most=_MOST_DEPTH) if "cdnistd" in claims else 0,
    )


def bad(name: str) -> TokenBadClaims:
    """The refusal of one claim."""
    return TokenBadClaims(f"The token is signed, but its claim {name} is missing or wrong.")


def _check_critical(claims: Mapping[str, Any]) -> None:
    """Section 2.1.9: extensions that must be understood. None is, so that the list is never good."""
    if "cdnicrit" not in claims:
        return
    text = claims["cdnicrit"]
    names = [name.strip() for name in text.split(",")] if isinstance(text, str) else []
    if (
        not all(names)
        or not names
        or len(set(names)) != len(names)
        or not _DEFINED.isdisjoint(names)
        or not claims.keys() >= set(names)
    ):
        raise bad("cdnicrit")
    raise TokenUnsupported("The token has a critical claim that is not supported.")


def _renewal(claims: Mapping[str, Any]) -> tuple[int, int]:
    """Section 3.2.1: cdnistt and cdniets come together; where nothing is renewed any number of seconds will do."""
    if ("cdnistt" in claims) != ("cdniets" in claims):
        raise bad("cdniets" if "cdnistt" in claims else "cdnistt")
    if "cdnistt" not in claims:
        return NO_TRANSPORT, 0
    transport, seconds = claims["cdnistt"], claims["cdniets"]
    if type(transport) is not int:
        raise bad("cdnistt")
    if transport not in _TRANSPORTS:
        raise TokenUnsupported("The token's cdnistt is not supported.")
    if type(seconds) not in (int, float) or not math.isfinite(seconds):
        raise bad("cdniets")
    if not (0 if transport == NO_TRANSPORT else 1) <= seconds < _MOST_INSTANT:
        raise bad("cdniets")
    return transport, int(seconds)


def _whole(claims: Mapping[str, Any], name: str, *, most: int = _MOST_INSTANT - 1) -> int:
    value = claims.get(name)
    # RFC 7519 section 2 lets times have fractions; no leeway and no fraction leave one reading.
    if type(value) is not int or not 0 <= value <= most:
        raise bad(name)
    return value


def _text(claims: Mapping[str, Any], name: str, *, most: int = _MOST_TEXT_CHARS) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= most or not value.isprintable():
        raise bad(name)
    return value


def _optional(claims: Mapping[str, Any], name: str, *, most: int = _MOST_TEXT_CHARS) -> str:
    return _text(claims, name, most=most) if name in claims else ""


def _audiences(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """RFC 7519 section 4.1.3: one name, or several of which one will do."""
    if "aud" not in claims:
        return ()
    value = claims["aud"]
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not 0 < len(names) <= _MOST_AUDIENCES:
        raise bad("aud")
    return tuple(_text({"aud": name}, "aud") for name in names)
