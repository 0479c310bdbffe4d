"""The edge's processes: a parent that owns the sockets and counts, and workers that serve."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from config.runtime.keys import KeySet
from config.runtime.logging import get_logger
from config.runtime.processes import WrongUse
from config.runtime.serving import Readiness, listening_socket, serving, until_stopped
from config.runtime.tasks import BackgroundTasks
from config.settings.load import Settings
from config.settings.shared import HttpLimits, ListenSettings
from edge.admin.app import Parts, edge_admin_app
from edge.admin.feed import PurgeFeed
from edge.admin.purges import Purges
from edge.admin.workers import asking
from edge.app import build_app, node_of
from edge.keys import PROGRESS
from edge.lane.lane import LANE
from edge.peers.app import peer_app, serving_peers
from edge.peers.keys import PEERS
from edge.peers.peers import Peers
from edge.processes.draining import Draining, accept_no_more, until_idle_left
from edge.processes.fleet import Checked, Fleet, follows_sessions
from edge.processes.folders import Folders
from edge.processes.handover import Followed, Handover
from edge.processes.link import Link, linked
from edge.processes.reload import NotReloaded, Reloader, check
from edge.processes.worker import Worker
from edge.sessions.control import SessionControl
from edge.sessions.line import RegistryLine
from edge.sessions.open import open_registry
from edge.sessions.serving import serving_registry
from edge.tokens.hiding import hide_tokens_of
from edge.tokens.revocation.control import RevocationControl, revoking
from edge.tokens.revocation.orders import Revoke

log = get_logger(__name__)

_REGISTRY_SECONDS = 5.0
_LAST_WORDS_SECONDS = 10.0


async def run_parent(settings: Settings, folders: Folders, *, announce: bool = False) -> None:
    """Serve until SIGTERM: workers share the port, this process replaces them and takes operators' orders."""
    hide_tokens_of(settings)
    try:
        checked = check(settings, folders.private, number=1)  # a bad key file is said once, here
        edge = settings.edge
        with contextlib.ExitStack() as stack:
            # The parent keeps every socket, so that a worker's restart loses no waiting connection.
            sockets = [stack.enter_context(sock) for sock in _listening(settings)]
            port = sockets[0].getsockname()[1]
            async with _running(checked, sockets, folders) as parts, BackgroundTasks() as tasks:
                log.info("edge listening", host=edge.listen.host, port=port, workers=edge.workers)
                if parts.feed is not None:
                    tasks.start("purges of other edges", parts.feed.run)
                tasks.start("reload on SIGHUP", lambda: _reload_on_signal(parts.reloader))
                if announce:
                    tasks.start("announcement", lambda: _announce(parts.fleet, settings, port))
                await _until_over(parts.fleet, _until_stopped(parts, edge.http))
                # Whoever connects from now on shall be refused and try another edge.
                stack.close()
    finally:
        folders.remove()


async def run_worker(handover: Handover, *, sock: socket.socket, line: socket.socket) -> None:
    """Serve on an inherited socket until told to leave, then let running requests end."""
    limits = handover.settings.edge.http
    hide_tokens_of(handover.settings)
    async with AsyncExitStack() as stack:
        link = await stack.enter_async_context(linked(line, beat_seconds=handover.beat_seconds))
        peers = Peers(handover.slot, handover.count)
        stack.push_async_callback(peers.close)
        link.on_table = peers.learn
        try:
            followed = handover.followed
            registry = None
            if followed is not None:
                registry = RegistryLine(followed.socket, seconds=_REGISTRY_SECONDS)
                stack.push_async_callback(registry.close)
            app = build_app(
                handover.settings,
                key_set=_no_keys(handover),
                checked_keys=handover.keys_file,
                carry_secret=handover.carry_secret,
                registry=registry,
                session_secret=None if followed is None else followed.secret,
                worker=handover.process,
            )
            app[PEERS] = peers
            app[PROGRESS] = link.progress
            draining = Draining(app[LANE])
            link.on_closing = draining.begin
            app.on_response_prepare.append(draining.close_after)
            app.on_startup.append(lambda _: _until_told_to_serve(link))  # after all that opens
            peer = peer_app(app)
            await stack.enter_async_context(serving_peers(peer, handover.peer_socket, limits))
            runner = await stack.enter_async_context(
                serving(app, sock, limits, ends_with_client=True)
            )
        except (WrongUse, OSError) as error:
            link.say_failed(_in_one_line(error))
            return
        link.say_ready()
        await link.leave.wait()
        log.info("draining", worker=handover.name)
        draining.begin()
        await accept_no_more(runner)
        link.say_closed()
        await until_idle_left(runner, seconds=link.linger_seconds)


@asynccontextmanager
async def _running(
    checked: Checked, sockets: list[socket.socket], folders: Folders
) -> AsyncIterator[Parts]:
    """Workers, and the admin listener before and after them."""
    settings = checked.settings

    async def catch_up(worker: Worker) -> None:
        await purges.catch_up(worker)
        await revocations.bring_up(worker)

    async def on_gap() -> None:
        if fleet.checked.settings.edge.purge_gap == "soften":
            await purges.soften_all()

    fleet = Fleet(checked, sockets, folder=folders.private, on_prepared=catch_up)
    async with (
        asking(fleet) as workers,
        revoking(settings, workers, copy=folders.revocations) as revocations,
        _following(fleet, folders, revocations) as sessions,
    ):
        purges = Purges(workers)
        if settings.redis.url is not None:
            purges.feed = PurgeFeed(
                settings.redis, apply=purges.do_here, on_gap=on_gap, state=folders.state
            )
        readiness = Readiness()
        readiness.checks["workers"] = fleet.serves
        parts = Parts(
            readiness=readiness,
            fleet=fleet,
            workers=workers,
            purges=purges,
            revocations=revocations,
            reloader=Reloader(fleet),
            feed=purges.feed,
            sessions=sessions,
        )
        sock = listening_socket(settings.edge.admin, backlog=64)
        async with serving(edge_admin_app(parts), sock, settings.edge.http, logged=False), fleet:
            yield parts


@asynccontextmanager
async def _following(
    fleet: Fleet, folders: Folders, revocations: RevocationControl
) -> AsyncIterator[SessionControl | None]:
    """The registry of sessions, where workers reach it; it outlives them, who have last words."""
    if not follows_sessions(fleet.checked):
        yield None
        return

    async def revoke(session: str) -> None:
        await revocations.revoke(Revoke(kind="session", value=session, reason="kicked"))

    def retire(registry: SessionControl, worker: Worker) -> None:
        # What it said last may still have to be read.
        loop.call_later(_LAST_WORDS_SECONDS, registry.retire, worker.handover.process)

    settings, socket_path = fleet.checked.settings, folders.private / "sessions.sock"
    loop = asyncio.get_running_loop()
    async with (
        open_registry(
            settings, folder=folders.sessions, node=node_of(settings), revoke=revoke
        ) as registry,
        serving_registry(registry, socket_path),
    ):
        fleet.followed = Followed(socket=socket_path, secret=await registry.secret())
        fleet.on_ended = lambda worker: retire(registry, worker)
        yield registry


def _listening(settings: Settings) -> list[socket.socket]:
    """One socket per worker, all on the same port."""
    edge = settings.edge
    first = listening_socket(edge.listen, backlog=edge.http.backlog, reuse_port=True)
    same = ListenSettings(host=edge.listen.host, port=first.getsockname()[1])
    return [first] + [
        listening_socket(same, backlog=edge.http.backlog, reuse_port=True)
        for _ in range(edge.workers - 1)
    ]


async def _until_told_to_serve(link: Link) -> None:
    """What was purged while this process began must be forgotten before anybody is answered from the disk."""
    link.say_prepared()
    waits = [asyncio.create_task(event.wait()) for event in (link.serve, link.leave)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waits:
            task.cancel()


def _no_keys(handover: Handover) -> KeySet | None:
    """None are good for a plain proxy that has no file of them and no URL."""
    given = handover.keys_file is not None or handover.settings.tokens.jwks_url is not None
    return None if given else KeySet({})


def _in_one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())


async def _until_stopped(parts: Parts, limits: HttpLimits) -> None:
    await until_stopped(parts.readiness, HttpLimits())  # not ready from now on
    parts.fleet.tell_closing()
    await asyncio.sleep(limits.drain_delay.total_seconds())


async def _reload_on_signal(reloader: Reloader) -> None:
    """Signals that come during a reload are one more reload after it."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, asked.set)
    try:
        while True:
            await asked.wait()
            asked.clear()
            with contextlib.suppress(NotReloaded):  # logged and counted there
                await reloader.reload()
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


async def _announce(fleet: Fleet, settings: Settings, port: int) -> None:
    await fleet.until_up()
    host = settings.edge.listen.host
    shown = f"[{host}]" if ":" in host else host
    sys.stderr.write(f"Kawa's edge is ready: http://{shown}:{port}/\n")
    sys.stderr.flush()


async def _until_over(fleet: Fleet, stopped: Coroutine[Any, Any, None]) -> None:
    """Wait until we are told to stop, or the edge cannot work at all."""
    waits = asyncio.create_task(stopped), asyncio.create_task(fleet.until_failed())
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in waits:
            task.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
