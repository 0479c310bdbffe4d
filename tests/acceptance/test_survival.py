from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession

from config.launch.catalog_client import CatalogClient, logged_in
from config.launch.embedded.postgres import running_dsn
from tests.acceptance.running import Kawa, command, environment, make_clip, up


def nothing(_share: float, _stage: str) -> None:
    """No progress bar."""


async def media_of(client: CatalogClient, media_id: str) -> dict[str, Any]:
    return await client._get(f"/api/v1/media/{media_id}")


async def until_encoding(client: CatalogClient, media_id: str) -> None:
    async with asyncio.timeout(60):
        while True:
            job = (await media_of(client, media_id))["job"]
            if job and job["stage"] == "encode":
                return
            assert not job or job["state"] in ("queued", "running"), job
            await asyncio.sleep(0.02)


async def test_what_was_published_is_there_after_a_restart(tmp_path: Path, clip: Path) -> None:
    env = environment(tmp_path)
    async with up(env):
        done = await command(env, "ingest", "--json", str(clip))
        assert done.status == 0, done.err
    async with up(env), ClientSession(raise_for_status=True) as session:
        # The old address still works: keys, database and files are the same.
        async with session.get(done.rows[0]["hls"]) as answer:
            assert (await answer.text()).startswith("#EXTM3U")
        url = f"http://127.0.0.1:{env['KAWA_CATALOG__LISTEN__PORT']}/api/v1/anime/releases/latest"
        async with session.get(url) as answer:
            names = [release["name"]["main"] for release in await answer.json()]
        assert names == ["Evening Star"]


@pytest.mark.timeout(240)
async def test_the_job_of_a_killed_worker_is_taken_up_again_and_ends_once(tmp_path: Path) -> None:
    env = environment(
        tmp_path,
        KAWA_TRANSCODE__PRESET="slow",
        KAWA_TRANSCODE__HEARTBEAT="PT0.5S",
        KAWA_TRANSCODE__LOST_AFTER="PT3S",
    )
    clip = await make_clip(tmp_path / "long.mp4", seconds=20)
    async with up(env) as kawa, own_client(kawa) as client:
        release = await client.create_release("Killed", year=2026)
        episode = await client.create_episode(release["id"], ordinal=1, name="1")
        media_id = await client.upload(clip, episode_id=episode["id"], progress=nothing)
        await until_encoding(client, media_id)
        os.kill(kawa.program("transcode"), signal.SIGKILL)

        async with asyncio.timeout(150):
            media = await client.until_published(media_id, nothing)

        assert media["job"]["attempt"] == 2
        dsn = running_dsn(tmp_path / "postgres")
        connection = await asyncpg.connect(dsn)
        events = await connection.fetchval("select count(*) from worker_events")
        await connection.close()
        assert events == 1
        folders = list((tmp_path / "storage" / "media" / media_id).iterdir())
        assert [folder.name[-2:] for folder in folders] == ["-2"]


def own_client(kawa: Kawa) -> Any:
    password = (Path(kawa.env["KAWA_VAR_DIR"]) / "secrets" / "admin-password").read_text()
    return logged_in(kawa.catalog, login="admin", password=password)


async def test_killed_programs_and_servers_are_started_again(tmp_path: Path, clip: Path) -> None:
    env = environment(tmp_path)
    async with up(env) as kawa:
        for name in ("edge", "catalog", "transcode"):
            os.kill(kawa.program(name), signal.SIGKILL)
        postmaster = (tmp_path / "postgres" / "data" / "postmaster.pid").read_text()
        os.kill(int(postmaster.splitlines()[0]), signal.SIGQUIT)

        async with asyncio.timeout(120):
            while (await command(env, "ingest", "--json", str(clip))).status != 0:
                assert kawa.process.returncode is None


async def test_nothing_outlives_a_killed_launcher(tmp_path: Path) -> None:
    process_ids = await killed_launcher(environment(tmp_path))
    assert len(process_ids) >= 5
    async with asyncio.timeout(60):
        while any(is_running(pid) for pid in process_ids):
            await asyncio.sleep(0.05)


async def killed_launcher(env: dict[str, str]) -> list[int]:
    """Kill ``kawa up`` in a way that it cannot handle; the ids of the processes it had started."""
    process_ids: list[int] = []
    with suppress(AssertionError):  # ``up`` expects to be ended by SIGTERM
        async with up(env) as kawa:
            children = f"/proc/{kawa.process.pid}/task/{kawa.process.pid}/children"
            process_ids = [int(pid) for pid in Path(children).read_text().split()]
            kawa.process.kill()
    return process_ids


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_two_systems_on_one_machine_do_not_meet(tmp_path: Path) -> None:
    async with up(environment(tmp_path / "a")), up(environment(tmp_path / "b")):
        pass


async def test_a_taken_port_ends_up_with_status_2(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    env = environment(tmp_path, KAWA_EDGE__LISTEN__PORT=str(port))
    done = await command(env, "up")
    server.close()
    assert done.status in (1, 2)
    assert f"127.0.0.1:{port}" in done.err
