"""Remembers verified tokens, so that a signature is checked once and not for every segment."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from config.contracts.grants import Grant
from edge import metrics
from edge.errors import EdgeError, TokenExpired, TokenNotYetValid


class VerifiedTokens:
    """Grants by token, bounded, least recently used out first."""

    def __init__(
        self, verify: Callable[[str], Grant], *, capacity: int, leeway_seconds: float
    ) -> None:
        self._verify = verify
        self._capacity = capacity
        self._leeway = leeway_seconds
        self._grants: OrderedDict[str, Grant] = OrderedDict()

    def grant_of(self, token: str, *, now: float) -> Grant:
        """The grant of ``token`` if it holds at ``now`` (seconds since the epoch); otherwise a ``NotAllowed``."""
        grant = self._grants.get(token)
        if grant is None:
            grant = self._checked(token)
            self._remember(token, grant)
        else:
            self._grants.move_to_end(token)
            metrics.TOKENS_REMEMBERED.inc()
        if now >= grant.expires_at + self._leeway:
            self._grants.pop(token, None)
            raise TokenExpired
        if now < grant.not_before - self._leeway:
            raise TokenNotYetValid
        return grant

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

    def _remember(self, token: str, grant: Grant) -> None:
        self._grants[token] = grant
        if len(self._grants) > self._capacity:
            self._grants.popitem(last=False)
