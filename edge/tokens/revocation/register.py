"""All revocations that this edge knows, in its parent process."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from config.contracts.revocations import (
    KINDS,
    LONGEST_SECONDS,
    Key,
    Kind,
    NotARevocation,
    Revocation,
)
from edge.errors import BadRevocation, TooManyRevocations
from edge.tokens.revocation.orders import Lift, Revoke

_CHANGES_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Change:
    """What a worker must know of one revocation."""

    kind: Kind
    value: str
    in_force: bool
    issued_before: int | None = None

    @classmethod
    def of(cls, revocation: Revocation) -> Change:
        """That it is in force, or lifted."""
        return cls(
            revocation.kind, revocation.value, not revocation.lifted, revocation.issued_before
        )


class Register:
    """Bounded, each entry until it can matter no more; merging in any order, any number of times, ends alike."""

    def __init__(self, *, most: int, longest_seconds: int) -> None:
        self._most = most
        self._longest = min(longest_seconds, LONGEST_SECONDS)
        self._known: dict[Key, Revocation] = {}
        self._ends: list[tuple[int, Key]] = []  # a heap; what was said again stands there twice
        self._changes: deque[Change] = deque(maxlen=_CHANGES_KEPT)
        self._in_force: Counter[Kind] = Counter()
        self.number = 0  # of changes so far

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[Revocation]:
        return iter(list(self._known.values()))

    def get(self, key: Key) -> Revocation | None:
        """What was said about it last."""
        return self._known.get(key)

    def count(self, kind: Kind) -> int:
        """How many of a kind are in force."""
        return self._in_force[kind]

    def revoke(self, order: Revoke, *, now: float) -> Revocation:
        """Carry an order out; what was revoked before stays so for as long and as far."""
        until = order.until or int(now) + self._longest
        issued_before = order.issued_before
        held = self._known.get((order.kind, order.value))
        if held is not None and not held.lifted:
            until = max(until, held.until)
            if issued_before is not None:
                before = held.issued_before
                issued_before = None if before is None else max(issued_before, before)
        revocation = Revocation(
            kind=order.kind,
            value=order.value,
            at=_later_than(held, now),
            until=until,
            issued_before=issued_before,
            reason=order.reason,
        )
        self.merge(revocation, now=now)
        return revocation

    def lift(self, order: Lift, *, now: float) -> Revocation:
        """Carry an order out; ``BadRevocation`` if that is not revoked."""
        held = self._known.get((order.kind, order.value))
        if held is None or held.lifted:
            raise BadRevocation("that is not revoked")
        lifted = replace(held, at=_later_than(held, now), lifted=True, reason="")
        self.merge(lifted, now=now)
        return lifted

    def merge(self, revocation: Revocation, *, now: float) -> bool:
        """Take what this or another edge said; whether that was new.

        ``NotARevocation`` if it would have to be kept for too long, ``TooManyRevocations`` if there is no room.
        """
        if revocation.until > now + LONGEST_SECONDS + 24 * 3600:
            raise NotARevocation("until lies too far in the future")
        held = self._known.get(revocation.key)
        if revocation.until <= now or (held is not None and not revocation.follows(held)):
            return False
        if held is None and len(self._known) >= self._most:
            raise TooManyRevocations
        self._known[revocation.key] = revocation
        self._in_force[revocation.kind] += (not revocation.lifted) - (
            held is not None and not held.lifted
        )
        if held is None or held.until != revocation.until:
            heapq.heappush(self._ends, (revocation.until, revocation.key))
        self._note(Change.of(revocation))
        return True

    def expire(self, *, now: float) -> None:
        """Forget what can matter no more."""
        while self._ends and self._ends[0][0] <= now:
            _, key = heapq.heappop(self._ends)
            held = self._known.get(key)
            if held is None or held.until > now:
                continue
            del self._known[key]
            if not held.lifted:
                self._in_force[held.kind] -= 1
                self._note(Change(held.kind, held.value, in_force=False))
        if len(self._ends) > 2 * len(self._known) + 1000:
            self._ends = [(held.until, key) for key, held in self._known.items()]
            heapq.heapify(self._ends)

    def since(self, number: int) -> list[Change] | None:
        """The changes after the first ``number``; None if they are no longer at hand."""
        missing = self.number - number
        if missing > len(self._changes):
            return None
        return list(islice(self._changes, len(self._changes) - missing, None))

    def in_force(self) -> list[Change]:
        """Everything that is revoked now."""
        return [Change.of(held) for held in self._known.values() if not held.lifted]

    def page(self, kind: Kind, *, after: str, size: int) -> list[Revocation]:
        """Those of a kind that are in force, by value."""
        found = (
            held
            for held in self._known.values()
            if held.kind == kind and not held.lifted and held.value > after
        )
        return heapq.nsmallest(size, found, key=lambda held: held.value)

    def _note(self, change: Change) -> None:
        self._changes.append(change)
        self.number += 1


def counts(register: Register) -> dict[Kind, int]:
    """How many of each kind are in force."""
    return {kind: register.count(kind) for kind in KINDS}


def _later_than(held: Revocation | None, now: float) -> int:
    """A moment after whatever is known, also if the clock that said it was ahead of ours."""
    at = int(now * 1000)
    return at if held is None else max(at, held.at + 1)
