"""``kawa doctor``: what this machine lacks, and how to mend it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import asyncpg
from pydantic import SecretStr
from redis.asyncio import Redis
from redis.exceptions import RedisError

import catalog.database
import transcode.ffmpeg.binaries
from config.launch.embedded.postgres import NoPostgres, embedded_postgres, running_dsn
from config.launch.embedded.privileges import NoOtherUser
from config.launch.embedded.valkey import NoRedisServer, embedded_valkey
from config.runtime.postgres import connect_arguments, dsn_of
from config.runtime.processes import ProgramFailed
from config.runtime.redis import open_redis
from config.runtime.serving import NoFastParser, require_fast_parser
from config.runtime.storage.base import StorageError
from config.runtime.storage.open import open_storage
from config.settings.load import Settings
from config.settings.shared import ListenSettings, PostgresSettings

_LARGEST_CLOCK_OFFSET_SECONDS = 1.0
_LEAST_FREE_BYTES = 2 * 2**30
_CHECK_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at; ``mend`` says what to do when it is not good."""

    name: str
    good: bool
    text: str
    mend: str = ""
    fatal: bool = True


async def examine(settings: Settings) -> list[Finding]:
    """Look at everything that Kawa needs on this machine."""
    checks: tuple[tuple[str, Callable[[Settings], Awaitable[list[Finding]]]], ...] = (
        ("http parser", _parser),
        ("ffmpeg", _ffmpeg),
        ("database", _database),
        ("redis", _redis),
        ("storage", _storage),
        ("disk", _disk),
        ("ports", _ports),
    )
    found = []
    for name, check in checks:
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                found += await check(settings)
        except TimeoutError:
            found.append(
                Finding(name=name, good=False, text=f"no answer within {_CHECK_SECONDS} s")
            )
    return found


async def _parser(_settings: Settings) -> list[Finding]:
    try:
        require_fast_parser()
    except NoFastParser as error:
        return [Finding(name="http parser", good=False, text="Python", mend=str(error))]
    return [Finding(name="http parser", good=True, text="C")]


async def _ffmpeg(settings: Settings) -> list[Finding]:
    problems = await transcode.ffmpeg.binaries.check(settings.transcode)
    if not problems:
        return [Finding(name="ffmpeg", good=True, text="every encoder, filter and muxer is there")]
    return [
        Finding(
            name="ffmpeg", good=False, text=problem.what, mend=problem.mend, fatal=problem.is_fatal
        )
        for problem in problems
    ]


async def _database(settings: Settings) -> list[Finding]:
    try:
        async with _postgres(settings) as (address, where):
            problems = await catalog.database.problems(address)
            if problems:
                return [
                    Finding(name="database", good=False, text=text, mend="see the message")
                    for text in problems
                ]
            return [
                Finding(
                    name="database", good=True, text=f"{where}: locale and extensions are right"
                ),
                await _clock(address),
            ]
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        mend = "check KAWA_POSTGRES__DSN and that the server runs"
        return [Finding(name="database", good=False, text=str(error) or "no answer", mend=mend)]
    except (NoPostgres, NoOtherUser, ProgramFailed) as error:
        return [Finding(name="database", good=False, text=str(error), mend="see the message")]


async def _clock(address: PostgresSettings) -> Finding:
    connection = await asyncpg.connect(
        dsn_of(address), **connect_arguments(address, program="doctor")
    )
    try:
        before = time.time()
        theirs = (await connection.fetchval("select clock_timestamp()")).timestamp()
        offset = theirs - (before + time.time()) / 2
    finally:
        await connection.close()
    return Finding(
        name="clock",
        good=abs(offset) <= _LARGEST_CLOCK_OFFSET_SECONDS,
        text=f"{offset:+.3f} s against the database",
        mend="run an NTP client on both machines: tokens are refused when clocks differ",
    )


@contextlib.asynccontextmanager
async def _postgres(settings: Settings) -> AsyncIterator[tuple[PostgresSettings, str]]:
    """The configured server, else the embedded one: running already, or started for this look."""
    if settings.postgres.dsn is not None:
        yield settings.postgres, "configured"
        return
    folder = settings.var_dir / "postgres"
    running = running_dsn(folder)
    if running is not None:
        yield settings.postgres.model_copy(update={"dsn": SecretStr(running)}), "embedded, running"
        return
    async with embedded_postgres(folder) as dsn:
        yield settings.postgres.model_copy(update={"dsn": SecretStr(dsn)}), "embedded"


async def _redis(settings: Settings) -> list[Finding]:
    try:
        async with contextlib.AsyncExitStack() as stack:
            address = settings.redis
            if address.url is None:
                folder = settings.var_dir / "doctor-valkey"
                url = await stack.enter_async_context(embedded_valkey(folder))
                address = address.model_copy(update={"url": SecretStr(url)})
            async with open_redis(address) as client:
                return [await _version(client), await _eviction(client)]
    except (RedisError, OSError, TimeoutError) as error:
        mend = "check KAWA_REDIS__URL and that the server runs"
        return [Finding(name="redis", good=False, text=str(error) or "no answer", mend=mend)]
    except (NoRedisServer, ProgramFailed) as error:
        return [Finding(name="redis", good=False, text=str(error), mend="see the message")]
    finally:
        shutil.rmtree(settings.var_dir / "doctor-valkey", ignore_errors=True)


async def _version(client: Redis) -> Finding:
    facts = await client.info("server")
    name, version = facts.get("server_name", "redis"), facts.get("valkey_version")
    return Finding(name="redis", good=True, text=f"{name} {version or facts['redis_version']}")


async def _eviction(client: Redis) -> Finding:
    policy = (await client.info("memory")).get("maxmemory_policy", "unknown")
    return Finding(
        name="redis memory",
        good=policy == "noeviction",
        text=f"maxmemory-policy {policy}",
        mend="set maxmemory-policy noeviction: what was evicted looks like streams that have ended",
        fatal=False,
    )


async def _storage(settings: Settings) -> list[Finding]:
    where = (
        str(settings.storage_folder)
        if settings.storage.kind == "folder"
        else f"bucket {settings.storage.s3.bucket}"
    )
    key = f"doctor/{uuid.uuid4().hex}"
    try:
        async with open_storage(settings) as storage:
            await storage.write(key, b"doctor")
            read = b"".join([chunk async for chunk in storage.read(key)])
            await storage.delete(key)
    except (StorageError, OSError) as error:
        mend = "check KAWA_STORAGE__… and the rights on it"
        return [Finding(name="storage", good=False, text=f"{where}: {error}", mend=mend)]
    good = read == b"doctor"
    return [Finding(name="storage", good=good, text=f"{where}: written, read and deleted")]


async def _disk(settings: Settings) -> list[Finding]:
    settings.var_dir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.var_dir).free
    return [
        Finding(
            name="disk",
            good=free >= _LEAST_FREE_BYTES,
            text=f"{free / 2**30:.1f} GiB free under {settings.var_dir}",
            mend="make room, or set KAWA_VAR_DIR to another disk",
            fatal=False,
        )
    ]


async def _ports(settings: Settings) -> list[Finding]:
    wanted = {
        "edge": settings.edge.listen,
        "edge admin": settings.edge.admin,
        "catalog": settings.catalog.listen,
        "catalog admin": settings.catalog.admin,
        "transcode admin": settings.transcode.admin,
    }
    taken = [f"{name} {at.host}:{at.port}" for name, at in wanted.items() if not _is_free(at)]
    if not taken:
        return [Finding(name="ports", good=True, text="all free")]
    return [
        Finding(
            name="ports",
            good=False,
            text=f"taken: {', '.join(taken)}",
            mend="fine if Kawa runs already; else set KAWA_EDGE__LISTEN__PORT and its like",
            fatal=False,
        )
    ]


def _is_free(listen: ListenSettings) -> bool:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    with socket.socket(family) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((listen.host, listen.port))
        except OSError:
            return False
    return True
