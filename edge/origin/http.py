"""Another HTTP server as an origin: pooled connections, every wait bounded, every answer checked."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import ClassVar
from urllib.parse import urlsplit

from aiohttp import ClientSession

from config.settings.origins import HttpOrigin as HttpOriginSettings
from config.settings.origins import Pooled
from edge.content_keys.names import is_reserved
from edge.origin import shield
from edge.origin.asking import Asker, Limits, Request
from edge.origin.breaker import Breaker
from edge.origin.connector import open_session
from edge.origin.failover import Server, Servers
from edge.origin.files import bare
from edge.origin.guard import guard_of, host_of
from edge.origin.places import Places
from edge.origin.redirects import Redirects
from edge.origin.reply import HttpReply
from edge.origin.resolver import Resolver
from edge.origin.upstream import Question, Reply

_EJECTED_SECONDS = (10.0, 30.0)


class Asked:
    """A question for the length of an ``async with`` block."""

    __slots__ = ("_asker", "_question", "_reply")

    def __init__(self, asker: Asker, question: Question) -> None:
        self._asker = asker
        self._question = question
        self._reply: HttpReply | None = None

    async def __aenter__(self) -> HttpReply:
        self._reply = await self._asker.head(self._question)
        return self._reply

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._reply is not None:
            self._reply.end()


class HttpOrigin:
    """Servers with the same content; clients choose a path below their URLs, never a host."""

    is_local: ClassVar[bool] = False
    fresh_seconds: ClassVar[float] = 0.0  # means something of local files only
    again: ClassVar[frozenset[int]] = frozenset()  # statuses after which one server is asked twice

    def __init__(
        self,
        name: str,
        settings: HttpOriginSettings,
        session: ClientSession,
        *,
        counted_as: str | None = None,
    ) -> None:
        self.name = name
        counted = counted_as or name  # in metrics
        self.public = settings.public
        self.settings = settings
        self.base = settings.url.rstrip("/") + "/"
        urls = (settings.url, *settings.backups)
        key = settings.shield_key
        self._shield_key = None if key is None else key.get_secret_value()
        self._asker = Asker(
            counted,
            session,
            servers_of(counted, urls, settings),
            limits=limits_of(settings, held_back=settings.block_timeout.total_seconds()),
            retry_ratio=settings.retry_ratio,
            hedge=settings.hedge,
            prepare=self._prepared,
            redirects=Redirects(settings.redirects, servers=urls, hosts=settings.redirect_hosts),
            again=self.again,
        )

    def ask(self, question: Question) -> AbstractAsyncContextManager[Reply]:
        """The reply's head, or an ``OriginError``; leaving the block in mid-body drops the connection."""
        if self.keeps_back(question.path):
            return contextlib.nullcontext(bare(404, self.base + question.path))
        return Asked(self._asker, question)

    def keeps_back(self, path: str) -> bool:
        """Whether nobody may have what lies there: where this edge gives keys, a server's own are never asked for."""
        return self.settings.content_keys is not None and is_reserved(path)

    def has_room(self, taken: int) -> bool:
        """Whether there are connections to spare for what nobody waits for, with so many more taken."""
        return self._asker.has_room(taken)

    def tell_of_places(self, *, waiting: Callable[[], None], free: Callable[[], None]) -> None:
        """Call ``waiting`` when a question has to wait for a connection, ``free`` when one is free again."""
        self._asker.tell_of_places(waiting=waiting, free=free)

    async def _prepared(self, server: Server, question: Question) -> Request:
        url = server.base + question.target
        if self._shield_key is None:
            return Request(url, question.headers)
        headers = question.headers.copy()
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        headers[shield.FIELD] = shield.sign(
            question.method, target, key=self._shield_key, now=time.time()
        )
        return Request(url, headers)


@contextlib.asynccontextmanager
async def open_http_origin(
    name: str, settings: HttpOriginSettings, *, resolver: Resolver
) -> AsyncIterator[HttpOrigin]:
    """An origin with a connection pool of its own."""
    urls = (settings.url, *settings.backups, *(f"//{host}" for host in settings.redirect_hosts))
    guard = guard_of((host_of(url) for url in urls), private=settings.private)
    async with open_session(settings, guard=guard, resolver=resolver) as session:
        yield HttpOrigin(name, settings, session)


def servers_of(name: str, urls: Iterable[str], settings: Pooled) -> Servers:
    """The servers behind these URLs, in this order."""
    return Servers(
        [
            Server(
                name=f"{name}-{number}" if number else name,
                base=url.rstrip("/") + "/",
                places=Places(
                    name,
                    places=settings.connections,
                    waiting=settings.waiting,
                    wait_seconds=settings.wait_timeout.total_seconds(),
                ),
                breaker=Breaker(failures=settings.breaker_failures),
                outlier=Breaker(failures=settings.breaker_failures, pause=_EJECTED_SECONDS),
            )
            for number, url in enumerate(urls)
        ]
    )


def limits_of(settings: Pooled, *, held_back: float) -> Limits:
    """How long an origin may take."""
    return Limits(
        head=settings.first_byte_timeout.total_seconds(),
        held_back=held_back,
        all_heads=settings.answer_timeout.total_seconds(),
        idle=settings.idle_timeout.total_seconds(),
        min_rate=settings.min_rate,
    )
