"""Serves aiohttp applications with the limits that aiohttp leaves open, and drains them on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import Any

import uvloop
from aiohttp import http_parser, web
from prometheus_client.metrics_core import Metric

from config.runtime.access_log import JsonAccessLog
from config.runtime.logging import get_logger
from config.runtime.metrics import CONTENT_TYPE, render_metrics
from config.runtime.processes import WRONG_USE, ProgramFailed, WrongUse
from config.settings.shared import HttpLimits, ListenSettings

log = get_logger(__name__)

# What serves an application, if it brings its own.
RUNNER: web.AppKey[Callable[..., web.AppRunner]] = web.AppKey("runner", Callable)  # type: ignore[arg-type]
# Bytes that may wait unsent in the kernel for one client: what is beyond is not copied before it is needed.
_UNSENT_BYTES = 512 * 1024


class NoFastParser(RuntimeError):
    """aiohttp runs without its C parser: install a wheel of aiohttp that was built for this Python."""


class CannotListen(WrongUse):
    """A listening address is taken or not of this machine; the message names it."""


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """Run a program's main coroutine on uvloop until it ends; the exit status for what it failed by."""
    try:
        require_fast_parser()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())
    except (WrongUse, NoFastParser) as error:
        sys.stderr.write(f"kawa: {error}\n")
        return WRONG_USE
    except ProgramFailed as error:
        sys.stderr.write(f"kawa: {error}\n")
        return 1
    return 0


def require_fast_parser() -> None:
    """Raise ``NoFastParser`` unless aiohttp parses requests in C: the Python parser had most of its faults."""
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        raise NoFastParser(NoFastParser.__doc__)


def listening_socket(
    listen: ListenSettings, *, backlog: int, reuse_port: bool = False
) -> socket.socket:
    """A bound and listening TCP socket, or ``CannotListen``."""
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    sock: socket.socket | None = None
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((listen.host, listen.port))
        # Inherited by every connection.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
        sock.listen(backlog)
        sock.setblocking(False)
    except OSError as error:
        if sock is not None:
            sock.close()
        raise CannotListen(
            f"cannot listen on {listen.host}:{listen.port}: {error.strerror}"
        ) from error
    return sock


@contextlib.asynccontextmanager
async def serving(
    app: web.Application,
    sock: socket.socket,
    limits: HttpLimits,
    *,
    logged: bool = True,
    ends_with_client: bool = False,
) -> AsyncIterator[web.AppRunner]:
    """Serve ``app`` on ``sock``; leaving the block ends idle connections and lets running requests finish.

    ``ends_with_client``: a handler is cancelled when its client leaves, and so must share nothing half-done.
    """
    runner = app.get(RUNNER, web.AppRunner)(
        app,
        # aiohttp's only deadline for a request head is this one, and its default is an hour.
        keepalive_timeout=limits.header_timeout.total_seconds(),
        max_line_size=limits.max_line_bytes,
        max_field_size=limits.max_field_bytes,
        access_log_class=JsonAccessLog,
        access_log=logging.getLogger("access") if logged else None,
        handler_cancellation=ends_with_client,
        shutdown_timeout=limits.drain_timeout.total_seconds(),
        handle_signals=False,
    )
    await runner.setup()
    try:
        await web.SockSite(runner, sock, backlog=limits.backlog).start()
        yield runner
    finally:
        await runner.cleanup()


class Readiness:
    """Whether this program wants new work: asked by balancers through ``/readyz``."""

    def __init__(self) -> None:
        self.checks: dict[str, Callable[[], Awaitable[bool]]] = {}
        self.draining = False

    async def failing(self) -> list[str]:
        """The names of what is missing now; empty means ready."""
        if self.draining:
            return ["draining"]
        names = list(self.checks)
        results = await asyncio.gather(*(self._check(name) for name in names))
        return [name for name, good in zip(names, results, strict=True) if not good]

    async def _check(self, name: str) -> bool:
        try:
            async with asyncio.timeout(2):
                return await self.checks[name]()
        except (OSError, TimeoutError, RuntimeError):
            return False


def admin_app(
    readiness: Readiness, *, more_metrics: Callable[[], Iterable[Metric]] = tuple
) -> web.Application:
    """Health and metrics, for a listener that only operators reach; ``more_metrics`` is asked at each look."""

    async def live(_request: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def ready(_request: web.Request) -> web.Response:
        failing = await readiness.failing()
        return web.json_response(
            {"ready": not failing, "failing": failing}, status=503 if failing else 200
        )

    async def metrics(_request: web.Request) -> web.Response:
        body = await asyncio.to_thread(render_metrics, more_metrics())
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    app.add_routes(
        [web.get("/livez", live), web.get("/readyz", ready), web.get("/metrics", metrics)]
    )
    return app


async def until_stopped(readiness: Readiness, limits: HttpLimits) -> None:
    """Wait for SIGTERM or SIGINT, turn not ready, and give balancers the time to notice."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await stop.wait()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
    readiness.draining = True
    log.info("draining")
    await asyncio.sleep(limits.drain_delay.total_seconds())
