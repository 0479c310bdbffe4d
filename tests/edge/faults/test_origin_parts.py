"""Fault matrix O1, O16."""

from __future__ import annotations

import contextlib

import pytest

from tests.edge.faults.conftest import Over
from tests.edge.faults.driving import SEGMENT
from tests.edge.faults.leaks import Leaks
from tests.edge.faults.origin import Send, answer, scripted_origin
from tests.edge.faults.test_origin_connecting import good


async def test_o01_a_stale_answer_after_a_failed_question_says_that_it_was_asked(
    leaks: Leaks, over: Over
) -> None:
    # RFC 9211 section 2.2: hit means that nothing was forwarded, fwd=stale that something was.
    async with leaks.none(), contextlib.AsyncExitStack() as stack:
        origin = await stack.enter_async_context(scripted_origin(good))
        async with over(origin.url) as edge:
            await edge.ask("/cdn/1.ts")
            await stack.aclose()
            edge.clock.now += 60
            assert "fwd=stale" in (await edge.ask("/cdn/1.ts")).cache


async def test_o16_a_multipart_answer_to_one_range_is_never_taken_for_the_file(
    leaks: Leaks, over: Over
) -> None:
    body = b"--x\r\nContent-Range: bytes 0-0/9\r\n\r\nA\r\n--x--\r\n"
    parts = answer(
        body, status="206 Partial Content", Content_Type="multipart/byteranges; boundary=x"
    )
    async with leaks.none(), scripted_origin(lambda _: [Send(parts)]) as origin:
        async with over(origin.url) as edge:
            got = await edge.ask("/cdn/1.ts", Range="bytes=0-0")
            assert (got.status, got.error) == (502, "origin-failed")


@pytest.mark.parametrize("content_range", ["bytes 0-999/256000", "bytes 2000-2999/256000"])
async def test_o16_a_part_of_another_place_is_a_502(
    content_range: str, leaks: Leaks, over: Over
) -> None:
    wrong = answer(
        SEGMENT[1000:2000], status="206 Partial Content", Content_Range=content_range, ETag='"v"'
    )
    async with leaks.none(), scripted_origin(lambda _: [Send(wrong)]) as origin:
        async with over(origin.url) as edge:
            got = await edge.ask("/cdn/1.ts", Range="bytes=1000-1999")
            assert (got.status, got.error) == (502, "origin-failed")
