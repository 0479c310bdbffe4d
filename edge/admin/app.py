"""The admin listener of the parent: health, metrics, and what operators may do."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import web

from config.runtime.logging import get_logger
from config.runtime.serving import Readiness, admin_app
from edge.admin.access import refusal_of
from edge.admin.feed import PurgeFeed
from edge.admin.names import named_as_kept
from edge.admin.purges import Purges
from edge.admin.revoking import Revoking
from edge.admin.sessions import Sessions
from edge.admin.workers import Workers, summed
from edge.cache.tiers.purge import Purge
from edge.errors import EdgeError
from edge.processes.fleet import Fleet
from edge.processes.reload import Busy, NotReloaded, Reloader
from edge.sessions.control import SessionControl
from edge.sessions.exposed import live_metrics
from edge.tokens.revocation.control import RevocationControl

log = get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the admin listener works with."""

    readiness: Readiness
    fleet: Fleet
    workers: Workers
    purges: Purges
    revocations: RevocationControl
    reloader: Reloader
    feed: PurgeFeed | None
    sessions: SessionControl | None = None  # None: they are not tracked


def edge_admin_app(parts: Parts) -> web.Application:
    """Health and metrics for whoever reaches the listener; the rest for those whom ``refusal_of`` lets in."""
    app = admin_app(parts.readiness, more_metrics=partial(live_metrics, parts.sessions))
    actions = _Actions(parts)
    sessions = Sessions(parts.sessions)
    revoking = Revoking(parts.revocations)
    app.add_routes(
        [
            web.get("/healthz", actions.health),
            web.get("/cache/stats", _guarded(parts, actions.stats)),
            web.post("/cache/purge", _guarded(parts, actions.purge)),
            web.post("/revoke", _guarded(parts, revoking.revoke)),
            web.post("/unrevoke", _guarded(parts, revoking.unrevoke)),
            web.get("/revocations", _guarded(parts, revoking.list)),
            web.get("/sessions", _guarded(parts, sessions.list, sessions=True)),
            web.get("/sessions/viewers", _guarded(parts, sessions.viewers, sessions=True)),
            web.get("/sessions/{session}", _guarded(parts, sessions.show, sessions=True)),
            web.post("/sessions/kick", _guarded(parts, sessions.kick, sessions=True)),
            web.post("/sessions/forget", _guarded(parts, sessions.forget, sessions=True)),
            web.post("/reload", _guarded(parts, actions.reload)),
            web.post("/restart", _guarded(parts, actions.restart)),
        ]
    )
    return app


class _Actions:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def health(self, request: web.Request) -> web.Response:
        parts = self._parts
        failing = await parts.readiness.failing()
        answer: dict[str, Any] = {"ready": not failing, "failing": failing}
        if "verbose" in request.query:
            feed = parts.feed
            answer["workers"] = [
                {
                    "name": worker.name,
                    "slot": worker.handover.slot,
                    "pid": worker.pid,
                    "ready": worker.ready,
                    "silent": worker.silent,
                }
                for worker in parts.fleet.workers
            ]
            answer["settings"] = {
                "read_at": parts.reloader.last_at,
                "last_error": parts.reloader.last_error,
            }
            answer["purges"] = (
                {"feed": "off"}
                if feed is None
                else {
                    "feed": "connected" if feed.connected else "away",
                    "behind_seconds": round(time.time() - feed.complete_at, 1)
                    if feed.complete_at
                    else None,
                }
            )
            answer["revocations"] = parts.revocations.health()
        return web.json_response(answer, status=503 if failing else 200)

    async def stats(self, _request: web.Request) -> web.Response:
        answers = await self._parts.workers.ask_all("GET", "/stats")
        known = {worker.name: found for worker, found in answers.items() if found is not None}
        missed = [worker.name for worker, found in answers.items() if found is None]
        body = {"total": summed(list(known.values())), "workers": known, "missed": missed}
        return web.json_response(body)

    async def purge(self, request: web.Request) -> web.Response:
        asked = Purge.parse(await request.read())
        purge = named_as_kept(asked, self._parts.fleet.checked.settings.edge)
        done = await self._parts.purges.do(purge)
        body = {
            "kind": purge.kind,
            "value": purge.value,
            "soft": purge.soft,
            "files": done.files,
            "missed": done.missed,
            "other_edges": done.others,
        }
        log.info("audit", action="purge", client=request.remote, **body)
        return web.json_response(body, status=200 if done.everywhere else 202)

    async def reload(self, request: web.Request) -> web.Response:
        later = await self._parts.reloader.reload()
        log.info("audit", action="reload", client=request.remote)
        return web.json_response({"reloaded": True, "restart_needed": later})

    async def restart(self, request: web.Request) -> web.Response:
        await self._parts.reloader.restart()
        log.info("audit", action="restart", client=request.remote)
        return web.json_response({"restarted": True})


def _guarded(parts: Parts, handler: Handler, *, sessions: bool = False) -> Handler:
    """``handler`` for those who may; ``sessions``: also for those who may look after streams only."""

    async def guard(request: web.Request) -> web.Response:
        edge = parts.fleet.checked.settings.edge
        tokens = (edge.admin_token, edge.sessions_token if sessions else None)
        if (reason := refusal_of(request, *tokens)) is not None:
            log.warning("audit", action=request.path, client=request.remote, refused=reason)
            return _refused(401 if any(tokens) else 403, "not-allowed", reason)
        try:
            return await handler(request)
        except EdgeError as error:
            return _refused(error.status, error.code, str(error))
        except Busy as error:
            return _refused(409, "busy", str(error))
        except NotReloaded as error:
            log.warning("audit", action=request.path, client=request.remote, refused=str(error))
            return _refused(422, "not-reloaded", str(error))

    return guard


def _refused(status: int, code: str, message: str) -> web.Response:
    headers = {"WWW-Authenticate": 'Bearer realm="admin"'} if status == 401 else None
    return web.json_response({"error": code, "message": message}, status=status, headers=headers)
