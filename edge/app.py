"""Builds the edge's public application from settings."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import socket
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

from aiohttp import web

from config.runtime.keys import KeySet
from config.runtime.tasks import BackgroundTasks
from config.settings.load import Settings
from edge import keys
from edge.cache.ads.open import open_tracker
from edge.cache.ads.policies import open_policies
from edge.cache.calls import Calls
from edge.cache.documents import Documents
from edge.cache.manifests import ManifestCache
from edge.cache.prefetch.prefetcher import Prefetcher
from edge.cache.shared import SharedCache
from edge.cache.shelf import Shelf
from edge.cache.sources import Sources
from edge.cache.stored import Stored
from edge.cache.tiers.disk import DiskTier
from edge.cache.tiers.memory import MemoryTier
from edge.cache.upstreams import Upstreams
from edge.content_keys.open import open_key_stores
from edge.geo.places import open_places
from edge.handlers.cmsd import tell_of_connection
from edge.handlers.content_keys import STORES
from edge.handlers.middleware import add_common_headers, errors_to_responses, observe
from edge.handlers.player import ASSETS, read_assets
from edge.handlers.sessions import PACE
from edge.lane.lane import LANE
from edge.lane.setup import add_lane
from edge.manifests.limits import Limits
from edge.origin.origins import open_origins
from edge.peers.keys import PEERS, PURGEABLE
from edge.peers.peers import Peers
from edge.routes import add_routes
from edge.sessions.pace import Pace
from edge.sessions.qoe import Reader
from edge.sessions.registry import Registry
from edge.sessions.worker import Sessions
from edge.tokens.opened import open_signers
from edge.tokens.replay.first_uses import open_first_uses
from edge.tokens.revocation.revocations import open_revocations
from edge.tokens.verified import VerifiedTokens

_COUNT_SECONDS = 5.0


def build_app(
    settings: Settings,
    *,
    key_set: KeySet | None = None,
    checked_keys: Path | None = None,
    carry_secret: str | None = None,
    registry: Registry | None = None,
    session_secret: bytes | None = None,
    worker: str = "alone",
) -> web.Application:
    """The public application; ``key_set`` takes the place of the catalog's keys, which tests and plain proxies use.

    ``checked_keys`` is a copy of the key file that is known to be good.
    ``carry_secret`` is what workers of one edge share when the settings have no ``carry_key``.
    ``registry`` has all sessions of this edge, and ``worker`` is what this process is called there; without one, and
    where the settings do not want it, nobody follows sessions. ``session_secret`` hashes addresses.
    """
    app = web.Application(
        middlewares=[observe, errors_to_responses],
        client_max_size=settings.edge.http.max_body_bytes,
    )
    app[keys.SETTINGS] = settings.edge
    app[keys.PUBLIC_URL] = settings.edge_url
    app[keys.REVOCATIONS] = open_revocations(settings)
    app[keys.TOKENS] = VerifiedTokens(
        lambda token, now: app[keys.SIGNERS].verify(token, now),
        capacity=settings.tokens.remembered,
        leeway_seconds=settings.tokens.leeway.total_seconds(),
        revoked=app[keys.REVOCATIONS],
    )
    app.cleanup_ctx.append(partial(_first_uses, settings))
    app.cleanup_ctx.append(partial(_signers, settings, key_set, checked_keys, carry_secret))
    app.cleanup_ctx.append(_places)
    app[keys.NODE] = node_of(settings)
    add_lane(
        app,
        settings.edge,
        app[keys.TOKENS],
        sessions=settings.sessions,
        node=app[keys.NODE],
    )
    app[ASSETS] = read_assets()
    app[STORES] = open_key_stores(settings, clock=lambda: app[keys.CLOCK]())
    app[keys.CLOCK] = time.time
    app[keys.PROGRESS] = lambda: None  # nobody waits to hear it
    app[PEERS] = Peers.alone()  # until the process knows its siblings
    app[PURGEABLE] = []
    if registry is not None and settings.sessions.enabled:
        sessions = Sessions(
            registry,
            settings.sessions,
            worker=worker,
            secret=session_secret or secrets.token_bytes(),
            clock=lambda: app[keys.CLOCK](),
            reader=Reader(settings.sessions.cmcd) if settings.sessions.cmcd.accept else None,
        )
        app[keys.SESSIONS] = sessions
        app[PACE] = Pace(settings.sessions.cmcd.collect_rate)
        app[LANE].follows_sessions = True
        app.cleanup_ctx.append(sessions.running)
    app.cleanup_ctx.append(partial(_cache, settings))
    app[keys.ADS] = open_policies(settings.edge)
    app.cleanup_ctx.append(partial(_origins, settings, carry_secret))
    app.on_response_prepare.append(add_common_headers)
    app.on_response_prepare.append(tell_of_connection)
    add_routes(app)
    return app


async def _first_uses(settings: Settings, app: web.Application) -> AsyncIterator[None]:
    async with open_first_uses(settings) as first_uses:
        app[keys.FIRST_USE] = first_uses
        yield


async def _signers(
    settings: Settings,
    key_set: KeySet | None,
    checked_keys: Path | None,
    carry_secret: str | None,
    app: web.Application,
) -> AsyncIterator[None]:
    carry_key = settings.edge.carry_key
    secret = carry_key.get_secret_value() if carry_key else carry_secret or secrets.token_urlsafe()
    async with open_signers(
        settings,
        secret=secret,
        key_set=key_set,
        checked=checked_keys,
        on_gone=app[keys.TOKENS].forget_keys,
    ) as signers:
        app[keys.SIGNERS] = signers
        yield


async def _places(app: web.Application) -> AsyncIterator[None]:
    async with open_places(app[keys.SETTINGS].geo) as places:
        app[keys.PLACES] = places
        yield


async def _cache(settings: Settings, app: web.Application) -> AsyncIterator[None]:
    """The shared cache: this process's part of the memory and of the folder."""
    edge, cache = settings.edge, settings.edge.cache
    peers = app[PEERS]
    memory: MemoryTier[Stored] = MemoryTier(max_bytes=cache.memory_bytes // peers.count)
    async with contextlib.AsyncExitStack() as stack:
        disk = None
        if cache.folder is not None:
            disk = await stack.enter_async_context(
                await DiskTier.open(
                    cache.folder,
                    max_bytes=cache.disk_bytes // peers.count,
                    owns=peers.is_mine,
                    slot=peers.slot,
                )
            )
        shared = SharedCache(Shelf(memory, disk), cache, clock=app[keys.CLOCK], name="kawa")
        stack.push_async_callback(shared.close)
        app[keys.CACHE] = shared
        app[keys.CALLS] = Calls.of(edge, Upstreams(peers))
        app[PURGEABLE].append(shared)
        tasks = await stack.enter_async_context(BackgroundTasks())
        tasks.start("count the cache", partial(_count, shared))
        yield


def node_of(settings: Settings) -> str:
    """A name that all processes of this edge have, and no other edge."""
    if settings.edge.node:
        return settings.edge.node
    listen = settings.edge.listen
    facts = (socket.gethostname(), settings.var_dir.absolute(), listen.host, listen.port)
    return f"kawa-{hashlib.blake2b(repr(facts).encode(), digest_size=4).hexdigest()}"


async def _count(shared: SharedCache) -> None:
    while True:
        shared.count()
        await asyncio.sleep(_COUNT_SECONDS)


async def _origins(
    settings: Settings, carry_secret: str | None, app: web.Application
) -> AsyncIterator[None]:
    edge = settings.edge
    policies = app[keys.ADS]
    async with contextlib.AsyncExitStack() as stack:
        origins = await stack.enter_async_context(open_origins(settings, carry_secret=carry_secret))
        sources = Sources(
            max_bytes=edge.manifest_cache_bytes,
            default_max_age=edge.manifest_max_age.total_seconds(),
            stale_seconds=edge.manifest_stale.total_seconds(),
            clock=time.monotonic,
        )
        limits = Limits(
            bytes=edge.manifest_max_bytes,
            lines=edge.manifest_max_lines,
            line_bytes=edge.manifest_max_line_bytes,
            attributes=edge.manifest_max_attributes,
            xml_depth=edge.manifest_max_depth,
        )
        prefetcher = Prefetcher(
            app[keys.CACHE],
            app[keys.CALLS],
            origins,
            edge.cache.prefetch,
            limits=limits,
            clock=time.monotonic,
        )
        app[keys.ORIGINS] = origins
        app[keys.PREFETCHER] = prefetcher
        tracker = await stack.enter_async_context(open_tracker(settings, policies, limits=limits))
        app[keys.MANIFESTS] = ManifestCache(
            origins,
            sources,
            Documents(app[keys.CACHE], app[keys.CALLS], tag_fields=edge.cache.tag_fields),
            limits=limits,
            learn=prefetcher.learn,
            ads=tracker,
            policies=policies,
        )
        app[PURGEABLE].append(app[keys.MANIFESTS])
        try:
            yield
        finally:
            await prefetcher.close()
            await app[keys.MANIFESTS].close()
