"""The servers of one origin: which are asked, in which order, and which are left alone for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from config.runtime.logging import get_logger
from edge import metrics
from edge.errors import OriginError
from edge.origin.breaker import Breaker, State
from edge.origin.places import Places

log = get_logger(__name__)

# What says that a server is down rather than that one file of it is: waiting for it again costs every viewer.
_DOWN = frozenset({"connect_timeout", "first_byte_timeout", "dns", "tls"})


@dataclass(slots=True, kw_only=True)
class Server:
    """One server, and what is known of its health."""

    name: str  # the origin's, with a number for a backup
    base: str  # a URL that ends in '/'
    places: Places
    breaker: Breaker
    # Also opened by wrong answers. Only asked while there is another server: a single one is asked anyway.
    outlier: Breaker
    shown: State | None = None  # in the metric

    def answered(self, status: int, now: float) -> None:
        """A head came."""
        self.breaker.succeeded()
        if status >= 500:
            self.outlier.failed(now)
        else:
            self.outlier.succeeded()
        self._show(now)

    def failed(self, error: OriginError, now: float) -> None:
        """None came, or its body broke off."""
        if error.result in ("busy", "breaker", "guard"):
            self.breaker.abandoned()
            return
        if error.result in _DOWN or error.unsent:
            self.breaker.failed(now)
            if self.breaker.state(now) is State.OPEN:
                log.warning("origin left alone", server=self.name, result=error.result)
        else:
            self.breaker.abandoned()
        self.outlier.failed(now)
        self._show(now)

    def _show(self, now: float) -> None:
        state = self.breaker.state(now)
        if state is not self.shown:
            self.shown = state
            metrics.BREAKER_STATE.labels(self.name).set(state)


class Servers:
    """In the order of the settings."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self.all = tuple(servers)

    def order(self, now: float) -> list[Server]:
        """Who is to be asked, one after the other: never one that is down, and an outlier only after the others."""
        if len(self.all) == 1:
            server = self.all[0]
            return [] if server.breaker.state(now) is State.OPEN else [server]
        up = [server for server in self.all if server.breaker.state(now) is not State.OPEN]
        good = [server for server in up if server.outlier.state(now) is not State.OPEN]
        return good + [server for server in up if server not in good]
