"""Limits on failed logins: in Redis for all processes, in memory while Redis is away."""

from __future__ import annotations

import hashlib
import ipaddress
import math
import time

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from catalog import metrics

_WINDOW_MINUTES = 15
# One address can stand for a household or a school, so it gets more attempts than one account.
_ATTEMPTS_PER_ADDRESS = 20


class LoginAttempts:
    """A window opens with the first attempt and closes 15 minutes later."""

    def __init__(self, redis: Redis | None, *, per_account: int) -> None:
        self._account = RateLimitItemPerMinute(per_account, _WINDOW_MINUTES, namespace="login")
        self._address = RateLimitItemPerMinute(
            _ATTEMPTS_PER_ADDRESS, _WINDOW_MINUTES, namespace="login-ip"
        )
        self._local = FixedWindowRateLimiter(MemoryStorage())
        self._shared: FixedWindowRateLimiter | None = None
        if redis is not None:
            storage = RedisStorage(
                "async+redis://",
                implementation="redispy",
                key_prefix="kawa:catalog",
                connection_pool=redis.connection_pool,  # type: ignore[arg-type]
            )
            self._shared = FixedWindowRateLimiter(storage)

    async def take(self, *, account: str, ip: str | None) -> int | None:
        """Use up one attempt; the seconds to wait when none is left."""
        wanted = [(self._account, _hashed(account))]
        if ip is not None and stands_alone(ip):
            wanted.append((self._address, ip))
        waits = [await self._take(item, name) for item, name in wanted]
        return max((wait for wait in waits if wait is not None), default=None)

    async def forgive(self, *, account: str) -> None:
        """The attempt was a good one: the account starts anew."""
        name = _hashed(account)
        await self._local.clear(self._account, name)
        if self._shared is not None:
            try:
                await self._shared.clear(self._account, name)
            except (RedisError, OSError):
                metrics.LIMITER_FALLBACKS.inc()

    async def _take(self, item: RateLimitItem, name: str) -> int | None:
        if self._shared is not None:
            try:
                return await _hit(self._shared, item, name)
            except (RedisError, OSError):
                metrics.LIMITER_FALLBACKS.inc()
        return await _hit(self._local, item, name)


async def _hit(limiter: FixedWindowRateLimiter, item: RateLimitItem, name: str) -> int | None:
    if await limiter.hit(item, name):
        return None
    window = await limiter.get_window_stats(item, name)
    return max(1, math.ceil(window.reset_time - time.time()))


def stands_alone(ip: str) -> bool:
    """Whether the address is one client's: a private one is a balancer in front of everybody."""
    try:
        return ipaddress.ip_address(ip).is_global
    except ValueError:
        return False


def _hashed(account: str) -> str:
    # Logins are personal: Redis need not know them, and keys stay short.
    return hashlib.sha256(account.encode(errors="replace")).hexdigest()[:32]
