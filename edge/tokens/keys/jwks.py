"""Keys that a signer publishes at a URL: fetched again in the background, and kept while the URL gives none."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import ClientSession
from yarl import URL

from config.runtime.jwk import KEY_ID
from config.runtime.keys import BadKeys, KeySet
from config.runtime.logging import get_logger
from config.settings.tokens import TokenSettings
from edge import metrics
from edge.tokens.keys.copy import Copy, Kept
from edge.tokens.keys.fetch import NotFetched, fetch
from edge.tokens.keys.source import Current

log = get_logger(__name__)

LEAST_SECONDS = 30.0  # between fetches that viewers' tokens bring about, and between those that max-age asks for
WAIT_SECONDS = 2.0
_FIRST_PAUSE_SECONDS = 1.0
_MOST_WAITING = 1000
_MOST_ABSENT = 1024
_ABSENT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often and how long, in seconds."""

    refresh: float
    timeout: float
    kept: float

    @classmethod
    def of(cls, settings: TokenSettings) -> Pace:
        """As the settings say."""
        return cls(
            refresh=settings.jwks_refresh.total_seconds(),
            timeout=settings.jwks_timeout.total_seconds(),
            kept=settings.jwks_kept.total_seconds(),
        )


def pause_seconds(refresh: float, *, fresh_seconds: float | None, failures: int) -> float:
    """How long to wait at most before the next fetch, after as many failures in a row."""
    if failures:
        return min(refresh, LEAST_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 10))
    if fresh_seconds is None:
        return refresh
    return min(refresh, max(fresh_seconds, LEAST_SECONDS))


class JwksKeys:
    """The keys of a JWK Set's URL. One task fetches, so that there is never more than one fetch at a time."""

    def __init__(
        self,
        name: str,
        url: URL,
        current: Current,
        *,
        session: ClientSession,
        pace: Pace,
        copy: Copy,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._url = url
        self._current = current
        self._session = session
        self._pace = pace
        self._copy = copy
        self._clock = clock
        self._timer = timer
        self._keys: KeySet | None = None  # as they were fetched
        self._data = b""
        self._etag = ""
        self._failures = 0
        self._due = float("-inf")
        self._wanted = False  # a viewer's token asks for the next fetch
        self._wanted_at = float("-inf")  # when such a fetch was made last
        self._trying = False
        self._woken = asyncio.Event()
        self._outcome: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting = 0
        self._absent: OrderedDict[str, float] = OrderedDict()

    def current(self) -> KeySet:
        """The keys that hold now; reads nothing."""
        return self._current.get()

    async def load(self) -> None:
        """Use what was fetched before the last end, if it is not too old."""
        now = self._clock()
        kept = await asyncio.to_thread(self._copy.read, now=now)
        if kept is None or now - kept.fetched_at > self._pace.kept:
            return
        try:
            keys = await asyncio.to_thread(self._parsed, kept.data)
        except BadKeys as error:
            log.warning("copy of keys not used", source=self._name, error=str(error))
            return
        self._current.replace(
            keys, read_at=kept.fetched_at, good_until=kept.fetched_at + self._pace.kept
        )

    async def run(self) -> None:
        """Fetch whenever it is due, until cancelled."""
        while True:
            await self._until_due()
            await self._attempt()

    async def refresh(self) -> bool:
        """Fetch now, or join the fetch that runs, and say whether its keys are in use."""
        if not self._trying:
            self._hasten(self._timer())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pace.timeout + 1):
                return await asyncio.shield(self._outcome)
        return False

    async def wanted(self, key_id: str) -> bool:
        """Whether a key that was missing is known now; at most one fetch in 30 s is made for this."""
        if key_id in self.current().keys:
            return True
        if not KEY_ID.match(key_id) or self._is_absent(key_id):
            return False
        if not self._trying:
            earliest = self._wanted_at + LEAST_SECONDS
            self._wanted = True
            self._hasten(earliest)
            if earliest > self._timer() + WAIT_SECONDS:
                return False
        if await self._next_outcome() and key_id not in self.current().keys:
            self._remember_absent(key_id)
        return key_id in self.current().keys

    async def _next_outcome(self) -> bool:
        """Whether the fetch that runs, or comes next, succeeds within the time that a viewer can wait."""
        if self._waiting >= _MOST_WAITING:
            return False
        self._waiting += 1
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                return await asyncio.shield(self._outcome)
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1

    def _is_absent(self, key_id: str) -> bool:
        until = self._absent.get(key_id)
        return until is not None and self._timer() < until

    def _remember_absent(self, key_id: str) -> None:
        self._absent[key_id] = self._timer() + _ABSENT_SECONDS
        self._absent.move_to_end(key_id)
        if len(self._absent) > _MOST_ABSENT:
            self._absent.popitem(last=False)

    def _hasten(self, due: float) -> None:
        self._due = min(self._due, due)
        self._woken.set()

    async def _until_due(self) -> None:
        while (seconds := self._due - self._timer()) > 0:
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._woken.wait()

    async def _attempt(self) -> None:
        self._trying = True
        if self._wanted:
            self._wanted, self._wanted_at = False, self._timer()
        done, fresh_seconds = False, None
        try:
            fresh_seconds = await self._fetch()
        except NotFetched as error:
            self._failed(error.reason, str(error))
        except BadKeys as error:
            self._failed("bad", str(error))
        else:
            done = True
            metrics.KEYS_REFRESHES.labels(self._name, "ok").inc()
            if self._failures:
                log.info("keys fetched again", source=self._name, failures=self._failures)
        finally:
            self._failures = 0 if done else self._failures + 1
            self._current.get()  # what was kept may have become too old
            pause = pause_seconds(
                self._pace.refresh, fresh_seconds=fresh_seconds, failures=self._failures
            )
            self._due = self._timer() + pause * random.uniform(0.8, 1.0)
            self._trying = False
            outcome, self._outcome = self._outcome, asyncio.get_running_loop().create_future()
            if not outcome.done():
                outcome.set_result(done)

    async def _fetch(self) -> float | None:
        """Take what the URL gives into use, and say how long it calls that fresh."""
        fetched = await fetch(
            self._session, self._url, etag=self._etag, timeout_seconds=self._pace.timeout
        )
        now = self._clock()
        if fetched.data is not None:
            keys = await asyncio.to_thread(self._parsed, fetched.data)
            if self._keys is None or keys != self._keys:
                log.info("keys fetched", source=self._name, keys=sorted(keys.keys))
            self._keys, self._data = keys, fetched.data
        if self._keys is None:
            raise NotFetched("status", "status 304 for what was never fetched")
        self._etag = fetched.etag
        self._current.replace(self._keys, read_at=now, good_until=now + self._pace.kept)
        await asyncio.to_thread(self._copy.write, Kept(data=self._data, fetched_at=now))
        return fetched.fresh_seconds

    def _parsed(self, data: bytes) -> KeySet:
        return KeySet.parse(data, source=f"JWK Set of {self._name}", foreign=True)

    def _failed(self, reason: str, message: str) -> None:
        metrics.KEYS_REFRESHES.labels(self._name, reason).inc()
        if not self._failures:  # the metric says how long it goes on
            known = sorted(self._current.get().keys)
            log.error(
                "keys not fetched", source=self._name, reason=reason, error=message, in_use=known
            )
