"""How many bytes may be fetched that nobody has asked for yet."""

from __future__ import annotations


class Budget:
    """What viewers' requests fetch earns a share; what is fetched ahead costs, until a viewer asks for it."""

    def __init__(self, *, share: float, max_bytes: int) -> None:
        self._share = share
        self._max_bytes = max_bytes
        self._left = float(max_bytes)

    @property
    def left(self) -> float:
        """How many bytes may still be fetched ahead."""
        return self._left

    def earn(self, count: int) -> None:
        """A viewer's request fetched so many bytes."""
        self.give_back(count * self._share)

    def spend(self, count: float) -> None:
        """So many bytes are fetched ahead."""
        self._left -= count

    def give_back(self, count: float) -> None:
        """They were wanted, or were not fetched after all."""
        self._left = min(self._max_bytes, self._left + count)
