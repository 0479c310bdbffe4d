"""Builds the edge's public application from settings."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from functools import partial

from aiohttp import web

from config.runtime.keys import KeySet
from config.settings.load import Settings
from edge import keys
from edge.cache.manifests import ManifestCache
from edge.cache.sources import Sources
from edge.handlers.middleware import add_common_headers, errors_to_responses, observe
from edge.handlers.player import ASSETS, read_assets
from edge.manifests.limits import Limits
from edge.origin.origins import open_origins
from edge.routes import add_routes
from edge.tokens.kawa import verify
from edge.tokens.verified import VerifiedTokens


def build_app(settings: Settings, *, key_set: KeySet | None = None) -> web.Application:
    """The public application; tests may pass their own keys."""
    app = web.Application(
        middlewares=[observe, errors_to_responses],
        client_max_size=settings.edge.http.max_body_bytes,
    )
    app[keys.SETTINGS] = settings.edge
    app[keys.TOKENS] = VerifiedTokens(
        partial(verify, keys=key_set or KeySet.read(settings.keys_file)),
        capacity=settings.tokens.remembered,
        leeway_seconds=settings.tokens.leeway.total_seconds(),
    )
    app[ASSETS] = read_assets()
    app.cleanup_ctx.append(partial(_origins, settings))
    app.on_response_prepare.append(add_common_headers)
    add_routes(app)
    return app


async def _origins(settings: Settings, app: web.Application) -> AsyncIterator[None]:
    edge = settings.edge
    async with open_origins(settings) as origins:
        sources = Sources(
            max_bytes=edge.manifest_cache_bytes,
            default_max_age=edge.manifest_max_age.total_seconds(),
            stale_seconds=edge.manifest_stale.total_seconds(),
            clock=time.monotonic,
        )
        app[keys.ORIGINS] = origins
        app[keys.MANIFESTS] = ManifestCache(
            origins,
            sources,
            limits=Limits(
                bytes=edge.manifest_max_bytes,
                lines=edge.manifest_max_lines,
                line_bytes=edge.manifest_max_line_bytes,
                attributes=edge.manifest_max_attributes,
                xml_depth=edge.manifest_max_depth,
            ),
        )
        try:
            yield
        finally:
            await app[keys.MANIFESTS].close()
