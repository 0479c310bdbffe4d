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
        self._read: dict[tuple[int, str], Scope] = {}
        self._losses = 0
        self._eras: set[object] = set()
        self._unsettled: set[int] = (
            set()
        )  # edges that have been away and have not been heard of since

    # --- what happens

    def emptied(self, edges: Sequence[Edge]) -> None:
        self.is_disturbed = True
        # Of those who write back what they know one may be late.
        self._losses += 1

    def parted(self) -> None:
        self.is_disturbed = True

    def restarted(self) -> None:
        self.is_disturbed = True
        self._eras.clear()

    def forgets(self, edge: Edge) -> None:
        """An edge has lost its memory, and with it what it did while it was alone."""

    def can_move(self, one: Edge, other: Edge) -> bool:
        """Whether all that one edge has told can be known to another."""
        if one.link.is_cut or other.link.is_cut:
            return False
        return not ({one.name, other.name} & self._unsettled)

    # --- what is told

    async def scope(self, edge: Edge, shared: Shared) -> Scope:
        """Within one, a number stands for one segment."""
        if edge.link.is_cut:
            self._unsettled.add(edge.name)
            return ("alone", edge.name, edge.cuts, edge.lives)
        self._unsettled.discard(edge.name)
        era = await shared.era()
        if not self.is_disturbed:
            self._eras.add(era)
            if len(self._eras) > 1:
                raise Violation(f"names were changed for no reason: {self._eras}")
        return ("together", era, self._losses)

    def holds(self, player: int, grid: str, scope: Scope) -> bool:
        """Whether what a viewer has read before is still called the same."""
        before = self._read.get((player, grid))
        self._read[player, grid] = scope
        return before == scope

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
            if not piece.stretch.is_ad:
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
