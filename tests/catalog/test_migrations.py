from __future__ import annotations

import asyncio
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr

from catalog.database import UnusableDatabase, check, problems
from catalog.migrate import check_model, downgrade, migrate
from config.runtime.postgres import dsn_of
from config.settings.shared import PostgresSettings


async def tables_of(settings: PostgresSettings) -> set[str]:
    connection = await asyncpg.connect(dsn_of(settings))
    rows = await connection.fetch(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
    )
    await connection.close()
    return {row["relname"] for row in rows}


async def test_migrations_go_up_down_and_up_again(empty_database: PostgresSettings) -> None:
    assert "no tables" in (await problems(empty_database))[0]

    await asyncio.to_thread(migrate, empty_database)
    first = await tables_of(empty_database)
    assert {"users", "transcode_jobs", "worker_events", "procrastinate_jobs"} <= first
    assert await problems(empty_database) == []
    await asyncio.to_thread(migrate, empty_database)

    await asyncio.to_thread(downgrade, empty_database, "base")
    assert await tables_of(empty_database) == {"alembic_version"}
    assert len(await problems(empty_database)) == 1

    await asyncio.to_thread(migrate, empty_database)
    assert await tables_of(empty_database) == first


async def test_the_tables_are_those_that_the_code_declares(database: PostgresSettings) -> None:
    await asyncio.to_thread(check_model, database)


async def test_two_programs_can_migrate_at_the_same_time(empty_database: PostgresSettings) -> None:
    await asyncio.gather(*(asyncio.to_thread(migrate, empty_database) for _ in range(2)))

    assert await problems(empty_database) == []


async def test_every_foreign_key_has_an_index(database: PostgresSettings) -> None:
    connection = await asyncpg.connect(dsn_of(database))
    rows = await connection.fetch("""
        select c.conrelid::regclass::text || '.' || a.attname as name
        from pg_constraint c
        join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
        where c.contype = 'f' and c.conrelid::regclass::text not like 'procrastinate%'
          and not exists (
              select from pg_index i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1]
          )
    """)
    await connection.close()

    assert [row["name"] for row in rows] == []


async def test_a_database_that_cannot_search_cyrillic_is_refused(
    empty_database: PostgresSettings,
) -> None:
    name = f"blind_{uuid4().hex}"
    connection = await asyncpg.connect(dsn_of(empty_database))
    await connection.execute(
        f"create database {name} template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'"
    )
    dsn = urlunsplit(urlsplit(dsn_of(empty_database))._replace(path=f"/{name}"))
    blind = PostgresSettings(dsn=SecretStr(dsn))

    with pytest.raises(UnusableDatabase, match="locale"):
        await asyncio.to_thread(migrate, blind)
    inside = await asyncpg.connect(dsn)
    await inside.execute("create extension pg_trgm")
    await inside.close()
    found = await asyncio.to_thread(check, blind)

    assert any("createdb" in problem for problem in found)
    await connection.execute(f"drop database {name}")
    await connection.close()


def test_a_database_that_is_away_is_a_problem_with_a_reason() -> None:
    away = PostgresSettings(dsn=SecretStr("postgresql://kawa:hidden@127.0.0.1:1/kawa"))

    found = check(away) + check(PostgresSettings())

    assert "KAWA_POSTGRES__DSN" in found[0]
    assert "KAWA_POSTGRES__DSN" in found[1]
    assert "hidden" not in found[0]
