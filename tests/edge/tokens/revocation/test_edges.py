from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from redis.asyncio import Redis

from config.contracts.tokens import Renew
from config.launch.embedded.valkey import embedded_valkey
from config.runtime.revocations import STREAM
from config.settings.load import Settings
from config.settings.shared import RedisSettings
from tests.edge.processes.harness import Edge, free_port, until
from tests.edge.tokens.edges import Mint, an_edge, seconds_until_all, statuses

SOON = 1.0


@pytest.fixture(autouse=True)
def _files(title: Path, mint: Mint) -> None: ...


@pytest.fixture
async def edges(settings: Settings, redis_settings: RedisSettings) -> AsyncIterator[list[Edge]]:
    """Two edges with two workers each and one Redis."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(an_edge(settings, name, redis=redis_settings))
            for name in ("first", "second")
        ]


async def revoked(edge: Edge, **body: Any) -> Any:
    status, answer = await edge.order("/revoke", body=body)
    assert status == 200, answer
    return answer


async def listed(edge: Edge, query: str) -> Any:
    async with (
        ClientSession() as session,
        session.get(f"{edge.admin}/revocations?{query}") as answer,
    ):
        return await answer.json()


async def test_each_kind_is_in_force_in_every_worker_of_every_edge_within_a_second(
    edges: list[Edge], mint: Mint
) -> None:
    first, _ = edges
    for kind, value in (("token_id", "id-1"), ("session", "session-9"), ("subject", "user:9")):
        token = mint(**({"token_id": "id-0"} | {kind: value}))
        bystander = mint(token_id="id-0")
        assert await seconds_until_all(edges, token, status=200) < 10

        answer = await revoked(first, **{kind: value}, reason="a test")

        took = await seconds_until_all(edges, token, status=403)
        print(f"{kind}: {took * 1000:.0f} ms with {len(edges) * 16} questions")
        assert took < SOON
        assert answer["revoked"][kind] == value
        assert answer["told"] == {"workers": 2, "missed": [], "other_edges": "sent", "kept": True}
        for edge in edges:
            assert set(await statuses(edge, bystander)) == {200}
        # And back, told to the other one.
        status, _ = await edges[1].order("/unrevoke", body={kind: value})
        assert status == 200
        assert await seconds_until_all(edges, token, status=200) < SOON


async def test_what_is_issued_afterwards_opens_again(edges: list[Edge], mint: Mint) -> None:
    now = int(time.time())
    before, after = mint(issued_at=now - 5), mint(issued_at=now + 5)
    await revoked(edges[0], subject="user:1", issued_before="now")
    assert await seconds_until_all(edges, before, status=403) < SOON
    assert await seconds_until_all(edges, after, status=200) < SOON


async def test_the_list_is_the_same_everywhere_and_comes_in_pages(edges: list[Edge]) -> None:
    for number in range(5):
        await revoked(edges[number % 2], session=f"s{number}", reason="fünf")

    async def complete() -> bool:
        counts = [(await listed(edge, ""))["in_force"]["session"] for edge in edges]
        return counts == [5, 5]

    await until(complete)
    for edge in edges:
        first = await listed(edge, "kind=session&limit=3")
        assert [held["session"] for held in first["revocations"]] == ["s0", "s1", "s2"]
        rest = await listed(edge, f"kind=session&limit=3&after={first['next']}")
        assert [held["session"] for held in rest["revocations"]] == ["s3", "s4"]
        assert "next" not in rest
        assert rest["revocations"][0]["reason"] == "fünf"

        async def counted(edge: Edge = edge) -> bool:
            return await edge.metric('edge_revocations{kind="session"}') == 5

        await until(counted)


async def test_a_worker_that_is_killed_comes_back_knowing_everything(
    edges: list[Edge], mint: Mint
) -> None:
    edge = edges[1]
    await revoked(edges[0], session="session-1")
    token = mint()
    assert await seconds_until_all(edges, token, status=403) < SOON
    for _ in range(2):
        killed = edge.workers()
        for pid in killed:
            os.kill(pid, signal.SIGKILL)

        async def back(killed: list[int] = killed) -> bool:
            workers = (await edge.health())["workers"]
            return len([w for w in workers if w["ready"] and w["pid"] not in killed]) == 2

        await until(back)
        assert set(await statuses(edge, token)) == {403}


async def test_a_worker_that_hangs_delays_nobody_and_knows_it_when_it_goes_on(
    settings: Settings, mint: Mint
) -> None:
    async with an_edge(settings, "one", redis=None, workers=2) as edge:
        hung = edge.workers()[0]
        os.kill(hung, signal.SIGSTOP)
        try:
            started = time.monotonic()
            status, answer = await edge.order("/revoke", body={"session": "session-1"})
            assert time.monotonic() - started < 5
            assert (status, answer["told"]["workers"]) == (202, 1)
            assert answer["told"]["missed"] in (["w0a"], ["w1a"])
        finally:
            os.kill(hung, signal.SIGCONT)
        assert await seconds_until_all([edge], mint(), status=403) < 10


async def test_without_redis_it_is_in_force_on_this_edge_and_outlives_it(
    settings: Settings, mint: Mint
) -> None:
    admin, token = free_port(), mint()
    async with an_edge(settings, "one", redis=None, admin=admin) as edge:
        answer = await revoked(edge, session="session-1")
        assert answer["told"]["other_edges"] == "off"
        assert set(await statuses(edge, token)) == {403}
        edge.process.kill()  # as a power failure would
        await edge.process.wait()
    (copy,) = (settings.var_dir / "one" / "run").glob("*.revocations")
    assert copy.stat().st_mode & 0o777 == 0o600
    async with an_edge(settings, "one", redis=None, admin=admin) as edge:
        assert set(await statuses(edge, token)) == {403}
        await edge.order("/unrevoke", body={"session": "session-1"})
        assert set(await statuses(edge, token)) == {200}
    async with an_edge(settings, "one", redis=None, admin=admin) as edge:
        assert set(await statuses(edge, token)) == {200}


async def test_redis_away_nothing_is_forgotten_and_what_was_missed_arrives_when_it_is_back(
    settings: Settings, mint: Mint, tmp_path: Path
) -> None:
    folder, admins = tmp_path / "valkey", {"first": free_port(), "second": free_port()}
    old, missed = mint(session="old"), mint(session="missed")
    async with AsyncExitStack() as stack:

        async def start(name: str, *, wait: bool) -> Edge:
            return await stack.enter_async_context(
                an_edge(settings, name, redis=redis, admin=admins[name], wait=wait)
            )

        async with embedded_valkey(folder) as url:
            redis = RedisSettings.model_validate({"url": url})
            first, second = [await start(name, wait=True) for name in admins]
            await revoked(first, session="old")
            assert await seconds_until_all([first, second], old, status=403) < SOON
            copy = settings.var_dir / "second" / "run" / f"edge-{admins['second']}.revocations"

            async def kept() -> bool:
                return '"old"' in copy.read_text()

            await until(kept)
        # The other edge's program ends and begins while Redis is away: it has its copy.
        second.process.kill()
        await second.process.wait()
        second = await start("second", wait=False)
        assert set(await statuses(second, old)) == {403}
        status, answer = await first.order("/revoke", body={"session": "missed"})
        assert (status, answer["told"]["other_edges"]) == (202, "queued")
        assert set(await statuses(first, missed)) == {403}
        assert set(await statuses(second, missed)) == {200}

        async def stale() -> bool:
            return await second.metric("edge_revocation_staleness_seconds") > 2

        await until(stale)
        async with embedded_valkey(folder) as again:  # and it has lost everything
            assert again == url
            await seconds_until_all([first, second], missed, status=403)
            for edge in (first, second):
                assert set(await statuses(edge, old)) == {403}

            async def certain() -> bool:
                return await second.metric("edge_revocation_staleness_seconds") < 2

            await until(certain)
            # One that has never seen anything learns all of it.
            third = await stack.enter_async_context(an_edge(settings, "third", redis=redis))
            for token in (old, missed):
                assert set(await statuses(third, token)) == {403}


async def test_what_was_trimmed_while_an_edge_was_away_is_healed_by_the_list(
    edges: list[Edge], mint: Mint, redis_settings: RedisSettings
) -> None:
    first, second = edges
    parent = second.process.pid
    os.kill(parent, signal.SIGSTOP)
    try:
        for number in range(20):
            await revoked(first, session=f"s{number}")
        assert redis_settings.url is not None
        async with Redis.from_url(redis_settings.url.get_secret_value()) as client:
            await client.xtrim(STREAM, maxlen=1, approximate=False)
    finally:
        os.kill(parent, signal.SIGCONT)
    for number in (0, 10, 19):
        await seconds_until_all([second], mint(session=f"s{number}"), status=403)
    assert await second.metric("edge_revocation_gaps_total") == 1


async def test_many_orders_at_once_lose_nothing(edges: list[Edge], mint: Mint) -> None:
    gate = asyncio.Event()

    async def revoke(number: int) -> None:
        await gate.wait()
        await revoked(edges[number % 2], session=f"s{number}")
        if number % 3 == 0:
            status, _ = await edges[number % 2].order("/unrevoke", body={"session": f"s{number}"})
            assert status == 200

    async with asyncio.TaskGroup() as group:
        for number in range(60):
            group.create_task(revoke(number))
        gate.set()

    async def alike() -> bool:
        counts = [(await listed(edge, ""))["in_force"]["session"] for edge in edges]
        return counts == [40, 40]

    await until(alike)
    for number, status in ((0, 200), (1, 403), (59, 403), (57, 200)):
        await seconds_until_all(edges, mint(session=f"s{number}"), status=status)


async def test_orders_are_for_operators_only(settings: Settings) -> None:
    async with an_edge(
        settings, "one", redis=None, workers=1, env={"KAWA_EDGE__ADMIN_TOKEN": "s3cret"}
    ) as edge:
        for path in ("/revoke", "/unrevoke"):
            status, answer = await edge.order(path, body={"session": "s"})
            assert (status, answer["error"]) == (401, "not-allowed")
        assert (await listed(edge, ""))["error"] == "not-allowed"
        good = {"Authorization": "Bearer s3cret"}
        status, _ = await edge.order("/revoke", headers=good, body={"session": "s"})
        assert status == 200
        for body in ({}, {"session": ""}, {"session": "a", "until": 5}):
            status, answer = await edge.order("/revoke", headers=good, body=body)
            assert (status, answer["error"]) == (400, "bad-revocation")
        status, answer = await edge.order("/unrevoke", headers=good, body={"session": "t"})
        assert (status, answer["error"]) == (400, "bad-revocation")


async def kawa(edge: Edge, *arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "config.launch", "token", *arguments, "--edge", edge.admin),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), errors.decode()


async def test_an_operator_revokes_looks_and_takes_it_back_by_command(
    settings: Settings, mint: Mint
) -> None:
    async with an_edge(settings, "one", redis=None) as edge:
        status, out, _ = await kawa(edge, "revoke", "--subject", "user:1", "--for", "7d")
        assert (status, out[:14]) == (0, "revoked until ")
        assert set(await statuses(edge, mint())) == {403}
        _, out, _ = await kawa(edge, "revocations", "--json")
        assert json.loads(out)["in_force"] == {"token_id": 0, "session": 0, "subject": 1}
        _, out, _ = await kawa(edge, "revocations", "--kind", "subject")
        assert out.startswith("user:1  until ")
        assert await kawa(edge, "unrevoke", "--subject", "user:1") == (0, "no longer revoked\n", "")
        assert set(await statuses(edge, mint())) == {200}
        status, _, errors = await kawa(edge, "unrevoke", "--subject", "user:1")
        assert (status, errors) == (1, "kawa: that is not revoked\n")
        for wrong in (("revoke",), ("revoke", "--session", "s", "--for", "week")):
            status, _, errors = await kawa(edge, *wrong)
            assert status == 2, errors


async def test_closed_makes_nobodys_time_longer_while_redis_is_away_and_lets_them_play_on(
    settings: Settings, mint: Mint, tmp_path: Path
) -> None:
    def due(session: str) -> str:
        """A token that is to be followed by the next one, but holds a while."""
        now = int(time.time())
        renew = Renew(seconds=200, until=now + 1000)
        return mint(session=session, issued_at=now - 100, expires_at=now + 90, renew=renew)

    async def renewals(edge: Edge, result: str) -> float:
        return await edge.metric(f'edge_tokens_renewed_total{{result="{result}"}}')

    async with AsyncExitStack() as stack:
        async with embedded_valkey(tmp_path / "valkey") as url:
            redis = RedisSettings.model_validate({"url": url})
            edge = await stack.enter_async_context(
                an_edge(
                    settings,
                    "one",
                    redis=redis,
                    env={
                        "KAWA_TOKENS__REVOCATION__STALE": "closed",
                        "KAWA_TOKENS__REVOCATION__STALE_AFTER": "5",
                    },
                )
            )

            async def certain() -> bool:
                return await edge.metric("edge_revocation_staleness_seconds") < 2

            await until(certain)
            assert set(await statuses(edge, due("before"))) == {200}
            assert await renewals(edge, "ok") >= 1

        async def stale() -> bool:
            return await edge.metric("edge_revocation_staleness_seconds") > 6

        await until(stale)
        made = await renewals(edge, "ok")
        assert set(await statuses(edge, due("after"))) == {200}
        assert await renewals(edge, "token-revoked") >= 1
        assert await renewals(edge, "ok") == made
