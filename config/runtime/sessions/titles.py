"""The names of what is played, for lists: told once a day by whoever plays it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Final

from config.runtime.sessions.calls import FAILURES, Scripts
from config.runtime.sessions.keys import title_key
from config.runtime.sessions.records import Live, content_hash

_TOLD_AGAIN_SECONDS: Final = 86_400
_KEPT: Final = timedelta(days=2)
_MOST_REMEMBERED: Final = 100_000
_AT_ONCE: Final = 200
_MOST_A_SECOND: Final = (
    1000  # told: if more play than are remembered, telling must not cost more than renewing
)


class Titles:
    """Tells and asks for names; a record holds only a hash of one."""

    def __init__(self, scripts: Scripts, clock: Callable[[], float]) -> None:
        self._scripts = scripts
        self._clock = clock
        self._told: OrderedDict[str, float] = OrderedDict()  # when, by name
        self._known: OrderedDict[bytes, str] = OrderedDict()
        self._second = 0
        self._told_in_second = 0

    async def tell(self, contents: Iterable[str]) -> None:
        """Tell names that were not told today; that a list will be without one is no reason to fail."""
        now = self._clock()
        new = [one for one in dict.fromkeys(contents) if not self._is_told(one, now)]
        if int(now) != self._second:
            self._second, self._told_in_second = int(now), 0
        some = new[: min(_AT_ONCE, _MOST_A_SECOND - self._told_in_second)]
        self._told_in_second += len(some)
        with suppress(*FAILURES):
            await self._tell(some, now)
        while len(self._told) > _MOST_REMEMBERED:
            self._told.popitem(last=False)

    def tell_again(self) -> None:
        """Redis lost them."""
        self._told.clear()

    async def named(self, sessions: Iterable[Live]) -> list[Live]:
        """The sessions with the names of what they play, as far as these are known."""
        listed = list(sessions)
        wanted = dict.fromkeys(one.record.content for one in listed)
        unknown = [content for content in wanted if content not in self._known]
        with suppress(*FAILURES):
            for first in range(0, len(unknown), _AT_ONCE):
                await self._ask(unknown[first : first + _AT_ONCE])
        named = [replace(one, content=self._known.get(one.record.content, "")) for one in listed]
        while len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)
        return named

    async def _tell(self, contents: Sequence[str], now: float) -> None:
        if not contents:
            return
        with self._scripts.breaker.guard(*FAILURES):
            async with self._scripts.client.pipeline(transaction=False) as pipeline:
                for content in contents:
                    pipeline.set(title_key(content_hash(content)), content, ex=_KEPT)
                await pipeline.execute()
        self._told |= dict.fromkeys(contents, now)

    async def _ask(self, contents: Sequence[bytes]) -> None:
        with self._scripts.breaker.guard(*FAILURES):
            async with self._scripts.client.pipeline(transaction=False) as pipeline:
                for content in contents:
                    pipeline.get(title_key(content))
                names: list[bytes | None] = await pipeline.execute()
        for content, name in zip(contents, names, strict=True):
            if name is not None:
                self._known[content] = name.decode(errors="replace")

    def _is_told(self, content: str, now: float) -> bool:
        return now - self._told.get(content, -_TOLD_AGAIN_SECONDS) < _TOLD_AGAIN_SECONDS
