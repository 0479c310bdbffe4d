"""Parent and workers as an operator starts them: every byte counts, whichever process gave it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, TCPConnector

from config.settings.load import Settings
from tests.edge.client import SEGMENT
from tests.edge.processes.harness import Edge, Mint, running, until


@pytest.fixture(autouse=True)
def _files(title: Path, mint: Mint) -> None: ...


async def shown(edge: Edge, session: str = "session-1") -> dict[str, Any]:
    """What the parent knows of a session."""
    async with (
        ClientSession() as http,
        http.get(f"{edge.admin}/sessions/{session}") as answer,
    ):
        return await answer.json() if answer.status == 200 else {}


async def until_counted(edge: Edge, sent: int) -> dict[str, Any]:
    found: dict[str, Any] = {}

    async def same() -> bool:
        nonlocal found
        found = await shown(edge)
        return bool(found) and found["counted"]["bytes"] == sent

    try:
        await until(same, seconds=10)
    except TimeoutError:
        raise AssertionError(f"{sent} bytes were sent: {found}") from None
    return found


async def play(edge: Edge, token: str, *, times: int = 1) -> int:
    """Ask on connections of their own, so that every worker gets some; the bytes of all bodies."""
    received = 0
    async with ClientSession(connector=TCPConnector(force_close=True)) as http:
        for _ in range(times):
            for path in ("master.m3u8", "v/1.m4s", "v/init.mp4"):
                async with http.get(f"{edge.url}/t/{token}/vod/title/{path}") as answer:
                    assert answer.status == 200
                    received += len(await answer.read())
    return received


async def test_a_session_that_several_workers_serve_is_one(settings: Settings, mint: Mint) -> None:
    async with running(settings, workers=2) as edge:
        token = mint()
        received = await play(edge, token, times=12)
        found = await until_counted(edge, received)
        assert found["counted"]["requests"] == 36
        assert found["counted"]["manifests"] == 12
        assert found["counted"]["renditions"] == {"v": 24}
        assert found["revision"] == 1
        entries = sum(
            float(value)
            for value in re.findall(
                r'^edge_session_entries_total\{result="(?:admitted|joined)"\} (\S+)$',
                await edge.metrics(),
                re.MULTILINE,
            )
        )
        assert entries <= 4  # at most a join and a manifest for each worker


async def test_workers_that_leave_say_their_last_words(settings: Settings, mint: Mint) -> None:
    async with running(settings, workers=2) as edge:
        token, received = mint(), 0
        for _ in range(3):
            received += await play(edge, token, times=3)
            status, _ = await edge.order("/restart")  # at once: nothing was told yet
            assert status == 200
        found = await until_counted(edge, received)
        assert found["counted"]["requests"] == 27
        assert found["revision"] == 1


async def test_a_killed_worker_loses_no_more_than_what_it_gave_in_a_second(
    settings: Settings, mint: Mint
) -> None:
    async with running(settings, workers=1) as edge:
        token = mint()
        told = await play(edge, token, times=2)
        await until_counted(edge, told)
        untold = await play(edge, token)
        [worker] = edge.workers()
        os.kill(worker, signal.SIGKILL)

        async def replaced() -> bool:
            return edge.workers() not in ([], [worker])

        await until(replaced)
        later = 0
        for _ in range(50):
            with contextlib.suppress(ClientError, OSError):
                later = await play(edge, token)
                break
        # Nothing can be told any more of what was not: it never comes back as something else.
        deadline = time.monotonic() + 10
        while (bytes_known := (await shown(edge))["counted"]["bytes"]) < told + later:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        assert told + later <= bytes_known <= told + untold + later


async def test_one_stream_too_many_is_refused_whichever_worker_is_asked(
    settings: Settings, mint: Mint
) -> None:
    async with running(settings, workers=2) as edge:
        tokens = [mint(session=f"s{number}", stream_limit=2) for number in range(6)]
        async with ClientSession(connector=TCPConnector(force_close=True)) as http:

            async def begin(token: str) -> int:
                async with http.get(f"{edge.url}/t/{token}/vod/title/master.m3u8") as answer:
                    return answer.status

            statuses = await asyncio.gather(*(begin(token) for token in tokens))
            assert sorted(statuses) == [200, 200, 409, 409, 409, 409]
            # Those who play go on, at every worker.
            for _ in range(8):
                for token, status in zip(tokens, statuses, strict=True):
                    assert await begin(token) == status


async def test_a_kicked_viewer_gets_nothing_from_any_worker_a_second_later(
    settings: Settings, mint: Mint
) -> None:
    async with running(settings, workers=2) as edge:
        token = mint()
        await play(edge, token, times=8)

        async def known() -> bool:
            return bool(await shown(edge))

        await until(known)
        status, _ = await edge.order("/sessions/kick", body={"session": "session-1"})
        assert status in (200, 202)
        statuses: list[int] = []

        async def refused() -> bool:
            async with ClientSession(connector=TCPConnector(force_close=True)) as http:
                for _ in range(8):
                    url = f"{edge.url}/t/{token}/vod/title/v/1.m4s"
                    async with http.get(url) as answer:
                        statuses.append(answer.status)
            return set(statuses[-8:]) == {403}

        await until(refused, seconds=5)


async def test_a_stopped_parent_stops_no_viewer(settings: Settings, mint: Mint) -> None:
    """It answers nobody for a while, as one does that hangs."""
    async with running(settings, workers=1) as edge:
        token = mint()
        await play(edge, token)
        edge.process.send_signal(signal.SIGSTOP)
        try:
            started = time.monotonic()
            other = mint(session="session-2", stream_limit=2)
            await play(edge, token)
            assert time.monotonic() - started < 1
            assert await play(edge, other) >= len(SEGMENT)
            assert time.monotonic() - started < 5
        finally:
            edge.process.send_signal(signal.SIGCONT)

        async def known() -> bool:
            return bool(await shown(edge, "session-2"))

        await until(known)


@pytest.mark.parametrize("plain", [True, False], ids=["plain proxy", "switched off"])
async def test_where_nobody_follows_sessions_nothing_is_there_for_it(
    settings: Settings, mint: Mint, tmp_path: Path, plain: bool
) -> None:
    env: dict[str, Any] = {"KAWA_SESSIONS__ENABLED": "false"}
    if plain:
        (tmp_path / "plain").mkdir()
        settings = Settings.model_validate({"var_dir": tmp_path / "plain"})
        env = {
            "KAWA_EDGE__ROOT_ORIGIN": "web",
            "KAWA_EDGE__ORIGINS": '{"web": {"kind": "http", "url": "http://127.0.0.1:9/"}}',
        }
    async with running(settings, workers=1, **env) as edge:
        if not plain:
            await play(edge, mint())
        found = [path.name for path in (settings.var_dir / "run").rglob("*")]
        assert "sessions.sock" not in found
        assert not [name for name in found if name.endswith(".sessions")]
        async with ClientSession() as http, http.get(f"{edge.admin}/sessions") as answer:
            assert answer.status == 404
        assert not edge.events("background task failed")
