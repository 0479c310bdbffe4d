from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from config.runtime.redis import NoRedis, open_redis
from config.runtime.serving import listening_socket
from config.settings.shared import ListenSettings, RedisSettings

LATE = b"INCR"  # the command whose answer comes late


class LateServer:
    """A real server behind a line that can hold answers back."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.released = asyncio.Event()
        self.connections = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        upstream_reader, upstream_writer = await asyncio.open_unix_connection(self._path)
        held = False

        async def forth() -> None:
            nonlocal held
            while data := await reader.read(65536):
                held = held or LATE in data
                upstream_writer.write(data)

        async def back() -> None:
            while data := await upstream_reader.read(65536):
                if held:
                    await self.released.wait()
                writer.write(data)

        async with contextlib.AsyncExitStack() as stack:
            for stream in (writer, upstream_writer):
                stack.callback(stream.close)
            with contextlib.suppress(OSError):
                await asyncio.wait(
                    (asyncio.ensure_future(forth()), ending := asyncio.ensure_future(back())),
                    return_when=asyncio.FIRST_COMPLETED,
                )
            ending.cancel()


@pytest.fixture
async def late(redis_settings: RedisSettings) -> AsyncIterator[tuple[LateServer, RedisSettings]]:
    assert redis_settings.url is not None
    server = LateServer(urlsplit(redis_settings.url.get_secret_value()).path)
    listener = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener:
        yield (
            server,
            RedisSettings.model_validate(
                {"url": f"redis://127.0.0.1:{port}", "command_timeout": "PT0.2S"}
            ),
        )
        server.released.set()


async def test_a_command_that_is_answered_late_is_not_repeated(
    late: tuple[LateServer, RedisSettings], redis_settings: RedisSettings
) -> None:
    _, settings = late

    async with open_redis(settings) as client:
        started = time.monotonic()
        with pytest.raises(RedisTimeoutError):
            await client.incr("count")
        assert time.monotonic() - started < 2

    async with open_redis(redis_settings) as direct:
        assert await direct.get("count") == b"1"


async def test_a_late_answer_is_never_taken_for_that_of_the_next_command(
    late: tuple[LateServer, RedisSettings],
) -> None:
    server, settings = late

    async with open_redis(settings) as client:
        with pytest.raises(RedisTimeoutError):
            await client.incr("count", 41)
        server.released.set()

        assert await client.set("name", "frieren")
        assert await client.get("name") == b"frieren"


async def test_a_server_that_refuses_fails_at_once() -> None:
    with listening_socket(ListenSettings(), backlog=1) as sock:
        port = sock.getsockname()[1]
    settings = RedisSettings.model_validate({"url": f"redis://127.0.0.1:{port}"})

    async with open_redis(settings) as client:
        started = time.monotonic()
        with pytest.raises(RedisConnectionError):
            await client.ping()
        assert time.monotonic() - started < 1


async def test_a_server_that_accepts_and_says_nothing_fails_in_time() -> None:
    with listening_socket(ListenSettings(), backlog=8) as sock:
        port = sock.getsockname()[1]
        settings = RedisSettings.model_validate({"url": f"redis://127.0.0.1:{port}"})

        async with open_redis(settings) as client:
            started = time.monotonic()
            with pytest.raises((RedisTimeoutError, RedisConnectionError)):
                await client.ping()
            assert time.monotonic() - started < 2


async def test_a_used_up_pool_is_waited_for_no_longer_than_set(
    redis_settings: RedisSettings,
) -> None:
    settings = redis_settings.model_copy(update={"pool_size": 2})
    tight = RedisSettings.model_validate(
        settings.model_dump() | {"acquire_timeout": "PT0.05S", "url": redis_settings.url}
    )

    async with open_redis(tight) as client:

        async def pop(queue: str) -> object:
            return await client.blpop([queue], timeout=4)

        blocked = [asyncio.create_task(pop(f"queue-{number}")) for number in range(2)]
        await connected(client, 2)
        started = time.monotonic()
        with pytest.raises(RedisConnectionError, match="No connection available"):
            await client.ping()
        assert time.monotonic() - started < 2

        async with open_redis(redis_settings) as other:
            await other.lpush("queue-0", "go")
            await other.lpush("queue-1", "go")
        await asyncio.gather(*blocked)
        assert await client.ping()


async def connected(client: Redis, count: int) -> None:
    """Wait until so many connections are in use."""
    pool = client.connection_pool
    async with asyncio.timeout(5):
        while len(pool._in_use_connections) < count:
            await asyncio.sleep(0.01)


async def test_many_users_share_a_few_connections(redis_settings: RedisSettings) -> None:
    settings = redis_settings.model_copy(update={"pool_size": 2})

    async with open_redis(settings) as client:
        await asyncio.gather(*(client.incr("count") for _ in range(100)))
        names = await client.client_list()
        assert await client.get("count") == b"100"

    assert len(names) <= 3


async def test_leaving_closes_the_connections(
    late: tuple[LateServer, RedisSettings], tmp_path: Path
) -> None:
    server, settings = late
    async with open_redis(settings) as client:
        await client.ping()
    assert server.connections == 1

    with pytest.raises(NoRedis, match="KAWA_REDIS__URL"):
        async with open_redis(RedisSettings()):
            pass
