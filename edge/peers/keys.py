"""What a worker's application knows of its siblings, and what they may ask of it."""

from __future__ import annotations

from typing import Any, Protocol

from aiohttp import web

from edge.cache.tiers.purge import Purge
from edge.peers.peers import Peers


class Purgeable(Protocol):
    """Whoever keeps files in a worker."""

    def purge(self, purge: Purge) -> int:
        """Forget what is meant; how many files that were."""

    def stats(self) -> dict[str, Any]:
        """Numbers by name, nested if need be; siblings' numbers are added up."""


PEERS = web.AppKey("peers", Peers)
PURGEABLE = web.AppKey("purgeable", list[Purgeable])
