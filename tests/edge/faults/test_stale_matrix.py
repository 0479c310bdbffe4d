"""The 4 x 4 stale matrix: what a viewer gets, by the state of the origin and the age of what is kept."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

import pytest

from tests.edge.faults.conftest import Over
from tests.edge.faults.driving import CLIENT_SECONDS, SEGMENT
from tests.edge.faults.leaks import Leaks
from tests.edge.faults.origin import (
    Asked,
    Close,
    Send,
    Stall,
    Step,
    answer,
    scripted_origin,
)

OLD, NEW = SEGMENT, bytes(reversed(SEGMENT))
LIVES = "max-age=10, stale-while-revalidate=20, stale-if-error=600"
AGES = {"fresh": 5, "while revalidating": 20, "if error": 100, "too old": 1000}


@dataclass(frozen=True)
class Seen:
    """What a viewer sees: a status, and for 200 which version."""

    status: int
    body: bytes | None = None


KEPT, ANEW = Seen(200, OLD), Seen(200, NEW)
# Rows: the origin now. Columns: how old what is kept is, and nothing kept at all.
MATRIX = {
    "healthy": {
        "fresh": KEPT,
        "while revalidating": KEPT,
        "if error": ANEW,
        "too old": ANEW,
        "none": ANEW,
    },
    "erroring": {
        "fresh": KEPT,
        "while revalidating": KEPT,
        "if error": KEPT,
        "too old": Seen(502),
        "none": Seen(502),
    },
    "down": {
        "fresh": KEPT,
        "while revalidating": KEPT,
        "if error": KEPT,
        "too old": Seen(502),
        "none": Seen(502),
    },
    "sick": {  # it takes questions and says nothing
        "fresh": KEPT,
        "while revalidating": KEPT,
        "if error": KEPT,
        "too old": Seen(504),
        "none": Seen(504),
    },
}
CELLS = [
    pytest.param(state, age, seen, id=f"{state}, {age}")
    for state, row in MATRIX.items()
    for age, seen in row.items()
]


@pytest.mark.parametrize(("state", "age", "seen"), CELLS)
async def test_the_stale_matrix(state: str, age: str, seen: Seen, leaks: Leaks, over: Over) -> None:
    now = "before"

    def script(_asked: Asked) -> list[Step]:
        match now:
            case "before":
                return [Send(answer(OLD, Cache_Control=LIVES)), Close()]
            case "erroring":
                return [Send(answer(status="500 No")), Close()]
            case "sick":
                return [Stall()]
            case _:
                return [Send(answer(NEW, Cache_Control=LIVES)), Close()]

    async with leaks.none(), contextlib.AsyncExitStack() as stack:
        origin = await stack.enter_async_context(scripted_origin(script))
        patience = 0.2 if state == "sick" else CLIENT_SECONDS
        options = {"first_byte_timeout": patience, "answer_timeout": patience, "retry_ratio": 0}
        async with over(origin.url, breaker_failures=0, **options) as edge:
            if age != "none":
                await edge.ask("/cdn/1.ts")
                edge.clock.now += AGES[age]
            now = state
            if state == "down":
                await stack.aclose()
            got = await edge.ask("/cdn/1.ts")
            assert got.status == seen.status
            if seen.body is not None:
                assert (got.body, got.broken) == (seen.body, False)
            if (state, age) == ("healthy", "while revalidating"):
                async with asyncio.timeout(5):  # the revalidation that this answer started
                    while (await edge.ask("/cdn/1.ts")).body != NEW:
                        await asyncio.sleep(0.01)
                assert len(origin.asked) == 2


async def test_what_may_never_be_stale_never_is(leaks: Leaks, over: Over) -> None:
    strict = answer(OLD, Cache_Control="max-age=10, must-revalidate")
    async with leaks.none(), contextlib.AsyncExitStack() as stack:
        origin = await stack.enter_async_context(scripted_origin(lambda _: [Send(strict)]))
        async with over(origin.url) as edge:
            await edge.ask("/cdn/1.ts")
            await stack.aclose()
            assert (await edge.ask("/cdn/1.ts")).status == 200
            edge.clock.now += 11
            assert (await edge.ask("/cdn/1.ts")).status in (502, 504)
