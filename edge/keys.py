"""What the edge's handlers may rely on."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from aiohttp import web

from config.contracts.grants import Grant
from config.settings.edge import EdgeSettings
from edge.cache.ads.policies import Policies
from edge.cache.calls import Calls
from edge.cache.manifests import ManifestCache
from edge.cache.prefetch.prefetcher import Prefetcher
from edge.cache.shared import SharedCache
from edge.geo.places import Places
from edge.origin.origins import Origins
from edge.sessions.viewing import Viewing
from edge.sessions.worker import Sessions
from edge.tokens.cat.answers import Answer
from edge.tokens.replay.first_uses import FirstUses
from edge.tokens.revocation.revocations import Revocations
from edge.tokens.signers import Signers
from edge.tokens.verified import VerifiedTokens

SETTINGS = web.AppKey("settings", EdgeSettings)
ADS = web.AppKey("ads", Policies)
MANIFESTS = web.AppKey("manifests", ManifestCache)
CLOCK: web.AppKey[Callable[[], float]] = web.AppKey("clock")  # seconds since the epoch
PROGRESS: web.AppKey[Callable[[], None]] = web.AppKey(
    "progress"
)  # called by whoever does some work
NODE = web.AppKey("node", str)  # this edge in Via fields
CACHE = web.AppKey("cache", SharedCache)
CALLS = web.AppKey("calls", Calls)
PREFETCHER = web.AppKey("prefetcher", Prefetcher)
ORIGINS = web.AppKey("origins", Origins)
TOKENS = web.AppKey("tokens", VerifiedTokens)
SIGNERS = web.AppKey("signers", Signers)
REVOCATIONS = web.AppKey("revocations", Revocations)
FIRST_USE = web.AppKey("first_use", FirstUses)
PLACES = web.AppKey("places", Places)
SESSIONS = web.AppKey("sessions", Sessions)  # not there if nobody follows them
PUBLIC_URL = web.AppKey("public_url", str)  # as viewers know it, without a trailing slash

# The viewer's, which need not be the connection's peer's.
ADDRESS: web.RequestKey[IPv4Address | IPv6Address | None] = web.RequestKey("address")
GRANT = web.RequestKey("grant", Grant)
VIEWING = web.RequestKey("viewing", Viewing)  # the session that the request belongs to
ROUTE = web.RequestKey("route", str)
STARTED = web.RequestKey("started", float)  # by time.perf_counter()
# What the token itself wants sent in place of the refusal.
INSTEAD = web.RequestKey("instead", Answer)
# A field of the answer that gives the viewer its next token.
GIVEN: web.RequestKey[tuple[str, str]] = web.RequestKey("given", tuple)
