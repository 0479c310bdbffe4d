from __future__ import annotations

import asyncio
import errno
import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.cache.tiers import reading
from edge.cache.tiers.disk import DiskTier, Limits
from edge.cache.tiers.entries import DiskEntry
from edge.cache.tiers.format import STATE_AT
from tests.edge.cache.tiers.things import Clock, body_of, counted, stored_files
from tests.lacking import lacking

MIB = 2**20


async def opened(
    folder: Path, clock: Clock | None = None, limits: Limits | None = None
) -> DiskTier:
    return await DiskTier.open(folder, max_bytes=16 * MIB, clock=clock or Clock(), limits=limits)


async def stored(folder: Path, key: str, body: bytes) -> Path:
    async with await opened(folder) as tier:
        tier.write(key, b"head", ("tag",), body)
    [path] = stored_files(folder)
    return path


async def loaded(tier: DiskTier, key: str) -> bytes | None:
    entry = tier.find(key)
    found = None if entry is None else await tier.load(entry)
    return None if found is None else bytes(found.body)


# Damage


async def test_a_flipped_bit_anywhere_is_a_miss_or_asks_for_validation(tmp_path: Path) -> None:
    body = body_of(1, 700)
    path = await stored(tmp_path, "a", body)
    sound = path.read_bytes()
    for at in range(len(sound)):
        broken = bytearray(sound)
        broken[at] ^= 1 << at % 8
        path.write_bytes(broken)
        async with await opened(tmp_path) as tier:
            entry = tier.find("a")
            assert at != STATE_AT or (entry is not None and entry.stale)
            assert await loaded(tier, "a") == (body if at == STATE_AT else None)
        assert path.exists() == (at == STATE_AT)


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("where", ["head", "first block", "last block"])
async def test_damage_while_running_is_counted_deleted_and_a_miss(
    tmp_path: Path, where: str, inline: bool
) -> None:
    body = body_of(1, 600_000)
    path = await stored(tmp_path, "a", body)
    async with await opened(tmp_path) as tier:
        if inline:
            assert await loaded(tier, "a") == body
        entry = tier.find("a")
        assert entry is not None
        at = {"head": 60, "first block": entry.body_at, "last block": entry.file_bytes - 1}[where]
        with path.open("r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 4]))
        before = counted("edge_cache_disk_reads_total", result="damaged")
        assert await loaded(tier, "a") is None
        assert counted("edge_cache_disk_reads_total", result="damaged") == before + 1
        assert tier.find("a") is None
        await tier.settled()
        assert not path.exists()


async def test_damage_behind_an_open_object_ends_the_reading(tmp_path: Path) -> None:
    body = body_of(1, 600_000)
    path = await stored(tmp_path, "a", body)
    async with await opened(tmp_path) as tier:
        entry = tier.find("a")
        assert entry is not None
        part = await tier.open_body(entry)
        assert part is not None
        with part:
            os.truncate(path, entry.file_bytes - 10)
            start = await tier.read(entry, part, 0, 1000)
            assert start is not None
            assert bytes(start) == body[:1000]
            assert await tier.read(entry, part, 599_000, 600_000) is None
        assert tier.find("a") is None


@pytest.mark.parametrize("lost", [1, 100, 699, 700, 740, 10_000])
async def test_a_shortened_file_is_removed_at_the_start(tmp_path: Path, lost: int) -> None:
    path = await stored(tmp_path, "a", body_of(1, 700))
    os.truncate(path, max(0, path.stat().st_size - lost))
    async with await opened(tmp_path) as tier:
        assert len(tier) == 0
        assert not path.exists()


async def test_a_file_under_a_wrong_name_is_removed(tmp_path: Path) -> None:
    path = await stored(tmp_path, "a", b"body")
    other = path.with_name(path.name[:-1] + ("0" if path.name[-1] != "0" else "1"))
    shutil.copy(path, other)
    async with await opened(tmp_path) as tier:
        assert await loaded(tier, "a") == b"body"
        assert stored_files(tmp_path) == [path]


# A disk that takes no writes


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Writes beyond ``size`` fail after a part of them is there, as on a disk that gets full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_write_that_breaks_off_leaves_nothing_and_the_disk_alone_for_a_while(
    tmp_path: Path,
) -> None:
    clock = Clock()
    full = counted("edge_cache_disk_writes_total", result="full")
    off = counted("edge_cache_disk_writes_total", result="off")
    async with await opened(tmp_path, clock) as tier:
        tier.write("sound", b"head", (), b"body")
        await tier.settled()
        with largest_file(400_000):
            assert tier.write("a", b"head", (), body_of(1, MIB))
            await tier.settled()
        assert counted("edge_cache_disk_writes_total", result="full") == full + 1
        assert counted("edge_cache_disk_off") == 1
        assert (tier.find("a"), tier.is_on, len(tier)) == (None, False, 1)
        assert list((tmp_path / "incoming").iterdir()) == []
        assert not tier.write("b", b"head", (), b"body")
        assert counted("edge_cache_disk_writes_total", result="off") == off + 1
        assert await loaded(tier, "sound") == b"body"  # what is there is still served
        clock.now += 1
        assert tier.write("a", b"head", (), body_of(1, MIB))
        await tier.settled()
        assert await loaded(tier, "a") == body_of(1, MIB)
        assert counted("edge_cache_disk_off") == 0


_ON_A_SMALL_DISK = """
import asyncio, sys
from pathlib import Path
from edge.cache.tiers.disk import DiskTier
from tests.edge.cache.tiers.things import Clock, body_of, counted, stored_files

async def main(folder):
    clock = Clock()
    async with await DiskTier.open(folder, max_bytes=2**26, clock=clock) as tier:
        for number in range(12):
            tier.write(str(number), b"head", (), body_of(number, 200_000))
            await tier.settled()
        assert counted("edge_cache_disk_writes_total", result="full") == 1, "not full"
        assert counted("edge_cache_disk_writes_total", result="off") > 0
        assert not list((folder / "incoming").iterdir())
        kept = tier.keys()
        assert 2 <= len(kept) <= 5, kept
        for key in kept:
            found = await tier.load(tier.find(key))
            assert found.body == body_of(int(key), 200_000)
        tier.remove(kept[0])
        await tier.settled()
        clock.now += 60
        assert tier.write("again", b"head", (), body_of(99, 200_000))
        await tier.settled()
        assert (await tier.load(tier.find("again"))).body == body_of(99, 200_000)
        assert len(stored_files(folder)) == len(tier)
    print("held")

asyncio.run(main(Path(sys.argv[1])))
"""


def test_a_disk_without_room_costs_misses_only(tmp_path: Path) -> None:
    # A file system of 1 MiB that only the child sees.
    apart = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-r", "-m"]
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(tmp_path)]
    if shutil.which("unshare") is None:
        lacking("no unshare(1) to mount a small disk with: install util-linux")
    if subprocess.run([*apart, *mount], check=False).returncode:
        lacking("nobody may mount a small disk here: run as root with CAP_SYS_ADMIN")
    script = f'{" ".join(mount)} && exec "$0" -c "$1" \'{tmp_path}\''
    child = subprocess.run(
        [*apart, "sh", "-c", script, sys.executable, _ON_A_SMALL_DISK],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (child.stderr if child.returncode else "", child.stdout[-5:]) == ("", "held\n")


async def test_a_folder_that_cannot_be_made_costs_misses_until_it_can(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.write_bytes(b"a file in its place")
    clock = Clock()
    async with await opened(folder, clock) as tier:
        assert not tier.is_on
        clock.now += 1
        assert tier.write("a", b"head", (), b"body")  # tried again, and it fails again
        await tier.settled()
        assert tier.find("a") is None
        assert not tier.is_on
        folder.unlink()
        clock.now += 2
        tier.write("a", b"head", (), b"body")
        await tier.settled()
        assert await loaded(tier, "a") == b"body"
    assert len(stored_files(folder)) == 1


async def test_what_lay_in_a_folder_that_was_out_of_reach_is_not_used_later(tmp_path: Path) -> None:
    folder, aside = tmp_path / "cache", tmp_path / "aside"
    await stored(folder, "old", b"body")
    folder.rename(aside)
    folder.write_bytes(b"in the way")
    clock = Clock()
    async with await opened(folder, clock) as tier:
        folder.unlink()
        aside.rename(folder)
        clock.now += 1
        tier.write("new", b"head", (), b"body")
        await tier.settled()
        assert tier.keys() == ["new"]
        assert len(stored_files(folder)) == 1


async def test_a_folder_that_is_deleted_while_running_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    async with await opened(folder) as tier:
        tier.write("a", b"head", (), b"body")
        await tier.settled()
        shutil.rmtree(folder)
        gone = counted("edge_cache_disk_reads_total", result="gone")
        assert await loaded(tier, "a") is None
        assert counted("edge_cache_disk_reads_total", result="gone") == gone + 1
        assert len(tier) == 0
        tier.write("a", b"head", (), b"body")
        await tier.settled()
        assert await loaded(tier, "a") == b"body"
        assert tier.is_on


async def test_a_folder_replaced_by_a_file_while_running_costs_misses(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    clock = Clock()
    async with await opened(folder, clock) as tier:
        tier.write("a", b"head", (), b"body")
        await tier.settled()
        shutil.rmtree(folder)
        folder.write_bytes(b"")
        assert await loaded(tier, "a") is None
        tier.write("b", b"head", (), b"body")
        await tier.settled()
        assert tier.find("b") is None
        assert not tier.is_on


async def test_a_file_that_cannot_be_removed_is_tried_again(tmp_path: Path) -> None:
    async with await opened(tmp_path) as tier:
        tier.write("a", b"head", (), b"body")
        await tier.settled()
        [path] = stored_files(tmp_path)
        path.unlink()
        path.mkdir()  # unlink of a folder fails, also for root
        tier.remove("a")
        await tier.settled()
        assert path.exists()
        path.rmdir()
        path.write_bytes(b"as it was")
        tier.write("b", b"head", (), b"body")
        await tier.settled()
        assert not path.exists()


# A disk that gives no answers


def fail_with(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def fail(path: str) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(reading, "open_for_reading", fail)


async def test_an_unreadable_sector_is_a_miss_and_the_object_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await opened(tmp_path) as tier:
        tier.write("a", b"head", (), b"body")
        await tier.settled()
        fail_with(monkeypatch, errno.EIO)
        assert await loaded(tier, "a") is None
        await tier.settled()
        assert stored_files(tmp_path) == []


async def test_a_lack_of_descriptors_is_a_miss_and_the_object_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await opened(tmp_path) as tier:
        tier.write("a", b"head", (), b"body")
        await tier.settled()
        with monkeypatch.context() as patched:
            fail_with(patched, errno.EMFILE)
            assert await loaded(tier, "a") is None
        assert await loaded(tier, "a") == b"body"


async def test_a_disk_that_hangs_is_left_alone_and_its_late_descriptor_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stored(tmp_path, "a", b"body")
    go_on = threading.Event()
    usual = reading.open_body
    usual_close = reading.DiskBody.close
    closed = asyncio.Event()

    def hanging(path: str, entry: DiskEntry) -> reading.DiskBody:
        go_on.wait(30)
        return usual(path, entry)

    def close(body: reading.DiskBody) -> None:
        usual_close(body)
        closed.set()

    monkeypatch.setattr(reading, "open_body", hanging)
    monkeypatch.setattr(reading.DiskBody, "close", close)
    clock = Clock()
    async with await opened(tmp_path, clock, Limits(read_seconds=0.05)) as tier:
        entry = tier.find("a")
        assert entry is not None
        before = counted("edge_cache_disk_reads_total", result="late")
        assert await tier.open_body(entry) is None
        assert counted("edge_cache_disk_reads_total", result="late") == before + 1
        assert tier.find("a") is None
        go_on.set()
        await asyncio.wait_for(closed.wait(), 10)
        clock.now += 1
        assert await loaded(tier, "a") == b"body"
