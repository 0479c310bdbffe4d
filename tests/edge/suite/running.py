"""Runs the public suite of HTTP cache tests (http-tests/cache-tests) against any proxy, scored by its own rules."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

HERE = Path(__file__).parent
MODULES = HERE.parents[1] / "node_modules"
RELEASE = MODULES / "http-cache-tests"
START_SECONDS = 40
CLIENT_SECONDS = 170
STOP_SECONDS = 10
_LISTENING = re.compile(r"Listening on http://127\.0\.0\.1:(\d+)/")


@dataclass(frozen=True, kw_only=True)
class Command:
    """How a proxy is started so that it listens on a port of the loopback address."""

    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one test, and why."""

    id: str
    suite: str
    kind: str
    result: str
    reason: str

    @property
    def passed(self) -> bool:
        return self.result in ("pass", "yes")


# Given the ports of the suite's origin and of the proxy, and a folder of its own.
Proxy = Callable[[int, int, Path], Command]


class SuiteError(Exception):
    """The suite could not be run: this says nothing about the proxy's score."""


async def run_suite(proxy: Proxy, *, suite: Path = RELEASE) -> list[Result]:
    """Every test's result for one proxy, started fresh on free ports."""
    with tempfile.TemporaryDirectory(prefix="cache-tests-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # peers that drop their rights still have to reach their own folder
        # A suite outside the tests' folder finds its modules one level up, where it stands.
        (folder / "node_modules").symlink_to(MODULES)
        copy = folder / "suite"
        await asyncio.to_thread(shutil.copytree, suite, copy)
        part = "test-engine/" if (copy / "test-engine").is_dir() else ""
        async with _origin(copy, f"{part}server/server.mjs", folder) as origin_port:
            port = free_port()
            own = folder / "proxy"
            own.mkdir(mode=0o777)
            own.chmod(0o777)
            async with running(proxy(origin_port, port, own), port, own / "output.log"):
                results = await _client(copy, f"{part}cli.mjs", port, folder)
        scored = await _output(node(), "--no-warnings", str(HERE / "score.mjs"), str(copy), results)
        return [Result(**row) for row in json.loads(scored)]


def passes(results: Sequence[Result], kind: str) -> int:
    """How many tests of a kind passed."""
    return sum(each.passed for each in results if each.kind == kind)


def totals(results: Sequence[Result]) -> Counter[str]:
    """How many tests there are of each kind."""
    return Counter(each.kind for each in results)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def node() -> str:
    """The node program, or an error that says how to get it."""
    found = shutil.which("node")
    if not found:
        raise SuiteError("node is not installed")
    if not RELEASE.is_dir():
        raise SuiteError("the suite is not installed: npm ci in tests")
    return found


@asynccontextmanager
async def _origin(suite: Path, program: str, folder: Path) -> AsyncIterator[int]:
    """The suite's origin, on a free port of the loopback address only."""
    process = await asyncio.create_subprocess_exec(
        *(node(), "--no-warnings", "--import", str(HERE / "loopback.mjs"), program),
        cwd=suite,
        env=_environment(npm_config_port="0", npm_config_pidfile=str(folder / "origin.pid")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    drain = None
    try:
        async with asyncio.timeout(START_SECONDS):
            while line := (await process.stdout.readline()).decode():
                if found := _LISTENING.search(line):
                    break
            else:
                raise SuiteError("the suite's origin did not start")
        drain = asyncio.create_task(process.stdout.read())
        yield int(found[1])
    finally:
        await stop(process)
        if drain is not None:
            await drain


@asynccontextmanager
async def running(command: Command, port: int, log: Path) -> AsyncIterator[None]:
    """A proxy that accepts connections; it is ended afterwards together with its children."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command.argv,
            cwd=command.cwd or log.parent,
            env={**os.environ, **command.env},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        await _until_up(process, port, log)
        yield
    finally:
        await stop(process, group=True)


async def _until_up(process: asyncio.subprocess.Process, port: int, log: Path) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            while process.returncode is None:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionRefusedError:
                    await asyncio.sleep(0.05)
                    continue
                writer.close()
                await writer.wait_closed()
                return
    raise SuiteError(f"the proxy never listened: {log.read_text(errors='replace')[-3000:]}")


async def _client(suite: Path, program: str, port: int, folder: Path) -> str:
    """The file with the raw results."""
    results = folder / "results.json"
    text = await _output(
        *(node(), "--no-warnings", program),
        cwd=suite,
        env=_environment(npm_config_base=f"http://127.0.0.1:{port}"),
    )
    results.write_text(text)
    return str(results)


async def _output(*argv: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=cwd,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(CLIENT_SECONDS):
            output, errors = await process.communicate()
    finally:
        await stop(process)
    if process.returncode:
        raise SuiteError(f"{argv[2]}: {errors.decode(errors='replace')[-2000:]}")
    return output.decode()


async def stop(process: asyncio.subprocess.Process, *, group: bool = False) -> None:
    """End a process that was started here, politely first, with its group if it leads one."""
    send = partial(os.killpg, process.pid) if group else process.send_signal
    if process.returncode is None:
        send(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        if group or process.returncode is None:
            send(signal.SIGKILL)
    await process.wait()


def _environment(**values: str) -> dict[str, str]:
    # An id that is not set at all would mean: run one test.
    fixed = {"npm_config_protocol": "http", "npm_config_id": "", "npm_package_config_id": ""}
    return {**os.environ, **fixed, **values}
