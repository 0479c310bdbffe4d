from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from config.contracts.grants import Grant
from config.launch.embedded.valkey import embedded_valkey
from config.settings.load import Settings
from config.settings.shared import RedisSettings
from edge import metrics
from edge.tokens.replay.first_uses import FirstUses, name_of, open_first_uses
from edge.tokens.replay.shared import PREFIX


def a_grant(**changes: Any) -> Grant:
    now = int(time.time())
    fields: dict[str, Any] = {
        "subject": "u",
        "session": "s",
        "token_id": "t",
        "not_before": now,
        "expires_at": now + 600,
        "key_id": "k",
        "once": True,
    }
    return Grant(**(fields | changes))


def a_machine(folder: Path, redis: RedisSettings | None, **replay: Any) -> Settings:
    return Settings.model_validate(
        {
            "var_dir": folder,
            "redis": (redis or RedisSettings()).model_dump(),
            "tokens": {"replay": replay},
        }
    )


async def use(uses: FirstUses, grant: Grant, text: str = "text") -> bool:
    return await uses.first_use(grant, text, now=time.time())


def counted(result: str) -> float:
    return metrics.FIRST_USES.labels(result)._value.get()  # type: ignore[no-any-return]


async def test_without_redis_one_of_all_workers_of_the_machine_wins(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        settings = a_machine(tmp_path, None)
        workers = [await stack.enter_async_context(open_first_uses(settings)) for _ in range(3)]
        won = await asyncio.gather(*(use(workers[n % 3], a_grant()) for n in range(60)))
        assert sum(won) == 1


async def test_of_a_hundred_on_two_machines_one_wins(
    tmp_path: Path, redis_settings: RedisSettings
) -> None:
    # Each may wait for its turn: what is busy is refused, which is another test's matter.
    redis = redis_settings.model_copy(update={"pool_size": 64})
    async with AsyncExitStack() as stack:
        workers = [
            await stack.enter_async_context(open_first_uses(a_machine(tmp_path / name, redis)))
            for name in ("a", "a", "b", "b")
        ]
        for number in range(5):
            grant = a_grant(token_id=f"t{number}")
            won = await asyncio.gather(*(use(workers[n % 4], grant) for n in range(100)))
            assert sum(won) == 1


async def test_a_token_without_an_id_is_known_by_its_text(tmp_path: Path) -> None:
    async with open_first_uses(a_machine(tmp_path, None)) as uses:
        grant = a_grant(token_id="")
        assert [await use(uses, grant, text) for text in ("a", "b", "a")] == [True, True, False]


async def test_ids_of_different_issuers_and_schemes_are_different(tmp_path: Path) -> None:
    grants = [a_grant(), a_grant(issuer="x"), a_grant(scheme="cat"), a_grant(token_id="t2")]
    names = {name_of(grant, "text") for grant in grants}
    assert len(names) == 4
    assert all(len(name) == 32 and "text" not in name for name in names)
    async with open_first_uses(a_machine(tmp_path, None)) as uses:
        assert [await use(uses, grant) for grant in grants] == [True] * 4


async def test_redis_keeps_it_as_long_as_the_token_could_hold(
    tmp_path: Path, redis_settings: RedisSettings
) -> None:
    async with open_first_uses(a_machine(tmp_path, redis_settings)) as uses:
        grant = a_grant()
        assert await use(uses, grant)
    assert redis_settings.url is not None
    async with Redis.from_url(redis_settings.url.get_secret_value()) as client:
        found: Any = await client.keys("*")
        (key,) = found
        assert key.decode() == PREFIX + name_of(grant, "")
        assert 600 < await client.ttl(key) <= 600 + 30 + 60


class Held:
    """A Redis whose answers come when they may."""

    def __init__(self, url: str, path: Path) -> None:
        self.may = asyncio.Event()
        self.may.set()
        self.asked = 0
        self.path = path
        self._target = url.removeprefix("unix://")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ours, theirs = await asyncio.open_unix_connection(self._target)
        forth = asyncio.create_task(self._pass(reader, theirs, None))
        try:
            await self._pass(ours, writer, self.may)
        finally:
            forth.cancel()
            for end in (writer, theirs):
                end.close()

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        gate: asyncio.Event | None,
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                self.asked += data.count(PREFIX.encode())
                if gate is not None:
                    await gate.wait()
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def held_redis(redis: RedisSettings, path: Path) -> AsyncIterator[tuple[Held, RedisSettings]]:
    assert redis.url is not None
    held = Held(redis.url.get_secret_value(), path)
    server = await asyncio.start_unix_server(held.serve, path)
    # Small but not tiny: a busy machine is no late Redis.
    short = {"command_timeout": "PT0.5S", "connect_timeout": "PT5S", "acquire_timeout": "PT5S"}
    try:
        yield held, RedisSettings.model_validate({"url": f"unix://{path}", "pool_size": 4} | short)
    finally:
        server.close()


async def test_a_late_answer_is_a_no_and_is_never_asked_again(
    tmp_path: Path, redis_settings: RedisSettings
) -> None:
    async with (
        held_redis(redis_settings, tmp_path / "r.sock") as (held, redis),
        open_first_uses(a_machine(tmp_path / "a", redis)) as uses,
        open_first_uses(a_machine(tmp_path / "b", redis_settings)) as elsewhere,
    ):
        assert await use(uses, a_grant(token_id="warm"))
        late = counted("late")
        held.may.clear()
        assert not await use(uses, a_grant())
        assert counted("late") == late + 1
        held.may.set()
        # Redis has done it: nobody can use the token any more, here or elsewhere.
        assert not await use(uses, a_grant())
        assert not await use(elsewhere, a_grant())
        assert await use(uses, a_grant(token_id="other"))


async def test_answers_do_not_get_mixed_up_when_viewers_hang_up(
    tmp_path: Path, redis_settings: RedisSettings
) -> None:
    async with (
        held_redis(redis_settings, tmp_path / "r.sock") as (held, redis),
        open_first_uses(a_machine(tmp_path / "a", redis)) as uses,
    ):
        assert await use(uses, a_grant(token_id="warm"))
        held.may.clear()
        asking = [
            asyncio.create_task(use(uses, a_grant(token_id=f"left{number}"))) for number in range(4)
        ]
        async with asyncio.timeout(10):
            while held.asked < 2:  # the others wait for their connections
                await asyncio.sleep(0.005)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        held.may.set()
        for number in range(8):
            assert await use(uses, a_grant(token_id=f"new{number}"))
            assert not await use(uses, a_grant(token_id=f"new{number}"))


@pytest.mark.parametrize(
    ("without_redis", "expected"), [("machine", [True, False]), ("refuse", [False, False])]
)
async def test_with_redis_away_the_setting_decides(
    tmp_path: Path, without_redis: str, expected: list[bool]
) -> None:
    redis = RedisSettings.model_validate({"url": f"unix://{tmp_path}/nobody.sock"})
    settings = a_machine(tmp_path, redis, without_redis=without_redis)
    result = {"machine": "machine", "refuse": "away"}[without_redis]
    before = counted(result)
    async with open_first_uses(settings) as uses, open_first_uses(settings) as sibling:
        assert [await use(uses, a_grant()), await use(sibling, a_grant())] == expected
        assert counted(result) > before


async def test_what_was_refused_undecided_can_be_used_when_redis_is_back(tmp_path: Path) -> None:
    folder = tmp_path / "valkey"
    async with AsyncExitStack() as stack:
        async with embedded_valkey(folder) as url:
            redis = RedisSettings.model_validate(
                {"url": url, "command_timeout": "PT5S", "acquire_timeout": "PT5S"}
            )
            settings = a_machine(tmp_path, redis, without_redis="refuse")
            uses = await stack.enter_async_context(open_first_uses(settings))
            assert await use(uses, a_grant(token_id="used"))
        assert not await use(uses, a_grant(token_id="new"))
        async with embedded_valkey(folder):
            async with asyncio.timeout(10):
                while not await use(uses, a_grant(token_id="new")):
                    await asyncio.sleep(0.1)
            # This machine remembers what Redis has forgotten.
            assert not await use(uses, a_grant(token_id="used"))


async def test_a_disk_that_takes_nothing_is_a_no(tmp_path: Path) -> None:
    async with open_first_uses(a_machine(tmp_path, None)) as uses:
        folder = tmp_path / "run" / "used"
        folder.rmdir()
        folder.write_text("in the way")
        assert not await use(uses, a_grant())
        assert counted("failed") >= 1
        folder.unlink()


async def test_too_many_kept_is_a_no(tmp_path: Path) -> None:
    async with open_first_uses(a_machine(tmp_path, None, most=1)) as uses:
        assert await use(uses, a_grant(token_id="1"))
        assert not await use(uses, a_grant(token_id="2"))
        assert counted("full") >= 1
