"""Asks a verifier about a request as the edge does: is the link good, does it hold now, does it open this."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

from config.contracts.grants import Asked, Grant
from edge.errors import (
    NotAllowed,
    PathNotCovered,
    TokenExpired,
    TokenMissing,
    TokenNotYetValid,
    error_called,
)
from edge.target import parse_target
from edge.tokens.links.verifier import Found, LinkVerifier

PUBLIC_URL = "https://media.example.com"
NOW = 1_700_000_000.0


def carried(
    verifier: LinkVerifier,
    target: str,
    *,
    cookies: Mapping[str, str] | None = None,
    address: str = "192.0.2.7",
    user_agent: str = "",
) -> Found:
    """The link of a request, or ``TokenMissing``."""
    path, _, query = target.partition("?")
    found = verifier.found(
        path, query, cookies or {}, address=ip_address(address), user_agent=user_agent
    )
    if found is None:
        raise TokenMissing
    return found


def opened(
    grant: Grant,
    target: str,
    *,
    address: str = "192.0.2.7",
    user_agent: str = "",
    public_url: str = PUBLIC_URL,
) -> None:
    """Nothing, or the ``NotAllowed`` of a request that the grant does not cover."""
    asked = parse_target(target)
    if not grant.covers(asked.scope):
        raise PathNotCovered
    # Published links are to files beside the origins, whose path the edge would take for an origin's.
    path = asked.scope if asked.path else f"/{asked.origin}"
    request = Asked(
        method="GET",
        uri=public_url + path + (f"?{asked.query}" if asked.query else ""),
        scope=asked.scope,
        headers={"User-Agent": user_agent} if user_agent else {},
        address=ip_address(address),
    )
    broken = grant.broken_rule(request)
    if broken is not None:
        error = error_called(broken.reason)
        assert isinstance(error, NotAllowed)
        raise error


def ask(
    verifier: LinkVerifier,
    target: str,
    *,
    cookies: Mapping[str, str] | None = None,
    address: str = "192.0.2.7",
    user_agent: str = "",
    now: float = NOW,
    public_url: str = PUBLIC_URL,
) -> Grant:
    """The grant of a request that is served, or the ``NotAllowed`` that refuses it."""
    found = carried(verifier, target, cookies=cookies, address=address, user_agent=user_agent)
    token = found.link.encode()
    assert verifier.may_be(token)
    grant = verifier.verify(token, now=now)
    if now >= grant.expires_at:
        raise TokenExpired
    if now < grant.not_before:
        raise TokenNotYetValid
    left = found.path + (f"?{found.query}" if found.query else "")
    opened(grant, left, address=address, user_agent=user_agent, public_url=public_url)
    return grant


def is_served(verifier: LinkVerifier, target: str, **given: object) -> bool:
    """Whether a request is served."""
    try:
        ask(verifier, target, **given)  # type: ignore[arg-type]
    except NotAllowed:
        return False
    return True
