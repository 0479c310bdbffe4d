"""Which keys belong to one URL: nearly always one, at times many variants or slices."""

from __future__ import annotations

from edge.cache.tiers.purge import base_of


class Bases:
    """Keys by their base, found without looking at all of them."""

    def __init__(self) -> None:
        self._keys: dict[str, str | set[str]] = {}  # a set costs more than all else of an entry

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: str) -> None:
        """Count ``key`` to its base."""
        base = base_of(key)
        known = self._keys.get(base)
        if known is None:
            self._keys[base] = key
        elif isinstance(known, set):
            known.add(key)
        elif known != key:
            self._keys[base] = {known, key}

    def discard(self, key: str) -> None:
        """Forget ``key``, if it was known."""
        base = base_of(key)
        known = self._keys.get(base)
        if isinstance(known, set):
            known.discard(key)
            if not known:
                del self._keys[base]
        elif known == key:
            del self._keys[base]

    def of(self, base: str) -> list[str]:
        """The keys of ``base``."""
        known = self._keys.get(base)
        if known is None:
            return []
        return list(known) if isinstance(known, set) else [known]
