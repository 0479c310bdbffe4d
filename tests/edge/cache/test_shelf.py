from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from edge.cache.policy.freshness import terms_of
from edge.cache.policy.profile import SAFE
from edge.cache.shelf import Shelf
from edge.cache.stored import Stored
from edge.cache.tiers.disk import DiskTier
from edge.cache.tiers.memory import MemoryTier
from edge.cache.tiers.purge import Purge

KEY = "cdn/1.m4s"
NO_FIELDS: CIMultiDict[str] = CIMultiDict()


def stored(body: bytes) -> Stored:
    fields = CIMultiDictProxy(CIMultiDict({"Cache-Control": "max-age=60"}))
    return Stored(
        key=KEY,
        base=KEY,
        status=200,
        reason="OK",
        headers=fields,
        url="http://cdn.test/1.m4s",
        variant=(),
        requested_at=1000.0,
        received_at=1000.0,
        terms=terms_of(200, fields, requested_at=1000.0, received_at=1000.0, profile=SAFE),
        chunks=(body,),
        size=len(body),
    )


async def written(folder: Path) -> None:
    async with await DiskTier.open(folder, max_bytes=2**20) as disk:
        Shelf(MemoryTier(max_bytes=2**20), disk).put(stored(b"old"), on_disk=True)
        await disk.settled()


@pytest.mark.parametrize("freq", [0, 1], ids=["for the first time", "back into memory"])
@pytest.mark.parametrize("soft", [False, True])
async def test_what_is_purged_while_the_disk_is_read_does_not_come_back(
    tmp_path: Path, freq: int, soft: bool
) -> None:
    await written(tmp_path)
    async with await DiskTier.open(tmp_path, max_bytes=2**20) as disk:
        shelf = Shelf(MemoryTier(max_bytes=2**20), disk)
        entry = disk.find(KEY)
        assert entry is not None
        entry.freq = freq
        reading = asyncio.create_task(shelf.find_on_disk(KEY))
        await asyncio.sleep(0)  # a thread reads now, and this loop hears of it later
        shelf.purge(Purge("url", KEY, soft))
        found = await reading
        kept = shelf.find(KEY, NO_FIELDS)
        assert [one is None or one.purged for one in (found, kept)] == [True, True]
        assert soft or (found, kept) == (None, None)


async def test_what_is_replaced_while_the_disk_is_read_is_not_found(tmp_path: Path) -> None:
    await written(tmp_path)
    async with await DiskTier.open(tmp_path, max_bytes=2**20) as disk:
        shelf = Shelf(MemoryTier(max_bytes=2**20), disk)
        reading = asyncio.create_task(shelf.find_on_disk(KEY))
        await asyncio.sleep(0)
        new = stored(b"new")
        shelf.put(new, on_disk=True)
        assert await reading is new
        assert shelf.find(KEY, NO_FIELDS) is new
