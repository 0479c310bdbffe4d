from __future__ import annotations

import asyncio
import fcntl
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.cache.tiers import files
from edge.cache.tiers.bases import Bases
from edge.cache.tiers.disk import INLINE_BYTES, DiskTier, Limits
from edge.cache.tiers.entries import DiskEntry
from edge.cache.tiers.format import BLOCK_BYTES
from edge.cache.tiers.purge import Purge
from edge.cache.tiers.reading import DiskBody
from tests.edge.cache.tiers.things import body_of, counted, stored_files

MIB = 2**20


@pytest.fixture
async def tier(tmp_path: Path) -> AsyncIterator[DiskTier]:
    async with await DiskTier.open(tmp_path / "cache", max_bytes=16 * MIB) as opened:
        yield opened


async def put(tier: DiskTier, key: str, body: bytes, *tags: str) -> None:
    assert tier.write(key, b"head of " + key.encode(), tags, body)
    await tier.settled()


async def part_of(
    tier: DiskTier, entry: DiskEntry, opened: DiskBody, start: int, stop: int
) -> bytes | None:
    part = await tier.read(entry, opened, start, stop)
    return None if part is None else bytes(part)


async def get(tier: DiskTier, key: str) -> bytes | None:
    entry = tier.find(key)
    loaded = None if entry is None else await tier.load(entry)
    if loaded is None:
        return None
    assert loaded.head == b"head of " + key.encode()
    assert isinstance(loaded.body.obj, bytes)
    return bytes(loaded.body)


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES, 2 * MIB + 1])
async def test_what_was_written_is_read_again_also_after_a_restart(
    tmp_path: Path, size: int
) -> None:
    body = body_of(1, size)
    async with await DiskTier.open(tmp_path, max_bytes=16 * MIB) as tier:
        await put(tier, "vod/a\n1", body, "show")
        assert await get(tier, "vod/a\n1") == body
    async with await DiskTier.open(tmp_path, max_bytes=16 * MIB) as tier:
        assert tier.keys() == tier.with_base("vod/a") == tier.with_tag("show") == ["vod/a\n1"]
        assert await get(tier, "vod/a\n1") == body  # through a thread
        assert await get(tier, "vod/a\n1") == body  # from the page cache


async def test_a_large_object_is_read_in_a_thread(tmp_path: Path) -> None:
    body = body_of(1, INLINE_BYTES + 1)
    async with await DiskTier.open(tmp_path, max_bytes=64 * MIB) as tier:
        await put(tier, "a", body)
        assert await get(tier, "a") == body


async def test_nothing_is_found_before_it_is_whole(tier: DiskTier) -> None:
    assert tier.write("a", b"head of a", (), b"body")
    assert tier.find("a") is None
    assert tier.keys() == ["a"]  # but a purge finds it
    await tier.settled()
    assert await get(tier, "a") == b"body"


async def test_a_new_version_takes_the_place_of_the_old_at_once(
    tier: DiskTier, tmp_path: Path
) -> None:
    await put(tier, "a", b"old")
    old = tier.find("a")
    assert old is not None
    assert tier.write("a", b"head of a", (), b"new")
    assert tier.find("a") is None
    assert not old.alive
    assert await tier.load(old) is None
    await tier.settled()
    assert await get(tier, "a") == b"new"
    assert len(stored_files(tmp_path / "cache")) == 1


async def test_many_versions_in_a_row_leave_only_the_last(tier: DiskTier, tmp_path: Path) -> None:
    for number in range(50):
        tier.write("a", b"head of a", (), body_of(number, 1000))
    await tier.settled()
    assert await get(tier, "a") == body_of(49, 1000)
    assert len(stored_files(tmp_path / "cache")) == 1


async def test_a_purge_overtakes_a_write_that_is_under_way(tier: DiskTier, tmp_path: Path) -> None:
    tier.write("a", b"head of a", (), body_of(1, MIB))
    await asyncio.sleep(0)  # the thread has it now
    assert tier.remove("a")
    assert not tier.remove("a")
    await tier.settled()
    assert tier.find("a") is None
    assert stored_files(tmp_path / "cache") == []


async def test_the_folder_never_grows_beyond_its_bound(tmp_path: Path) -> None:
    async with await DiskTier.open(tmp_path, max_bytes=4 * MIB) as tier:
        for number in range(100):
            tier.write(
                str(number), b"head of " + str(number).encode(), (), body_of(number, 300_000)
            )
            if number % 10 == 9:
                await tier.settled()
                used = sum(path.stat().st_blocks * 512 for path in stored_files(tmp_path))
                assert used <= tier.bytes <= 4 * MIB
        kept = tier.keys()
        assert 8 <= len(kept) == len(stored_files(tmp_path))
        for key in kept:
            assert await get(tier, key) == body_of(int(key), 300_000)
    async with await DiskTier.open(
        tmp_path, max_bytes=2 * MIB
    ) as tier:  # a smaller bound holds at once
        await tier.settled()
        assert tier.bytes <= 2 * MIB
        assert len(stored_files(tmp_path)) == len(tier) > 0


async def test_an_object_that_is_too_large_is_refused_and_its_old_version_forgotten(
    tier: DiskTier,
) -> None:
    await put(tier, "a", b"old")
    before = counted("edge_cache_disk_writes_total", result="too_large")
    assert not tier.write("a", b"head of a", (), bytes(5 * MIB))
    assert not tier.write("b", bytes(MIB), (), b"small body, huge head")
    assert tier.find("a") is None
    assert counted("edge_cache_disk_writes_total", result="too_large") == before + 2


async def test_a_full_queue_drops_writes_and_counts_them(tmp_path: Path) -> None:
    before = counted("edge_cache_disk_writes_total", result="busy")
    limits = Limits(queued_bytes=250_000, queued_count=3)
    async with await DiskTier.open(tmp_path, max_bytes=16 * MIB, limits=limits) as tier:
        assert [tier.write(str(n), b"", (), bytes(100_000)) for n in range(3)] == [
            True,
            True,
            False,
        ]
        await tier.settled()
        assert [tier.write(str(n), b"", (), b"") for n in range(4)] == [True, True, True, False]
        await tier.settled()
        assert tier.write("again", b"", (), b"")
    assert counted("edge_cache_disk_writes_total", result="busy") == before + 2


async def test_an_open_object_is_read_to_its_end_though_it_is_evicted_meanwhile(
    tier: DiskTier, tmp_path: Path
) -> None:
    body = body_of(1, 3 * BLOCK_BYTES + 5)
    await put(tier, "a", body)
    entry = tier.find("a")
    assert entry is not None
    opened = await tier.open_body(entry)
    assert opened is not None
    with opened:
        first = await part_of(tier, entry, opened, 0, 1000)
        assert first == body[:1000]
        for number in range(80):
            await put(tier, f"other-{number}", body_of(number, MIB))
        assert tier.find("a") is None
        assert not any(
            path.name.startswith(files.digest_of("a").hex()) for path in stored_files(tmp_path)
        )
        rest = await part_of(tier, entry, opened, 1000, opened.size)
        assert rest == body[1000:]
    assert await tier.load(entry) is None
    assert await tier.open_body(entry) is None


@pytest.mark.parametrize(
    ("start", "stop"),
    [
        (0, 1),
        (BLOCK_BYTES - 1, BLOCK_BYTES + 1),
        (0, 10**9),
        (2 * BLOCK_BYTES + 5, 10**9),
        (7, 7),
        (9, 3),
        (10**9, 10**9 + 1),
    ],
)
async def test_any_part_of_an_object_can_be_read(tier: DiskTier, start: int, stop: int) -> None:
    body = body_of(1, 2 * BLOCK_BYTES + 100)
    await put(tier, "a", body)
    entry = tier.find("a")
    assert entry is not None
    opened = await tier.open_body(entry)
    assert opened is not None
    with opened:
        assert opened.head == b"head of a"
        assert await part_of(tier, entry, opened, start, stop) == body[start:stop]


async def test_purges_find_what_they_name_on_the_index(tier: DiskTier, tmp_path: Path) -> None:
    for key, tag in (("vod/a", "one"), ("vod/a\ngzip", "one"), ("vod/b", "two"), ("live/c", "two")):
        tier.write(key, b"", (tag, "every"), b"body")
    await tier.settled()
    assert sorted(tier.with_base("vod/a")) == ["vod/a", "vod/a\ngzip"]
    assert sorted(tier.with_prefix("vod/")) == ["vod/a", "vod/a\ngzip", "vod/b"]
    assert sorted(tier.with_tag("two")) == ["live/c", "vod/b"]
    assert tier.purge(Purge("url", "vod/a")) == 2
    assert tier.purge(Purge("tag", "two")) == 2
    assert tier.purge(Purge("all")) == 0
    assert (len(tier), tier.bytes, tier.with_base("vod/a")) == (0, 0, [])
    await tier.settled()
    assert stored_files(tmp_path / "cache") == []


async def test_a_purge_of_two_thousand_slices_is_done_within_a_second(tmp_path: Path) -> None:
    limits = Limits(queued_count=10_000)
    async with await DiskTier.open(tmp_path, max_bytes=256 * MIB, limits=limits) as tier:
        for number in range(2_000):
            assert tier.write(f"vod/a\n{number}", b"", (), b"body")
        await tier.settled()
        async with asyncio.timeout(1):
            assert tier.purge(Purge("prefix", "vod/")) == 2_000
            await tier.settled()
        assert stored_files(tmp_path) == []


async def test_a_soft_purge_is_remembered_across_a_restart(tmp_path: Path) -> None:
    async with await DiskTier.open(tmp_path, max_bytes=16 * MIB) as tier:
        await put(tier, "a", b"body")
        await put(tier, "b", b"body")
        tier.write("late", b"head of late", (), b"body")
        assert tier.purge(Purge("url", "a", soft=True)) == 1
        assert tier.mark_stale("late")  # not written yet
        assert not tier.mark_stale("never")
        entry = tier.find("a")
        assert entry is not None
        assert entry.stale
    async with await DiskTier.open(tmp_path, max_bytes=16 * MIB) as tier:
        found = {key: tier.find(key) for key in ("a", "b", "late")}
        assert {key: entry and entry.stale for key, entry in found.items()} == {
            "a": True,
            "b": False,
            "late": True,
        }
        assert await get(tier, "a") == b"body"


async def test_what_is_used_in_memory_stays_on_disk(tmp_path: Path) -> None:
    async with await DiskTier.open(tmp_path, max_bytes=4 * MIB) as tier:
        await put(tier, "a", body_of(1, 100_000))
        for number in range(100):
            if number % 5 == 0:
                tier.touch("a")
            await put(tier, str(number), body_of(number, 200_000))
        assert await get(tier, "a") == body_of(1, 100_000)
        assert tier.find("0") is None
        assert not tier.wants("a")


async def test_more_reads_than_the_disk_can_answer_are_misses(tmp_path: Path) -> None:
    async with await DiskTier.open(tmp_path, max_bytes=MIB) as tier:
        await put(tier, "a", b"body")
    limits = Limits(reads_count=1)
    async with await DiskTier.open(tmp_path, max_bytes=MIB, limits=limits) as tier:
        before = counted("edge_cache_disk_reads_total", result="busy")
        entry = tier.find("a")
        assert entry is not None
        found = await asyncio.gather(tier.load(entry), tier.load(entry))
        assert [loaded is None for loaded in found] == [False, True]
        assert counted("edge_cache_disk_reads_total", result="busy") == before + 1
        assert await get(tier, "a") == b"body"


async def test_two_versions_of_a_key_after_a_crash_end_as_the_newer(tmp_path: Path) -> None:
    async with await DiskTier.open(tmp_path, max_bytes=16 * MIB) as tier:
        await put(tier, "a", b"old")
        [old] = stored_files(tmp_path)
        saved = old.read_bytes()
        await put(tier, "a", b"new")
    old.write_bytes(saved)  # as if the process had died before the old one was removed
    async with await DiskTier.open(tmp_path, max_bytes=16 * MIB) as tier:
        assert await get(tier, "a") == b"new"
        assert len(stored_files(tmp_path)) == 1


def test_variants_and_slices_have_the_owner_of_their_url() -> None:
    half = files.DIGEST_BYTES // 2
    digests = {files.digest_of(key) for key in ("vod/a", "vod/a\ngzip", "vod/a\n0-99")}
    assert len(digests) == 3
    assert len({digest[:half] for digest in digests}) == 1


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["a", "b"]), st.integers(0, 4))))
def test_keys_are_found_by_their_url_after_any_changes(
    changes: list[tuple[bool, str, int]],
) -> None:
    bases, model = Bases(), set[str]()
    for added, base, part in changes:
        key = f"{base}\n{part}" if part else base
        if added:
            bases.add(key)
            model.add(key)
        else:
            bases.discard(key)
            model.discard(key)
        for name in ("a", "b"):
            assert sorted(bases.of(name)) == sorted(k for k in model if k[0] == name)
        assert len(bases) == len({key[0] for key in model})


def even(digest: bytes) -> bool:
    return digest[0] % 2 == 0


def odd(digest: bytes) -> bool:
    return digest[0] % 2 == 1


_WRITER = """
import asyncio, sys
from pathlib import Path
from edge.cache.tiers.disk import DiskTier
from edge.cache.tiers.files import digest_of

async def main(folder, slot):
    owns = lambda digest: digest[0] % 2 == slot
    async with await DiskTier.open(Path(folder), max_bytes=2**24, owns=owns, slot=slot) as tier:
        for round in range(3):
            for number in range(60):
                key = f"key-{number}"
                if owns(digest_of(key)):
                    assert tier.write(key, b"head of " + key.encode(), (), key.encode() * 5000)
            await tier.settled()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def run_writer(folder: Path, slot: int) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _WRITER, str(folder), str(slot)
    )
    assert await asyncio.wait_for(process.wait(), 60) == 0


async def test_processes_share_a_folder_and_leave_each_others_files_alone(tmp_path: Path) -> None:
    await asyncio.gather(*(run_writer(tmp_path, slot) for slot in (0, 1)))
    keys = {f"key-{number}" for number in range(60)}
    async with (
        await DiskTier.open(tmp_path, max_bytes=2**24, owns=even) as first,
        await DiskTier.open(tmp_path, max_bytes=2**24, owns=odd, slot=1) as second,
    ):
        assert {*first.keys()} | {*second.keys()} == keys
        assert len(first) + len(second) == 60
        assert min(len(first), len(second)) > 10
        for tier in (first, second):
            kept = tier.keys()
            for key in kept:
                assert await get(tier, key) == key.encode() * 5000
        first.purge(Purge("all"))
        await first.settled()
        assert len(stored_files(tmp_path)) == len(second)
        kept = second.keys()
        for key in kept:
            assert await get(second, key) is not None


async def test_what_a_living_process_is_writing_is_not_swept_away(tmp_path: Path) -> None:
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    living, dead, foreign = (
        incoming / name for name in ("1-0-" + "a" * 16, "1-0-" + "b" * 16, "x")
    )
    for path in (dead, foreign):
        path.write_bytes(b"half")
    fd = os.open(living, os.O_CREAT | os.O_WRONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        async with await DiskTier.open(tmp_path, max_bytes=MIB):
            assert sorted(incoming.iterdir()) == sorted([living, foreign])
    finally:
        os.close(fd)
    async with await DiskTier.open(tmp_path, max_bytes=MIB):
        assert list(incoming.iterdir()) == [foreign]


async def test_what_another_start_swept_away_before_it_was_locked_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = fcntl.flock
    swept: list[Path] = []

    def late(fd: int, operation: int) -> None:
        if not swept:
            swept.extend((tmp_path / "incoming").iterdir())
            for path in swept:
                path.unlink()
        usual(fd, operation)

    async with await DiskTier.open(tmp_path, max_bytes=MIB) as tier:
        monkeypatch.setattr(fcntl, "flock", late)
        await put(tier, "a", b"body")
        assert len(swept) == 1
        assert tier.is_on
        assert await get(tier, "a") == b"body"
    async with await DiskTier.open(tmp_path, max_bytes=MIB) as tier:
        assert await get(tier, "a") == b"body"


async def test_files_of_others_in_the_folder_are_not_touched(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    folder = tmp_path / "cache"
    leaf = folder / "a" / "bc"
    leaf.mkdir(parents=True)
    name = "abc" + "0" * 29 + "-" + "0" * 16
    (leaf / name).symlink_to(outside)
    (leaf / "notes.txt").write_bytes(b"mine")
    os.mkfifo(leaf / name.replace("0-", "1-"))
    (leaf / name.replace("0-", "2-")).mkdir()
    (folder / "d").write_bytes(b"a file where a folder could be")
    (folder / "e").symlink_to(folder, target_is_directory=True)
    async with await DiskTier.open(folder, max_bytes=MIB) as tier:
        assert len(tier) == 0
    assert outside.read_bytes() == b"precious"
    assert (leaf / "notes.txt").read_bytes() == b"mine"
    assert (folder / "d").exists()
