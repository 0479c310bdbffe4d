"""What workers tell of their sessions, and what they are told: one registry per edge, in its parent process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from config.contracts.sessions import Counted, Quality, SessionStart, StopReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One session as one worker knows it: everything since that worker (and its ``life`` there) began, so that a lost
    report loses nothing."""

    id: str
    counted: Counted
    quality: Quality
    seen_at: float  # seconds since the epoch: its last sign of life
    paused: bool = False  # its player says so
    life: int = 0  # a greater one than before has begun at zero: what an earlier one counted stays


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the registry says to a worker's reports."""

    unknown: tuple[str, ...] = ()  # to be opened again: the registry has begun anew
    forgotten: tuple[str, ...] = ()  # to be dropped with all that was counted of them
    ended: Mapping[str, StopReason] = field(default_factory=dict)  # ends that this worker need know
    caps: Mapping[str, int | None] = field(default_factory=dict)  # greatest height, where changed


class NoRegistry(Exception):
    """The registry cannot be asked, or did not answer in time."""


class Registry(Protocol):
    """All sessions of one edge."""

    async def open(self, start: SessionStart, *, joins: bool) -> None:
        """Admit a session, or raise a ``StreamRefused``; one that is open already is as good as new.

        ``joins``: it asks for something else than a manifest, and is never refused for its number.
        """

    async def tell(self, worker: str, reports: Sequence[Report]) -> Answer:
        """Take in what has changed at ``worker`` (a name that no later process will have)."""

    async def stop(self, session: str) -> None:
        """The player says that it has ended; nothing happens if no such session is open."""
