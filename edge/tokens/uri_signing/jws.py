"""The signed JWT itself (RFC 9246 section 2, RFC 7515): read strictly, verified by a key's own algorithm."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jwt
from jwt.algorithms import Algorithm, get_default_algorithms

from config.contracts.tokens import MAX_TOKEN_CHARS
from config.runtime.jwk import KEY_ID, Key
from edge.errors import (
    TokenBadClaims,
    TokenBadSignature,
    TokenMalformed,
    TokenUnknownKey,
    TokenUnsupported,
)
from edge.tokens.strict import base64url, json_object, to_base64url

_FORM = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){1,2}\Z")
# Of the header's members only these say how to verify; 'jku', 'jwk', 'x5u' and 'x5c' are never looked at.
_CHANGES_MEANING = ("crit", "b64", "enc", "zip")  # RFC 7515 section 4.1.11, RFC 7797, RFC 7516

_DEFAULT = get_default_algorithms()
_ALGORITHMS: Mapping[str, Algorithm] = {
    name: _DEFAULT[name] for name in ("EdDSA", "ES256", "HS256", "PS256", "RS256")
}


@dataclass(frozen=True, slots=True)
class Header:
    """What a JOSE header says of the signature."""

    algorithm: str
    key_id: str  # empty: it names none


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A token taken apart; nothing of it is verified."""

    header: Header
    payload: bytes
    covered: bytes  # what the signature is of (RFC 7515 section 5.1)
    signature: bytes


def is_compact(token: str, *, detached: bool) -> bool:
    """Whether ``token`` has the form of a signed JWT, or with ``detached`` of one without its header."""
    return (
        len(token) <= MAX_TOKEN_CHARS
        and _FORM.match(token) is not None
        and (detached or token.count(".") == 2)
    )


def read_signed(token: str, *, detached_header: str = "") -> Signed:
    """Take a compact JWS apart, or raise ``TokenMalformed``, ``TokenUnsupported``.

    ``detached_header`` stands before tokens of two parts (RFC 9246 section 2.2), which then have no other spelling.
    """
    if not is_compact(token, detached=bool(detached_header)):
        raise TokenMalformed(
            "A token of URI signing is a signed JWT; encrypted are only its claims sub and cdniip."
            if token.count(".") == 4
            else ""
        )
    first, _, rest = token.partition(".")
    if "." not in rest:
        first, token = detached_header, f"{detached_header}.{token}"
    elif first == detached_header:
        raise TokenMalformed
    covered, _, signature = token.rpartition(".")
    return Signed(
        header=read_header(first),
        payload=base64url(covered[len(first) + 1 :]),
        covered=covered.encode(),
        signature=base64url(signature),
    )


@lru_cache(maxsize=256)  # a signer has one or two; each is no longer than a token
def read_header(text: str) -> Header:
    """Read an encoded JOSE header; one that changes what the token means is refused."""
    try:
        header = json_object(base64url(text))
    except TokenBadClaims as error:
        raise TokenMalformed from error
    algorithm, key_id = header.get("alg"), header.get("kid", "")
    if not isinstance(algorithm, str):
        raise TokenMalformed
    content = header.get("cty", "")
    if any(name in header for name in _CHANGES_MEANING) or (
        not isinstance(content, str) or content.lower().removeprefix("application/") == "jwt"
    ):
        raise TokenUnsupported(
            "The token's header asks for something that URI signing has not got."
        )
    if "kid" in header and not (isinstance(key_id, str) and KEY_ID.match(key_id)):
        raise TokenUnknownKey
    return Header(algorithm, key_id)


def verify_signature(signed: Signed, keys: Iterable[Key]) -> Key:
    """The key that signed it, each tried with its own algorithm alone, or ``TokenBadSignature``."""
    for key in keys:
        if key.algorithm == signed.header.algorithm and _is_signed(signed, key):
            return key
    raise TokenBadSignature


def sign(claims: Mapping[str, Any], key: Key) -> str:
    """The compact JWS of these claims."""
    header = _encoded({"alg": key.algorithm, "kid": key.key_id})
    covered = f"{header}.{_encoded(claims)}"
    return (
        f"{covered}.{to_base64url(_ALGORITHMS[key.algorithm].sign(covered.encode(), key.signing))}"
    )


def _is_signed(signed: Signed, key: Key) -> bool:
    algorithm = _ALGORITHMS.get(key.algorithm)
    if algorithm is None or key.verifying is None:
        return False
    try:
        return algorithm.verify(signed.covered, key.verifying, signed.signature)
    except (jwt.PyJWTError, ValueError, TypeError):
        return False


def _encoded(value: Mapping[str, Any]) -> str:
    return to_base64url(json.dumps(value, separators=(",", ":"), allow_nan=False).encode())
