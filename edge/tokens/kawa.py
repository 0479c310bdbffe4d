"""Kawa's own JWT: verified against the key that its ``kid`` names, never with an algorithm of its own choice."""

from __future__ import annotations

import json
import re
from typing import Any

import jwt
from jwt.api_jws import PyJWS

from config.contracts.grants import Grant
from config.contracts.tokens import ALGORITHMS, MAX_TOKEN_CHARS, BadClaims, PlaybackClaims
from config.runtime.keys import KeySet
from edge.errors import TokenBadClaims, TokenBadSignature, TokenMalformed, TokenUnknownKey

# RFC 7515 section 7.1. The library also accepts '=' and the '+/' alphabet: one token, several spellings.
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z")
_KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")

_JWS = PyJWS(algorithms=list(ALGORITHMS))


def is_well_formed(token: str) -> bool:
    """Whether ``token`` could be a JWT; anything else is refused unread."""
    return len(token) <= MAX_TOKEN_CHARS and _COMPACT.match(token) is not None


def verify(token: str, keys: KeySet) -> Grant:
    """The grant of a token whose signature and claims hold; its times are for the caller to check."""
    if not is_well_formed(token):
        raise TokenMalformed
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise TokenMalformed from error
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not _KEY_ID.match(key_id):
        raise TokenUnknownKey
    key = keys.keys.get(key_id)
    if key is None:
        raise TokenUnknownKey
    try:
        payload = _JWS.decode(token, key.verifying, algorithms=[key.algorithm])
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise TokenBadSignature from error
    return _claims(payload).to_grant(key_id=key_id)


def _claims(payload: bytes) -> PlaybackClaims:
    try:
        return PlaybackClaims.from_json(json.loads(payload, object_pairs_hook=_unique))
    except BadClaims as error:
        raise TokenBadClaims(f"The token is signed, but its claim {error} is wrong.") from error
    except (ValueError, AttributeError, RecursionError) as error:
        raise TokenBadClaims from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """RFC 7519 section 4: claim names must be unique."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name stands twice")
    return result
