"""One revocation of a token, session or subject, as programs tell it one another and keep it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, get_args

Kind = Literal["token_id", "session", "subject"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Key = tuple[Kind, str]

LONGEST_VALUE = 1024
LONGEST_REASON = 200
MOST_BYTES = 16 * 1024
LONGEST_SECONDS = 400 * 24 * 3600  # nothing is kept for longer
_LATEST = 2**42  # milliseconds or seconds since the epoch; what is beyond was not written by us
_AT_DIGITS = 14


class NotARevocation(ValueError):
    """This is no revocation; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """What is said about one token, session or subject; of two that differ, everybody keeps the one said last."""

    kind: Kind
    value: str
    at: int  # milliseconds since the epoch; later than anything its writer had heard about the same
    until: int  # seconds since the epoch; nothing that it is about can hold any longer
    issued_before: int | None = (
        None  # seconds since the epoch: only what was issued before; None: everything
    )
    lifted: bool = False  # it holds no longer; kept so that an older word does not bring it back
    reason: str = ""

    @property
    def key(self) -> Key:
        return self.kind, self.value

    @property
    def field(self) -> str:
        """Its key as one text."""
        return f"{self.kind}:{self.value}"

    def to_json(self) -> dict[str, Any]:
        """For people."""
        found: dict[str, Any] = {self.kind: self.value, "until": self.until, "at": self.at / 1000}
        if self.issued_before is not None:
            found["issued_before"] = self.issued_before
        if self.reason:
            found["reason"] = self.reason
        return found

    def to_text(self) -> str:
        """What ``parse`` reads; the later of two about the same is the greater text."""
        fields = {
            "kind": self.kind,
            "value": self.value,
            "until": self.until,
            "issued_before": self.issued_before,
            "lifted": self.lifted,
            "reason": self.reason,
        }
        text = json.dumps(fields, separators=(",", ":"), sort_keys=True)
        return f"{self.at:0{_AT_DIGITS}d} {text}"

    def follows(self, other: Revocation) -> bool:
        """Whether this was said after ``other``; everybody decides alike, also about the same millisecond."""
        if self.at != other.at:
            return self.at > other.at
        return self.to_text() > other.to_text()

    @classmethod
    def parse(cls, data: bytes) -> Revocation:
        """What ``to_text`` wrote; ``NotARevocation`` for anything else."""
        at, _, text = data.partition(b" ")
        if len(data) > MOST_BYTES or len(at) != _AT_DIGITS or not at.isdigit():
            raise NotARevocation("not a revocation")
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise NotARevocation("not JSON") from error
        if not isinstance(found, dict):
            raise NotARevocation("a revocation is a JSON object")
        issued_before, lifted = found.get("issued_before"), found.get("lifted")
        if not isinstance(lifted, bool):
            raise NotARevocation("lifted is a boolean")
        return cls(
            kind=checked_kind(found.get("kind")),
            value=checked_value(found.get("value")),
            at=int(at),
            until=checked_instant(found.get("until"), "until"),
            issued_before=None
            if issued_before is None
            else checked_instant(issued_before, "issued_before"),
            lifted=lifted,
            reason=checked_reason(found.get("reason")),
        )


def checked_kind(value: object) -> Kind:
    """One of the kinds."""
    kind = next((kind for kind in KINDS if kind == value), None)
    if kind is None:
        raise NotARevocation(f"one of {', '.join(KINDS)} is revoked")
    return kind


def checked_value(value: object) -> str:
    """A name of a token, session or subject, as grants have it."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_VALUE:
        raise NotARevocation(f"what is revoked has 1 to {LONGEST_VALUE} characters")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise NotARevocation("what is revoked is not Unicode text") from error
    return value


def checked_instant(value: object, name: str) -> int:
    """Whole seconds since the epoch."""
    if type(value) is not int or not 0 <= value < _LATEST:
        raise NotARevocation(f"{name} is a whole number of seconds since the epoch")
    return value


def checked_reason(value: object) -> str:
    """A few words for people."""
    if not isinstance(value, str) or len(value) > LONGEST_REASON or not value.isprintable():
        raise NotARevocation(f"a reason has at most {LONGEST_REASON} printable characters")
    return value
