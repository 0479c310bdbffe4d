"""What is kept, in memory and on disk, found by URL."""

from __future__ import annotations

from collections import OrderedDict
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
_AT_ONCE_BYTES = 4 * 1024 * 1024  # read from the disk in one go
_LEAST_ARRIVING_BYTES = 32 * 1024 * 1024
_MAX_HEADS = 4096
_MAX_VARIANTS = 8  # of one URL; the oldest goes first


class Shelf:
    """Stored responses of one process."""

    def __init__(self, memory: MemoryTier[Stored], disk: DiskTier | None) -> None:
        self._memory = memory
        self._memory_bytes = memory.max_bytes
        self.reserve(0)
        self._disk = disk
        self._bases: dict[str, list[Stored]] = {}
        # Of objects on the disk, with the stamp of the version that they describe.
        self._heads: OrderedDict[str, tuple[int, Stored]] = OrderedDict()
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
        entry = None if self._disk is None else self._disk.find(key)
        if self._disk is None or entry is None:
            return None
        head = self._heads.get(key)
        stored = head[1] if head is not None and head[0] == entry.stamp else None
        body: bytes | None = None
        if (entry.freq > 0 or self._memory.wants(key)) and self._memory.fits(entry.body_bytes):
            loaded = await self._disk.load(entry)
            if loaded is None:
                return self._memory.peek(key)
            body = bytes(loaded.body.obj)  # no copy: it is bytes
            stored = stored or self._head_of(key, entry, loaded.head)
        elif stored is None:
            opened = await self._disk.open_body(entry)
            if opened is not None:
                with opened:
                    stored = self._head_of(key, entry, opened.head)
        known = self._memory.peek(key)
        if known is not None or stored is None or not entry.alive:
            return known  # another request was faster; or it was purged or replaced meanwhile
        stored.purged = stored.purged or entry.stale
        if body is not None:
            stored.chunks = (body,)
            self._remember(stored)
        return stored

    def _head_of(self, key: str, entry: DiskEntry, head: bytes) -> Stored | None:
        try:
            stored = decode_head(key, head, entry.body_bytes)
        except ValueError:
            if self._disk is not None:
                self._disk.remove(key)
            return None
        self._heads[key] = entry.stamp, stored
        self._heads.move_to_end(key)
        if len(self._heads) > _MAX_HEADS:
            self._heads.popitem(last=False)
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
        disk = self._disk if on_disk and not stored.variant else None
        body = None if disk is None else stored.body
        if disk is not None and body is not None:
            disk.write(stored.key, encode_head(stored), stored.tags, body)

    def freshened(self, stored: Stored, *, on_disk: bool) -> None:
        """Keep what a 304 changed; nothing of what was dropped or replaced while the origin was asked."""
        known = self._memory.peek(stored.key)
        if known is not stored and (known is not None or stored.chunks is not None):
            return
        stored.purged, stored.alive, stored.hold_off = False, True, 0.0
        disk = self._disk if on_disk else None
        entry = None if disk is None else disk.find(stored.key)
        if disk is None or entry is None:
            return
        body = stored.body
        if body is not None:
            disk.write(stored.key, encode_head(stored), stored.tags, body)
        elif self._heads.get(stored.key) == (entry.stamp, stored):
            # Its file still says so: after a restart it is asked about once more.
            entry.stale = False

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

    async def pieces(
        self, stored: Stored, start: int, stop: int, *, in_memory_bytes: int = PIECE_BYTES
    ) -> Pieces:
        """The bytes of a stored body, looked up piece by piece so that a slow reader holds no memory.

        They end early if the body is kept nowhere any more. Those in memory have at most ``in_memory_bytes``.
        """
        opened: tuple[DiskEntry, DiskBody] | None = None
        try:
            while start < stop:
                piece: bytes | memoryview | None = None
                if stored.chunks is not None:
                    piece = stored.piece(start, min(stop, start + in_memory_bytes))
                elif self._disk is not None:
                    end = min(stop, start + PIECE_BYTES)
                    # Once open, a file is read to its end, even if it is evicted meanwhile.
                    opened = opened or await self._opened(self._disk, stored)
                    if opened is not None:
                        piece = await self._disk.read(*opened, start, end)
                if not piece:
                    return
                yield piece
                start += len(piece)
        finally:
            if opened is not None:
                opened[1].close()

    async def load(self, stored: Stored) -> bytes | None:
        """A whole stored body from the disk, if it is not too much to read at once."""
        entry = None if self._disk is None else self._disk.find(stored.key)
        if self._disk is None or entry is None or entry.body_bytes > _AT_ONCE_BYTES:
            return None
        loaded = await self._disk.load(entry)
        if loaded is None or len(loaded.body) != stored.size:
            return None
        found = _decoded(stored.key, loaded.head, stored.size)
        return bytes(loaded.body.obj) if found is not None and _is_same(found, stored) else None

    async def _opened(self, disk: DiskTier, stored: Stored) -> tuple[DiskEntry, DiskBody] | None:
        entry = disk.find(stored.key)
        opened = None if entry is None else await disk.open_body(entry)
        if entry is None or opened is None:
            return None
        found = _decoded(stored.key, opened.head, opened.size)
        if found is None or not _is_same(found, stored):
            opened.close()
            return None
        return entry, opened

    def reserve(self, count: int) -> None:
        """Leave so much of the memory, and never too little, to bodies that are arriving."""
        least = min(_LEAST_ARRIVING_BYTES, self._memory_bytes // 8)
        left = min(max(count, least), self._memory_bytes // 2)
        self._memory.max_bytes = self._memory_bytes - left

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
        stored.chunks = None
        if self._disk is not None:
            self._disk.touch(stored.key)  # it was in use until now
        self._leave_base(stored)

    def _leave_base(self, stored: Stored) -> None:
        found = self._bases.get(stored.base)
        if found is not None and stored in found:
            found.remove(stored)
            if not found:
                del self._bases[stored.base]


def _decoded(key: str, head: bytes, size: int) -> Stored | None:
    try:
        return decode_head(key, head, size)
    except ValueError:
        return None


def _is_same(found: Stored, stored: Stored) -> bool:
    """Whether the disk still has the version that somebody is reading."""
    if found.size != stored.size or found.strong_etag != stored.strong_etag:
        return False
    return found.strong_etag is not None or found.arrived_at == stored.arrived_at
