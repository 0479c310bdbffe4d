"""A world of one live stream: its origin, two edges, viewers, and everything that may happen to them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.cache.ads.treated import Behind, Rendition, Version
from edge.errors import OriginFailed
from edge.manifests.ads.treated import Treated
from tests.manifests.ads.effective import read
from tests.manifests.ads.world.edges import BASE, Edge, Shared, rendition_of
from tests.manifests.ads.world.markers import Spelling
from tests.manifests.ads.world.names import Names
from tests.manifests.ads.world.packager import Listing, Packager
from tests.manifests.ads.world.player import Player, Violation, reports_in
from tests.manifests.ads.world.told import check
from tests.manifests.ads.world.traits import Traits
from tests.manifests.ads.world.truth import Truth

_LINES = 12
_RUNS = 2  # how often an origin begins anew, at most


@dataclass
class World:
    """Everything at one moment; each operation is a method."""

    spelling: Spelling
    traits: Traits
    seed: int
    edges: list[Edge] = field(init=False)
    players: list[Player] = field(init=False)
    reloads: int = 0
    events: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.truth = Truth(Packager(self.spelling, self.traits, self.seed, base=self.traits.base))
        self.tick = (self.traits.window // 2) * self.traits.parts
        self._seen = self.tick
        self.shared = Shared()
        rules = self.spelling.rules
        self.edges = [Edge(name, self.shared, rules, self.now_ms) for name in range(2)]
        self.players = [Player(name, name) for name in range(2)]
        self.names = Names()
        self._era: object = None
        self._since = 0  # the tick since which all edges have agreed
        self._told: deque[str] = deque(maxlen=6)
        self._done: deque[str] = deque(maxlen=_LINES)

    @property
    def packager(self) -> Packager:
        return self.truth.packager

    @property
    def is_over(self) -> bool:
        """Whether the stream has ended."""
        return self.tick >= self.packager.last_tick

    def now_ms(self) -> int:
        """What the clocks of all edges say."""
        return self.packager.now_ms(self.tick)

    async def open(self) -> None:
        """Viewers have read the multivariant playlist."""
        for edge in self.edges:
            await self._adopt(edge)

    async def _adopt(self, edge: Edge) -> None:
        await edge.adopt([grid.name for grid in self.packager.grids])

    # --- what may happen

    def go_on(self, ticks: int = 1) -> None:
        """The origin publishes."""
        slept = self.tick + ticks - self._seen
        if slept > (self.traits.window - 3) * self.traits.parts and not self.traits.keeps_tag:
            # Nothing tells where a DISCONTINUITY was that has left with its segment.
            self.names.slept()
        self._did(f"the origin goes on by {ticks}")
        self.tick += ticks

    async def restart(self, edge: int) -> None:
        """An edge forgets everything."""
        self._did(f"edge {edge} restarts")
        self.events["restart"] += 1
        self.edges[edge].restart()
        self.names.forgets(self.edges[edge])
        await self._adopt(self.edges[edge])

    def empty(self) -> None:
        """Redis forgets everything."""
        self._did("Redis is emptied")
        self.events["emptied"] += 1
        self.shared.empty()
        self.names.emptied(self.edges)

    def cut(self, edge: int) -> None:
        """An edge cannot reach Redis."""
        self._did(f"edge {edge} loses Redis")
        self.events["cut off"] += 1
        self.edges[edge].cut()
        self.names.parted()

    async def heal(self) -> None:
        """All edges reach Redis."""
        self._did("Redis is there")
        for edge in self.edges:
            edge.heal()
            await self._adopt(edge)

    def move(self, player: int, edge: int) -> None:
        """A viewer is led to another edge; not from or to one that cannot know what others do."""
        mine = self.players[player]
        if mine.edge != edge and self.names.can_move(self.edges[mine.edge], self.edges[edge]):
            self._did(f"player {player} goes to edge {edge}")
            self.events["moved"] += 1
            mine.edge = edge

    async def begin_anew(self) -> None:
        """The origin restarts: other segments, lower numbers, and its clock goes on."""
        if self.packager.run == _RUNS:
            return
        first = self._at("v0", 0).pieces[0].number
        if self.traits.dates == "none" and first < 3 * self.traits.window:
            return  # without dates an origin that is behind looks the same
        self._did("the origin begins anew")
        self.events["origin restart"] += 1
        began = self.now_ms() + 20_000
        packager = Packager(
            self.spelling, self.traits, self.seed, run=self.packager.run + 1, began_ms=began
        )
        self.truth = Truth(packager)
        self.tick = self._seen = 2 * self.traits.parts
        self.names.restarted()

    async def reload(self, player: int, grid: int, *, lag: int = 0, leader_lag: int = 0) -> None:
        """A viewer asks for a playlist; the node of the origin that answers may be behind."""
        viewer, name = self.players[player], self.packager.grids[grid].name
        edge = self.edges[viewer.edge]
        listing = self._at(name, lag)
        self._did(
            f"player {player} reloads {name} at edge {edge.name}: tick {listing.tick}"
            + (f", {lag} behind" if lag else "")
        )
        self.reloads += 1
        self._seen = listing.tick
        treated = await self._treated(edge, listing, leader_lag)
        if treated is None:
            return
        media = read(treated.body)
        self._told.append(
            f"--- from the origin: {name}, tick {listing.tick}\n{listing.body.decode()}"
            f"--- to player {player} from edge {edge.name}"
            f"{' (held)' if treated.is_held else ''}{' (early)' if treated.is_early else ''}\n"
            f"{treated.body.decode()}"
        )
        scopes = await self.names.scopes(edge, self.shared)
        before = self.names.newest(scopes[0])
        if not edge.link.is_cut:
            self.truth.heard(edge.name)
        check(
            self.truth,
            listing,
            treated,
            media,
            is_newest=not lag and self._is_calm(),
            alone=edge.name if edge.link.is_cut else None,
        )
        for scope in scopes:
            self.names.take(scope, self.truth, name, media)
        viewer.take(
            name,
            treated.body,
            media,
            names_hold=self.names.holds(player, name, scopes),
            knows=edge.knows,
        )
        self.events["held"] += treated.is_held
        self.events["early"] += treated.is_early
        self.events["gapped"] += any(segment.gap for segment in media.segments)
        if self.traits.is_low_latency and not listing.ended:
            await self._check_reports(edge, treated.body, listing, before)

    # --- inside

    def _is_calm(self) -> bool:
        """Whether nothing that has happened hides the beginning of a window any more, or refuses one.

        What numbers have moved forward by is hidden until the window has slid past it: as much as two edges may have
        decided differently, which is one break.
        """
        if not self.names.is_disturbed:
            return True
        era = self.edges[0].era
        agree = all(edge.era == era for edge in self.edges)
        if era != self._era or not (agree and self.names.is_settled):
            self._era, self._since = era, self.tick
        slides = (self.traits.window + self.traits.longest + 4) * self.traits.parts
        return self.tick - self._since > slides

    def _at(self, grid: str, lag: int) -> Listing:
        return self.packager.listing(grid, max(self.tick - lag, self.traits.parts))

    async def _treated(self, edge: Edge, listing: Listing, leader_lag: int) -> Treated | None:
        leads = self.packager.grids[0].name

        async def ask(rendition: Rendition, behind: Behind | None) -> Version | None:
            if rendition != rendition_of(leads):
                return None
            late = 0 if behind is not None else leader_lag
            version = self.packager.listing(
                leads, max(min(self.tick, listing.tick + 1) - late, self.traits.parts)
            )
            self.truth.learn(version)
            self.truth.saw(version, edge.name, alone=edge.link.is_cut)
            return Version(rendition=rendition, body=version.body, base=f"{BASE}{leads}.m3u8")

        self.truth.learn(listing)
        if listing.grid != "a0":
            self.truth.saw(listing, edge.name, alone=edge.link.is_cut)
        try:
            return await edge.treat(listing.grid, listing.body, ask=ask)
        except OriginFailed:
            self.events["refused"] += 1
            if self._is_calm() and listing.tick == self.tick:
                raise Violation("nothing was told of the newest version") from None
            return None

    async def _check_reports(
        self, edge: Edge, body: bytes, listing: Listing, before: Mapping[str, int]
    ) -> None:
        """What is said of other renditions is what viewers of those are told then (4.4.5.4)."""
        for uri, msn, part in reports_in(body):
            # What nobody has asked for lately is reported as it was when somebody did.
            known = before.get(uri.removesuffix(".m3u8"), 0)
            other = self._at(uri.removesuffix(".m3u8"), 0)
            treated = await self._treated(edge, other, 0)
            if treated is None:
                continue
            told = read(treated.body)
            last = told.segments[-1].number
            whole = msn <= last
            in_parts = msn == last + 1 and part is not None and part < len(told.tail)
            # In a break it may be one that viewers of the other edge were told of, and nobody here was.
            whole = whole or (treated.is_held and msn <= known)
            if msn < min(told.sequence, known) or not (whole or in_parts):
                raise Violation(
                    f"the report says that {uri} ends with {msn}, part {part}: "
                    f"it lists {told.sequence} to {last} and {len(told.tail)} parts"
                )
            self.events["reports"] += 1

    def _did(self, what: str) -> None:
        self._done.append(what)

    def account(self) -> str:
        """The last things that happened, and the last playlists."""
        head = f"{self.spelling.name}, seed {self.seed}: {self.traits}"
        return "\n".join([head, *self._done, *list(self._told)[-3:]])
