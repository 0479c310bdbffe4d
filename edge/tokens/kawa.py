"""Kawa's own JWT: verified against the key that its ``kid`` names, never with an algorithm of its own choice."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import jwt
from jwt.algorithms import Algorithm, get_default_algorithms

from config.contracts.grants import Grant, Renewal, Rule
from config.contracts.tokens import ALGORITHMS, MAX_TOKEN_CHARS, BadClaims, PlaybackClaims
from config.runtime.keys import BadKeys, KeySet
from edge.errors import (
    TokenBadClaims,
    TokenBadSignature,
    TokenExpired,
    TokenMalformed,
    TokenUnknownKey,
    TokenUnsupported,
)
from edge.tokens.rules import Countries, Methods, Networks, network
from edge.tokens.strict import base64url, json_object
from edge.tokens.verifier import Keys

SCHEME = "kawa"

# RFC 7515 section 7.1.
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z")
_KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_HEADER = frozenset({"alg", "kid", "typ"})

_DEFAULT = get_default_algorithms()
_ALGORITHMS: Mapping[str, Algorithm] = {name: _DEFAULT[name] for name in ALGORITHMS}


class KawaTokens:
    """Tokens that the catalog signs."""

    scheme = SCHEME

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def may_be(self, token: str) -> bool:
        """Whether it has the form of a JWT."""
        return is_well_formed(token)

    def verify(self, token: str, *, now: float) -> Grant:
        """The grant of a token whose signature and claims hold."""
        key_id, claims = _read(token, self._keys.current())
        if claims.once and not claims.token_id:
            # Used once by what is signed: of one ECDSA signature anybody can make a second that is good, too.
            claims = replace(claims, token_id=_digest(token.rpartition(".")[0]))
        return grant_of(claims, key_id=key_id)

    def renewed(self, token: str, *, now: float) -> str:
        """The same claims for the time that follows; ``TokenExpired`` when the session must end."""
        keys = self._keys.current()
        _, claims = _read(token, keys)
        if claims.renew is None:
            raise TokenUnsupported("The token is not one that is renewed.")
        begins = int(now)
        ends = min(begins + claims.renew.seconds, claims.renew.until)
        if ends <= begins:
            raise TokenExpired
        try:
            return keys.sign(
                replace(
                    claims,
                    issued_at=begins,
                    began_at=claims.issued_at if claims.began_at is None else claims.began_at,
                    not_before=None,
                    expires_at=ends,
                    token_id=secrets.token_hex(8) if claims.token_id else "",
                    once=False,
                )
            )
        except BadKeys as error:
            raise TokenUnsupported("This edge has no key to sign the next token with.") from error


def is_well_formed(token: str) -> bool:
    """Whether ``token`` could be a JWT; anything else is refused unread."""
    return len(token) <= MAX_TOKEN_CHARS and _COMPACT.match(token) is not None


def grant_of(claims: PlaybackClaims, *, key_id: str) -> Grant:
    """The grant that these claims amount to."""
    rules: list[Rule] = []
    if claims.methods:
        rules.append(Methods(frozenset(claims.methods)))
    if claims.networks:
        rules.append(Networks(tuple(network(text) for text in claims.networks)))
    if claims.countries:
        rules.append(Countries(frozenset(claims.countries)))
    renewal = None
    if claims.renew is not None:
        renewal = Renewal(
            carrier="as-it-came",
            seconds=claims.renew.seconds,
            within=claims.renew.seconds // 2,
            until=claims.renew.until,
            late=True,
        )
    return Grant(
        subject=claims.subject,
        session=claims.session,
        issuer="kawa",
        token_id=claims.token_id,
        path_prefixes=claims.path_prefixes,
        rules=tuple(rules),
        # RFC 7519 section 4.1.6 leaves iat to us: no token holds before it was made, nor longer than its lifetime.
        not_before=max(claims.issued_at, claims.not_before or 0),
        expires_at=claims.expires_at,
        began_at=claims.issued_at if claims.began_at is None else claims.began_at,
        key_id=key_id,
        max_height=claims.max_height,
        max_bitrate=claims.max_bitrate,
        languages=claims.languages,
        stream_limit=claims.stream_limit,
        renewal=renewal,
        once=claims.once,
        ads=claims.ads,
        debug=claims.debug,
    )


def _read(token: str, keys: KeySet) -> tuple[str, PlaybackClaims]:
    if not is_well_formed(token):
        raise TokenMalformed
    covered, _, signature_text = token.rpartition(".")
    protected, _, body = covered.partition(".")
    header = _header(protected)
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not _KEY_ID.match(key_id):
        raise TokenUnknownKey
    key = keys.to_verify(key_id)
    if key is None:
        raise TokenUnknownKey(key_id=key_id)
    if not header.keys() <= _HEADER:
        # Among them crit, jku, jwk, x5u, x5c and b64: nothing that our own signer writes.
        raise TokenMalformed
    payload, signature = base64url(body), base64url(signature_text)
    algorithm = _ALGORITHMS.get(key.algorithm)
    if algorithm is None or header.get("alg") != key.algorithm:
        raise TokenBadSignature
    try:
        is_signed = algorithm.verify(covered.encode(), key.verifying, signature)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise TokenBadSignature from error
    if not is_signed:
        raise TokenBadSignature
    return key_id, _claims(payload)


@lru_cache(maxsize=256)  # the catalog has as many as keys; each is no longer than a token
def _header(protected: str) -> Mapping[str, Any]:
    try:
        return json_object(base64url(protected))
    except TokenBadClaims as error:
        raise TokenMalformed from error


def _digest(signed: str) -> str:
    return hashlib.blake2b(signed.encode(), digest_size=16).hexdigest()


def _claims(payload: bytes) -> PlaybackClaims:
    try:
        return PlaybackClaims.from_json(json_object(payload))
    except BadClaims as error:
        raise TokenBadClaims(f"The token is signed, but its claim {error} is wrong.") from error
