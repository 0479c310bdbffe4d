"""The connection to PostgreSQL: a pool with every wait bounded, and what can be wrong with a database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from catalog.errors import DatabaseUnavailable
from catalog.migrate import head_revision
from config.runtime.postgres import NoDatabase, connect_arguments, dsn_of
from config.settings.shared import PostgresSettings

PROGRAM = "catalog"

# Refused connections, lost ones, limits that were reached, a server that starts or stops, deadlocks: all of
# them may be gone a moment later. SQLSTATE classes and codes, PostgreSQL appendix A.
_PASSING_CLASSES = ("08", "53", "57", "58")
_PASSING_CODES = ("25P03", "28000", "28P01", "3D000", "40001", "40P01", "55P03")

# "Frieren" in Cyrillic: with LC_CTYPE C, pg_trgm finds no trigram in it and search finds nothing, silently.
TRIGRAM_PROBE = "фрирен"
TRIGRAM_PROBLEM = (
    "the database's LC_CTYPE makes trigram search blind to Cyrillic and Japanese: create it anew with"
    " createdb --template=template0 --locale-provider=libc --locale=C.UTF-8"
)


class UnusableDatabase(Exception):
    """The database cannot hold a catalog; the message says how to mend it."""


@contextlib.asynccontextmanager
async def open_engine(settings: PostgresSettings) -> AsyncIterator[AsyncEngine]:
    """An engine that opens connections when they are needed, for the length of the block."""
    dsn, arguments = dsn_of(settings), connect_arguments(settings, program=PROGRAM)

    async def connect() -> asyncpg.Connection[asyncpg.Record]:
        return await asyncpg.connect(dsn, **arguments)

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=settings.acquire_timeout.total_seconds(),
        # Without it every pooled connection fails once after a restart of the server.
        pool_pre_ping=True,
        pool_recycle=1800,
        hide_parameters=True,  # an error's text goes into logs; what was written does not
    )
    try:
        yield engine
    finally:
        await engine.dispose()


def as_unavailable(error: BaseException) -> DatabaseUnavailable | None:
    """``DatabaseUnavailable`` for failures that may pass, ``None`` for our own mistakes."""
    if isinstance(error, exc.DBAPIError):
        original = getattr(error.orig, "__cause__", None) or error.orig
        if error.connection_invalidated or isinstance(error, exc.InterfaceError):
            return DatabaseUnavailable()
        return DatabaseUnavailable() if _is_passing(original) else None
    if isinstance(error, (exc.TimeoutError, OSError, TimeoutError, NoDatabase)):
        return DatabaseUnavailable()
    return DatabaseUnavailable() if _is_passing(error) else None


def _is_passing(error: BaseException | None) -> bool:
    if isinstance(error, asyncpg.InterfaceError):
        return True
    state = getattr(error, "sqlstate", None) or ""
    return state.startswith(_PASSING_CLASSES) or state in _PASSING_CODES


async def is_alive(engine: AsyncEngine) -> bool:
    """Whether the database answers a statement."""
    try:
        async with engine.connect() as connection:
            await connection.execute(text("select 1"))
    except (
        exc.SQLAlchemyError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        OSError,
        NoDatabase,
    ):
        return False
    return True


def check(settings: PostgresSettings) -> list[str]:
    """What is wrong with this database and how to mend it; not for use inside a running event loop."""
    return asyncio.run(problems(settings))


async def problems(settings: PostgresSettings) -> list[str]:
    """What is wrong with this database and how to mend it; empty when the catalog can use it."""
    try:
        connection = await asyncpg.connect(
            dsn_of(settings), **connect_arguments(settings, program=PROGRAM)
        )
    except NoDatabase as error:
        return [str(error)]
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return [
            f"PostgreSQL cannot be reached with KAWA_POSTGRES__DSN: {str(error) or type(error).__name__}"
        ]
    try:
        return await _problems_inside(connection)
    finally:
        await connection.close(timeout=2)


async def _problems_inside(connection: asyncpg.Connection[Any]) -> list[str]:
    found = []
    if connection.get_server_version() < (15,):
        found.append("PostgreSQL is older than 15: use 15 or newer")
    if await connection.fetchval("show server_encoding") != "UTF8":
        found.append(
            "the database's encoding is not UTF8: create it anew with createdb --encoding=UTF8"
        )
    if not await connection.fetchval("select count(*) from pg_extension where extname = 'pg_trgm'"):
        if not await connection.fetchval(
            "select count(*) from pg_available_extensions where name = 'pg_trgm'"
        ):
            found.append("the extension pg_trgm is missing: install PostgreSQL's contrib package")
            return found
    elif not await connection.fetchval("select cardinality(show_trgm($1))", TRIGRAM_PROBE):
        found.append(TRIGRAM_PROBLEM)
    revision = None
    if await connection.fetchval("select to_regclass('alembic_version') is not null"):
        revision = await connection.fetchval("select version_num from alembic_version")
    if revision is None:
        found.append("the database has no tables yet: run python -m catalog migrate")
    elif revision != head_revision():
        found.append(
            f"the tables are at revision {revision}, this program needs {head_revision()}:"
            " run python -m catalog migrate"
        )
    return found
