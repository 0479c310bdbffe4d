"""Fetches the next segments of what is being played, before viewers ask for them and never in their way."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice

from multidict import CIMultiDict

from config.contracts.content_types import is_manifest
from config.contracts.grants import Grant
from config.settings.cache import PrefetchSettings
from edge import metrics
from edge.cache.answering import answered
from edge.cache.calls import Calls
from edge.cache.prefetch.budget import Budget
from edge.cache.prefetch.learning import learnt_from
from edge.cache.prefetch.lines import Line, Wish
from edge.cache.prefetch.names import Piece, beside, key_of
from edge.cache.prefetch.order import Order
from edge.cache.ranges import Span, first_place
from edge.cache.shared import SharedCache
from edge.cache.sources import SourceKey
from edge.errors import EdgeError, UnknownOrigin
from edge.manifests.limits import Limits
from edge.manifests.pipeline import Produced
from edge.origin.origins import Origin, Origins
from edge.origin.upstream import Question
from edge.peers.peers import PeerUnavailable
from edge.sessions.cmcd.values import Cmcd, NextObject

_MOST_REMEMBERED = 4096
_UNUSED_SECONDS = 600.0
_MISSING_SECONDS = 2.0  # a live segment that is announced before it is there
_FAILED_SECONDS = 10.0
_LONGEST_SECONDS = 30.0  # of one fetch
_MOST_HINTS = 32


class Prefetcher:
    """Knows what comes next, and fetches it within a budget."""

    def __init__(
        self,
        cache: SharedCache,
        calls: Calls,
        origins: Origins,
        settings: PrefetchSettings,
        *,
        limits: Limits,
        clock: Callable[[], float],
    ) -> None:
        self._cache = cache
        self._calls = calls
        self._origins = origins
        self._ahead = settings.ahead
        self._limits = limits
        self._clock = clock
        self._budget = Budget(share=settings.share, max_bytes=settings.max_bytes)
        self._order = Order()
        self._unused: OrderedDict[str, tuple[int, float]] = OrderedDict()  # bytes, until when
        self._held: OrderedDict[str, float] = OrderedDict()  # not to be tried before
        self._hints: set[asyncio.Task[None]] = set()
        self._lines = {
            origin.name: Line(
                origin, most=settings.concurrency, fetch=self._fetch, clock=self._clock
            )
            for origin in (origins if self._ahead else ())
            if not origin.is_local  # its files cost next to nothing when they are asked for
        }

    @property
    def is_active(self) -> bool:
        """Whether anything is ever fetched ahead here."""
        return bool(self._lines)

    async def learn(self, key: SourceKey, produced: Produced, is_new: bool) -> None:
        """A manifest was fetched; ``produced`` is the whole of it as players get it."""
        if self._lines and (not self._order.touch(key) or is_new):
            self._order.learn(key, await learnt_from(key, produced, self._limits))

    def asked(
        self,
        origin: Origin,
        question: Question,
        result: str,
        size: int | None,
        grant: Grant | None,
        said: Cmcd | None,
    ) -> None:
        """A viewer is being answered with ``size`` bytes of a file; ``said``: what its player says with the request."""
        if not self._lines:
            return
        name = f"{origin.name}/{question.target}"
        start = _start(question)
        if self._calls.upstreams.owner(origin, question) is None:
            self.served(origin, question, result, size)
        if result == "bypass":  # as this one was not kept, the next one would not be
            return
        following = () if said is None else said.next_objects()
        is_urgent = said is not None and said.is_urgent
        for pieces in self._next(name, start, following):
            for piece in pieces:
                self._wish(piece, grant, size or 0, is_urgent=is_urgent)

    def served(self, origin: Origin, question: Question, result: str, size: int | None) -> None:
        """Somebody was answered with a file that this worker owns."""
        line = self._lines.get(origin.name)
        if line is None:
            return
        name, start = f"{origin.name}/{question.target}", _start(question)
        for key in {name, key_of(name, start)}:
            line.asked(key)
            unused = self._unused.pop(key, None)
            if unused is not None:
                self._count_used(unused[0])
        if result == "miss":
            self._budget.earn(size or 0)

    def want(
        self, origin: Origin, question: Question, expected: int, *, is_urgent: bool = False
    ) -> None:
        """Fetch a file that this worker owns, when there is room; ``expected`` is its probable size.

        ``is_urgent``: its viewer's buffer is empty, and it goes before those of others.
        """
        line = self._lines.get(origin.name)
        if line is None:
            return
        name, range_ = f"{origin.name}/{question.target}", question.headers.get("Range")
        key = key_of(name, _start(question))
        call = self._calls.segment(origin, question, here=True)
        span = None if range_ is None else _span(range_)
        if range_ is not None and span is None:
            return
        if key in line or self._is_known(key) or self._cache.has(call, span):
            metrics.PREFETCH.labels("already").inc()
        elif expected > self._budget.left:
            metrics.PREFETCH.labels("refused_budget").inc()
        else:
            line.add(Wish(key=key, call=call, span=span, expected=expected, is_urgent=is_urgent))

    async def close(self) -> None:
        """End what is being fetched."""
        for line in self._lines.values():
            await line.close()
        hints = list(self._hints)
        for hint in hints:
            hint.cancel()
        await asyncio.gather(*hints, return_exceptions=True)

    # What comes next.

    def _next(
        self, name: str, start: int | None, said: tuple[NextObject, ...]
    ) -> Iterator[tuple[Piece, ...]]:
        """What the player says, and what follows that by its manifest: so many segments in all."""
        left = self._ahead
        for one in said[: self._ahead]:
            piece = _meant(name, one)
            if piece is None:
                metrics.PREFETCH.labels("outside").inc()
                continue
            left -= 1
            yield (piece,)
            name, start = piece.name, None if piece.span is None else piece.span.start
        yield from islice(self._order.after(name, start), left)

    def _wish(self, piece: Piece, grant: Grant | None, expected: int, *, is_urgent: bool) -> None:
        try:
            origin = self._origins.named(piece.origin)
        except UnknownOrigin:
            origin = None
        if origin is None or not (origin.public or (grant and grant.covers(piece.scope))):
            metrics.PREFETCH.labels("outside").inc()
            return
        if origin.name not in self._lines:
            return
        path, _, query = piece.target.partition("?")
        headers = CIMultiDict({"Accept-Encoding": "identity"})
        if piece.range is not None:
            headers["Range"] = piece.range
        question = Question(path=path, query=query, headers=headers)
        slot = self._calls.upstreams.owner(origin, question)
        if slot is None:
            self.want(origin, question, expected, is_urgent=is_urgent)
        else:
            self._tell(slot, origin, question, expected, piece.key, is_urgent=is_urgent)

    def _tell(
        self,
        slot: int,
        origin: Origin,
        question: Question,
        expected: int,
        key: str,
        *,
        is_urgent: bool,
    ) -> None:
        """Let the worker that owns the file decide, and fetch it once for all of them."""
        if self._is_known(key):
            metrics.PREFETCH.labels("already").inc()
            return
        if len(self._hints) >= _MOST_HINTS:
            metrics.PREFETCH.labels("busy").inc()
            return
        self._hold(key, _FAILED_SECONDS)  # it need not be told again at once

        async def tell() -> None:
            with contextlib.suppress(PeerUnavailable):
                await self._calls.upstreams.hint(
                    slot, origin, question, expected, is_urgent=is_urgent
                )

        task = asyncio.create_task(tell(), name="prefetch hint")
        self._hints.add(task)
        task.add_done_callback(self._hints.discard)
        metrics.PREFETCH.labels("told").inc()

    # Fetching.

    async def _fetch(self, wish: Wish) -> None:
        result = "failed"
        self._budget.spend(wish.expected)
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                result = await self._fetched(wish)
        except (EdgeError, TimeoutError):
            self._hold(wish.key, _FAILED_SECONDS)
        except asyncio.CancelledError:
            result = "gave_way"
            raise
        finally:
            self._budget.give_back(wish.expected - wish.bytes)
            metrics.PREFETCH.labels(result).inc()
            if result == "fetched":
                self._remember(wish)

    async def _fetched(self, wish: Wish) -> str:
        if self._cache.has(wish.call, wish.span):
            return "already"  # while it waited
        found = await self._cache.ahead(wish.call)
        try:
            decided = answered(found, wish.call.question.headers, "GET")
            if decided.status not in (200, 206):
                is_missing = decided.status in (404, 410)
                self._hold(wish.key, _MISSING_SECONDS if is_missing else _FAILED_SECONDS)
                return "failed"
            if found.result == "bypass":
                self._hold(wish.key, _FAILED_SECONDS)
                return "unkept"
            allowed = self._budget.left + wish.expected
            if decided.size is not None and decided.size > allowed:
                return "refused_budget"
            pieces = found.body.read(decided.start, decided.stop)
            async with contextlib.aclosing(pieces):
                async for piece in pieces:
                    wish.bytes += len(piece)
                    if wish.bytes > allowed:
                        return "refused_budget"
            return "fetched"
        finally:
            found.body.close()

    # What became of it.

    def _remember(self, wish: Wish) -> None:
        if wish.used:
            self._count_used(wish.bytes)
            return
        self._unused[wish.key] = wish.bytes, self._clock() + _UNUSED_SECONDS
        self._unused.move_to_end(wish.key)
        if len(self._unused) > _MOST_REMEMBERED:
            self._unused.popitem(last=False)
            metrics.PREFETCHED.labels("unused").inc()

    def _count_used(self, count: int) -> None:
        self._budget.give_back(count)
        metrics.PREFETCHED.labels("used").inc()

    def _is_known(self, key: str) -> bool:
        """Whether it was fetched ahead and waits to be used, or was tried in vain just now."""
        now = self._clock()
        unused = self._unused.get(key)
        if unused is not None and now >= unused[1]:
            del self._unused[key]
            metrics.PREFETCHED.labels("unused").inc()
            unused = None
        return unused is not None or now < self._held.get(key, 0.0)

    def _hold(self, key: str, seconds: float) -> None:
        self._held[key] = self._clock() + seconds
        self._held.move_to_end(key)
        if len(self._held) > _MOST_REMEMBERED:
            self._held.popitem(last=False)


def _meant(name: str, said: NextObject) -> Piece | None:
    target = name if said.reference is None else beside(name, said.reference)
    if target is None or is_manifest(target.partition("?")[0]):
        return None
    if said.first is None or said.last is None:
        return Piece(target)
    return Piece(target, Span(said.first, said.last + 1))


def _start(question: Question) -> int | None:
    range_ = question.headers.get("Range")
    return None if range_ is None else first_place(range_)


def _span(range_: str) -> Span | None:
    first, _, last = range_.removeprefix("bytes=").partition("-")
    if not (first.isdecimal() and last.isdecimal()) or int(last) < int(first):
        return None
    return Span(int(first), int(last) + 1)
