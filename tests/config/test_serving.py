from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientConnectorError, ClientSession, ServerDisconnectedError, web

from config.runtime.serving import (
    CannotListen,
    Readiness,
    admin_app,
    listening_socket,
    serving,
    until_stopped,
)
from config.settings.shared import HttpLimits, ListenSettings
from tests.lacking import lacking

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 20


def limits(**changes: object) -> HttpLimits:
    return HttpLimits.model_validate({"drain_timeout": 5} | changes)


@contextlib.asynccontextmanager
async def served(app: web.Application, limits: HttpLimits) -> AsyncIterator[str]:
    sock = listening_socket(ListenSettings(), backlog=16)
    async with serving(app, sock, limits, logged=False):
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"


class Slow:
    """An application whose one answer waits until it is let go."""

    def __init__(self) -> None:
        self.reached, self.released = asyncio.Event(), asyncio.Event()
        self.app = web.Application()
        self.app.add_routes([web.get("/", self._answer)])

    async def _answer(self, _request: web.Request) -> web.Response:
        self.reached.set()
        await self.released.wait()
        return web.Response(text="done")


async def test_a_program_is_alive_and_ready_when_nothing_is_missing() -> None:
    async with served(admin_app(Readiness()), limits()) as url, ClientSession(url) as client:
        async with client.get("/livez") as answer:
            assert (answer.status, await answer.text()) == (200, "alive\n")
        async with client.get("/readyz") as answer:
            assert (answer.status, await answer.json()) == (200, {"ready": True, "failing": []})


async def test_what_is_missing_is_named_and_the_program_stays_alive() -> None:
    readiness = Readiness()

    async def good() -> bool:
        return True

    async def bad() -> bool:
        return False

    async def broken() -> bool:
        raise ConnectionRefusedError

    readiness.checks |= {"storage": good, "postgres": bad, "redis": broken}

    async with served(admin_app(readiness), limits()) as url, ClientSession(url) as client:
        async with client.get("/readyz") as answer:
            assert answer.status == 503
            assert await answer.json() == {"ready": False, "failing": ["postgres", "redis"]}
        async with client.get("/livez") as answer:
            assert answer.status == 200


async def test_a_check_that_hangs_counts_as_missing() -> None:
    readiness = Readiness()

    async def hanging() -> bool:
        await asyncio.Event().wait()
        return True

    readiness.checks["postgres"] = hanging

    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await readiness.failing() == ["postgres"]


async def test_metrics_are_served_as_prometheus_reads_them() -> None:
    async with served(admin_app(Readiness()), limits()) as url, ClientSession(url) as client:
        async with client.get("/metrics") as answer:
            assert answer.content_type == "text/plain"
            assert "# TYPE python_info gauge" in await answer.text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_signal_turns_the_program_not_ready_and_gives_balancers_time(
    number: signal.Signals,
) -> None:
    readiness = Readiness()
    stopped = asyncio.create_task(until_stopped(readiness, limits(drain_delay=0.3)))
    async with served(admin_app(readiness), limits()) as url, ClientSession(url) as client:
        started = time.monotonic()
        os.kill(os.getpid(), number)

        async with asyncio.timeout(PATIENCE_SECONDS):
            while not readiness.draining:
                await asyncio.sleep(0)
        async with client.get("/readyz") as answer:
            assert answer.status == 503
            assert await answer.json() == {"ready": False, "failing": ["draining"]}
        await stopped

    assert time.monotonic() - started >= 0.3


async def test_a_running_request_ends_before_the_server_does() -> None:
    slow = Slow()
    sock = listening_socket(ListenSettings(), backlog=16)
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    async with ClientSession(url) as client:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(serving(slow.app, sock, limits(), logged=False))
            running = asyncio.create_task(body_of(client))
            await slow.reached.wait()
            leaving = asyncio.create_task(stack.pop_all().aclose())

            async with asyncio.timeout(PATIENCE_SECONDS):
                await refused(url)
            assert not running.done()
            slow.released.set()
            assert await running == "done"
            await leaving


async def test_a_request_that_does_not_end_is_cut_off_after_the_limit() -> None:
    slow = Slow()
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with served(slow.app, limits(drain_timeout=0.2)) as url:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await slow.reached.wait()

        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_an_idle_connection_does_not_hold_up_the_end() -> None:
    async with ClientSession() as client:
        async with served(admin_app(Readiness()), limits(drain_timeout=60)) as url:
            async with client.get(f"{url}/livez") as answer:
                await answer.read()
            started = time.monotonic()
        assert time.monotonic() - started < 5


async def test_a_connection_that_sends_no_whole_request_is_closed() -> None:
    patience = limits(header_timeout=0.3)
    async with served(admin_app(Readiness()), patience) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"GET /livez HTTP/1.1\r\nHost: a\r\nX-Slow: ")

        async with asyncio.timeout(PATIENCE_SECONDS):
            await reader.read()
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET /" + b"a" * 2000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", id="line"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 2000 + b"\r\n\r\n", id="header field"
        ),
    ],
)
async def test_an_oversized_head_is_refused(head: bytes) -> None:
    small = limits(max_line_bytes=1024, max_field_bytes=1024)
    async with served(admin_app(Readiness()), small) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(head)

        async with asyncio.timeout(PATIENCE_SECONDS):
            assert re.match(rb"HTTP/1\.[01] 4\d\d ", await reader.readline())
        writer.close()
        await writer.wait_closed()


def test_a_taken_address_is_named() -> None:
    with listening_socket(ListenSettings(), backlog=16) as sock:
        port = sock.getsockname()[1]

        with pytest.raises(CannotListen, match=rf"127\.0\.0\.1:{port}: Address already in use"):
            listening_socket(ListenSettings(port=port), backlog=16)


def test_a_foreign_address_is_named() -> None:
    with pytest.raises(CannotListen, match=r"192\.0\.2\.1:0"):
        listening_socket(ListenSettings(host="192.0.2.1"), backlog=16)


def test_two_sockets_may_share_a_port_when_asked() -> None:
    with listening_socket(ListenSettings(), backlog=16, reuse_port=True) as first:
        port = first.getsockname()[1]
        with listening_socket(ListenSettings(port=port), backlog=16, reuse_port=True) as second:
            assert second.getsockname() == first.getsockname()


async def test_an_ipv6_address_can_be_listened_on() -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        lacking(f"no IPv6 loopback address: switch IPv6 on in the kernel ({error})")
    sock = listening_socket(ListenSettings(host="::1"), backlog=16)
    async with serving(admin_app(Readiness()), sock, limits(), logged=False):
        async with ClientSession() as client:
            async with client.get(f"http://[::1]:{sock.getsockname()[1]}/livez") as answer:
                assert answer.status == 200


@pytest.mark.parametrize(
    ("failure", "status", "said"),
    [
        ("config.runtime.redis.NoRedis('set the address')", 2, "kawa: set the address\n"),
        ("config.runtime.processes.ProgramFailed('edge-0 ended')", 1, "kawa: edge-0 ended\n"),
    ],
)
def test_a_program_tells_by_its_status_what_it_failed_by(
    failure: str, status: int, said: str
) -> None:
    script = f"""
import sys, config.runtime.redis, config.runtime.processes
from config.runtime.serving import run

async def main():
    raise {failure}

sys.exit(run(main))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (status, said)


async def test_a_request_is_one_line_of_the_access_log_without_its_token(
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = """
import asyncio, sys
from aiohttp import ClientSession, web
from config.runtime.logging import setup_logging
from config.runtime.serving import listening_socket, serving
from config.settings.shared import HttpLimits, ListenSettings, LogSettings

async def main():
    setup_logging(LogSettings(), program="edge")
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    sock = listening_socket(ListenSettings(), backlog=16)
    async with serving(app, sock, HttpLimits()):
        async with ClientSession(f"http://127.0.0.1:{sock.getsockname()[1]}") as client:
            await client.get("/t/secret.token/vod/a.m3u8?token=secret.token")

async def answer(request):
    return web.Response(text="x" * 1000)

asyncio.run(main())
"""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    [line] = [json.loads(line) for line in done.stderr.splitlines()]
    assert "secret" not in done.stderr
    assert line["path"] == "/t/***/vod/a.m3u8"
    assert (line["event"], line["method"], line["status"]) == ("request", "GET", 200)
    assert line["client"] == "127.0.0.0/24"
    assert line["wire_bytes"] >= 1000


async def body_of(client: ClientSession) -> str:
    async with client.get("/") as answer:
        return await answer.text()


async def refused(url: str) -> None:
    """Wait until no new connection is accepted."""
    while True:
        try:
            async with ClientSession() as client, client.get(f"{url}/other"):
                pass
        except ClientConnectorError:
            return
        except ServerDisconnectedError:
            continue
