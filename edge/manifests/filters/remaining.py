"""Which renditions are left, and who else must go when some go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from edge.manifests.filters.view import Rendition


class Remaining:
    """The renditions still there; every operation is linear in what it touches."""

    def __init__(self, renditions: Sequence[Rendition]) -> None:
        self.alive: dict[int, Rendition] = {r.id: r for r in renditions}
        self.gone: dict[int, str] = {}
        worn: dict[str, int] = {}
        for r in renditions:
            for badge in r.badges:
                worn[badge] = worn.get(badge, 0) + 1
        self._worn = worn
        self._needing: defaultdict[str, list[int]] = defaultdict(list)
        self._following: defaultdict[str, list[int]] = defaultdict(list)
        self._left: dict[int, int] = {}
        for r in renditions:
            for badge in r.needs:
                self._needing[badge].append(r.id)
            if r.follows:
                followed = [badge for badge in r.follows if badge in worn]
                self._left[r.id] = len(followed)
                for badge in followed:
                    self._following[badge].append(r.id)

    def consequences(self, failing: Mapping[int, str], *, needs: bool = True) -> dict[int, str]:
        """Everything that goes when ``failing`` goes, each with the reason; nothing is changed yet.

        A badge that nobody wore to begin with binds nobody. Without ``needs`` only followers go.
        """
        gone = dict(failing)
        queue = list(gone)
        worn: dict[str, int] = {}
        left: dict[int, int] = {}
        for number in queue:  # grows while it is walked
            for badge in self.alive[number].badges:
                worn[badge] = worn.get(badge, self._worn[badge]) - 1
                if worn[badge]:
                    continue
                for other in self._needing.get(badge, ()) if needs else ():
                    if other in self.alive and other not in gone:
                        gone[other] = f"its {badge} went"
                        queue.append(other)
                for other in self._following.get(badge, ()):
                    left[other] = left.get(other, self._left[other]) - 1
                    if not left[other] and other in self.alive and other not in gone:
                        gone[other] = f"no {badge} is left"
                        queue.append(other)
        return gone

    def drop(self, gone: Mapping[int, str]) -> None:
        """Take these away; ``gone`` comes from ``consequences``."""
        self.gone.update(gone)
        for number in gone:
            for badge in self.alive.pop(number).badges:
                self._worn[badge] -= 1
                if not self._worn[badge]:
                    for other in self._following.get(badge, ()):
                        self._left[other] -= 1
