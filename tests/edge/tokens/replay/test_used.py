from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from edge.tokens.replay.used import SHARDS, TooManyUsed, UsedNames

NAMES = [f"{number:032x}"[::-1] for number in range(300)]
LATER = int(time.time()) + 3600


def names_in(folder: Path, *, most: int = 1000) -> UsedNames:
    names = UsedNames(folder, most=most)
    names.open()
    return names


_barrier: Barrier


def _prepare(barrier: Barrier) -> None:
    global _barrier
    _barrier = barrier


def _take_all(folder: Path) -> list[str]:
    names = names_in(folder)
    _barrier.wait(30)
    return [name for name in NAMES if names.take(name, until=LATER)]


def test_of_four_processes_that_begin_at_once_one_gets_each_name(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        4, context, initializer=_prepare, initargs=(context.Barrier(4),)
    ) as pool:
        won = list(pool.map(_take_all, [tmp_path] * 4))
    assert sorted(name for names in won for name in names) == sorted(NAMES)


def test_what_was_used_stays_so_for_whoever_comes_later(tmp_path: Path) -> None:
    assert names_in(tmp_path).take(NAMES[1], until=LATER)
    again = names_in(tmp_path)
    assert len(again) == 1
    assert not again.take(NAMES[1], until=LATER)


def test_what_is_full_refuses_and_forgets_nothing(tmp_path: Path) -> None:
    names = names_in(tmp_path, most=2)
    assert names.take(NAMES[1], until=5)
    assert names.take(NAMES[2], until=LATER)
    with pytest.raises(TooManyUsed):
        names.take(NAMES[3], until=LATER)
    for _ in SHARDS:
        names.sweep(now=time.time())
    assert len(names) == 1
    assert names.take(NAMES[3], until=LATER)
    with pytest.raises(TooManyUsed):
        names.take(NAMES[1], until=LATER)


def test_a_sweep_counts_what_others_made(tmp_path: Path) -> None:
    one, other = names_in(tmp_path, most=3), names_in(tmp_path, most=3)
    for name in NAMES[:3]:
        assert one.take(name, until=LATER)
    for _ in SHARDS:
        other.sweep(now=time.time())
    with pytest.raises(TooManyUsed):
        other.take(NAMES[4], until=LATER)


def test_what_is_given_back_can_be_taken(tmp_path: Path) -> None:
    names = names_in(tmp_path)
    assert names.take(NAMES[1], until=LATER)
    names.give_back(NAMES[1])
    names.give_back(NAMES[2])
    assert names.take(NAMES[1], until=LATER)


def test_a_stray_file_is_swept_and_harms_nothing(tmp_path: Path) -> None:
    names = names_in(tmp_path)
    assert names.take(NAMES[1], until=LATER)
    shard = tmp_path / NAMES[1][:2]
    (shard / "stray").symlink_to("not a number")
    for _ in SHARDS:
        names.sweep(now=time.time())
    assert [path.name for path in shard.iterdir()] == [NAMES[1]]


def test_a_folder_that_was_taken_away_is_made_again(tmp_path: Path) -> None:
    names = names_in(tmp_path / "used")
    (tmp_path / "used").rmdir()
    names.sweep(now=time.time())
    assert names.take(NAMES[1], until=LATER)
