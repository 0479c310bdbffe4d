"""Hosts that no origin covers, asked under the limits of the origin whose manifest named them."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping

from aiohttp import ClientSession

from config.settings.origins import HttpOrigin as HttpOriginSettings
from edge.errors import LoopDetected, NotCarried
from edge.origin.asking import Request
from edge.origin.carried.names import MARK, Carried, Carrier, Host, Signer
from edge.origin.connector import open_session
from edge.origin.failover import Server
from edge.origin.guard import guard_of
from edge.origin.http import HttpOrigin
from edge.origin.resolver import Resolver
from edge.origin.upstream import Question

FIELD = "Kawa-Carried"  # which edge asks a carried host

# Whose connections, breaker and answer times are remembered, for each origin.
_MOST_HOSTS = 256


class CarriedOrigin(HttpOrigin):
    """One such host: it is told nothing, and may lead nowhere, that is meant for the origin itself."""

    def __init__(
        self, host: Host, signer: Signer, via: HttpOriginSettings, session: ClientSession
    ) -> None:
        own = {"url": host.base, "backups": (), "shield_key": None, "content_keys": None}
        # Counted together: a manifest must not be able to add metrics.
        counted = f"{MARK}/{host.via}"
        super().__init__(host.name, via.model_copy(update=own), session, counted_as=counted)
        self.host = host
        self.mount = host.mount(signer.mac(host))
        self._mark = signer.mark

    async def _prepared(self, server: Server, question: Question) -> Request:
        headers = question.headers.copy()
        headers[FIELD] = self._mark
        return Request(server.base + question.target, headers)


class CarriedHosts:
    """The hosts in use; those that were not asked for longest are forgotten."""

    def __init__(
        self, signer: Signer, pools: Mapping[str, tuple[HttpOriginSettings, ClientSession]]
    ) -> None:
        self._signer = signer
        self._pools = pools
        self._known: dict[str, OrderedDict[Host, CarriedOrigin]] = {
            via: OrderedDict() for via in pools
        }

    def verified(self, carried: Carried, headers: Mapping[str, str]) -> CarriedOrigin:
        """What a player's path names, or ``NotCarried``."""
        if not self._signer.allows(carried):
            raise NotCarried
        if headers.get(FIELD) == self._signer.mark:
            # Each such turn could name the edge again in the rest of its path.
            raise LoopDetected
        return self.at(carried.host)

    def at(self, host: Host) -> CarriedOrigin:
        """A host that needs no proof: the edge itself names it."""
        if host.via not in self._pools:
            raise NotCarried
        known = self._known[host.via]
        origin = known.get(host)
        if origin is None:
            settings, session = self._pools[host.via]
            origin = known[host] = CarriedOrigin(host, self._signer, settings, session)
            if len(known) > _MOST_HOSTS:
                known.popitem(last=False)
        known.move_to_end(host)
        return origin

    def carrier(self, via: str) -> Carrier | None:
        """Makes the paths of one manifest of ``via``; ``None`` if that origin does not want it."""
        if via not in self._pools:
            return None
        settings, _ = self._pools[via]
        return Carrier(via, self._signer.mac, most_hosts=settings.carried_hosts)


@contextlib.asynccontextmanager
async def open_carried(
    origins: Mapping[str, HttpOriginSettings], *, resolver: Resolver, secret: str
) -> AsyncIterator[CarriedHosts]:
    """One pool of connections for each origin that carries hosts, apart from that of the origin itself."""
    async with contextlib.AsyncExitStack() as stack:
        pools = {}
        for name, settings in origins.items():
            if settings.unlisted != "carry":
                continue
            # No address counts as written by the operator: these hosts stand in manifests.
            guard = guard_of((), private=settings.private)
            session = open_session(settings, guard=guard, resolver=resolver)
            pools[name] = (settings, await stack.enter_async_context(session))
        yield CarriedHosts(Signer(secret), pools)
