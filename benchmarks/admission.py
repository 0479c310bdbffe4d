"""Hit ratio of the memory tier's S3-FIFO beside LRU of the same bound, on made traces of two kinds."""

from __future__ import annotations

import itertools
import random
from bisect import bisect
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edge.cache.tiers.s3fifo import S3Fifo

OBJECTS = 20_000
REQUESTS = 300_000
SHARES = (0.01, 0.05, 0.2)

Request = tuple[str, int]


@dataclass(slots=True, eq=False)
class Kept:
    """An entry without anything in it."""

    key: str
    size: int
    freq: int = 0
    alive: bool = True


def main() -> str:
    """A table of hit ratios by trace and size of the cache."""
    rows = [
        "| trace | cache, of all bytes | LRU | S3-FIFO | misses, S3-FIFO : LRU |",
        "|---|---|---|---|---|",
    ]
    for name, trace in (("zipf 0.9", zipf_trace), ("zipf 0.9 with scans", scan_trace)):
        for share in SHARES:
            max_bytes = int(share * sum(size_of(number) for number in range(OBJECTS)))
            lru = hit_ratio(trace(), lru_of(max_bytes))
            fifo = hit_ratio(trace(), s3fifo_of(max_bytes))
            rows.append(
                f"| {name} | {share:.0%} | {lru:.1%} | {fifo:.1%} | {(1 - fifo) / (1 - lru):.2f} |"
            )
    return "\n".join(rows)


def zipf_trace() -> Iterator[Request]:
    """Requests of viewers: few titles are asked for much, most hardly ever."""
    chance = random.Random(20230923)
    weights = list(itertools.accumulate((rank + 1) ** -0.9 for rank in range(OBJECTS)))
    for _ in range(REQUESTS):
        rank = bisect(weights, chance.random() * weights[-1])
        yield f"popular-{rank}", size_of(rank)


def scan_trace() -> Iterator[Request]:
    """The same, and now and then somebody who fetches a whole library once."""
    scanned = itertools.count()
    for number, request in enumerate(zipf_trace()):
        yield request
        if number % 30_000 < 10_000:
            once = next(scanned)
            yield f"scanned-{once}", size_of(once)


def size_of(number: int) -> int:
    """Sizes like those of segments of several renditions, in KiB."""
    return 200 + number * 7919 % 3000


def hit_ratio(trace: Iterator[Request], ask: Callable[[str, int], bool]) -> float:
    """The share of the requests for what is popular that ``ask`` had; a scan can have no hits in any cache."""
    hits = total = 0
    for key, size in trace:
        hit = ask(key, size)
        if key.startswith("popular"):
            total += 1
            hits += hit
    return hits / total


def s3fifo_of(max_bytes: int) -> Callable[[str, int], bool]:
    """The policy that the edge uses."""
    tier: S3Fifo[Kept] = S3Fifo(max_bytes=max_bytes)

    def ask(key: str, size: int) -> bool:
        if tier.get(key) is not None:
            return True
        tier.put(Kept(key, size))
        return False

    return ask


def lru_of(max_bytes: int) -> Callable[[str, int], bool]:
    """What it is measured against."""
    kept: OrderedDict[str, int] = OrderedDict()
    held = 0

    def ask(key: str, size: int) -> bool:
        nonlocal held
        if key in kept:
            kept.move_to_end(key)
            return True
        while held + size > max_bytes:
            held -= kept.popitem(last=False)[1]
        kept[key] = size
        held += size
        return False

    return ask
