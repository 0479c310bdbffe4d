"""Remembers verified tokens, so that a signature is checked once and not for every segment."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from config.contracts.grants import Grant
from edge import metrics
from edge.errors import EdgeError, TokenExpired, TokenNotYetValid, TokenRevoked

# What makes one viewer's manifests differ from another's: height, bit rate, languages, ad breaks.
Limits = tuple[int | None, int | None, tuple[str, ...], str | None]


class Revoked(Protocol):
    """What has been revoked, as far as this process knows."""

    epoch: int  # changes whenever something more is revoked

    def covers(self, grant: Grant) -> bool:
        """Whether the grant's token, session or subject is revoked."""

    def is_stale(self, now: float) -> bool:
        """Whether too much may be missing at ``now`` (seconds since the epoch) to make anybody's time longer."""


class NothingRevoked:
    """Nothing ever is."""

    epoch = 0

    def covers(self, grant: Grant) -> bool:
        """No."""
        return False

    def is_stale(self, now: float) -> bool:
        """No."""
        return False


class Remembered:
    """A verified token's grant, when it holds, and what was given for it."""

    __slots__ = (
        "begins_at",
        "bytes",
        "ends_at",
        "epoch",
        "following",
        "grant",
        "is_plain",
        "limits",
        "renews_at",
        "requests",
    )

    def __init__(self, grant: Grant, *, leeway_seconds: float) -> None:
        if grant.is_exact:
            leeway_seconds = 0.0
        self.grant = grant
        self.begins_at = grant.not_before - leeway_seconds
        self.ends_at = grant.expires_at + leeway_seconds
        self.limits = limits_of(grant)
        self.is_plain = grant.is_plain
        renewal = grant.renewal
        # From then on manifests take the ordinary way, which gives the next token.
        self.renews_at = self.ends_at
        if renewal is not None and (renewal.until is None or grant.expires_at < renewal.until):
            # The last of a session is followed by none: the next would end with it, and be due at once for ever.
            self.renews_at = grant.expires_at - renewal.within
        self.following: tuple[str, float] | None = None  # the next token, and until when it will do
        self.epoch = -1  # of the revocations that it was held against
        self.requests = 0
        self.bytes = 0


def limits_of(grant: Grant) -> Limits | None:
    """The grant's limits; ``None`` if it has none."""
    limits = (grant.max_height, grant.max_bitrate, grant.languages, grant.ads)
    return None if limits == (None, None, (), None) else limits


class VerifiedTokens:
    """Grants by token, bounded, least recently used out first."""

    def __init__(
        self,
        verify: Callable[[str, float], Grant],
        *,
        capacity: int,
        leeway_seconds: float,
        revoked: Revoked | None = None,
    ) -> None:
        self._verify = verify
        self._capacity = capacity
        self._leeway = leeway_seconds
        self.revoked = NothingRevoked() if revoked is None else revoked
        self._grants: OrderedDict[str, Remembered] = OrderedDict()

    def remembered(self, token: str, *, now: float) -> Remembered:
        """What is known of ``token``, verified if it was not before; a ``NotAllowed`` unless it is good.

        Whether it holds at ``now`` (seconds since the epoch) is not looked at: see ``is_late``.
        """
        held = self._grants.get(token)
        if held is None:
            held = Remembered(self._checked(token, now), leeway_seconds=self._leeway)
            if _may_serve(held, now):
                self._remember(token, held)
        else:
            self._grants.move_to_end(token)
            metrics.TOKENS_REMEMBERED.inc()
        if self._is_revoked(held):
            raise TokenRevoked
        return held

    def grant_of(self, token: str, *, now: float) -> Grant:
        """The grant of ``token`` if it holds at ``now``; otherwise a ``NotAllowed``."""
        held = self.remembered(token, now=now)
        if self.is_late(token, held, now=now):
            raise TokenExpired
        return held.grant

    def is_late(self, token: str, held: Remembered, *, now: float) -> bool:
        """Whether the token has ended, but may still be exchanged; a ``NotAllowed`` if it does not hold at all."""
        if now < held.begins_at:
            raise TokenNotYetValid
        if now < held.ends_at:
            return False
        renewal = held.grant.renewal
        if renewal is None or not renewal.late or renewal.until is None or now >= renewal.until:
            self._grants.pop(token, None)
            raise TokenExpired
        return True

    def held(self, token: str, *, now: float) -> Remembered | None:
        """What is remembered of ``token``, if nothing but its prefixes need be looked at.

        Never a signature check, and nothing is counted.
        """
        held = self._grants.get(token)
        if (
            held is None
            or not held.begins_at <= now < held.ends_at
            or not held.is_plain
            or (held.epoch != self.revoked.epoch and self._is_revoked(held))
        ):
            return None
        self._grants.move_to_end(token)
        return held

    def forget_keys(self, key_ids: frozenset[str]) -> None:
        """Let go of what was signed with keys that are no longer good."""
        for token in [
            token for token, held in self._grants.items() if held.grant.key_id in key_ids
        ]:
            del self._grants[token]

    def __len__(self) -> int:
        return len(self._grants)

    def _is_revoked(self, held: Remembered) -> bool:
        epoch = self.revoked.epoch
        if held.epoch == epoch:
            return False
        if self.revoked.covers(held.grant):
            return True
        held.epoch = epoch
        return False

    def _checked(self, token: str, now: float) -> Grant:
        try:
            grant = self._verify(token, now)
        except EdgeError as error:
            metrics.TOKENS_VERIFIED.labels(error.code).inc()
            raise
        metrics.TOKENS_VERIFIED.labels("ok").inc()
        return grant

    def _remember(self, token: str, held: Remembered) -> None:
        self._grants[token] = held
        if len(self._grants) > self._capacity:
            self._grants.popitem(last=False)


def _may_serve(held: Remembered, now: float) -> bool:
    """Whether the token holds or can still be exchanged: any other would only take a good one's place."""
    if now < held.begins_at:
        return False
    renewal = held.grant.renewal
    return now < held.ends_at or (
        renewal is not None and renewal.late and renewal.until is not None and now < renewal.until
    )
