"""Limits on failed logins: in Redis for all processes, in memory while Redis is away."""

from __future__ import annotations

import hashlib
import ipaddress
import math
import time
from collections.abc import Awaitable, Callable

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from catalog import metrics

_WINDOW_MINUTES = 15
# One address can stand for a household or a school, so it gets more attempts than one account.
_ATTEMPTS_PER_ADDRESS = 20

# Asks one limiter; the seconds to wait, None when there is no need to.
Question = Callable[[FixedWindowRateLimiter, RateLimitItem, str], Awaitable[int | None]]


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
        """Use up one attempt of the account; the seconds to wait when it or the address has none left."""
        # Counted before the password is looked at: many tries at once are as many tries.
        wait = await self._ask(_hit, self._account, _hashed(account))
        if wait is None and ip is not None and stands_alone(ip):
            wait = await self._ask(_look, self._address, ip)
        return wait

    async def failed(self, *, ip: str | None) -> None:
        """The attempt was a bad one: the address has one less."""
        if ip is not None and stands_alone(ip):
            await self._ask(_hit, self._address, ip)

    async def forgive(self, *, account: str) -> None:
        """The attempt was a good one: the account starts anew."""
        name = _hashed(account)
        await self._local.clear(self._account, name)
        if self._shared is not None:
            try:
                await self._shared.clear(self._account, name)
            except (RedisError, OSError):
                metrics.LIMITER_FALLBACKS.inc()

    async def _ask(self, question: Question, item: RateLimitItem, name: str) -> int | None:
        if self._shared is not None:
            try:
                return await question(self._shared, item, name)
            except (RedisError, OSError):
                metrics.LIMITER_FALLBACKS.inc()
        return await question(self._local, item, name)


async def _hit(limiter: FixedWindowRateLimiter, item: RateLimitItem, name: str) -> int | None:
    return None if await limiter.hit(item, name) else await _wait(limiter, item, name)


async def _look(limiter: FixedWindowRateLimiter, item: RateLimitItem, name: str) -> int | None:
    return None if await limiter.test(item, name) else await _wait(limiter, item, name)


async def _wait(limiter: FixedWindowRateLimiter, item: RateLimitItem, name: str) -> int:
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
