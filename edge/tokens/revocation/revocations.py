"""What one worker asks for each request: is this grant revoked?"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from config.contracts.grants import Grant
from config.contracts.revocations import Kind
from config.settings.load import Settings
from edge.tokens.revocation.register import Change

# Later than any token was issued.
_EVERYTHING = sys.maxsize

# A worker that knows nothing yet is told everything, in parts; one that knows something hears what is new.
Part = Literal["new", "first", "more", "last"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the parent tells a worker at a time."""

    part: Part
    number: int  # of changes that the worker knows afterwards
    certain_at: (
        float  # seconds since the epoch: all that was revoked before is among them; 0: nobody knows
    )
    changes: tuple[Change, ...]

    def to_json(self) -> bytes:
        """What ``parse`` reads."""
        changes = [[c.kind, c.value, c.in_force, c.issued_before] for c in self.changes]
        fields = {
            "part": self.part,
            "number": self.number,
            "certain_at": self.certain_at,
            "changes": changes,
        }
        return json.dumps(fields, separators=(",", ":")).encode()

    @classmethod
    def parse(cls, data: bytes) -> Told:
        """What our own parent wrote."""
        found: dict[str, Any] = json.loads(data)
        changes = tuple(Change(*change) for change in found.pop("changes"))
        return cls(changes=changes, **found)


class _Table:
    """Names of what is revoked, each with the moment before which it must have been issued to be meant."""

    def __init__(self) -> None:
        self.token_ids: dict[str, int] = {}
        self.sessions: dict[str, int] = {}
        self.subjects: dict[str, int] = {}
        self._of: dict[Kind, dict[str, int]] = {
            "token_id": self.token_ids,
            "session": self.sessions,
            "subject": self.subjects,
        }

    def __len__(self) -> int:
        return len(self.token_ids) + len(self.sessions) + len(self.subjects)

    def change(self, changes: Iterable[Change]) -> None:
        for change in changes:
            names = self._of[change.kind]
            if not change.in_force:
                names.pop(change.value, None)
            else:
                before = change.issued_before
                names[change.value] = _EVERYTHING if before is None else before


def open_revocations(settings: Settings) -> Revocations:
    """What a worker begins with: nothing, until its parent tells it."""
    revocation = settings.tokens.revocation
    counts = revocation.stale == "closed" and settings.redis.url is not None
    return Revocations(
        stale_after_seconds=revocation.stale_after.total_seconds() if counts else None
    )


class Revocations:
    """The revoked names, as the parent tells them.

    An application that has no parent knows what its own program gives it, and is never stale.
    """

    def __init__(self, *, stale_after_seconds: float | None = None) -> None:
        self.epoch = 0  # changes whenever something is revoked or holds again
        self.number = 0
        self.certain_at = 0.0
        self._stale_after = stale_after_seconds  # None: age does not matter
        self._table = _Table()
        self._coming = _Table()

    @property
    def count(self) -> int:
        """How many names are revoked."""
        return len(self._table)

    def covers(self, grant: Grant) -> bool:
        """Whether the grant's token, session or subject is revoked."""
        table = self._table
        if grant.token_id and grant.token_id in table.token_ids:
            return True
        issued_at = grant.began_at or grant.not_before
        before = table.sessions.get(grant.session)
        if before is not None and issued_at < before:
            return True
        before = table.subjects.get(grant.subject)
        return before is not None and issued_at < before

    def is_stale(self, now: float) -> bool:
        """Whether too much may be missing at ``now`` (seconds since the epoch) to make anybody's time longer."""
        return self._stale_after is not None and now - self.certain_at > self._stale_after

    def take(self, told: Told) -> None:
        """Know what the parent tells."""
        if told.part == "new":
            self._table.change(told.changes)
        else:
            if told.part == "first":
                self._coming = _Table()
            self._coming.change(told.changes)
            if told.part != "last":
                return
            self._table, self._coming = self._coming, _Table()
        if told.number != self.number or told.part == "last":
            self.epoch += 1
        self.number = told.number
        self.certain_at = told.certain_at
