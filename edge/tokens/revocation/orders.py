"""What an operator asks to be revoked, or no longer to be."""

from __future__ import annotations

import json
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from config.contracts.revocations import (
    KINDS,
    LONGEST_SECONDS,
    Kind,
    NotARevocation,
    checked_instant,
    checked_reason,
    checked_value,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoke:
    """Something shall open nothing any more."""

    kind: Kind
    value: str
    until: int | None = None  # seconds since the epoch; None: as long as it could hold
    issued_before: int | None = None
    reason: str = ""

    @classmethod
    def parse(cls, data: bytes, *, now: float) -> Revoke:
        """The order in a JSON object; ``NotARevocation`` for anything else."""
        found = _object(data, {"until", "issued_before", "reason"})
        kind, value = _named(found)
        until, issued_before = found.get("until"), found.get("issued_before")
        if until is not None and not now < checked_instant(until, "until") <= now + LONGEST_SECONDS:
            raise NotARevocation("until lies in the future, by at most 400 days")
        if issued_before is not None:
            if kind == "token_id":
                raise NotARevocation("a token was issued once: issued_before is for the others")
            # Tokens tell whole seconds: what was issued in the same one shall go too.
            issued_before = (
                int(now) + 1
                if issued_before == "now"
                else checked_instant(issued_before, "issued_before")
            )
        return cls(
            kind=kind,
            value=value,
            until=until,
            issued_before=issued_before,
            reason=checked_reason(found.get("reason", "")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """Something that was revoked shall hold again."""

    kind: Kind
    value: str

    @classmethod
    def parse(cls, data: bytes) -> Lift:
        """The order in a JSON object; ``NotARevocation`` for anything else."""
        kind, value = _named(_object(data, set()))
        return cls(kind=kind, value=value)


def _object(data: bytes, more: AbstractSet[str]) -> dict[str, Any]:
    try:
        found = json.loads(data.decode("utf-8"), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise NotARevocation("not JSON") from error
    if not isinstance(found, dict):
        raise NotARevocation("a JSON object says what is revoked")
    if unknown := found.keys() - set(KINDS) - more:
        raise NotARevocation(f"unknown fields: {len(unknown)}")
    return found


def _named(found: dict[str, Any]) -> tuple[Kind, str]:
    kinds = [kind for kind in KINDS if kind in found]
    if len(kinds) != 1:
        raise NotARevocation(f"say exactly one of {', '.join(KINDS)}")
    return kinds[0], checked_value(found[kinds[0]])


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field stands there twice")
    return found
