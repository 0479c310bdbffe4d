"""Names of origins to addresses: never in the event loop, remembered, and not forgotten while DNS fails."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from aiohttp.abc import AbstractResolver, ResolveResult

from config.settings.origins import DnsSettings
from edge.origin.guard import AddressRefused, Guard

# Looks one name up and may block; raises OSError.
Lookup = Callable[[str], list[str]]

_MAX_NAMES = 1024


def system_lookup(host: str) -> list[str]:
    """Ask the system: /etc/hosts, then DNS."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


@dataclass(slots=True)
class _Known:
    addresses: list[str]
    fresh_until: float
    good_until: float
    failed_until: float = 0.0


class Resolver:
    """One for all origins of a process."""

    def __init__(
        self,
        settings: DnsSettings,
        *,
        lookup: Lookup = system_lookup,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._lookup = lookup
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._running: dict[str, asyncio.Task[list[str]]] = {}
        self._slots = asyncio.Semaphore(settings.parallel)

    async def addresses(self, host: str) -> list[str]:
        """The addresses of a name, perhaps the last good ones; ``OSError`` if there are none."""
        now = self._clock()
        known = self._known.get(host)
        if known is not None:
            if now < known.fresh_until:
                return known.addresses
            if now < known.failed_until:
                return self._last_good(host, known, now)
        task = self._running.get(host)
        if task is None:
            task = asyncio.create_task(self._ask(host), name=f"dns {host[:80]}")
            self._running[host] = task
            task.add_done_callback(partial(self._done, host))
        try:
            # One who leaves must not end the look-up for the others.
            return await asyncio.shield(task)
        except OSError:
            return self._last_good(host, self._known.get(host), self._clock())

    async def close(self) -> None:
        """End what is being looked up."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, host: str, task: asyncio.Task[list[str]]) -> None:
        self._running.pop(host, None)
        if not task.cancelled():
            task.exception()  # seen, even if nobody waits any more

    def _last_good(self, host: str, known: _Known | None, now: float) -> list[str]:
        if known is None or not known.addresses or now >= known.good_until:
            raise OSError(f"the name {host[:80]} cannot be resolved")
        return known.addresses

    async def _ask(self, host: str) -> list[str]:
        settings = self._settings
        try:
            async with asyncio.timeout(settings.timeout.total_seconds()):
                addresses = await self._in_thread(host)
            if not addresses:
                raise OSError("no address")
        except OSError:  # TimeoutError is one
            known = self._known.setdefault(host, _Known([], 0.0, 0.0))
            known.failed_until = self._clock() + settings.negative.total_seconds()
            self._shrink()
            raise
        fresh_until = self._clock() + settings.ttl.total_seconds()
        good_until = fresh_until + settings.stale.total_seconds()
        self._known[host] = _Known(addresses, fresh_until, good_until)
        self._known.move_to_end(host)
        self._shrink()
        return addresses

    async def _in_thread(self, host: str) -> list[str]:
        """A thread that hangs keeps its place among the parallel ones until it ends, and never the process."""
        await self._slots.acquire()
        loop = asyncio.get_running_loop()
        result: asyncio.Future[list[str]] = loop.create_future()

        def finish(addresses: list[str], error: OSError | None) -> None:
            self._slots.release()
            if result.done():
                return
            if error is not None:
                result.set_exception(error)
            else:
                result.set_result(addresses)

        def work() -> None:
            addresses: list[str] = []
            failure: OSError | None = None
            try:
                addresses = self._lookup(host)
            except (OSError, UnicodeError) as error:
                failure = error if isinstance(error, OSError) else OSError(str(error))
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(finish, addresses, failure)

        threading.Thread(target=work, name="dns", daemon=True).start()
        return await result

    def _shrink(self) -> None:
        while len(self._known) > _MAX_NAMES:
            self._known.popitem(last=False)


class GuardedResolver(AbstractResolver):
    """What one origin's connector resolves by: only addresses that its guard lets pass."""

    def __init__(self, resolver: Resolver, guard: Guard) -> None:
        self._resolver = resolver
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses that may be connected to, or ``AddressRefused``."""
        addresses = await self._resolver.addresses(host)
        allowed = [address for address in addresses if self._guard.allows(address, name=host)]
        if not allowed:
            raise AddressRefused
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in allowed
        ]

    async def close(self) -> None:
        """Nothing is this connector's own."""
