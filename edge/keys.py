"""What the edge's handlers may rely on."""

from __future__ import annotations

from aiohttp import web

from config.contracts.grants import Grant
from config.settings.edge import EdgeSettings
from edge.cache.manifests import ManifestCache
from edge.origin.origins import Origins
from edge.tokens.verified import VerifiedTokens

SETTINGS = web.AppKey("settings", EdgeSettings)
MANIFESTS = web.AppKey("manifests", ManifestCache)
ORIGINS = web.AppKey("origins", Origins)
TOKENS = web.AppKey("tokens", VerifiedTokens)

GRANT = web.RequestKey("grant", Grant)
ROUTE = web.RequestKey("route", str)
