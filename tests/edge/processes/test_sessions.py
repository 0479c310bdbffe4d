"""Sessions of whole edges: real processes, a real Redis, and clients that count for themselves."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from aiohttp import ClientSession

from config.settings.load import Settings
from config.settings.shared import RedisSettings
from tests.edge.client import SEGMENT
from tests.edge.processes import harness
from tests.edge.processes.harness import Edge, Mint, until
from tests.edge.processes.test_command import kawa

MANIFEST = "vod/title/master.m3u8"
PIECE = "vod/title/v/1.m4s"
TOKENS = {"KAWA_EDGE__ADMIN_TOKEN": "admin-s3cret", "KAWA_EDGE__SESSIONS_TOKEN": "desk-s3cret"}
QUICK = {
    "KAWA_SESSIONS__FLUSH": "0.2",
    "KAWA_SESSIONS__SWITCH_GRACE": "20",
    "KAWA_SESSIONS__IDLE": "30",
}


@pytest.fixture
def env(redis_settings: RedisSettings) -> dict[str, str]:
    assert redis_settings.url is not None
    return {"KAWA_REDIS__URL": redis_settings.url.get_secret_value(), **QUICK}


def running(
    settings: Settings, env: Mapping[str, str] | None = None, *, workers: int = 1
) -> AbstractAsyncContextManager[Edge]:
    return harness.running(
        settings, workers=workers, log_name="edge.log", admin=None, **(env or {})
    )


async def status_of(url: str, session: ClientSession) -> int:
    async with session.get(url) as answer:
        await answer.read()
        return answer.status


async def sessions_of(edge: Edge, **headers: str) -> list[dict[str, Any]]:
    async with ClientSession(headers=headers) as client:
        async with client.get(f"{edge.admin}/sessions?limit=1000") as answer:
            assert answer.status == 200
            found: list[dict[str, Any]] = (await answer.json())["sessions"]
            return found


async def test_an_operator_lists_shows_and_kicks(
    settings: Settings, mint: Mint, env: dict[str, str]
) -> None:
    async with running(settings, env | TOKENS, workers=2) as edge, ClientSession() as client:
        token = mint(session="evening", subject="user:7")
        assert await status_of(f"{edge.url}/t/{token}/{MANIFEST}", client) == 200
        assert await status_of(f"{edge.url}/t/{token}/{PIECE}", client) == 200
        desk = {"KAWA_EDGE__SESSIONS_TOKEN": TOKENS["KAWA_EDGE__SESSIONS_TOKEN"]}
        at = ("--edge", edge.admin)

        bearer = {"Authorization": f"Bearer {TOKENS['KAWA_EDGE__SESSIONS_TOKEN']}"}

        async def counted() -> bool:
            found = await sessions_of(edge, **bearer)
            return bool(found and found[0]["counted"]["bytes"] > len(SEGMENT))

        await until(counted)
        code, out, _ = await kawa("sessions", "show", "evening", *at, **desk)
        assert code == 0
        assert re.search(r"^counted\.segments +1$", out, re.MULTILINE)
        code, out, errors = await kawa("sessions", "list", *at, **desk)
        assert code == 0
        assert out.startswith("evening ")
        assert out.rstrip().endswith("/vod/title/")
        assert errors == "kawa: 1 streams run at this edge\n"
        async with ClientSession(headers=bearer) as desk_client:
            for query, number in (("subject=user:7", 1), ("subject=user:8", 0), ("limit=0", None)):
                async with desk_client.get(f"{edge.admin}/sessions?{query}") as answer:
                    found = (await answer.json()).get("sessions")
                    assert (None if found is None else len(found)) == number
            async with desk_client.get(f"{edge.admin}/sessions/no-such") as answer:
                assert answer.status == 404
            # Who looks after streams can do nothing else.
            async with desk_client.get(f"{edge.admin}/cache/stats") as answer:
                assert answer.status == 401
        metrics = await edge.metrics()
        assert 'edge_sessions{state="open"} 1.0' in metrics
        assert 'edge_sessions_by_content{content="/vod/title/"} 1.0' in metrics

        code, out, _ = await kawa("sessions", "kick", "evening", *at, **desk)
        assert (code, out) == (0, "ended\n")

        async def gone() -> bool:
            return await status_of(f"{edge.url}/t/{token}/{PIECE}", client) == 403

        await until(gone)
        assert 'edge_sessions{state="open"} 0.0' in await edge.metrics()
        code, _, errors = await kawa("sessions", "list", *at)
        assert (code, "admin token" in errors) == (1, True)


async def test_numbers_that_operators_write_are_bounded_however_they_are_written(
    settings: Settings, env: dict[str, str]
) -> None:
    asked = {
        "sessions?limit=1001": 400,
        "sessions?limit=00001000000": 400,
        f"sessions?limit={'0' * 4400}1": 400,
        "sessions?limit=0007": 200,
        "sessions/viewers?content=/vod/title/&days=8": 400,
        "sessions/viewers?content=/vod/title/&days=0010": 400,
        "sessions/viewers?content=/vod/title/&days=07": 200,
    }
    async with running(settings, env) as edge, ClientSession() as client:
        statuses = {path: await status_of(f"{edge.admin}/{path}", client) for path in asked}
    assert statuses == asked


async def test_twenty_starts_with_a_limit_of_three_over_two_edges(
    settings: Settings, mint: Mint, env: dict[str, str]
) -> None:
    other = settings.model_copy(update={"var_dir": settings.var_dir.with_name("other")})
    other.keys_file.parent.mkdir(parents=True)
    shutil.copy2(settings.keys_file, other.keys_file)
    env["KAWA_STORAGE__FOLDER"] = str(settings.storage_folder)
    async with (
        running(settings, env) as one,
        running(other, env) as two,
        ClientSession() as client,
    ):
        tokens = [mint(session=f"start-{n}", stream_limit=3) for n in range(20)]
        urls = [f"{(one, two)[n % 2].url}/t/{token}/{MANIFEST}" for n, token in enumerate(tokens)]
        # Until every edge has told an empty Redis what it knows, which is nothing.
        statuses = await asyncio.gather(*(status_of(url, client) for url in urls))
        assert sorted(statuses) == [200] * 3 + [409] * 17

        playing = [n for n, status in enumerate(statuses) if status == 200]
        refused = statuses.index(409)
        async with client.get(urls[refused]) as answer:
            body = await answer.json()
        assert body["error"] == "too-many-streams"
        assert {row["session"] for row in body["playing"]} == {f"start-{n}" for n in playing}
        assert all(row["content"] == "/vod/title/" for row in body["playing"])
        assert tokens[playing[0]] not in json.dumps(body)

        stopped = playing[0]
        base = urls[stopped].rpartition("/")[0]
        async with client.post(f"{base}/_kawa_session?stop") as answer:
            assert answer.status == 204

        async def a_place_is_free() -> bool:
            return await status_of(urls[refused], client) == 200

        await until(a_place_is_free)


async def test_every_byte_that_clients_read_is_counted_also_when_a_worker_is_replaced(
    settings: Settings, mint: Mint, env: dict[str, str]
) -> None:
    async with running(settings, env, workers=2) as edge:
        read = {f"viewer-{n}": 0 for n in range(8)}
        requests = 0

        async def watch(name: str, pieces: int) -> None:
            nonlocal requests
            token = mint(session=name)
            async with ClientSession() as client:
                for path in (MANIFEST, *[PIECE] * pieces):
                    async with client.get(f"{edge.url}/t/{token}/{path}") as answer:
                        assert answer.status == 200
                        read[name] += len(await answer.read())
                        requests += 1

        await asyncio.gather(*(watch(name, 6) for name in read))
        status, _ = await edge.order("/restart")
        assert status == 200
        await asyncio.gather(*(watch(name, 5) for name in read))

        async def told() -> bool:
            found = {row["session"]: row["counted"] for row in await sessions_of(edge)}
            return {name: counted["bytes"] for name, counted in found.items()} == read

        await until(told)
        rows = await sessions_of(edge)
        assert sum(row["counted"]["requests"] for row in rows) == requests
        assert {row["counted"]["segments"] for row in rows} == {11}


async def test_a_killed_worker_takes_at_most_its_last_second_with_it(
    settings: Settings, mint: Mint, env: dict[str, str]
) -> None:
    async with running(settings, env) as edge:
        token = mint(session="long")
        url = f"{edge.url}/t/{token}"
        async with ClientSession() as client:
            await status_of(f"{url}/{MANIFEST}", client)
            for _ in range(4):
                await status_of(f"{url}/{PIECE}", client)

            async def told() -> bool:
                [row] = await sessions_of(edge)
                return bool(row["counted"]["segments"] == 4)

            await until(told)
            [worker] = edge.workers()
            os.kill(worker, signal.SIGKILL)

        async def is_back() -> bool:
            try:
                async with ClientSession() as client:
                    return await status_of(f"{url}/{PIECE}", client) == 200
            except OSError:
                return False

        await until(is_back)

        async def told_again() -> bool:
            [row] = await sessions_of(edge)
            return bool(row["counted"]["segments"] == 5)

        await until(told_again)  # what it had told stays told, and nothing counts twice


async def test_without_redis_one_edge_limits_alone(settings: Settings, mint: Mint) -> None:
    async with running(settings) as edge, ClientSession() as client:
        urls = [
            f"{edge.url}/t/{mint(session=f's{n}', stream_limit=2)}/{MANIFEST}" for n in range(6)
        ]
        statuses = await asyncio.gather(*(status_of(url, client) for url in urls))
        assert sorted(statuses) == [200] * 2 + [409] * 4


async def test_with_redis_away_playing_goes_on(
    settings: Settings, mint: Mint, unused: Callable[[], str]
) -> None:
    env = {"KAWA_REDIS__URL": unused(), **QUICK}
    async with running(settings, env) as edge, ClientSession() as client:
        token = mint(session="alone", stream_limit=1)
        for path in (MANIFEST, PIECE, PIECE):
            assert await status_of(f"{edge.url}/t/{token}/{path}", client) == 200
        second = mint(session="second", stream_limit=1)
        assert await status_of(f"{edge.url}/t/{second}/{MANIFEST}", client) == 409

    async with (
        running(settings, env | {"KAWA_SESSIONS__WITHOUT_REDIS": "deny"}) as edge,
        ClientSession() as client,
    ):
        limited, free = mint(session="a", stream_limit=1), mint(session="b")
        assert await status_of(f"{edge.url}/t/{limited}/{MANIFEST}", client) == 503
        assert await status_of(f"{edge.url}/t/{free}/{MANIFEST}", client) == 200


@pytest.fixture
def unused() -> Callable[[], str]:
    """A Redis that is not there."""
    return lambda: "redis://127.0.0.1:1/0"
