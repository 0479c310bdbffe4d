"""Runs the catalog: ``python -m catalog`` migrates and serves, ``python -m catalog migrate`` only migrates."""

from __future__ import annotations

import argparse
import asyncio
import sys

import asyncpg
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from catalog.accounts.bootstrap import ensure_admin
from catalog.app import main
from catalog.database import PROGRAM, UnusableDatabase
from catalog.errors import CatalogError
from catalog.migrate import migrate
from config.runtime.keys import BadKeys
from config.runtime.logging import hide_secrets, setup_logging
from config.runtime.postgres import NoDatabase
from config.runtime.serving import CannotListen, run
from config.settings.load import Settings, settings_or_exit


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m catalog", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="migrate, then serve (the default)")
    commands.add_parser("migrate", help="bring the database's tables up to date")
    commands.add_parser(
        "admin",
        help="make the administrator's account, or reset its password: read from standard input",
    )
    return parser.parse_args()


def _run(command: str | None, settings: Settings) -> int:
    if command == "admin":
        asyncio.run(_make_admin(settings))
        return 0
    migrate(settings.postgres)
    return 0 if command == "migrate" else run(lambda: main(settings))


async def _make_admin(settings: Settings) -> None:
    password = (await asyncio.to_thread(sys.stdin.readline)).rstrip("\r\n")
    changed = await ensure_admin(settings, settings.catalog.admin_login or "", password)
    sys.stdout.write("done\n" if changed else "nothing to do\n")


if __name__ == "__main__":
    arguments, settings = _arguments(), settings_or_exit()
    setup_logging(settings.log, program=PROGRAM)
    try:
        sys.exit(_run(arguments.command, settings))
    except (
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        BadKeys,
        CannotListen,
        CatalogError,
        CommandError,
        NoDatabase,
        OSError,
        SQLAlchemyError,
        UnusableDatabase,
        ValueError,
    ) as error:
        sys.stderr.write(f"kawa catalog: {hide_secrets(str(error) or type(error).__name__)}\n")
        raise SystemExit(1) from None
