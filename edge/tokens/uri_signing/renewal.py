"""Signed token renewal (RFC 9246 section 3): when the next token is due, how it travels, what it says."""

from __future__ import annotations

import math
import secrets

from config.contracts.grants import Renewal
from config.contracts.tokens import MAX_TOKEN_CHARS
from config.runtime.jwk import Key
from edge.errors import TokenUnsupported
from edge.tokens.transport import PACKAGE
from edge.tokens.uri_signing.claims import COOKIE, NO_TRANSPORT, UriClaims, bad
from edge.tokens.uri_signing.jws import sign


def renewal_of(claims: UriClaims) -> Renewal | None:
    """How the token is renewed; ``None`` if it is not."""
    if claims.transport == NO_TRANSPORT:
        return None
    seconds = claims.renewed_seconds
    return Renewal(
        carrier="cookie" if claims.transport == COOKIE else "redirect",
        seconds=seconds,
        # Section 3.2 may renew with every answer. A token that has just been made would then be due at once, and a
        # viewer who is redirected would be so for ever: the first quarter of its time has to pass.
        within=seconds - max(1, seconds // 4),
        name=PACKAGE,
        depth=claims.depth if claims.transport == COOKIE else 0,
    )


def following(claims: UriClaims, *, key: Key, now: float, issuer: str, session: str) -> str:
    """The token that follows: the same claims with a later end, and their session."""
    said = dict(claims.signed)
    said["exp"] = math.ceil(now + claims.renewed_seconds)
    if claims.issuer:
        said["iss"] = issuer
    if claims.issued_at is not None:
        said["iat"] = int(now)
    if claims.token_id:
        said["jti"] = secrets.token_urlsafe(16)
    # Otherwise each renewal would be a new session, which nobody could limit or revoke.
    said["sid"] = session
    try:
        token = sign(said, key)
    except ValueError as error:  # an infinite number in a claim that is not ours
        raise bad("of no meaning here") from error
    if len(token) > MAX_TOKEN_CHARS:
        raise TokenUnsupported("The token is too long to be renewed.")
    return token
