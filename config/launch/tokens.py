"""Playback tokens by hand: mint one, look into one, check one as the edge would."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from config.contracts.tokens import PlaybackClaims
from config.runtime.keys import KeySet
from edge.tokens.kawa import is_well_formed, verify
from edge.tokens.verified import VerifiedTokens


class NotAToken(ValueError):
    """This is not a JWT in compact form."""


def mint(
    keys: KeySet, *, paths: Sequence[str], subject: str, lifetime: timedelta, max_height: int | None
) -> str:
    """A token for these path prefixes; ``BadClaims`` if one of them is not a prefix."""
    now = int(time.time())
    claims = PlaybackClaims(
        subject=subject,
        session=secrets.token_hex(16),
        path_prefixes=tuple(paths),
        issued_at=now,
        expires_at=now + int(lifetime.total_seconds()),
        max_height=max_height,
    )
    PlaybackClaims.from_json(claims.to_json())  # what the edge would refuse is not signed
    return keys.sign(claims)


def inspect(token: str) -> dict[str, Any]:
    """What a token says, without checking that it may say so."""
    if not is_well_formed(token):
        raise NotAToken(NotAToken.__doc__)
    try:
        parts = jwt.api_jws.PyJWS().decode_complete(token, options={"verify_signature": False})
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise NotAToken(f"this is not a JWT: {error}") from error
    times = {
        f"{name}_at": datetime.fromtimestamp(claims[name], UTC).isoformat()
        for name in ("iat", "nbf", "exp")
        if isinstance(claims.get(name), int) and 0 <= claims[name] < 2**33
    }
    return {"header": parts["header"], "claims": claims, "times": times}


def check(token: str, keys: KeySet, *, path: str | None, leeway: timedelta) -> dict[str, Any]:
    """What the edge would say to this token now; raises the edge's own refusal."""
    tokens = VerifiedTokens(
        lambda text: verify(text, keys), capacity=1, leeway_seconds=leeway.total_seconds()
    )
    grant = tokens.grant_of(token, now=time.time())
    return {
        "subject": grant.subject,
        "session": grant.session,
        "paths": list(grant.path_prefixes),
        "key_id": grant.key_id,
        "expires_at": datetime.fromtimestamp(grant.expires_at, UTC).isoformat(),
        "covers": None if path is None else grant.covers(path),
    }
