"""Remembers verified tokens, so that a signature is checked once and not for every segment."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from config.contracts.grants import Grant
from edge import metrics
from edge.errors import EdgeError, TokenExpired, TokenNotYetValid

# What makes one viewer's manifests differ from another's: height, bit rate, languages.
Limits = tuple[int | None, int | None, tuple[str, ...]]


class Remembered:
    """A verified token's grant, when it holds, and what was given for it."""

    __slots__ = ("begins_at", "bytes", "ends_at", "grant", "limits", "requests")

    def __init__(self, grant: Grant, *, leeway_seconds: float) -> None:
        self.grant = grant
        self.begins_at = grant.not_before - leeway_seconds
        self.ends_at = grant.expires_at + leeway_seconds
        self.limits = limits_of(grant)
        self.requests = 0
        self.bytes = 0


def limits_of(grant: Grant) -> Limits | None:
    """The grant's limits; ``None`` if it has none."""
    limits = (grant.max_height, grant.max_bitrate, grant.languages)
    return None if limits == (None, None, ()) else limits


class VerifiedTokens:
    """Grants by token, bounded, least recently used out first."""

    def __init__(
        self, verify: Callable[[str], Grant], *, capacity: int, leeway_seconds: float
    ) -> None:
        self._verify = verify
        self._capacity = capacity
        self._leeway = leeway_seconds
        self._grants: OrderedDict[str, Remembered] = OrderedDict()

    def grant_of(self, token: str, *, now: float) -> Grant:
        """The grant of ``token`` if it holds at ``now`` (seconds since the epoch); otherwise a ``NotAllowed``."""
        held = self._grants.get(token)
        if held is None:
            held = self._remember(token, self._checked(token))
        else:
            self._grants.move_to_end(token)
            metrics.TOKENS_REMEMBERED.inc()
        if now >= held.ends_at:
            self._grants.pop(token, None)
            raise TokenExpired
        if now < held.begins_at:
            raise TokenNotYetValid
        return held.grant

    def held(self, token: str, *, now: float) -> Remembered | None:
        """What is remembered of ``token``, if it holds at ``now``; never a signature check, nothing is counted."""
        held = self._grants.get(token)
        if held is None or not held.begins_at <= now < held.ends_at:
            return None
        self._grants.move_to_end(token)
        return held

    def __len__(self) -> int:
        return len(self._grants)

    def _checked(self, token: str) -> Grant:
        try:
            grant = self._verify(token)
        except EdgeError as error:
            metrics.TOKENS_VERIFIED.labels(error.code).inc()
            raise
        metrics.TOKENS_VERIFIED.labels("ok").inc()
        return grant

    def _remember(self, token: str, grant: Grant) -> Remembered:
        held = Remembered(grant, leeway_seconds=self._leeway)
        self._grants[token] = held
        if len(self._grants) > self._capacity:
            self._grants.popitem(last=False)
        return held
