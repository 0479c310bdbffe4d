"""Which number stands for which segment, as far as all who were told so must agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.manifests.ads.effective import Media
from tests.manifests.ads.world.edges import Edge, Shared
from tests.manifests.ads.world.packager import Piece
from tests.manifests.ads.world.player import Violation
from tests.manifests.ads.world.truth import Truth

Scope = tuple[object, ...]


class Names:
    """Memory over all viewers and edges."""

    def __init__(self) -> None:
        self.is_disturbed = False  # something has happened that may give segments other names
        self._numbers: dict[tuple[Scope, str, int], tuple[int, Piece]] = {}
        self._segments: dict[tuple[Scope, str, int, str, object], tuple[int, int]] = {}
        self._newest: dict[Scope, dict[str, int]] = {}
        self._in_step: dict[tuple[Scope, int, int], tuple[int, str]] = {}
        self._read: dict[tuple[int, str], frozenset[Scope]] = {}
        self._eras: set[object] = set()
        # Edges that know what others may not, because they have not been heard of since.
        self._unheard: set[int] = set()

    # --- what happens

    def emptied(self, edges: Sequence[Edge]) -> None:
        self.is_disturbed = True
        # Of those who write back what they know one may be late.
        self._unheard |= {edge.name for edge in edges if edge.era is not None}

    def parted(self) -> None:
        self.is_disturbed = True

    def restarted(self) -> None:
        self.is_disturbed = True
        self._eras.clear()

    def slept(self) -> None:
        """Nobody has watched for so long that a DISCONTINUITY was seen by nobody.

        It may be counted one segment too early then: of the stretch that went on meanwhile only those segments have one
        number that are listed from now on.
        """
        self._in_step.clear()

    def forgets(self, edge: Edge) -> None:
        """An edge has lost its memory, and with it what it did while it was alone."""
        self._unheard.discard(edge.name)

    @property
    def is_settled(self) -> bool:
        """Whether all edges know what any of them does."""
        return not self._unheard

    def can_move(self, one: Edge, other: Edge) -> bool:
        """Whether all that one edge has told can be known to another.

        It cannot be while one of them is cut off, nor where Redis lost what the first one had told, until that is asked
        again: the other one would go on from an older record, which no rule can know to be old.
        """
        return not (one.link.is_cut or other.link.is_cut or one.name in self._unheard)

    # --- what is told

    async def scopes(self, edge: Edge, shared: Shared) -> tuple[Scope, ...]:
        """Within each of them a number stands for one segment: what all say together, and what this edge says."""
        era = edge.era
        mine: Scope = ("by itself", edge.name, edge.lives, era)
        if edge.link.is_cut:
            # Two that are cut off at once may decide differently: nobody can tell one what the other does.
            self._unheard.add(edge.name)
            return (mine,)
        self._unheard.discard(edge.name)
        if era != await shared.era():
            raise Violation(f"the edge goes by {era}, not by what is stored")
        if not self.is_disturbed:
            self._eras.add(era)
            if len(self._eras) > 1:
                raise Violation(f"names were changed for no reason: {self._eras}")
        return (("together", era), mine)

    def holds(self, player: int, grid: str, scopes: tuple[Scope, ...]) -> bool:
        """Whether what a viewer has read before is still called the same."""
        before = self._read.get((player, grid), frozenset())
        self._read[player, grid] = frozenset(scopes)
        return not before.isdisjoint(scopes)

    def newest(self, scope: Scope) -> Mapping[str, int]:
        """The last number of each rendition that anybody was told of."""
        return dict(self._newest.get(scope, {}))

    def take(self, scope: Scope, truth: Truth, grid: str, media: Media) -> None:
        """Compare one playlist with all before it."""
        for segment in media.segments:
            piece = truth.of(segment)
            self._number(scope, grid, segment.number, piece, truth)
            given = (segment.number, segment.discontinuity)
            key = (scope, grid, truth.packager.run, piece.uri, piece.range)
            known = self._segments.setdefault(key, given)
            if known != given:
                raise Violation(f"{piece.uri} was {known}, is {given} (number, discontinuity)")
            # A mark lies in a break, whatever the origin lists there: it has no place among what plays.
            if not piece.stretch.is_ad and not segment.gap:
                self._step(scope, truth, grid, piece, segment.discontinuity)
        newest = self._newest.setdefault(scope, {})
        newest[grid] = max(newest.get(grid, 0), media.segments[-1].number)
        following = media.segments[-1].number + 1
        for part in media.tail:
            self._number(scope, grid, following, truth.parts[part.uri][0], truth)

    def _number(self, scope: Scope, grid: str, number: int, piece: Piece, truth: Truth) -> None:
        known = self._numbers.setdefault((scope, grid, number), (truth.packager.run, piece))
        if known != (truth.packager.run, piece):
            raise Violation(f"{number} was {known[1].uri}, is {piece.uri}")

    def _step(self, scope: Scope, truth: Truth, grid: str, piece: Piece, count: int) -> None:
        place = (scope, truth.packager.run, piece.stretch.number)
        known = self._in_step.setdefault(place, (count, f"{grid} ({piece.uri})"))
        if known[0] != count:
            raise Violation(
                f"{piece.uri} of {grid} has discontinuity number {count}, {known[1]} {known[0]}"
            )
