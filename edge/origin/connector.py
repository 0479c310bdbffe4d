"""Connections that are safe to use again, and lead only where they may."""

from __future__ import annotations

import select
import socket
import ssl
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, hdrs
from aiohttp.client_proto import ResponseHandler

from config.settings.origins import Pooled
from edge.origin.guard import Guard
from edge.origin.plain import PlainBodies
from edge.origin.resolver import GuardedResolver, Resolver

# What the running request got: a used connection, which its server may have given up in the same moment.
REUSED: ContextVar[bool] = ContextVar("reused", default=False)
# What the running request wants: no used connection.
FRESH: ContextVar[bool] = ContextVar("fresh", default=False)

_READ_BUFFER_BYTES = 256 * 1024
_MAX_FIELDS = 128
_ENDED = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


class StrictConnector(TCPConnector):
    """Never reuses a connection on which the origin has written without being asked.

    aiohttp would read those bytes as the answer to the next request. Leans on private names: aiohttp is pinned,
    and tests/edge/test_http_origin.py notices when this stops working.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory: Any = partial(PlainBodies, loop=self._loop)

    async def _get(self, key: Any, traces: Any) -> Any:
        if FRESH.get():
            return None
        while (connection := await super()._get(key, traces)) is not None:
            protocol = connection.protocol
            if protocol is not None and _is_quiet(protocol, tls=key.is_ssl):
                REUSED.set(True)
                return connection
            connection.close()
        return None


def _is_quiet(protocol: ResponseHandler, *, tls: bool) -> bool:
    """Whether nothing has come since the last answer, neither bytes nor an end, not even to the kernel as yet."""
    if protocol.should_close or protocol.transport is None:
        return False
    sock = protocol.transport.get_extra_info("socket")
    if sock is None:
        return False
    poll = select.poll()
    # TLS has messages of its own between answers.
    poll.register(sock.fileno(), _ENDED if tls else _ENDED | select.POLLIN)
    return not poll.poll(0)


def open_session(settings: Pooled, *, guard: Guard, resolver: Resolver) -> ClientSession:
    """A client of one origin alone: it follows nothing, decodes nothing, keeps no cookies, retries nothing."""

    def checked_socket(info: Any) -> socket.socket:
        # The last look before the connection: no name and no second look-up can come between.
        family, kind, protocol, _, address = info
        guard.check(str(address[0]))
        return socket.socket(family, kind, protocol)

    keep_alive = settings.keep_alive.total_seconds()
    options: dict[str, Any] = {"keepalive_timeout": keep_alive} if keep_alive else {}
    connector = StrictConnector(
        limit=0,  # each server's places are counted before it is asked
        force_close=not keep_alive,
        resolver=GuardedResolver(resolver, guard),
        use_dns_cache=False,
        socket_factory=checked_socket,
        ssl=_tls(settings.ca_file),
        **options,
    )
    session = ClientSession(
        connector=connector,
        timeout=ClientTimeout(
            total=None, connect=settings.connect_timeout.total_seconds(), ceil_threshold=3600
        ),
        auto_decompress=False,
        cookie_jar=DummyCookieJar(),
        headers={hdrs.USER_AGENT: "kawa"},
        skip_auto_headers=(hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE),
        read_bufsize=_READ_BUFFER_BYTES,
        max_line_size=settings.max_field_bytes,
        max_field_size=settings.max_field_bytes,
        max_headers=_MAX_FIELDS,
    )
    # aiohttp's own retry knows neither budget nor whether the connection was a used one.
    session._retry_connection = False
    return session


def _tls(authorities: Path | None) -> ssl.SSLContext | bool:
    if authorities is None:
        return True
    context = ssl.create_default_context(cafile=authorities)
    context.set_alpn_protocols(["http/1.1"])
    return context
