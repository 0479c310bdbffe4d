"""The whole system on this machine: embedded servers where none are set, then the three programs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout
from pydantic import SecretStr

from catalog.accounts.bootstrap import ensure_admin
from catalog.migrate import migrate
from config.launch.embedded.postgres import embedded_postgres
from config.launch.embedded.valkey import embedded_valkey
from config.runtime.keys import make_key_file
from config.runtime.processes import ProcessSupervisor, Program, ProgramFailed
from config.settings.load import Settings

ADMIN_LOGIN = "admin"
_READY_SECONDS = 60
_PROGRAMS = ("edge", "catalog", "transcode")

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A running system."""

    settings: Settings  # with the addresses of the embedded servers
    supervisor: ProcessSupervisor
    admin_password: str

    @property
    def catalog_url(self) -> str:
        listen = self.settings.catalog.listen
        return f"http://{listen.host}:{listen.port}"


@contextlib.asynccontextmanager
async def running_system(
    settings: Settings, *, report: Report, log_folder: Path | None = None
) -> AsyncIterator[System]:
    """Start everything, wait until it is ready, and stop it in order on leaving."""
    settings.var_dir.mkdir(parents=True, exist_ok=True)
    make_key_file(settings.keys_file)
    async with contextlib.AsyncExitStack() as stack:
        settings = await _with_servers(settings, stack, report)
        await asyncio.to_thread(migrate, settings.postgres)
        password = admin_password(settings)
        if settings.catalog.admin_login == ADMIN_LOGIN:
            await ensure_admin(settings, login=ADMIN_LOGIN, password=password)
        supervisor = await stack.enter_async_context(ProcessSupervisor())
        for name in _PROGRAMS:
            await supervisor.start(_program(name, settings, log_folder))
        await _until_ready(settings, supervisor)
        yield System(settings=settings, supervisor=supervisor, admin_password=password)


def admin_password(settings: Settings) -> str:
    """The password of this machine's own administrator, made once."""
    path = settings.var_dir / "secrets" / "admin-password"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(18))
    return path.read_text().strip()


async def _with_servers(
    settings: Settings, stack: contextlib.AsyncExitStack, report: Report
) -> Settings:
    """The settings with the addresses of PostgreSQL and Redis; started here where none is set."""
    changes: dict[str, object] = {}
    if settings.catalog.admin_login is None:
        changes["catalog"] = settings.catalog.model_copy(update={"admin_login": ADMIN_LOGIN})
    if settings.postgres.dsn is None:
        folder = settings.var_dir / "postgres"
        if not (folder / "data").exists():
            report("making a database under " + str(folder))
        dsn = await stack.enter_async_context(embedded_postgres(folder))
        changes["postgres"] = settings.postgres.model_copy(update={"dsn": SecretStr(dsn)})
    if settings.redis.url is None:
        url = await stack.enter_async_context(embedded_valkey(settings.var_dir / "valkey"))
        changes["redis"] = settings.redis.model_copy(update={"url": SecretStr(url)})
    return settings.model_copy(update=changes)


def _program(name: str, settings: Settings, log_folder: Path | None) -> Program:
    drain = settings.edge.http.drain_delay + settings.edge.http.drain_timeout
    return Program(
        name=name,
        argv=(sys.executable, "-m", name),
        env=_environment(settings),
        stop_timeout_seconds=drain.total_seconds() + 10,
        log=None if log_folder is None else log_folder / f"{name}.log",
    )


def _environment(settings: Settings) -> dict[str, str]:
    """What the programs must know beside the environment and kawa.toml that they read themselves."""
    known = {
        "KAWA_POSTGRES__DSN": settings.postgres.dsn,
        "KAWA_REDIS__URL": settings.redis.url,
    }
    env = {name: value.get_secret_value() for name, value in known.items() if value is not None}
    env["KAWA_VAR_DIR"] = str(settings.var_dir)
    env["KAWA_LOG__LEVEL"] = settings.log.level
    env["KAWA_CATALOG__ADMIN_LOGIN"] = settings.catalog.admin_login or ADMIN_LOGIN
    for section, part in (
        ("EDGE__LISTEN", settings.edge.listen),
        ("EDGE__ADMIN", settings.edge.admin),
        ("CATALOG__LISTEN", settings.catalog.listen),
        ("CATALOG__ADMIN", settings.catalog.admin),
        ("TRANSCODE__ADMIN", settings.transcode.admin),
    ):
        env[f"KAWA_{section}__HOST"] = part.host
        env[f"KAWA_{section}__PORT"] = str(part.port)
    return env


async def _until_ready(settings: Settings, supervisor: ProcessSupervisor) -> None:
    ports = {
        "edge": settings.edge.admin,
        "catalog": settings.catalog.admin,
        "transcode": settings.transcode.admin,
    }
    failing = asyncio.ensure_future(supervisor.until_failed())
    async with ClientSession(timeout=ClientTimeout(total=3)) as session:
        ready = asyncio.gather(
            *(_ready(session, f"http://{at.host}:{at.port}/readyz") for at in ports.values())
        )
        try:
            async with asyncio.timeout(_READY_SECONDS):
                done, _ = await asyncio.wait((ready, failing), return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        except TimeoutError:
            raise ProgramFailed(
                f"the system was not ready within {_READY_SECONDS} s; the logs say why"
            ) from None
        finally:
            for waiting in (ready, failing):
                waiting.cancel()
            await asyncio.gather(ready, failing, return_exceptions=True)


async def _ready(session: ClientSession, url: str) -> None:
    while True:
        with contextlib.suppress(ClientError, OSError, TimeoutError):
            async with session.get(url) as answer:
                if answer.status == 200:
                    return
        await asyncio.sleep(0.03)
