"""Opens what treats breaks, with the state that this edge can have."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator

from config.runtime.logging import get_logger
from config.runtime.redis import open_redis
from config.settings.load import Settings
from edge.cache.ads.groups import Groups
from edge.cache.ads.policies import Policies
from edge.cache.ads.store import MemoryStore, NoStore, RedisStore, Store
from edge.cache.ads.tracker import Tracker
from edge.manifests.limits import Limits

log = get_logger(__name__)


@contextlib.asynccontextmanager
async def open_tracker(
    settings: Settings, policies: Policies, *, limits: Limits
) -> AsyncIterator[Tracker]:
    """State in Redis; in memory if there is none and one worker does everything; otherwise nowhere."""
    async with contextlib.AsyncExitStack() as stack:
        store: Store = MemoryStore()
        if settings.redis.url is not None and policies.has_rules:
            store = RedisStore(await stack.enter_async_context(open_redis(settings.redis)))
        elif settings.edge.workers > 1:
            store = NoStore()
            if policies.strips:
                log.warning(
                    "breaks of live playlists become gaps: without Redis several workers share no numbers"
                )
        yield Tracker(
            store,
            Groups(store),
            rules_of=policies.rules_of,
            clock=lambda: int(time.time() * 1000),
            limits=limits,
        )
