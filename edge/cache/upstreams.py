"""Who is asked for what is not kept: the origin, or the sibling that fetches it for all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from aiohttp import ClientResponse
from multidict import CIMultiDict

from edge import metrics
from edge.cache.tiers.files import digest_of
from edge.errors import OriginFailed, error_called
from edge.origin.origins import Origin
from edge.origin.upstream import Fields, Question, Reply, Upstream
from edge.peers.peers import Peers, PeerUnavailable

ASK = "/ask/"  # of the siblings' socket; the origin's name, path and query follow
# What a sibling is told beside the question, and tells beside the answer.
DOCUMENT = "Kawa-Document"
HELD_BACK = "Kawa-Held-Back"
AHEAD = "Kawa-Ahead"  # nobody asks for it yet: its probable size
URGENT = "Kawa-Urgent"  # the one whom it is fetched ahead for has nothing left to play
ERROR = "Kawa-Error"
FRAMED = "Kawa-Framed"
URL = "Kawa-Url"
# A sibling answers as late as the origin does, which has limits of its own.
_HEAD_SECONDS = 65.0
_IDLE_SECONDS = 35.0
_HINT_SECONDS = 2.0


class Upstreams:
    """Chooses by the key, so that of all workers of this edge one asks the origin."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers

    def of(self, origin: Origin, question: Question) -> Upstream:
        """Whom this worker asks about ``question``."""
        slot = None if question.body is not None else self.owner(origin, question)
        return origin if slot is None else _Sibling(self._peers, slot, origin)

    def owner(self, origin: Origin, question: Question) -> int | None:
        """The sibling that asks the origin; ``None`` if this worker does."""
        if self._peers.count == 1:
            return None
        digest = digest_of(f"{origin.name}/{question.target}")
        return None if self._peers.is_mine(digest) else self._peers.owner_of(digest)

    async def hint(
        self,
        slot: int,
        origin: Origin,
        question: Question,
        expected: int,
        *,
        is_urgent: bool = False,
    ) -> None:
        """Tell a sibling what will be asked for next; ``PeerUnavailable`` if it is away."""
        headers = CIMultiDict(question.headers)
        headers[AHEAD] = str(expected)
        if is_urgent:
            headers[URGENT] = "1"
        async with self._peers.ask(
            slot,
            question.method,
            f"{ASK}{origin.name}/{question.target}",
            headers=headers,
            head_seconds=_HINT_SECONDS,
            idle_seconds=_HINT_SECONDS,
        ):
            pass


class _Sibling:
    """The worker that owns a key; the origin itself while that one is away."""

    def __init__(self, peers: Peers, slot: int, origin: Origin) -> None:
        self._peers = peers
        self._slot = slot
        self._origin = origin

    def ask(self, question: Question) -> AbstractAsyncContextManager[Reply]:
        return self._asked(question)

    @asynccontextmanager
    async def _asked(self, question: Question) -> AsyncIterator[Reply]:
        headers = CIMultiDict(question.headers)
        for name in (AHEAD, DOCUMENT, HELD_BACK):  # a viewer of a proxied origin may send anything
            headers.popall(name, None)
        if question.document:
            headers[DOCUMENT] = "1"
        if question.held_back:
            headers[HELD_BACK] = "1"
        begun = False
        try:
            async with self._peers.ask(
                self._slot,
                question.method,
                f"{ASK}{self._origin.name}/{question.target}",
                headers=headers,
                head_seconds=_HEAD_SECONDS,
                idle_seconds=_IDLE_SECONDS,
            ) as answer:
                begun = True
                if ERROR in answer.headers:
                    raise error_called(answer.headers[ERROR])
                yield _PeerReply(answer)
                return
        except PeerUnavailable as error:
            if begun:
                raise OriginFailed("The worker that fetched this went away.") from error
        metrics.PEERS_BYPASSED.inc()
        async with self._origin.ask(question) as reply:
            yield reply


class _PeerReply:
    def __init__(self, answer: ClientResponse) -> None:
        self._answer = answer
        self.framed = answer.headers.get(FRAMED) != "0"

    @property
    def status(self) -> int:
        return self._answer.status

    @property
    def reason(self) -> str:
        return self._answer.reason or ""

    @property
    def headers(self) -> Fields:
        headers = CIMultiDict(self._answer.headers)
        for name in (FRAMED, URL):
            headers.popall(name, None)
        return headers

    @property
    def url(self) -> str:
        return self._answer.headers.get(URL, "")

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self._answer.content.iter_any():
            yield chunk
