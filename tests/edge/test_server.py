from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

import pytest
from aiohttp import ClientSession

from config.settings.load import Settings
from tests.edge.client import SEGMENT
from tests.edge.processes.harness import Mint, running, until


@pytest.fixture(autouse=True)
def _files(title: Path, mint: Mint) -> None:
    """Every test here has a title and a key file."""


async def test_several_workers_share_the_port_and_count_together(
    settings: Settings, mint: Mint
) -> None:
    async with running(settings, workers=2) as edge, ClientSession() as session:
        assert len(edge.workers()) == 2
        url = f"{edge.url}/t/{mint()}/vod/title/v/1.m4s"
        for _ in range(20):
            async with ClientSession() as viewer, viewer.get(url) as answer:
                assert await answer.read() == SEGMENT
        counted = (
            'edge_http_requests_total{method="GET",route="segment",status_class="2xx"} 20.0',
            'edge_bytes_sent_total{route="segment"} 2.048e+07',  # 20 times 1 024 000
        )

        async def has_all() -> bool:  # a request is counted once its last byte has left
            async with session.get(f"{edge.admin}/metrics") as answer:
                text = await answer.text()
            return all(line in text for line in counted)

        await until(has_all)


async def test_a_killed_worker_is_replaced_and_no_waiting_connection_is_lost(
    settings: Settings, mint: Mint
) -> None:
    async with running(settings) as edge, ClientSession() as session:
        url = f"{edge.url}/t/{mint()}/vod/title/master.m3u8"
        async with session.get(url) as answer:
            assert answer.status == 200
        (old,) = edge.workers()
        os.kill(old, signal.SIGKILL)
        # Connects while nobody accepts: the parent still owns the socket.
        async with ClientSession() as other, other.get(url) as answer:
            assert answer.status == 200
        assert edge.workers() != [old]


async def test_a_running_body_ends_whole_after_sigterm(settings: Settings, mint: Mint) -> None:
    async with running(settings) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port, limit=4096)
        path = f"/t/{mint()}/vod/title/v/1.m4s"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head.splitlines()[0]

        edge.process.terminate()
        await until_refused(edge.port)

        assert await reader.readexactly(len(SEGMENT)) == SEGMENT
        writer.close()
        assert await asyncio.wait_for(edge.process.wait(), 30) == 0


async def until_refused(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                return
            writer.close()
            await asyncio.sleep(0.01)


async def test_the_log_is_json_and_never_shows_a_token(settings: Settings, mint: Mint) -> None:
    token = mint()
    async with (
        running(settings, KAWA_EDGE__ACCESS_LOG_HITS="1") as edge,
        ClientSession() as session,
    ):
        for path in (
            f"/t/{token}/vod/title/master.m3u8",
            f"/t/{token}/vod/none/master.m3u8",
            f"/vod/title/master.m3u8?token={token}",
        ):
            async with session.get(edge.url + path) as answer:
                await answer.read()
    lines = [json.loads(line) for line in edge.log.read_text().splitlines()]
    requests = [line for line in lines if line["event"] == "request"]

    # The third one is answered by a redirect, which the client follows.
    assert [line["status"] for line in requests] == [200, 403, 302, 200]
    assert requests[0]["path"] == "/t/***/vod/title/master.m3u8"
    assert requests[0]["session_id"] == "session-1"
    assert requests[0]["wire_bytes"] > 0
    assert requests[1]["refusal"] == "path-not-covered"
    assert token not in edge.log.read_text()


async def test_a_dripping_request_head_is_closed_at_its_deadline(settings: Settings) -> None:
    async with running(settings, KAWA_EDGE__HTTP__HEADER_TIMEOUT="PT1S") as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nX-")
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()


async def test_a_client_that_reads_nothing_is_cut_off(
    settings: Settings, mint: Mint, title: Path
) -> None:
    with (title / "v" / "large.m4s").open("wb") as file:
        file.truncate(64 * 2**20)
    async with running(settings, KAWA_EDGE__WRITE_TIMEOUT="PT0.5S") as edge:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, ("127.0.0.1", edge.port))
        path = f"/t/{mint()}/vod/title/v/large.m4s"
        await loop.sock_sendall(sock, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        async with asyncio.timeout(20), ClientSession() as session:
            text = ""
            while 'edge_bodies_cut_total{reason="slow_client"} 1.0' not in text:
                async with session.get(f"{edge.admin}/metrics") as answer:
                    text = await answer.text()
        sock.close()


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"KAWA_EDGE__LISTEN__PORT": "http"}, "KAWA_EDGE__LISTEN__PORT"),
        ({"KAWA_EDGE__WORKERZ": "1"}, "KAWA_EDGE__WORKERZ"),
        ({"KAWA_TOKENS__KEYS_FILE": "/none.json"}, "/none.json"),
    ],
)
async def test_a_setting_that_cannot_work_ends_with_status_2_and_its_name(
    settings: Settings, env: dict[str, str], named: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "edge"),
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "KAWA_VAR_DIR": str(settings.var_dir), **env},
    )
    _, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    assert named in errors.decode()
    assert errors.decode().count("\n") == 1


async def test_a_taken_port_is_named(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "edge"),
            stderr=asyncio.subprocess.PIPE,
            env={
                **os.environ,
                "KAWA_VAR_DIR": str(settings.var_dir),
                "KAWA_EDGE__LISTEN__PORT": str(port),
            },
        )
        _, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    assert f"127.0.0.1:{port}" in errors.decode()
