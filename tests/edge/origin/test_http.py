from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from multidict import CIMultiDict
from pydantic import ValidationError

from config.settings.origins import HttpOrigin, S3Origin
from edge.errors import OriginDown, OriginError, OriginFailed
from edge.origin.upstream import Question
from tests.edge.origin.scripted import (
    GOOD,
    Scripted,
    answering,
    fetch,
    good,
    metric,
    origin_over,
    results,
    scripted,
    silent,
)

NO = b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno"


def named(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


async def test_a_question_arrives_as_it_was_asked_and_with_nothing_of_ours() -> None:
    async with scripted(good) as server, origin_over(server.url + "/base/") as origin:
        question = Question(
            path="a%20b/1.ts", query="sig=1%2F2&b", headers=CIMultiDict({"X-One": "1"})
        )
        async with origin.ask(question) as reply:
            assert reply.url == f"{server.url}/base/a%20b/1.ts?sig=1%2F2&b"
            assert (reply.status, reply.reason, reply.headers["Content-Length"]) == (200, "OK", "4")
            assert reply.framed
            assert [chunk async for chunk in reply.chunks()] == [b"good"]
    lines = server.heads[0].decode().lower().split("\r\n")
    assert lines[0] == "get /base/a%20b/1.ts?sig=1%2f2&b http/1.1"
    names = {line.partition(":")[0] for line in lines[1:] if line}
    assert names == {"host", "user-agent", "x-one"}


async def test_connections_are_used_again() -> None:
    async with scripted(good) as server, origin_over(server.url) as origin:
        for method in ("GET", "OPTIONS", "GET"):
            await fetch(origin, method=method)
        assert server.connections == 1
        assert results(origin) == {"ok": 3}
        assert metric("edge_origin_duration_seconds_count", origin=origin.name) == 3


async def test_connections_are_not_used_again_where_that_is_forbidden() -> None:
    async with scripted(good) as server, origin_over(server.url, keep_alive=0) as origin:
        for _ in range(3):
            await fetch(origin)
        assert server.connections == 3


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_body_is_streamed_to_the_origin(method: str) -> None:
    async def body() -> AsyncIterator[bytes]:
        for piece in (b"one", b"two"):
            yield piece

    async with scripted(good) as server, origin_over(server.url) as origin:
        assert (await fetch(origin, method=method, body=body()))[2] == b"good"
    assert server.bodies == [b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"]


async def test_a_body_of_known_length_says_so() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"abc"

    async def script(_server: Scripted, head: bytes, writer: asyncio.StreamWriter) -> None:
        assert b"content-length: 3" in head.lower()
        assert b"transfer-encoding" not in head.lower()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\ngood")
        writer.close()

    async with scripted(script) as server, origin_over(server.url) as origin:
        answer = await fetch(origin, method="PUT", body=body(), headers={"Content-Length": "3"})
        assert answer[2] == b"good"


async def test_a_viewer_who_breaks_off_an_upload_is_no_unnamed_error() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"abc"
        raise ConnectionResetError("the viewer left")

    async with scripted(good) as server, origin_over(server.url) as origin:
        with pytest.raises(OriginFailed):
            await fetch(origin, method="POST", body=body())
        assert server.heads == []


@pytest.mark.parametrize(
    ("answer", "result"),
    [(named(b"x"), "ok"), (NO, "5xx"), (NO.replace(b"503", b"404"), "4xx")],
    ids=["ok", "5xx", "4xx"],
)
async def test_a_status_is_an_answer_and_is_counted(answer: bytes, result: str) -> None:
    async with scripted(answering(answer)) as server, origin_over(server.url) as origin:
        status, _, _ = await fetch(origin)
        assert str(status) in answer.decode()
        assert results(origin) == {result: 1}
        assert len(server.heads) == 1


async def test_a_chunked_body_comes_as_it_is() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
    chunks = b"".join(b"4\r\n%04d\r\n" % number for number in range(1000)) + b"0\r\n\r\n"
    async with scripted(answering(head + chunks)) as server, origin_over(server.url) as origin:
        _, _, body = await fetch(origin)
        assert body == b"".join(b"%04d" % number for number in range(1000))
        await fetch(origin)
        assert server.connections == 1


async def test_interim_answers_are_passed_over() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    async with scripted(answering(interim + GOOD)) as server, origin_over(server.url) as origin:
        assert (await fetch(origin))[::2] == (200, b"good")


# ---- several servers


async def test_backups_are_asked_in_their_order_only_while_those_before_them_fail() -> None:
    async with (
        scripted(answering(named(b"first"))) as first,
        scripted(answering(named(b"second"))) as second,
    ):
        async with origin_over(first.url, backups=[second.url]) as origin:
            assert (await fetch(origin))[2] == b"first"
            assert second.heads == []
        async with origin_over("http://127.0.0.1:1", backups=[second.url, first.url]) as origin:
            assert (await fetch(origin))[2] == b"second"
            assert len(first.heads) == 1


async def test_a_server_error_is_asked_about_elsewhere_and_the_last_one_is_the_answer() -> None:
    async with scripted(answering(NO)) as first, scripted(good) as second:
        async with origin_over(first.url, backups=[second.url]) as origin:
            assert (await fetch(origin))[2] == b"good"
            assert metric("edge_retry_total", origin=origin.name, reason="5xx") == 1
        async with origin_over(first.url, backups=[first.url + "/b"]) as origin:
            assert (await fetch(origin))[::2] == (503, b"no")


async def test_a_missing_file_is_not_looked_for_elsewhere() -> None:
    async with scripted(answering(NO.replace(b"503", b"404"))) as first, scripted(good) as second:
        async with origin_over(first.url, backups=[second.url]) as origin:
            assert (await fetch(origin))[0] == 404
        assert second.heads == []


async def test_an_outlier_is_left_out_while_there_is_another_server() -> None:
    async with scripted(answering(NO)) as first, scripted(good) as second:
        async with origin_over(
            first.url, backups=[second.url], breaker_failures=3, retry_ratio=1
        ) as origin:
            for _ in range(8):
                assert (await fetch(origin))[2] == b"good"
        assert len(first.heads) == 3


async def test_a_single_server_is_asked_even_if_every_answer_is_wrong() -> None:
    async with scripted(answering(NO)) as server, origin_over(server.url) as origin:
        for _ in range(12):
            assert (await fetch(origin))[0] == 503
        assert metric("edge_breaker_state", dep=origin.name) == 0


async def test_retries_keep_to_their_budget_in_a_storm() -> None:
    async with scripted(answering(NO)) as first, scripted(answering(NO)) as second:
        async with origin_over(
            first.url, backups=[second.url], retry_ratio=0.2, breaker_failures=0
        ) as origin:
            for _ in range(100):
                assert (await fetch(origin))[0] == 503
        asked = len(first.heads) + len(second.heads)
        assert 100 < asked <= 120


async def test_all_servers_together_keep_to_the_time_for_an_answer() -> None:
    async with scripted(silent) as first, scripted(silent) as second:
        async with origin_over(
            first.url,
            backups=[second.url, first.url, second.url],
            first_byte_timeout=0.2,
            answer_timeout=0.3,
        ) as origin:
            started = asyncio.get_running_loop().time()
            with pytest.raises(OriginError):
                await fetch(origin)
            assert asyncio.get_running_loop().time() - started < 1


async def test_a_breaker_that_is_half_open_asks_one_question_and_closes() -> None:
    up = False

    async def script(server: Scripted, _head: bytes, writer: asyncio.StreamWriter) -> None:
        if not up:
            await server.release.wait()
        writer.write(GOOD)

    async with (
        scripted(script) as server,
        origin_over(
            server.url, first_byte_timeout=0.1, answer_timeout=0.1, breaker_failures=2
        ) as origin,
    ):
        breaker = origin._asker._servers.all[0].breaker
        breaker._pause = (0.2, 0.2)
        for _ in range(2):
            with pytest.raises(OriginError):
                await fetch(origin)
        with pytest.raises(OriginDown):
            await fetch(origin)
        assert len(server.heads) == 2
        await asyncio.sleep(0.25)  # the pause itself: there is nothing else to wait for
        up = True
        done = await asyncio.gather(*(fetch(origin) for _ in range(20)), return_exceptions=True)
        assert sum(isinstance(item, OriginDown) for item in done) == 19
        assert len(server.heads) == 3
        assert (await fetch(origin))[2] == b"good"
        assert metric("edge_breaker_state", dep=origin.name) == 0


# ---- hedging


async def test_a_late_get_is_asked_a_second_time_and_the_first_head_wins() -> None:
    async def script(server: Scripted, head: bytes, writer: asyncio.StreamWriter) -> None:
        if b"/slow" in head and sum(b"/slow" in item for item in server.heads) == 1:
            await server.release.wait()
        writer.write(GOOD)

    async with scripted(script) as server, origin_over(server.url, hedge=True) as origin:
        for _ in range(20):
            await fetch(origin)
        assert (await fetch(origin, "slow"))[2] == b"good"
        assert metric("edge_retry_total", origin=origin.name, reason="hedge") == 1
        assert sum(b"/slow" in head for head in server.heads) == 2
        await server.until(lambda: server.open == 1)  # the loser's connection is gone


async def test_a_hedge_whose_both_questions_fail_is_one_error() -> None:
    async def script(server: Scripted, head: bytes, writer: asyncio.StreamWriter) -> None:
        if b"/slow" in head:
            await server.release.wait()
        writer.write(GOOD)

    async with (
        scripted(script) as server,
        origin_over(server.url, hedge=True, first_byte_timeout=0.3) as origin,
    ):
        for _ in range(20):
            await fetch(origin)
        with pytest.raises(OriginError):
            await fetch(origin, "slow")


async def test_leaving_a_hedged_question_ends_both() -> None:
    async def script(server: Scripted, head: bytes, writer: asyncio.StreamWriter) -> None:
        if b"/slow" in head:
            await server.release.wait()
        writer.write(GOOD)

    async with scripted(script) as server, origin_over(server.url, hedge=True) as origin:
        for _ in range(20):
            await fetch(origin)
        task = asyncio.create_task(fetch(origin, "slow"))
        await server.until(lambda: sum(b"/slow" in head for head in server.heads) == 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.until(lambda: server.open == 0)


async def test_nothing_is_hedged_unless_asked_for() -> None:
    async def script(_server: Scripted, head: bytes, writer: asyncio.StreamWriter) -> None:
        if b"/slow" in head:
            await asyncio.sleep(0.1)
        writer.write(GOOD)

    async with scripted(script) as server, origin_over(server.url) as origin:
        for _ in range(20):
            await fetch(origin)
        await fetch(origin, "slow")
        assert len(server.heads) == 21


# ---- settings


@pytest.mark.parametrize(
    "url",
    [
        "ftp://cdn.example/",
        "http://",
        "http://user@cdn.example/",
        "http://cdn.example/?a",
        "http://cdn.example/#a",
        "http://１２７.0.0.1/",
        "http://cdn.example\\@evil.example/",
        "http://cdn.example:port/",
        "http://cdn example/",
        "http://cdn.example/a b",
    ],
)
def test_a_url_that_two_programs_could_read_in_two_ways_is_no_setting(url: str) -> None:
    with pytest.raises(ValidationError):
        HttpOrigin.model_validate({"kind": "http", "url": url})
    with pytest.raises(ValidationError):
        HttpOrigin.model_validate({"kind": "http", "url": "http://a", "backups": [url]})


@pytest.mark.parametrize(
    "wrong", [{"access_key": "a"}, {"bucket": "A B"}, {"prefix": "a?b"}, {"region": "eu/west"}]
)
def test_a_bucket_that_cannot_be_is_no_setting(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        S3Origin.model_validate({"kind": "s3", "bucket": "media", **wrong})
