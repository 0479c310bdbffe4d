"""What the edge's handlers may rely on."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from config.contracts.grants import Grant
from config.settings.edge import EdgeSettings
from edge.cache.calls import Calls
from edge.cache.manifests import ManifestCache
from edge.cache.prefetch.prefetcher import Prefetcher
from edge.cache.shared import SharedCache
from edge.origin.origins import Origins
from edge.tokens.verified import VerifiedTokens

SETTINGS = web.AppKey("settings", EdgeSettings)
MANIFESTS = web.AppKey("manifests", ManifestCache)
CLOCK: web.AppKey[Callable[[], float]] = web.AppKey("clock")  # seconds since the epoch
NODE = web.AppKey("node", str)  # this edge in Via fields
CACHE = web.AppKey("cache", SharedCache)
CALLS = web.AppKey("calls", Calls)
PREFETCHER = web.AppKey("prefetcher", Prefetcher)
ORIGINS = web.AppKey("origins", Origins)
TOKENS = web.AppKey("tokens", VerifiedTokens)

GRANT = web.RequestKey("grant", Grant)
ROUTE = web.RequestKey("route", str)
