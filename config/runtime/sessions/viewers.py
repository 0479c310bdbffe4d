"""How many have seen a title: about, in a few hundred bytes to twelve kilobytes a title and day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from config.runtime.sessions.calls import FAILURES, Scripts
from config.runtime.sessions.keys import viewers_key
from config.runtime.sessions.scripts import SAW

MOST_DAYS: Final = 8

_AT_ONCE = 500


async def note_viewers(
    scripts: Scripts, content: str, viewers: Sequence[bytes], *, now: float
) -> None:
    """Count them today."""
    key = viewers_key(content, _day(now, before=0))
    seconds = MOST_DAYS * 86_400
    for start in range(0, len(viewers), _AT_ONCE):
        await scripts.run(SAW, [key], seconds, *viewers[start : start + _AT_ONCE])


async def count_viewers(scripts: Scripts, content: str, days: int, *, now: float) -> int:
    """All of today and the days before, ``days`` days in all; who came on several counts once."""
    if not 1 <= days <= MOST_DAYS:
        raise ValueError(f"viewers are kept for {MOST_DAYS} days")
    wanted = [viewers_key(content, _day(now, before=one)) for one in range(days)]
    with scripts.breaker.guard(*FAILURES):
        found: Any = await scripts.client.pfcount(*wanted)
    return int(found)


def _day(now: float, *, before: int) -> date:
    return (datetime.fromtimestamp(now, UTC) - timedelta(days=before)).date()
