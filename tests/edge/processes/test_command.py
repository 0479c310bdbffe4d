from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession

from config.launch.plain_proxy import BadAddress, address_of
from config.settings.load import Settings
from tests.edge.origins import polite_origin
from tests.edge.processes.harness import Edge, free_port, running, until_ready

ADMIN_TOKEN = {"KAWA_EDGE__ADMIN_TOKEN": "s3cret"}


async def kawa(*arguments: str, **env: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "config.launch", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **env},
    )
    out, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), errors.decode()


@asynccontextmanager
async def plain_proxy(folder: Path, origin: str, *more: str) -> AsyncIterator[Edge]:
    port, admin = free_port(), free_port()
    folder.mkdir()
    log = folder / "edge.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "config.launch", "edge"),
            *("--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}"),
            *("--public-origin", origin, *more),
            stderr=errors,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        )
    edge = Edge(process, port, admin, log)
    try:
        await until_ready(edge)
        yield edge
    finally:
        if process.returncode is None:
            process.terminate()
            await asyncio.wait_for(process.wait(), 30)


async def test_the_plain_proxy_needs_nothing_but_an_origin_and_says_where_it_is(
    tmp_path: Path,
) -> None:
    async with polite_origin() as origin:
        origin.files = {"/base/a.css": b"a { }"}
        origin.headers = {"Cache-Control": "max-age=60"}
        cache = tmp_path / "cache"
        more = ("--cache-dir", str(cache), "--profile", "generic-cache", "--workers", "2")
        async with plain_proxy(tmp_path / "here", origin.url + "/base", *more) as edge:
            assert len(edge.workers()) == 2
            for _ in range(8):
                async with ClientSession() as session:
                    async with session.get(f"{edge.url}/a.css") as answer:
                        assert answer.status == 200
                        assert await answer.read() == b"a { }"
            assert origin.asked == ["/base/a.css"]
            code, out, errors = await kawa(
                "cache", "purge", f"{edge.url}/a.css", "--edge", edge.admin
            )
            assert (code, errors) == (0, "")
            assert out.startswith("purged ")
            async with ClientSession() as session:
                async with session.get(f"{edge.url}/a.css") as answer:
                    assert answer.status == 200
            assert origin.asked == ["/base/a.css"] * 2
            said = edge.log.read_text()
            assert said == f"Kawa's edge is ready: {edge.url}/\n"
        assert edge.process.returncode == 0
        assert cache.is_dir()


async def test_commands_to_a_running_edge(settings: Settings) -> None:
    async with running(settings, KAWA_EDGE__ADMIN_TOKEN="s3cret") as edge:
        at = ("--edge", edge.admin)
        code, out, _ = await kawa("cache", "stats", *at, "--json", **ADMIN_TOKEN)
        assert code == 0
        assert json.loads(out)["workers"].keys() == {"w0a"}

        code, out, _ = await kawa("cache", "purge", "--tag", "a", "--soft", *at, **ADMIN_TOKEN)
        assert (code, out) == (0, "marked 0 files\n")
        code, out, _ = await kawa("cache", "purge", "--all", "--json", *at, **ADMIN_TOKEN)
        assert (code, json.loads(out)["kind"]) == (0, "all")

        code, out, _ = await kawa("edge", "restart", *at, **ADMIN_TOKEN)
        assert (code, out) == (0, "restarted\n")
        code, out, _ = await kawa("edge", "reload", *at, **ADMIN_TOKEN)
        assert (code, out) == (0, "reloaded\n")

        code, _, errors = await kawa("edge", "reload", *at)  # without the token
        assert code == 1
        assert errors == "kawa: this needs the admin token as Authorization: Bearer\n"

        settings.keys_file.write_text("no keys")
        code, _, errors = await kawa("edge", "reload", *at, **ADMIN_TOKEN)
        assert code == 1
        assert errors.startswith("kawa: ")
        assert "keys.json" in errors
        assert errors.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("cache", "purge"),
        ("cache", "purge", "/a", "--all"),
        ("edge", "--listen", "127.0.0.1:0"),
        ("edge", "--public-origin", "http://127.0.0.1"),
        ("edge", "--listen", "here", "--public-origin", "http://127.0.0.1"),
        ("edge", "--listen", "127.0.0.1:0", "--public-origin", "ftp://127.0.0.1"),
    ],
)
async def test_wrong_use_ends_with_status_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    code, _, errors = await kawa(*arguments, KAWA_VAR_DIR=str(tmp_path))
    assert code == 2
    assert errors


async def test_no_edge_at_that_address_is_a_failure_of_one_line() -> None:
    code, _, errors = await kawa("cache", "stats", "--edge", f"http://127.0.0.1:{free_port()}")
    assert code == 1
    assert errors.startswith("kawa: no edge answers at ")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:80", ("127.0.0.1", "80")),
        ("[::1]:80", ("::1", "80")),
        (":80", ("0.0.0.0", "80")),
        ("80", ("127.0.0.1", "80")),
        ("a.example:0", ("a.example", "0")),
    ],
)
def test_listening_addresses(text: str, expected: tuple[str, str]) -> None:
    assert address_of(text) == expected


@pytest.mark.parametrize("text", ["", "a", "::1:80", "a:b", "a:70000", "a:-1", "a:٣"])
def test_what_is_no_listening_address(text: str) -> None:
    with pytest.raises(BadAddress):
        address_of(text)
