"""Remembers verified tokens, so that a signature is checked once and not for every segment."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from config.contracts.grants import Grant
from edge import metrics
from edge.errors import EdgeError, TokenExpired, TokenNotYetValid, TokenRevoked
from edge.sessions.viewing import Viewing

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
    """A verified token's grant, when it holds, and the sessions that are played with it."""

    __slots__ = (
        "_sessions",
        "begins_at",
        "cap",
        "ends_at",
        "epoch",
        "following",
        "grant",
        "is_plain",
        "limits",
        "renews_at",
        "session",
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
        self.cap: int | None = None  # the greatest height that ``limits`` takes into account
        # What is played with it; where the grant covers several titles, each is a session of its own.
        self.session: Viewing | None = None
        self._sessions: dict[str, Viewing] | None = {} if len(grant.path_prefixes) > 1 else None

    def session_for(self, scope: str) -> Viewing | None:
        """The session that ``scope``, which the grant covers, belongs to, if it has begun in this process."""
        if self._sessions is None:
            return self.session
        return self._sessions.get(self.prefix_of(scope))

    def prefix_of(self, scope: str) -> str:
        """The longest of the grant's prefixes that covers ``scope``; what is played for what it only leads to."""
        found = ""
        for prefix in self.grant.path_prefixes:
            if len(prefix) > len(found) and scope.startswith(prefix):
                found = prefix
        if found or not self._sessions:
            return found or self.grant.path_prefixes[0]
        return max(self._sessions.values(), key=lambda viewing: viewing.seen_at).start.content

    def belongs_to(self, viewing: Viewing, scope: str) -> None:
        """From here on, requests for ``scope`` are ``viewing``'s."""
        if self._sessions is None:
            self.session = viewing
        else:
            self._sessions[self.prefix_of(scope)] = viewing

    def cap_at(self, height: int | None) -> None:
        """Offer nothing higher than ``height``; ``None``: what the grant allows."""
        self.cap = height
        self.limits = limits_of(self.grant, cap=height)


def limits_of(grant: Grant, *, cap: int | None = None) -> Limits | None:
    """The grant's limits, and ``cap`` as its greatest height if it is lower; ``None`` if there are none."""
    heights = [height for height in (grant.max_height, cap) if height is not None]
    limits = (min(heights, default=None), grant.max_bitrate, grant.languages, grant.ads)
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
