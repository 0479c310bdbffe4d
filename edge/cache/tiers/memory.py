"""The memory tier: responses held as bytes, within a bound that counts what each costs beside its body."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from edge import metrics
from edge.cache.tiers.s3fifo import Entry, S3Fifo

# A response object with some fifteen header fields, its key, and its places in the queues.
ENTRY_BYTES = 3072

E = TypeVar("E", bound=Entry)


class MemoryTier(S3Fifo[E]):
    """S3-FIFO over responses.

    An entry that is evicted stays alive (another tier may have it); one that is removed or replaced does not.
    """

    def __init__(
        self,
        *,
        max_bytes: int,
        overhead_bytes: int = ENTRY_BYTES,
        largest_fraction: float = 0.25,
        on_evict: Callable[[E], None] | None = None,
    ) -> None:
        super().__init__(
            max_bytes=max_bytes,
            overhead_bytes=overhead_bytes,
            largest_fraction=largest_fraction,
            on_evict=on_evict,
        )
        self._evictions = metrics.CACHE_EVICTIONS.labels("memory")

    def _gone(self, entry: E) -> None:
        self._evictions.inc()
        super()._gone(entry)
