"""What the connections of one process share: ready answers, limits, counts."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from config.runtime.tasks import BackgroundTasks
from config.settings.edge import EdgeSettings
from config.settings.sessions import SessionSettings
from edge import metrics
from edge.forwarded import address_in, is_in, viewer_in
from edge.lane.counts import Counts
from edge.lane.heads import Heads
from edge.lane.ready import ReadyAnswer, ReadyAnswers
from edge.lane.watch import Watch
from edge.sessions.cmsd import Hop
from edge.target import MAX_TARGET_CHARS
from edge.tokens.verified import VerifiedTokens

if TYPE_CHECKING:
    from edge.lane.protocol import Connection

_ANSWERS = 8192
_HEADS = 4096
_FOLD_SECONDS = 1.0
_MOST_UNHEARD = 32  # between two folds: reading one takes about 50 µs
_FIGURES_SECONDS = 0.1
_PRESSED_SECONDS = 0.1  # a timer that comes this late comes to a process that cannot keep up
_LINE_BYTES = 64  # what a request line has besides the target, and more


class Lane:
    """The hot lane of one process, and the guard of its connections."""

    def __init__(
        self,
        settings: EdgeSettings,
        tokens: VerifiedTokens,
        *,
        sessions: SessionSettings,
        node: str,
        most_connections: int,
    ) -> None:
        self.enabled = settings.hot_lane
        self.tokens = tokens
        # Set by whoever follows them: then nothing is given outside of one.
        self.follows_sessions = False
        self.most_said = sessions.cmcd.most_bytes if sessions.cmcd.accept else 0
        self._unheard: dict[ReadyAnswer, str] = {}
        self.tells_all = sessions.cmsd == "always"
        self.tells_those_who_ask = sessions.cmsd == "asked"
        self.tells_nobody = sessions.cmsd == "off"
        self.figures_seconds = _FIGURES_SECONDS  # for so long what the kernel said of a way is true
        self.is_pressed = False
        self.hop = Hop(node)
        self.longest_target = min(MAX_TARGET_CHARS, settings.http.max_line_bytes - _LINE_BYTES)
        # Where another origin answers for every path, its answer is its own.
        self.answers_preflights = settings.root_origin is None
        self.clock: Callable[[], float] = time.time  # seconds since the epoch
        self.answers = ReadyAnswers(_ANSWERS)
        self.heads = Heads(_HEADS)
        self.counts = Counts()
        self.watch = Watch(
            min_rate=settings.min_rate,
            seconds=settings.write_timeout.total_seconds(),
        )
        self._trusted = settings.trusted_proxies
        self._forwarded = settings.forwarded_field
        self._log_every = round(1 / settings.access_log_hits) if settings.access_log_hits else 0
        self._unlogged = 0
        self._most = min(settings.max_connections, most_connections)
        self._most_per_network = settings.max_connections_per_network
        self._networks: Counter[str] = Counter()
        self.open: dict[Connection, asyncio.Transport] = {}

    def admit(self, connection: Connection, transport: asyncio.Transport) -> bool:
        """Take a new connection in, unless there are too many."""
        if len(self.open) >= self._most:
            metrics.CONNECTIONS_REFUSED.labels("all").inc()
            return False
        if self._most_per_network:
            network = network_of(transport)
            if self._networks[network] >= self._most_per_network:
                metrics.CONNECTIONS_REFUSED.labels("network").inc()
                return False
            self._networks[network] += 1
            connection.network = network
        self.open[connection] = transport
        return True

    def left(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        if self.open.pop(connection, None) is None:
            return
        if self._most_per_network:
            network = connection.network
            self._networks[network] -= 1
            if not self._networks[network]:
                del self._networks[network]

    def is_logged(self) -> bool:
        """Whether this hit is one of those that the access log shows."""
        if not self._log_every:
            return False
        self._unlogged += 1
        if self._unlogged < self._log_every:
            return False
        self._unlogged = 0
        return True

    def is_direct(self, peer: str) -> bool:
        """Whether the peer is the viewer itself, and not a proxy that is trusted to name another."""
        address = address_in(peer)
        return address is not None and not is_in(address, self._trusted)

    def viewer(self, peer: str, head: bytes) -> str | None:
        """The viewer's address for the log: whom a trusted proxy names in a request's head, else the peer."""
        address = address_in(peer)
        if address is None or not is_in(address, self._trusted):
            return peer
        fields = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
        named = self._forwarded.encode()
        values = [value.decode("latin-1") for name, _, value in fields if name.lower() == named]
        viewer = viewer_in(values, field=self._forwarded, trusted=self._trusted)
        return None if viewer is None else str(viewer)

    def hear(self, ready: ReadyAnswer, said: str) -> None:
        """Keep what a player said with a request for ``ready``, for whoever wants to know; of many only the first."""
        if len(self._unheard) < _MOST_UNHEARD:
            self._unheard[ready] = said

    def pass_on(self) -> None:
        """Tell what was heard since the last time."""
        heard, self._unheard = self._unheard, {}
        for ready, said in heard.items():
            if ready.hear is not None:
                ready.hear(said)

    def fold(self) -> None:
        """Bring the metrics up to date."""
        self.counts.fold()
        metrics.CONNECTIONS.set(len(self.open))

    async def running(self, _app: web.Application) -> AsyncIterator[None]:
        """Fold the counts, let go of what is over, and part from clients that take nothing."""
        async with BackgroundTasks() as tasks:
            tasks.start("lane", self._keep_house)
            tasks.start("slow clients", self.watch.run)
            yield
        self.fold()

    async def _keep_house(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _FOLD_SECONDS
            await asyncio.sleep(_FOLD_SECONDS)
            self.is_pressed = loop.time() - due > _PRESSED_SECONDS
            self.fold()
            self.pass_on()
            self.answers.drop_dead(time.monotonic())


LANE = web.AppKey("lane", Lane)


def network_of(transport: asyncio.Transport) -> str:
    """The network that a client's provider gave it: one address of IPv4, a /56 of IPv6; '' for a Unix socket."""
    peer = transport.get_extra_info("peername")
    if not isinstance(peer, tuple) or not peer:
        return ""
    address = ipaddress.ip_address(str(peer[0]).partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        if mapped is None:
            return str(ipaddress.ip_network((address, 56), strict=False))
        return str(mapped)
    return str(address)
