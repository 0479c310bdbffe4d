from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from aiohttp import ClientSession

from config.contracts.tokens import PlaybackClaims
from config.runtime.keys import KeySet, make_key_file
from config.settings.load import Settings
from tests.edge.processes.harness import Edge, Mint, running, until

SUCCESS = "edge_config_last_reload_success"
TIMESTAMP = "edge_config_last_reload_timestamp_seconds"


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    path = tmp_path / "kawa.toml"
    path.write_text("")
    return path


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "a.txt").write_text("film")
    return folder


def origin(name: str, folder: Path) -> str:
    place = json.dumps(str(folder))
    return f'[edge.origins.{name}]\nkind = "folder"\nfolder = {place}\npublic = true\n'


async def status_of(edge: Edge, path: str) -> int:
    async with ClientSession() as session, session.get(edge.url + path) as answer:
        return answer.status


async def test_an_origin_added_to_the_settings_is_served_after_a_reload(
    settings: Settings, toml: Path, films: Path
) -> None:
    async with running(settings, workers=2, KAWA_CONFIG=str(toml)) as edge:
        assert await status_of(edge, "/films/a.txt") == 404
        before = await edge.metric(TIMESTAMP)
        toml.write_text(origin("films", films))
        assert await status_of(edge, "/films/a.txt") == 404  # not before it is told

        status, answer = await edge.order("/reload")

        assert (status, answer) == (200, {"reloaded": True, "restart_needed": []})
        for _ in range(10):  # whichever worker answers
            assert await status_of(edge, "/films/a.txt") == 200
        assert await edge.metric(SUCCESS) == 1
        assert await edge.metric(TIMESTAMP) > before


async def test_bad_settings_are_refused_in_one_line_and_the_old_ones_stay(
    settings: Settings, toml: Path, films: Path
) -> None:
    toml.write_text(origin("films", films))
    async with running(settings, KAWA_CONFIG=str(toml)) as edge:
        workers = edge.workers()
        for text, named in (
            ("[edge\n", "kawa.toml"),  # not TOML
            ('[edge]\nworkerz = "2"\n', "KAWA_EDGE__WORKERZ"),
            ('[tokens]\nkeys_file = "/none.json"\n', "/none.json"),
        ):
            toml.write_text(text)
            status, answer = await edge.order("/reload")
            assert status == 422
            assert named in answer["message"]
            assert "\n" not in answer["message"]
            assert await edge.metric(SUCCESS) == 0
            assert (await edge.health())["settings"]["last_error"] == answer["message"]
            assert edge.workers() == workers
            assert await status_of(edge, "/films/a.txt") == 200

        # A worker that dies now does not start with what lies on the disk.
        os.kill(workers[0], signal.SIGKILL)
        assert await status_of(edge, "/films/a.txt") == 200
        assert edge.workers() != workers

        toml.write_text(origin("films", films))
        assert (await edge.order("/reload"))[0] == 200
        assert await edge.metric(SUCCESS) == 1


async def test_a_worker_that_cannot_start_with_new_settings_leaves_the_old_one_serving(
    settings: Settings, toml: Path, films: Path
) -> None:
    toml.write_text(origin("films", films))
    async with running(settings, workers=2, KAWA_CONFIG=str(toml)) as edge:
        workers = edge.workers()
        # Good as settings, but no worker can open it.
        file = films / "a.txt"
        toml.write_text(origin("films", films) + f'[storage]\nfolder = "{file}/below"\n')

        status, answer = await edge.order("/reload")

        assert status == 422
        assert "\n" not in answer["message"]
        assert sorted(edge.workers()) == sorted(workers)
        assert await status_of(edge, "/films/a.txt") == 200


async def test_sighup_brings_a_new_key_and_takes_away_the_old_one(
    settings: Settings, mint: Mint
) -> None:
    async with running(settings) as edge:
        path = "vod/title/master.m3u8"
        now = int(time.time())
        claims = PlaybackClaims(
            subject="user:1",
            session="session-1",
            path_prefixes=("/vod/title/",),
            issued_at=now,
            expires_at=now + 600,
        )
        old = mint()
        assert await status_of(edge, f"/t/{old}/{path}") == 200
        shutil.move(settings.keys_file, settings.keys_file.with_suffix(".old"))
        make_key_file(settings.keys_file)
        new = KeySet.read(settings.keys_file).sign(claims)

        edge.process.send_signal(signal.SIGHUP)

        async def reloaded() -> bool:
            return len(edge.events("reloaded")) == 1

        await until(reloaded)
        assert await status_of(edge, f"/t/{new}/{path}") == 200
        assert await status_of(edge, f"/t/{old}/{path}") == 403


async def test_what_only_a_whole_start_can_change_is_named(settings: Settings, toml: Path) -> None:
    async with running(settings, KAWA_CONFIG=str(toml)) as edge:
        toml.write_text('[log]\nlevel = "warning"\n')
        status, answer = await edge.order("/reload")
        assert (status, answer["restart_needed"]) == (200, ["log"])


async def test_reloads_at_the_same_time_come_one_after_another_and_too_many_are_refused(
    settings: Settings, toml: Path
) -> None:
    async with running(settings, KAWA_CONFIG=str(toml)) as edge:
        answers = await asyncio.gather(*(edge.order("/reload") for _ in range(6)))
        statuses = sorted(status for status, _ in answers)
        assert set(statuses) == {200, 409}
        assert statuses.count(200) == 3
