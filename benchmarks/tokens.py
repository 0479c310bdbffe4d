"""Tokens: the first time that one comes beside the bare library, one that is remembered, and a flood of bad ones."""

from __future__ import annotations

import gc
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from benchmarks.table import Row, table
from benchmarks.token_cases import NOW, Case, cases
from config.contracts.grants import Asked, Grant
from edge.errors import NotAllowed
from edge.tokens.links.link import MARK, Link
from edge.tokens.verified import VerifiedTokens

ROUNDS = 21
PER_ROUND = 60
MOST_OVERHEAD = 1.3
MOST_REMEMBERED_SECONDS = 2e-6
REMEMBERED_CALLS = 1_000_000
GOOD = 1000
FLOOD = 300
FLOOD_ROUNDS = 7
MOST_GROWTH_BYTES = 4096
WARM_ROUNDS = 6
MOST_EXPIRED = 1.1
LEEWAY = 30.0
SCOPE = "/vod/title/1.m4s"


async def main() -> None:
    """Measure and print the table."""
    with cases() as every:
        rows = [
            *(first(case) for case in every),
            *remembered(every[0]),
            *(flood(case) for case in every),
        ]
    print(table(rows))


def first(case: Case) -> Row:
    """A token that nobody knows yet, verified by the edge, beside the library that does nothing else."""
    made = [case.mint(number, NOW + 3600) for number in range(PER_ROUND)]

    def ours() -> None:
        for text in made:
            case.signers.verify(case.linked(text) if case.is_link else text, NOW)

    def theirs() -> None:
        for text in made:
            case.bare(text)

    us, them = _interleaved(ours, theirs)
    ratio = statistics.median(mine / other for mine, other in zip(us, them, strict=True))
    return Row(
        work=f"first verification: {case.name}",
        peer=case.peer,
        figure=f"{ratio:.2f} x ({_micro(us)} and {_micro(them)} µs)",
        target=f"≤ {MOST_OVERHEAD} x",
        met=ratio <= MOST_OVERHEAD,
    )


def remembered(case: Case) -> Iterator[Row]:
    """What every request after the first costs, and whether it leaves anything behind."""
    token = case.token(0)
    tokens = VerifiedTokens(case.signers.verify, capacity=GOOD, leeway_seconds=LEEWAY)
    tokens.grant_of(token, now=NOW)
    asked = Asked(method="GET", uri=f"https://media.example.com{SCOPE}", scope=SCOPE, headers={})

    def hot() -> None:
        held = tokens.held(token, now=NOW)
        if held is None or not held.grant.covers(SCOPE):
            raise ValueError("a good token is refused")

    def ordinary() -> None:
        held = tokens.remembered(token, now=NOW)
        grant = held.grant
        if tokens.is_late(token, held, now=NOW) or not grant.covers(SCOPE):
            raise ValueError("a good token is refused")
        if grant.rules and grant.broken_rule(asked) is not None:
            raise ValueError("a good token is refused")

    for name, work in (("hot lane", hot), ("ordinary way", ordinary)):
        seconds = _per_call(work)
        grown, objects = _growth(work)
        yield Row(
            work=f"remembered token, {name}",
            peer="none",
            figure=f"{seconds * 1e9:.0f} ns; after {REMEMBERED_CALLS} calls {grown} B and {objects} objects more",
            target=f"≤ {MOST_REMEMBERED_SECONDS * 1e6:g} µs, nothing more",
            met=seconds <= MOST_REMEMBERED_SECONDS and grown < 4096 and objects <= 16,
        )


def flood(case: Case) -> Row:
    """Distinct bad tokens: what one costs, what they leave in memory, and whom they push out."""
    checked = 0

    def verify(token: str, now: float) -> Grant:
        nonlocal checked
        checked += 1
        return case.signers.verify(token, now)

    tokens = VerifiedTokens(verify, capacity=GOOD, leeway_seconds=LEEWAY)
    strangers = VerifiedTokens(case.strangers.verify, capacity=GOOD, leeway_seconds=LEEWAY)
    good = [case.token(number) for number in range(GOOD)]
    for token in good:
        tokens.grant_of(token, now=NOW)
    fresh = [case.token(GOOD + number) for number in range(FLOOD)]
    ratios: dict[str, float] = {}
    for name, bad in _bad(case, GOOD).items():
        asked = strangers if name == "unknown key" else tokens
        us, them = _interleaved(
            partial(_refused, asked, bad), partial(_verified, case, fresh), rounds=FLOOD_ROUNDS
        )
        ratios[name] = statistics.median(mine / other for mine, other in zip(us, them, strict=True))
    grown = _flood_growth(tokens, strangers, _bad(case, GOOD + FLOOD))
    before = checked
    for token in good:
        tokens.grant_of(token, now=NOW)
    kept = GOOD - (checked - before)
    costs = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
    return Row(
        work=f"flood of bad tokens: {case.name}",
        peer="first verification of a good one",
        figure=f"{costs} x; {grown} B more; {kept} of {GOOD} good ones remembered",
        # What is signed and has ended costs what a good one does: to know that it is signed.
        target=f"< 1 x, expired ≤ {MOST_EXPIRED:g} x, no growth, all",
        met=ratios.pop("expired") <= MOST_EXPIRED
        and max(ratios.values()) < 1
        and grown < MOST_GROWTH_BYTES
        and kept == GOOD,
    )


def _bad(case: Case, start: int) -> dict[str, list[str]]:
    numbers = range(start, start + FLOOD)
    fresh = [case.token(number) for number in numbers]
    return {
        "malformed": [_malformed(token) for token in fresh],
        "wrong signature": [_forged(token) for token in fresh],
        "unknown key": fresh,  # to those who know another one
        "expired": [case.token(number, ends_at=NOW - 3600) for number in numbers],
    }


def _refused(tokens: VerifiedTokens, bad: Sequence[str]) -> None:
    for token in bad:
        try:
            tokens.grant_of(token, now=NOW)
        except NotAllowed:
            continue
        raise ValueError("a bad token is taken")


def _verified(case: Case, tokens: Sequence[str]) -> None:
    verified = VerifiedTokens(case.signers.verify, capacity=GOOD, leeway_seconds=LEEWAY)
    for token in tokens:
        verified.grant_of(token, now=NOW)


def _malformed(token: str) -> str:
    """The token with a character in its middle that no token has."""
    middle = len(token) // 2
    return f"{token[:middle]}!{token[middle + 1 :]}"


def _forged(token: str) -> str:
    """The token with another signature of the right form."""
    if not token.startswith(MARK):
        return _changed(token)
    link = Link.decode(token)
    fields = {
        name: _changed(value) if name in ("Signature", "S", "hash", "token") else value
        for name, value in link.fields
    }
    return Link.of(link.signer, path=link.path, query=link.query, fields=fields).encode()


def _changed(text: str) -> str:
    at = len(text) - 10  # all of its bits count there, whatever the length
    return f"{text[:at]}{'1' if text[at] == '0' else '0'}{text[at + 1 :]}"


def _flood_growth(
    tokens: VerifiedTokens, strangers: VerifiedTokens, floods: dict[str, list[str]]
) -> int:
    """Bytes that bad tokens leave behind, once those before them have filled what is of bounded size."""
    half = FLOOD // 2
    tracemalloc.start()
    before = 0
    # What the interpreter keeps for itself (some 30 KB, whoever asks) is there after a few rounds.
    for part in (*[slice(half)] * WARM_ROUNDS, slice(half, None)):
        before = tracemalloc.get_traced_memory()[0]
        for name, bad in floods.items():
            _refused(strangers if name == "unknown key" else tokens, bad[part])
        gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return grown


def _interleaved(
    ours: Callable[[], object], theirs: Callable[[], object], *, rounds: int = ROUNDS
) -> tuple[list[float], list[float]]:
    """Seconds of each round, taken in turns."""
    us: list[float] = []
    them: list[float] = []
    for number in range(rounds + 1):
        for work, found in ((ours, us), (theirs, them)):
            started = time.perf_counter()
            work()
            if number:  # the first one warms up
                found.append(time.perf_counter() - started)
    return us, them


def _micro(rounds: Sequence[float]) -> str:
    return f"{statistics.median(rounds) / PER_ROUND * 1e6:.1f}"


def _per_call(work: Callable[[], None]) -> float:
    count = REMEMBERED_CALLS // ROUNDS
    rounds: list[float] = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for _ in range(count):
            work()
        rounds.append((time.perf_counter() - started) / count)
    return statistics.median(rounds)


def _growth(work: Callable[[], None]) -> tuple[int, int]:
    """Bytes and objects that a million calls leave behind."""
    work()
    gc.collect()
    objects = len(gc.get_objects())
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(REMEMBERED_CALLS):
        work()
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return grown, len(gc.get_objects()) - objects
