from __future__ import annotations

import asyncio
import random

import pytest

from edge.cache.arriving import Arriving

CHUNK = random.Random(7).randbytes(800_000)


async def test_a_body_that_is_kept_goes_on_in_the_pieces_in_which_it_came() -> None:
    body = Arriving(kept=True)
    reader = body.reader()
    body.feed(CHUNK)
    body.feed(b"end")
    body.finish()

    assert [bytes(piece) async for piece in reader] == [CHUNK, b"end"]


@pytest.mark.parametrize("stop", [None, 300_000])
async def test_a_body_that_is_not_kept_goes_on_in_small_pieces(stop: int | None) -> None:
    body = Arriving(kept=False)
    reader = body.reader(5, stop)
    body.feed(CHUNK)
    body.finish()

    pieces = [bytes(piece) async for piece in reader]

    assert max(map(len, pieces)) <= 256 * 1024
    assert b"".join(pieces) == CHUNK[5:stop]


async def test_every_reader_hears_of_everything_however_often_it_has_to_wait() -> None:
    body = Arriving(kept=True)

    async def read() -> bytes:
        return b"".join([bytes(piece) async for piece in body.reader()])

    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(read()) for _ in range(3)]
        for number in range(4):
            await asyncio.sleep(0)  # they wait again
            body.feed(b"%d" % number)
        await asyncio.sleep(0)
        body.finish()

    assert [reader.result() for reader in readers] == [b"0123"] * 3
