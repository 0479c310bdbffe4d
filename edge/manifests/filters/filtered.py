"""What filtering a manifest comes to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edge.manifests.edits import Edit, apply_edits


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """Something of the input that the output does not offer."""

    where: str  # 'line 7, EXT-X-STREAM-INF', 'Period 1, AdaptationSet 2, Representation 3'
    what: str  # for a person: '1920x1080 5605600 b/s, stream01/streamPlaylist.m3u8'
    why: str  # the clause that it failed, or what it depended on

    def __str__(self) -> str:
        return f"{self.where}: {self.what} ({self.why})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtered:
    """Edits of the input, what they drop, and which clauses could not be met.

    Positions in the output differ: rewrite URIs afterwards, on the bytes that ``output`` gives.
    """

    edits: tuple[Edit, ...] = ()
    given_up: tuple[str, ...] = ()
    describe: Callable[[], Iterable[Dropped]] = tuple  # players do not ask what they do not get

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """What the output does not offer, in the order of the input."""
        return tuple(self.describe())

    def output(self, source: bytes) -> bytes:
        """The filtered manifest; ``source`` itself when nothing changes."""
        return apply_edits(source, self.edits) if self.edits else source
