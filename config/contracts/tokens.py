"""Kawa's own token claims: what the catalog signs and the edge verifies."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from config.contracts.paths import BadPath, checked_path

ISSUER = "kawa"
ALGORITHMS = ("EdDSA", "ES256", "HS256")
MAX_TOKEN_CHARS = 4096  # a JWT in a URL; longer ones are refused unread
MAX_LIFETIME_SECONDS = 7 * 24 * 3600
MIN_RENEWED_SECONDS = 20  # shorter ones would be renewed with nearly every playlist

# What becomes of ad breaks for one viewer, whatever the origin's setting says.
AdsClaim = Literal["off", "explain", "strip", "gap"]

_LANGUAGE = re.compile(r"[ -~]{1,35}\Z")
_METHOD = re.compile(r"[A-Z]{1,16}\Z")
_COUNTRY = re.compile(r"[A-Z]{2}(?:-[A-Z0-9]{1,3})?\Z")
_NETWORK = re.compile(r"[0-9A-Fa-f.:]{2,45}(?:/[0-9]{1,3})?\Z")


class BadClaims(ValueError):
    """The signed claims are not those of a Kawa playback token; the message names the claim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renew:
    """That the edge follows a token with the next one, until the session must end."""

    seconds: int  # how long each next token holds
    until: int  # seconds since the epoch, UTC: no token holds any longer

    def to_json(self) -> dict[str, int]:
        """The claim."""
        return {"seconds": self.seconds, "until": self.until}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackClaims:
    """What a viewer may play, and until when."""

    subject: str
    session: str
    path_prefixes: tuple[str, ...]
    issued_at: int  # seconds since the epoch, UTC
    expires_at: int  # seconds since the epoch, UTC
    not_before: int | None = None
    began_at: int | None = (
        None  # when the first token of a session was issued, in those that follow it
    )
    token_id: str = ""
    max_height: int | None = None
    max_bitrate: int | None = None  # bits per second
    languages: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()  # empty: every one that the edge serves
    networks: tuple[str, ...] = ()  # addresses or prefixes of clients; empty: every one
    countries: tuple[str, ...] = ()  # ISO 3166-1 alpha-2 or ISO 3166-2; empty: every one
    stream_limit: int | None = None  # streams of the subject at once
    renew: Renew | None = None
    once: bool = False  # opens one session, and is then used up
    ads: AdsClaim | None = None  # what becomes of ad breaks; None: what the origin's setting says
    debug: bool = False  # an operator's: answers may tell how they were made

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
        optional = {
            "nbf": self.not_before,
            "began": self.began_at,
            "jti": self.token_id or None,
            "max_height": self.max_height,
            "max_bitrate": self.max_bitrate,
            "languages": list(self.languages) or None,
            "methods": list(self.methods) or None,
            "networks": list(self.networks) or None,
            "countries": list(self.countries) or None,
            "streams": self.stream_limit,
            "renew": None if self.renew is None else self.renew.to_json(),
            "once": self.once or None,
            "ads": self.ads,
            "debug": self.debug or None,
        }
        return payload | {name: value for name, value in optional.items() if value is not None}

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
            began_at=_instant(payload, "began") if "began" in payload else None,
            token_id=_text(payload, "jti") if "jti" in payload else "",
            max_height=_positive(payload, "max_height"),
            max_bitrate=_positive(payload, "max_bitrate"),
            languages=_texts(payload, "languages", _LANGUAGE),
            methods=_texts(payload, "methods", _METHOD),
            networks=_networks(payload),
            countries=_texts(payload, "countries", _COUNTRY),
            stream_limit=_positive(payload, "streams"),
            renew=_renew(payload, issued_at, expires_at),
            once=_flag(payload, "once"),
            ads=_ads(payload),
            debug=_flag(payload, "debug"),
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


def _texts(payload: Mapping[str, Any], name: str, form: re.Pattern[str]) -> tuple[str, ...]:
    """A list that, where it is there, has something in it: an empty one would allow nothing, or everything."""
    if name not in payload:
        return ()
    value = payload[name]
    if not isinstance(value, list) or not 0 < len(value) <= 16:
        raise BadClaims(name)
    for item in value:
        if not isinstance(item, str) or not form.match(item):
            raise BadClaims(name)
    return tuple(value)


def _networks(payload: Mapping[str, Any]) -> tuple[str, ...]:
    texts = _texts(payload, "networks", _NETWORK)
    for text in texts:
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            raise BadClaims("networks") from error
    return texts


def _renew(payload: Mapping[str, Any], issued_at: int, expires_at: int) -> Renew | None:
    if "renew" not in payload:
        return None
    value = payload["renew"]
    if not isinstance(value, dict) or value.keys() != {"seconds", "until"}:
        raise BadClaims("renew")
    seconds, until = _positive(value, "seconds"), _instant(value, "until")
    if (
        seconds is None
        or not MIN_RENEWED_SECONDS <= seconds <= MAX_LIFETIME_SECONDS
        or not expires_at <= until <= issued_at + MAX_LIFETIME_SECONDS
    ):
        raise BadClaims("renew")
    return Renew(seconds=seconds, until=until)


def _ads(payload: Mapping[str, Any]) -> AdsClaim | None:
    if "ads" not in payload:
        return None
    found: AdsClaim | None = next(
        (policy for policy in get_args(AdsClaim) if policy == payload["ads"]), None
    )
    if found is None:
        raise BadClaims("ads")
    return found


def _flag(payload: Mapping[str, Any], name: str) -> bool:
    value = payload.get(name, False)
    if not isinstance(value, bool):
        raise BadClaims(name)
    return value
