from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from edge.cache.tiers.ghost import Ghost
from edge.cache.tiers.memory import ENTRY_BYTES, MemoryTier
from edge.cache.tiers.s3fifo import S3Fifo
from tests.edge.cache.tiers.things import Thing, counted


def tier_of(max_bytes: int, evicted: list[Thing] | None = None) -> S3Fifo[Thing]:
    gone = [] if evicted is None else evicted
    return S3Fifo(max_bytes=max_bytes, largest_fraction=0.5, on_evict=gone.append)


def test_what_was_put_is_found_and_counted_as_used() -> None:
    tier = tier_of(100)
    thing = Thing("a", 10)
    assert tier.put(thing)
    assert tier.get("a") is thing
    assert thing.freq == 1
    for _ in range(9):
        tier.get("a")
    assert thing.freq == 3
    assert tier.get("b") is None


def test_looking_without_using_counts_nothing() -> None:
    tier = tier_of(100)
    tier.put(Thing("a", 10))
    found = tier.peek("a")
    assert found is not None
    assert found.freq == 0


def test_an_entry_larger_than_its_share_is_refused_and_takes_its_old_version_along() -> None:
    tier = tier_of(100)
    old = Thing("a", 50)
    assert tier.put(old)
    assert not tier.put(Thing("a", 51))
    assert tier.peek("a") is None
    assert not old.alive
    assert tier.bytes == 0


def test_the_overhead_of_each_entry_counts() -> None:
    tier: MemoryTier[Thing] = MemoryTier(max_bytes=10 * ENTRY_BYTES)
    for number in range(20):
        tier.put(Thing(str(number), 0))
    assert len(tier) == 10
    assert tier.bytes == 10 * ENTRY_BYTES


def test_the_number_of_entries_has_a_bound_too() -> None:
    tier: S3Fifo[Thing] = S3Fifo(max_bytes=1000, max_count=3)
    for number in range(5):
        tier.put(Thing(str(number), 1))
    assert sorted(thing.key for thing in tier) == ["2", "3", "4"]


def test_evicted_entries_stay_alive_and_are_reported_and_counted() -> None:
    gone: list[Thing] = []
    before = counted("edge_cache_evictions_total", tier="memory")
    tier: MemoryTier[Thing] = MemoryTier(max_bytes=100, overhead_bytes=0, on_evict=gone.append)
    for number in range(11):
        tier.put(Thing(str(number), 10))
    assert [thing.key for thing in gone] == ["0"]
    assert gone[0].alive
    assert counted("edge_cache_evictions_total", tier="memory") == before + 1


def test_a_removed_entry_is_dead_and_not_reported_as_evicted() -> None:
    gone: list[Thing] = []
    tier = tier_of(100, gone)
    thing = Thing("a", 10)
    tier.put(thing)
    assert tier.remove("a") is thing
    assert not thing.alive
    assert tier.remove("a") is None
    assert tier.bytes == 0
    assert gone == []


def test_putting_the_same_object_again_keeps_it_alive() -> None:
    tier = tier_of(100)
    thing = Thing("a", 10)
    tier.put(thing)
    tier.put(thing)
    assert thing.alive
    assert (len(tier), tier.bytes) == (1, 10)


def test_a_key_that_comes_back_soon_goes_to_the_main_queue_and_survives_a_scan() -> None:
    tier = tier_of(100)
    for number in range(10):
        tier.put(Thing(f"first-{number}", 10))
    tier.put(Thing("next", 10))
    assert tier.wants("first-0")
    assert not tier.wants("never-seen")
    tier.put(Thing("first-0", 10))
    assert not tier.wants("first-0")
    for number in range(1000):
        tier.put(Thing(f"scan-{number}", 10))
    assert tier.peek("first-0") is not None


def test_a_scan_does_not_drive_out_what_is_used() -> None:
    tier = tier_of(1000)
    used = [f"used-{number}" for number in range(20)]
    for key in used:
        tier.put(Thing(key, 10))
    for number in range(10_000):
        if number % 50 < 20:
            tier.get(used[number % 50])
        tier.put(Thing(f"scan-{number}", 10))
    assert all(tier.peek(key) is not None for key in used)


def test_a_new_version_of_a_popular_entry_is_as_safe_as_the_old_one() -> None:
    tier = tier_of(100)
    for number in range(11):
        tier.put(Thing(str(number), 10))
    tier.put(Thing("0", 10))  # it was a ghost: to the main queue
    old = tier.get("0")
    assert old is not None
    tier.put(Thing("0", 12))
    assert not old.alive
    for number in range(100):
        tier.put(Thing(f"scan-{number}", 10))
    found = tier.peek("0")
    assert found is not None
    assert found.size == 12


def test_entries_can_be_removed_while_they_are_gone_through() -> None:
    tier = tier_of(100)
    for number in range(10):
        tier.put(Thing(str(number), 10))
    for thing in tier:
        tier.remove(thing.key)
    assert len(tier) == 0


def test_a_ghost_forgets_the_oldest_first_and_its_places_stay_bounded() -> None:
    ghost = Ghost()
    for number in range(5):
        ghost.add(str(number), limit=3)
    assert ["0" in ghost, "1" in ghost, "2" in ghost, "4" in ghost] == [False, False, True, True]
    assert ghost.take("2")
    assert not ghost.take("2")
    ghost.add("2", limit=3)  # newest now; its old place must not take it away
    ghost.add("5", limit=3)
    assert "2" in ghost
    for _ in range(1000):
        ghost.add("same", limit=3)
    assert len(ghost) == 3
    assert "same" in ghost


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 30), st.integers(0, 60)),
        st.tuples(st.just("get"), st.integers(0, 30), st.just(0)),
        st.tuples(st.just("remove"), st.integers(0, 30), st.just(0)),
    ),
    max_size=100,
)


@given(OPERATIONS)
def test_any_sequence_keeps_the_bound_and_loses_only_what_it_says(
    operations: list[tuple[str, int, int]],
) -> None:
    gone: list[Thing] = []
    tier: S3Fifo[Thing] = S3Fifo(
        max_bytes=100, max_count=12, overhead_bytes=2, largest_fraction=0.5, on_evict=gone.append
    )
    model: dict[str, Thing] = {}
    for name, number, size in operations:
        key = str(number)
        gone.clear()
        match name:
            case "put":
                thing = Thing(key, size)
                old = model.pop(key, None)
                assert tier.put(thing) == (size + 2 <= 50)
                assert old is None or not old.alive
                if size + 2 <= 50:
                    model[key] = thing
            case "get":
                assert tier.get(key) is model.get(key)
            case _:
                assert tier.remove(key) is model.pop(key, None)
        for thing in gone:
            assert thing.alive
            assert model.pop(thing.key) is thing
        assert {thing.key: thing for thing in tier} == model
        assert tier.bytes == sum(thing.size + 2 for thing in model.values()) <= 100
        assert len(tier) == len(model) <= 12


def test_on_a_zipf_trace_it_misses_less_often_than_random_replacement() -> None:
    chance = random.Random(7)
    keys = [str(int(chance.paretovariate(0.9))) for _ in range(20_000)]
    tier = tier_of(1000)
    hits = 0
    held: list[str] = []
    random_hits = 0
    for key in keys:
        if tier.get(key) is not None:
            hits += 1
        else:
            tier.put(Thing(key, 10))
        if key in held:
            random_hits += 1
        elif len(held) < 100:
            held.append(key)
        else:
            held[chance.randrange(100)] = key
    assert len(keys) - hits < 0.75 * (len(keys) - random_hits)
