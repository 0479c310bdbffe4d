"""Whether one more session may play, by what this edge alone knows: without Redis, or while it is away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from config.contracts.sessions import SessionStart
from config.settings.sessions import SessionSettings
from edge.sessions.life import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Who gives place; ``is_full``: there is no room even so, and nobody does."""

    replaced: tuple[Session, ...] = ()
    is_full: bool = False


def is_limited(start: SessionStart, settings: SessionSettings) -> bool:
    """Whether anything limits how many such sessions there are."""
    of_device: int | None = getattr(settings.device_limits, start.device)
    return start.limit is not None or of_device is not None or settings.title_limit is not None


def decide(
    start: SessionStart, running: Sequence[Session], settings: SessionSettings, *, now: float
) -> Decision:
    """The rules that Redis applies, to the subject's other ``running`` sessions.

    First gives place who has been silent, then by policy whoever began first.
    """
    by_age = sorted(running, key=lambda one: (one.start.started_at, one.id))
    left = list(by_age)
    replaced: list[Session] = []
    grace = settings.switch_grace.total_seconds()

    def is_quiet(one: Session) -> bool:
        return one.paused_at is None and now - one.seen_at >= grace

    def is_replaceable(_: Session) -> bool:
        return settings.policy == "evict-oldest"

    for test in (is_quiet, is_replaceable):
        for one in by_age:
            over = _over(start, left, settings)
            if over and one in left and test(one) and _helps(one, start, over):
                left.remove(one)
                replaced.append(one)
    if _over(start, left, settings):
        return Decision(is_full=True)
    return Decision(replaced=tuple(replaced))


def _over(start: SessionStart, running: Sequence[Session], settings: SessionSettings) -> set[str]:
    """Which limits one more would pass."""
    of_device: int | None = getattr(settings.device_limits, start.device)
    same_device = sum(one.start.device == start.device for one in running)
    same_title = sum(one.start.content == start.content for one in running)
    found = {
        "all": _is_reached(start.limit, len(running)),
        "device": _is_reached(of_device, same_device),
        "title": _is_reached(settings.title_limit, same_title),
    }
    return {name for name, is_over in found.items() if is_over}


def _is_reached(limit: int | None, number: int) -> bool:
    return limit is not None and number >= limit


def _helps(one: Session, start: SessionStart, over: set[str]) -> bool:
    return (
        "all" in over
        or ("device" in over and one.start.device == start.device)
        or ("title" in over and one.start.content == start.content)
    )
