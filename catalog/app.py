"""Builds and runs the catalog."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from aiohttp import web
from redis.asyncio import Redis

from catalog import keys, middleware
from catalog.accounts.attempts import LoginAttempts
from catalog.accounts.passwords import Argon2Passwords
from catalog.accounts.use_cases import AccountRules, forget_ended_sessions
from catalog.binding import add_endpoints
from catalog.database import PROGRAM, UnusableDatabase, is_alive, open_engine, problems
from catalog.media.api import UPLOADS_PATH
from catalog.media.listener import listen
from catalog.media.playback import Playback
from catalog.media.signing import FileSigner
from catalog.media.spool import FolderSpool
from catalog.media.tus import VERSION as TUS_VERSION
from catalog.media.uploading import Uploading
from catalog.media.use_cases import forget_consumed_events
from catalog.openapi import document_of
from catalog.routes import ENDPOINTS
from catalog.streams.consumer import consume
from catalog.streams.events import forget_old_streams
from catalog.streams.places import NoPlaces, RedisPlaces
from catalog.streams.use_cases import StreamRules
from catalog.unit_of_work import SqlUnitOfWork
from config.runtime.logging import get_logger, setup_logging
from config.runtime.redis import NoRedis, open_redis
from config.runtime.serving import Readiness, admin_app, listening_socket, serving, until_stopped
from config.runtime.storage.base import Storage
from config.runtime.storage.open import open_storage
from config.runtime.tasks import BackgroundTasks
from config.settings.load import Settings

log = get_logger(__name__)

_SWEEP_SECONDS = 60.0

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


@cache
def openapi_document() -> dict[str, Any]:
    """The description of every endpoint; the same for every application."""
    return document_of(ENDPOINTS)


def build_app(
    settings: Settings,
    *,
    clock: Clock = utc_now,
    passwords: Argon2Passwords | None = None,
    storage: Storage | None = None,
    readiness: Readiness | None = None,
) -> web.Application:
    """Build the application; tests pass their own collaborators."""
    catalog = settings.catalog
    app = web.Application(
        middlewares=[middleware.observed, middleware.cors, middleware.errors],
        client_max_size=catalog.http.max_body_bytes,
    )
    app[keys.SETTINGS] = settings
    app[keys.CLOCK] = clock
    app[keys.READINESS] = readiness or Readiness()
    app[keys.OPENAPI] = openapi_document()
    app[keys.ACCOUNT_RULES] = AccountRules(
        admin_login=catalog.admin_login,
        session_idle=catalog.session_idle,
        session_lifetime=catalog.session_lifetime,
    )
    stream_limit = settings.sessions.limit if settings.sessions.enabled else None
    app[keys.STREAM_RULES] = StreamRules(limit=stream_limit, idle=settings.sessions.idle)
    app[keys.SIGNER] = signer = FileSigner(settings.keys_file)
    app[keys.PLAYBACK] = Playback(
        signer=signer,
        edge_url=settings.edge_url,
        lifetime=settings.tokens.lifetime,
        session=settings.tokens.session,
        limit=stream_limit,
    )

    async def collaborators(app: web.Application) -> AsyncIterator[None]:
        """Everything with connections, threads or tasks, for the life of the application."""
        async with contextlib.AsyncExitStack() as stack:
            engine = await stack.enter_async_context(open_engine(settings.postgres))
            app[keys.UNITS] = lambda: SqlUnitOfWork(engine)
            app[keys.READINESS].checks["postgres"] = lambda: is_alive(engine)
            app[keys.PASSWORDS] = hasher = passwords or Argon2Passwords()
            await hasher.prepare()
            redis = await _redis_if_any(settings, stack)
            app[keys.ATTEMPTS] = LoginAttempts(redis, per_account=catalog.login_attempts)
            app[keys.PLACES] = NoPlaces()
            if redis is not None and settings.sessions.enabled:
                app[keys.PLACES] = RedisPlaces(
                    redis, settings.sessions, clock=lambda: clock().timestamp()
                )
            opened = storage
            if opened is None:
                opened = await stack.enter_async_context(open_storage(settings))
            app[keys.UPLOADING] = Uploading(
                spool=FolderSpool(settings.upload_folder),
                storage=opened,
                units=app[keys.UNITS],
                max_bytes=catalog.upload_max_bytes,
                lifetime=catalog.upload_lifetime,
                clock=clock,
            )
            tasks = await stack.enter_async_context(BackgroundTasks())
            tasks.start("events", lambda: listen(settings.postgres, app[keys.UNITS], clock))
            if settings.redis.url is not None:
                tasks.start("streams", lambda: consume(settings, app[keys.UNITS], clock))
            tasks.start("sweep", lambda: _sweep_for_ever(app))
            yield

    app.cleanup_ctx.append(collaborators)
    app.on_response_prepare.append(_add_tus_version)
    add_endpoints(app, ENDPOINTS)
    return app


async def sweep(app: web.Application) -> None:
    """Remove what is over: sessions, uploads, consumed events; finish what a crash left undone."""
    units, now = app[keys.UNITS], app[keys.CLOCK]()
    await app[keys.UPLOADING].sweep()
    await forget_ended_sessions(rules=app[keys.ACCOUNT_RULES], uow=units(), now=now)
    await forget_consumed_events(uow=units(), now=now)
    retention = app[keys.SETTINGS].sessions.retention
    await forget_old_streams(units=units, retention=retention, now=now)


async def main(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; ``UnusableDatabase`` if the database cannot hold a catalog."""
    setup_logging(settings.log, program=PROGRAM)
    if found := await problems(settings.postgres):
        raise UnusableDatabase("; ".join(found))
    catalog, readiness = settings.catalog, Readiness()
    app = build_app(settings, readiness=readiness)
    public = listening_socket(catalog.listen, backlog=catalog.http.backlog)
    with contextlib.closing(public):
        admin = listening_socket(catalog.admin, backlog=128)
        with contextlib.closing(admin):
            async with (
                serving(app, public, catalog.http),
                serving(admin_app(readiness), admin, catalog.http, logged=False),
            ):
                log.info("serving", address=str(public.getsockname()))
                await until_stopped(readiness, catalog.http)


async def _redis_if_any(settings: Settings, stack: contextlib.AsyncExitStack) -> Redis | None:
    try:
        return await stack.enter_async_context(open_redis(settings.redis))
    except NoRedis:
        log.warning("no redis: logins are limited by this process alone, streams by each edge")
        return None


async def _sweep_for_ever(app: web.Application) -> None:
    while True:
        await sweep(app)
        await asyncio.sleep(_SWEEP_SECONDS)


async def _add_tus_version(request: web.Request, response: web.StreamResponse) -> None:
    # tus 1.0.0: every answer but the one to OPTIONS carries it, refusals included.
    if request.path.startswith(UPLOADS_PATH) and request.method != "OPTIONS":
        response.headers["Tus-Resumable"] = TUS_VERSION
