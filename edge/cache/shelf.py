"""What is kept, in memory and on disk, found by URL."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from config.runtime.logging import get_logger
from edge import metrics
from edge.cache.policy.vary import matches
from edge.cache.stored import Stored, decode_head, encode_head
from edge.cache.tiers.disk import DiskTier
from edge.cache.tiers.entries import DiskEntry
from edge.cache.tiers.memory import MemoryTier
from edge.cache.tiers.purge import Purge, base_of
from edge.cache.tiers.reading import DiskBody
from edge.origin.upstream import Fields

log = get_logger(__name__)

Pieces = AsyncGenerator[bytes | memoryview, None]

PIECE_BYTES = 256 * 1024
_MAX_VARIANTS = 8  # of one URL; the oldest goes first


class Shelf:
    """Stored responses of one process."""

    def __init__(self, memory: MemoryTier[Stored], disk: DiskTier | None) -> None:
        self._memory = memory
        self._disk = disk
        self._bases: dict[str, list[Stored]] = {}
        memory.on_evict = self._evicted

    def find(self, base: str, asked: Fields) -> Stored | None:
        """The newest stored response in memory that may answer a request with these fields, part or whole of it."""
        found = self._bases.get(base)
        if found is None:
            return None
        for stored in reversed(found):
            if stored.span is None and (not stored.variant or matches(stored.variant, asked)):
                self._memory.get(stored.key)
                return stored
        return None

    def peek(self, base: str, asked: Fields) -> Stored | None:
        """What ``find`` would find, without using it."""
        for stored in reversed(self._bases.get(base, ())):
            if stored.span is None and (not stored.variant or matches(stored.variant, asked)):
                return stored
        return None

    def holds(self, key: str) -> bool:
        """Whether something lies under a key of the tiers, without using it."""
        if self._memory.peek(key) is not None:
            return True
        return self._disk is not None and self._disk.find(key) is not None

    def parts(self, base: str) -> list[Stored]:
        """The parts in memory of one URL's body that came as answers to ranges."""
        return [stored for stored in self._bases.get(base, ()) if stored.span is not None]

    async def find_on_disk(self, key: str) -> Stored | None:
        """What the disk has; taken into memory if it is wanted again."""
        if self._disk is None:
            return None
        entry = self._disk.find(key)
        if entry is None:
            return None
        again = entry.freq > 0 or self._memory.wants(key)
        body: bytes | None = None
        if again and self._memory.fits(entry.body_bytes):
            loaded = await self._disk.load(entry)
            head = None if loaded is None else loaded.head
            body = None if loaded is None else bytes(loaded.body.obj)  # no copy: it is bytes
        else:
            opened = await self._disk.open_body(entry)
            head = None
            if opened is not None:
                with opened:
                    head = opened.head
        known = self._memory.peek(key)
        if head is None or known is not None:
            return known  # another request was faster
        try:
            stored = decode_head(key, head, entry.body_bytes)
        except ValueError:
            self._disk.remove(key)
            return None
        stored.purged = entry.stale
        stored.body = body
        if body is not None:
            self._remember(stored)
        return stored

    def slice_in_memory(self, key: str) -> Stored | None:
        return self._memory.get(key)

    def put(self, stored: Stored, *, on_disk: bool) -> None:
        """Keep ``stored`` in place of what had its key."""
        old = self._memory.peek(stored.key)
        if old is not None and old is not stored:
            old.alive = False
            self._forget(old)
        self._remember(stored)
        if on_disk and self._disk is not None and not stored.variant and stored.body is not None:
            self._disk.write(stored.key, encode_head(stored), stored.tags, stored.body)

    def freshened(self, stored: Stored, *, on_disk: bool) -> None:
        """Keep what a 304 changed."""
        disk = self._disk if on_disk else None
        if disk is not None and stored.body is not None and disk.find(stored.key) is not None:
            disk.write(stored.key, encode_head(stored), stored.tags, stored.body)

    def drop(self, base: str) -> int:
        """Forget everything of one URL; how many things that were."""
        gone = list(self._bases.get(base, ()))
        for stored in gone:
            self._drop(stored)
        keys = {stored.key for stored in gone}
        if self._disk is not None:
            for key in self._disk.with_base(base):
                keys.add(key)
                self._disk.remove(key)
        return len(keys)

    def _drop(self, stored: Stored) -> None:
        stored.alive = False
        self._forget(stored)

    def purge(self, purge: Purge) -> int:
        """Forget, or mark for validation, what ``purge`` names; how many things that were."""
        count = 0
        for base in list(self._bases):
            for stored in list(self._bases.get(base, ())):
                if purge.covers(base_of(stored.base), stored.tags):
                    count += 1
                    if purge.soft:
                        stored.purged = True
                        stored.alive = False
                    else:
                        self._drop(stored)
        if self._disk is not None:
            count += self._disk.purge(purge)
        metrics.CACHE_PURGED.labels(purge.kind).inc(count)
        return count

    async def pieces(self, stored: Stored, start: int, stop: int) -> Pieces:
        """The bytes of a stored body, looked up piece by piece so that a slow reader holds no memory.

        They end early if the body is kept nowhere any more.
        """
        opened: tuple[DiskEntry, DiskBody] | None = None
        try:
            while start < stop:
                end = min(stop, start + PIECE_BYTES)
                piece: bytes | memoryview | None = None
                if stored.body is not None:
                    piece = memoryview(stored.body)[start:end]
                elif self._disk is not None:
                    # Once open, a file is read to its end, even if it is evicted meanwhile.
                    opened = opened or await self._opened(self._disk, stored)
                    if opened is not None:
                        piece = await self._disk.read(*opened, start, end)
                if piece is None:
                    return
                yield piece
                start = end
        finally:
            if opened is not None:
                opened[1].close()

    async def _opened(self, disk: DiskTier, stored: Stored) -> tuple[DiskEntry, DiskBody] | None:
        entry = disk.find(stored.key)
        opened = None if entry is None else await disk.open_body(entry)
        if entry is None or opened is None:
            return None
        try:
            found = decode_head(stored.key, opened.head, opened.size)
        except ValueError:
            found = None
        if (
            found is None
            or found.size != stored.size
            or found.strong_etag != stored.strong_etag
            or (found.received_at != stored.received_at and found.strong_etag is None)
        ):
            opened.close()
            return None
        return entry, opened

    def count(self) -> None:
        """Say in the metrics what is kept."""
        metrics.CACHE_BYTES.labels("memory").set(self._memory.bytes)
        metrics.CACHE_OBJECTS.labels("memory").set(len(self._memory))
        if self._disk is not None:
            metrics.CACHE_BYTES.labels("disk").set(self._disk.bytes)
            metrics.CACHE_OBJECTS.labels("disk").set(len(self._disk))

    def stats(self) -> dict[str, int]:
        """What is kept, for people."""
        found = {"memory_bytes": self._memory.bytes, "memory_objects": len(self._memory)}
        if self._disk is not None:
            found |= {"disk_bytes": self._disk.bytes, "disk_objects": len(self._disk)}
        return found

    def _remember(self, stored: Stored) -> None:
        if not self._memory.put(stored):
            return
        found = self._bases.setdefault(stored.base, [])
        found.append(stored)
        if len(found) > _MAX_VARIANTS and not stored.is_slice:
            others = [other for other in found if not other.is_slice and not other.sliced]
            if len(others) > _MAX_VARIANTS:
                self._drop(others[0])

    def _forget(self, stored: Stored) -> None:
        self._memory.remove(stored.key)
        self._leave_base(stored)

    def _evicted(self, stored: Stored) -> None:
        stored.body = None
        if self._disk is not None:
            self._disk.touch(stored.key)  # it was in use until now
        self._leave_base(stored)

    def _leave_base(self, stored: Stored) -> None:
        found = self._bases.get(stored.base)
        if found is not None and stored in found:
            found.remove(stored)
            if not found:
                del self._bases[stored.base]
