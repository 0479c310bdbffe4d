"""The sessions of one worker process: opened with the registry, added to by every request, told by a timer."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from typing import Protocol

from config.contracts.sessions import Quality, SessionStart
from config.runtime.logging import get_logger
from config.runtime.tasks import BackgroundTasks
from config.settings.sessions import SessionSettings
from edge import metrics
from edge.errors import NoSessions, StreamEnded, StreamRefused
from edge.sessions.naming import GetFacts, end_of, session_id, start_of
from edge.sessions.registry import Answer, NoRegistry, Registry, Report
from edge.sessions.viewing import Viewing
from edge.tokens.verified import Remembered

log = get_logger(__name__)

TELL_SECONDS = 1.0
# The registry itself waits for Redis for up to a second, and knows better than we what to do then.
OPEN_SECONDS = 1.25

_LAST_SECONDS = 2.0  # a leaving worker may take for its last words
_SLICE = 250  # sessions told in one go: a few milliseconds of work
_WALK = 2000  # sessions looked at before others have their turn
_READ_SECONDS = 0.05  # of each second may go into reading what players say
_READ_TOGETHER = 20
_AGAIN = 200  # sessions opened again in one turn of the timer
_MOST_LAST = 20_000


class Reader(Protocol):
    """Reads what players say of themselves."""

    def read(self, viewing: Viewing, now: float) -> None:
        """Take in and forget what ``viewing.said`` holds."""


class Sessions:
    """Every session that this process has given something to lately."""

    def __init__(
        self,
        registry: Registry,
        settings: SessionSettings,
        *,
        worker: str,
        secret: bytes,
        clock: Callable[[], float],
        reader: Reader | None = None,
    ) -> None:
        self.settings = settings
        self._registry = registry
        self._worker = worker  # no later process has that name
        self._secret = hashlib.blake2b(secret).digest()  # of whatever length
        self._clock = clock
        self._reader = reader
        self._idle = settings.idle.total_seconds()
        self._lives = itertools.count(1)
        self._viewings: dict[str, Viewing] = {}
        self._opening: dict[tuple[str, bool], asyncio.Task[Viewing]] = {}
        self._again: dict[str, bool] = {}  # to be opened again: whether it only joins
        self._last: deque[Report] = deque(maxlen=_MOST_LAST)  # of sessions pushed out
        self._telling = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._viewings)

    def found(self, held: Remembered, scope: str) -> Viewing | None:
        """The session that ``scope`` belongs to, if this process follows it."""
        return self._viewings.get(session_id(held.grant, held.prefix_of(scope)))

    async def entered(
        self, held: Remembered, scope: str, facts: GetFacts, *, is_manifest: bool
    ) -> Viewing:
        """The session of a request, opened if need be; a ``StreamRefused`` if it may not play now.

        Only manifests are refused for the number of streams.
        """
        viewing = held.session_for(scope)
        if viewing is None or viewing.ended is not None or (is_manifest and not viewing.admitted):
            viewing = await self._opened(held, scope, facts, is_manifest=is_manifest)
            held.belongs_to(viewing, scope)
        if viewing.cap != held.cap:
            held.cap_at(viewing.cap)
        viewing.seen_at = self._clock()
        return viewing

    async def stop(self, held: Remembered, scope: str) -> None:
        """The player says that what ``scope`` belongs to has ended, whichever process follows it.

        The last of it is told at once, as far as the registry can be asked.
        """
        name, viewing = session_id(held.grant, held.prefix_of(scope)), self.found(held, scope)
        if viewing is not None and viewing.ended is None:
            viewing.ended, viewing.admitted = "stop", False
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                if viewing is not None:
                    async with self._telling:
                        await self._say([viewing])
                await self._registry.stop(name)
        except (NoRegistry, TimeoutError):
            metrics.SESSION_TELLS_FAILED.inc()  # it will be idle soon

    async def running(self, _app: object) -> AsyncIterator[None]:
        """Keep the registry informed for as long as the process serves, and once more when it has given its last."""
        async with BackgroundTasks() as tasks:
            tasks.start("sessions", self.run)
            yield
        await self.close()

    async def run(self) -> None:
        """Tell the registry what has changed, again and again, for as long as nobody cancels this."""
        while True:
            await asyncio.sleep(TELL_SECONDS)
            try:
                await self.tell()
            except NoRegistry as error:
                metrics.SESSION_TELLS_FAILED.inc()
                log.warning("sessions could not be told", cause=str(error))

    async def tell(self) -> None:
        """Tell what has changed since it was told last, and let go of sessions that are silent."""
        if self._reader is not None:
            await self._read_said(self._reader)
        async with self._telling:
            await self._tell_last()
            await self._tell_changed()
        await self._open_again()

    async def close(self) -> None:
        """Say the last words: nothing is given to anybody any more."""
        for task in self._opening.values():
            task.cancel()
        await asyncio.gather(*self._opening.values(), return_exceptions=True)
        try:
            async with asyncio.timeout(_LAST_SECONDS), self._telling:
                await self._tell_last()
                await self._tell_changed()
        except (NoRegistry, TimeoutError):
            metrics.SESSION_TELLS_FAILED.inc()
            log.warning("the last of the sessions could not be told")

    # -- opening

    async def _opened(
        self, held: Remembered, scope: str, facts: GetFacts, *, is_manifest: bool
    ) -> Viewing:
        prefix = held.prefix_of(scope)
        name = session_id(held.grant, prefix)
        viewing = self._viewings.get(name)
        if viewing is not None and not self._must_ask(viewing, held, is_manifest=is_manifest):
            return viewing
        key = (name, not is_manifest)
        task = self._opening.get(key)
        if task is None:
            now = self._clock()
            start = start_of(
                held.grant, prefix, facts(), settings=self.settings, secret=self._secret, now=now
            )
            task = asyncio.create_task(self._open(start, joins=not is_manifest), name="session")
            self._opening[key] = task
            task.add_done_callback(partial(self._has_opened, key))
        # A viewer who hangs up must not cancel what the player's other requests wait for.
        return await asyncio.shield(task)

    def _has_opened(self, key: tuple[str, bool], task: asyncio.Task[Viewing]) -> None:
        del self._opening[key]
        if not task.cancelled():
            task.exception()  # whoever asked may be gone, and nobody need hear of it

    def _must_ask(self, viewing: Viewing, held: Remembered, *, is_manifest: bool) -> bool:
        """Whether the registry decides about it; ``StreamEnded`` if that has been decided."""
        match viewing.ended:
            case None:
                return is_manifest and not viewing.admitted
            case "evicted" | "kicked":
                raise StreamEnded
            case "limit":
                return is_manifest  # there may be room again; if not, it hears what plays
            case "expired" if self._clock() >= end_of(held.grant):
                raise StreamEnded
        return True

    async def _open(self, start: SessionStart, *, joins: bool) -> Viewing:
        try:
            result = await self._ask_to_open(start, joins=joins)
        except StreamEnded:
            metrics.SESSION_ENTRIES.labels("ended").inc()
            if (known := self._viewings.get(start.id)) is not None:
                known.ended = "kicked"
            raise
        except StreamRefused as refused:
            if not (joins and isinstance(refused, NoSessions)):
                metrics.SESSION_ENTRIES.labels("refused").inc()
                raise
            result = "unsure"  # the registry has no room: what plays is not cut for that
        metrics.SESSION_ENTRIES.labels(result).inc()
        viewing = self._viewings.get(start.id)
        if viewing is None:
            viewing = self._begun(start)
        elif start.ends_at > viewing.start.ends_at:
            viewing.start = start
        viewing.ended = None
        viewing.admitted = viewing.admitted or not joins
        if result == "unsure":
            self._again[start.id] = joins
        return viewing

    async def _ask_to_open(self, start: SessionStart, *, joins: bool) -> str:
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await self._registry.open(start, joins=joins)
        except (NoRegistry, TimeoutError) as error:
            if start.limit is not None and not joins and self.settings.without_redis == "deny":
                raise NoSessions from error
            return "unsure"
        return "joined" if joins else "admitted"

    def _begun(self, start: SessionStart) -> Viewing:
        if len(self._viewings) >= self.settings.most:
            self._push_out()
        viewing = Viewing(start, now=self._clock(), life=next(self._lives))
        self._viewings[start.id] = viewing
        return viewing

    def _push_out(self) -> None:
        """Make room: the one that has been here for longest is opened anew with its next request."""
        oldest = self._viewings.pop(next(iter(self._viewings)))
        oldest.heard(self._idle)
        self._last.append(_report(oldest))
        self._let_go(oldest)
        metrics.SESSIONS_PUSHED_OUT.inc()

    def _let_go(self, viewing: Viewing) -> None:
        """Tokens may still hold it: what comes with them is to look for it here again."""
        self._again.pop(viewing.start.id, None)
        if viewing.ended is None:
            viewing.ended = "timeout"

    # -- telling

    async def _read_said(self, reader: Reader) -> None:
        """Read what players said, what has waited longest first, and no longer than all may take together."""
        waiting = [viewing for viewing in self._viewings.values() if viewing.said is not None]
        waiting.sort(key=lambda viewing: viewing.said_at)
        now, spent = self._clock(), 0.0
        for start in range(0, len(waiting), _READ_TOGETHER):
            if spent > _READ_SECONDS:
                break
            began = time.perf_counter()
            for viewing in waiting[start : start + _READ_TOGETHER]:
                try:
                    reader.read(viewing, now)
                finally:
                    viewing.said = None  # a text that cannot be read is not tried again
                viewing.told_at = 0.0  # there may be something new to tell
            spent += time.perf_counter() - began
            await asyncio.sleep(0)

    async def _tell_last(self) -> None:
        while self._last:
            reports = list(itertools.islice(self._last, _SLICE))
            self._learn(await self._registry.tell(self._worker, reports))
            for _ in reports:
                self._last.popleft()

    async def _tell_changed(self) -> None:
        now = self._clock()
        changed: list[Viewing] = []
        for number, viewing in enumerate(list(self._viewings.values()), 1):
            is_taking = viewing.bytes != viewing.told_bytes
            if viewing.seen_at == viewing.told_at and is_taking and viewing.ended is None:
                viewing.seen_at = now  # a long body that still leaves is a sign of life too
            if viewing.seen_at != viewing.told_at or is_taking:
                changed.append(viewing)
            elif (
                abs(now - viewing.seen_at) > self._idle + TELL_SECONDS
            ):  # or the clock was set back
                self._forget(viewing)
            if len(changed) == _SLICE:
                await self._say(changed)
                changed = []
            if number % _WALK == 0:
                await asyncio.sleep(0)
        if changed or self._viewings:
            await self._say(changed)  # also nothing: the answer may say that somebody was kicked

    def _forget(self, viewing: Viewing) -> None:
        if self._viewings.get(viewing.start.id) is viewing:
            del self._viewings[viewing.start.id]
        self._let_go(viewing)

    async def _say(self, viewings: list[Viewing]) -> None:
        marks = []
        for viewing in viewings:
            viewing.heard(self._idle)
            marks.append((viewing, viewing.seen_at, viewing.bytes))
        answer = await self._registry.tell(self._worker, [_report(viewing) for viewing in viewings])
        for viewing, seen_at, sent in marks:
            viewing.told_at, viewing.told_bytes = seen_at, sent
        self._learn(answer)

    def _learn(self, answer: Answer) -> None:
        for name in answer.forgotten:
            viewing = self._viewings.get(name)
            if viewing is not None:
                self._forget(viewing)  # what comes next is another session, which begins at nothing
        for name in answer.unknown:
            viewing = self._viewings.get(name)
            if viewing is not None:
                viewing.admitted = False  # its next manifest asks
                self._again.setdefault(name, True)
        for name, reason in answer.ended.items():
            viewing = self._viewings.get(name)
            if viewing is not None:
                viewing.ended, viewing.admitted = reason, False
                self._again.pop(name, None)
        if self.settings.cap_manifests:
            for name, height in answer.caps.items():
                viewing = self._viewings.get(name)
                if viewing is not None:
                    viewing.cap = height

    async def _open_again(self) -> None:
        """Open what was let in unasked, and what the registry has forgotten."""
        names = list(itertools.islice(self._again, _AGAIN))
        results = await asyncio.gather(
            *(self._once_more(name) for name in names), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _once_more(self, name: str) -> None:
        viewing = self._viewings.get(name)
        if viewing is not None and viewing.ended is None:
            try:
                async with asyncio.timeout(OPEN_SECONDS):
                    await self._registry.open(viewing.start, joins=self._again[name])
            except StreamEnded:
                viewing.ended = "kicked"
            except (NoSessions, NoRegistry, TimeoutError):
                if name in self._again:
                    self._again[name] = self._again.pop(name)  # nobody knows yet: the others first
                return
            except StreamRefused:
                viewing.ended = "limit"
        self._again.pop(name, None)


def _report(viewing: Viewing) -> Report:
    return Report(
        id=viewing.start.id,
        counted=viewing.counted(),
        quality=Quality() if viewing.quality is None else replace(viewing.quality),
        seen_at=viewing.seen_at,
        paused=viewing.paused,
        life=viewing.life,
    )
