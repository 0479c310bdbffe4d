"""How long the date ranges of a live playlist have been in it: what deltas may skip and must report removed."""

from __future__ import annotations

from decimal import Decimal

from edge.manifests.hls.scan import Playlist

# More date ranges than a window ever holds; the oldest are forgotten, which only makes deltas larger.
_REMEMBERED = 4096


class DateRangeHistory:
    """Fed with every version of a playlist; time is the caller's."""

    def __init__(self) -> None:
        self._since: dict[bytes, float] = {}  # line -> when it was first seen
        self._ids: dict[bytes, str] = {}
        self._removed: dict[str, float] = {}

    def observe(self, playlist: Playlist, *, at: float) -> None:
        """Note what this version has, and what it has no more."""
        present: dict[bytes, str] = {}
        for line in playlist.tags("EXT-X-DATERANGE"):
            identity = playlist.attributes(line).get("ID")
            if identity is not None:
                present[playlist.data[line.start : line.stop]] = identity.value
        ids = set(present.values())
        for line_bytes, identity_value in self._ids.items():
            if line_bytes not in present and identity_value not in ids:
                self._removed.setdefault(identity_value, at)
        for identity_value in ids:
            self._removed.pop(identity_value, None)
        kept = list(present.items())[-_REMEMBERED:]
        self._ids = dict(kept)
        self._since = {line_bytes: self._since.get(line_bytes, at) for line_bytes, _ in kept}
        for identity_value in list(self._removed)[:-_REMEMBERED]:
            del self._removed[identity_value]

    def old(self, *, at: float, boundary: Decimal) -> frozenset[bytes]:
        """The lines that every player entitled to a delta update has seen."""
        return frozenset(line for line, since in self._since.items() if at - since > boundary)

    def removed(self, *, at: float, boundary: Decimal) -> tuple[str, ...]:
        """The IDs that left the playlist within the skip boundary."""
        self._removed = {i: since for i, since in self._removed.items() if at - since <= boundary}
        return tuple(self._removed)
