"""What a worker answers to its siblings and its parent, on its private Unix socket."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import web

from config.settings.shared import HttpLimits
from edge.cache.tiers.purge import MOST_BYTES, Purge
from edge.errors import BadPurge
from edge.handlers.siblings import ask
from edge.keys import REVOCATIONS, SETTINGS
from edge.peers.keys import PURGEABLE
from edge.tokens.revocation.revocations import Told

_PUBLIC = web.AppKey("public", web.Application)
_LONGEST_FIELD_BYTES = 64 * 1024


def peer_app(public: web.Application) -> web.Application:
    """The application for siblings and parent of the worker that serves ``public``."""
    app = web.Application(client_max_size=MOST_BYTES)
    app[_PUBLIC] = public
    app[SETTINGS] = public[SETTINGS]
    app.add_routes(
        [
            web.post("/purge", _purge),
            web.post("/revocations", _revocations),
            web.get("/stats", _stats),
        ]
    )
    app.router.add_route("*", "/ask/{rest:.*}", _ask)
    return app


@contextlib.asynccontextmanager
async def serving_peers(
    app: web.Application, path: Path, limits: HttpLimits
) -> AsyncIterator[None]:
    """Serve ``app`` on a socket that only this user's processes reach: its folder is private."""
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        keepalive_timeout=3600,  # the asking side closes first, so that no question meets a closing line
        max_line_size=_LONGEST_FIELD_BYTES,
        max_field_size=_LONGEST_FIELD_BYTES,
        handler_cancellation=True,
        shutdown_timeout=limits.drain_timeout.total_seconds(),
    )
    await runner.setup()
    try:
        await web.UnixSite(runner, str(path)).start()
        yield
    finally:
        await runner.cleanup()


async def _ask(request: web.Request) -> web.StreamResponse:
    return await ask(request, request.app[_PUBLIC])


async def _purge(request: web.Request) -> web.Response:
    try:
        purge = Purge.parse(await request.read())
    except BadPurge as error:
        return web.json_response({"error": error.code, "message": str(error)}, status=400)
    purged = sum(part.purge(purge) for part in _kept(request))
    return web.json_response({"purged": purged})


async def _revocations(request: web.Request) -> web.Response:
    # Only our parent asks this, with as much as it likes: several hundred at a time.
    data = b"".join([piece async for piece in request.content.iter_any()])
    request.app[_PUBLIC][REVOCATIONS].take(Told.parse(data))
    return web.json_response({})


async def _stats(request: web.Request) -> web.Response:
    stats: dict[str, Any] = {}
    for part in _kept(request):
        stats |= part.stats()
    return web.json_response(stats)


def _kept(request: web.Request) -> list[Any]:
    return list(request.app[_PUBLIC].get(PURGEABLE, ()))
