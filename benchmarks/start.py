"""From nothing to a picture: the demo in an empty clone, cold and warm; ``kawa up``; a viewer's first frame."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

from aiohttp import ClientError, ClientSession

ROOT = Path(__file__).parent.parent
_PORTS = ("EDGE__LISTEN", "EDGE__ADMIN", "CATALOG__LISTEN", "CATALOG__ADMIN", "TRANSCODE__ADMIN")
UPS = 5
PLAYS = 11


async def main() -> None:
    """Measure and print; everything happens in a folder that goes away afterwards."""
    with tempfile.TemporaryDirectory(prefix="kawa-bench-") as folder:
        clone = Path(folder) / "kawa"
        await run("git", "clone", "--quiet", str(ROOT), str(clone))
        cold, cold_summary = await demo(clone)
        warm, warm_summary = await demo(clone)
        row("make demo CHECK=1, empty clone, no .venv", f"{cold:.1f} s", summary=cold_summary)
        row("make demo CHECK=1, again", f"{warm:.1f} s", summary=warm_summary)
        env = environment(clone / "var")
        ups = [await time_up(clone, env) for _ in range(UPS)]
        row("kawa up until ready, warm", f"{statistics.median(ups):.2f} s", runs=rounded(ups))
        await first_frames(clone, env)


async def demo(clone: Path) -> tuple[float, dict[str, object]]:
    """Wall seconds of the demo, and its own summary."""
    started = time.perf_counter()
    output = await run("make", "demo", "CHECK=1", cwd=clone)
    return time.perf_counter() - started, json.loads(output.splitlines()[-1])


async def time_up(clone: Path, env: dict[str, str]) -> float:
    """Seconds from starting ``kawa up`` until all three programs are ready."""
    started = time.perf_counter()
    process = await start_up(clone, env)
    seconds = time.perf_counter() - started
    await stop_up(process)
    return seconds


async def first_frames(clone: Path, env: dict[str, str]) -> None:
    """A viewer's first frame through the edge, beside ffmpeg on the same files without a server."""
    process = await start_up(clone, env)
    try:
        clip = clone / "var" / "cache" / "big-buck-bunny-trailer.mp4"
        output = await run(
            str(clone / ".venv/bin/kawa"), "ingest", "--json", str(clip), cwd=clone, env=env
        )
        published = json.loads(output.splitlines()[-1])
        path = published["hls"].split("/vod/")[1]
        local = str(clone / "var" / "storage" / "media" / path)
        ffmpeg = (
            await run(
                str(clone / ".venv/bin/python"),
                *("-c", "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())"),
            )
        ).strip()
        edge, bare = [], []
        for _ in range(PLAYS):  # in turns, so that a noisy moment hits both
            edge.append(await first_frame(ffmpeg, published["hls"]))
            bare.append(await first_frame(ffmpeg, local))
        ratio = statistics.median(edge) / statistics.median(bare)
        row(
            "first frame of a published title through the edge (ffmpeg)",
            f"{statistics.median(edge) * 1000:.0f} ms, {ratio:.2f} x the same files from disk",
            edge=rounded(edge),
            disk=rounded(bare),
        )
    finally:
        await stop_up(process)


async def first_frame(ffmpeg: str, url: str) -> float:
    started = time.perf_counter()
    await run(ffmpeg, *("-v", "error", "-nostdin", "-i", url, "-frames:v", "1", "-f", "null", "-"))
    return time.perf_counter() - started


async def start_up(clone: Path, env: dict[str, str]) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *(str(clone / ".venv/bin/kawa"), "up"),
        cwd=clone,
        env=env,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(60), ClientSession() as session:
        for name in ("EDGE__ADMIN", "CATALOG__ADMIN", "TRANSCODE__ADMIN"):
            url = f"http://127.0.0.1:{env[f'KAWA_{name}__PORT']}/readyz"
            while not await is_ready(session, url):
                await asyncio.sleep(0.02)
    return process


async def is_ready(session: ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as answer:
            return answer.status == 200
    except ClientError:
        return False


async def stop_up(process: asyncio.subprocess.Process) -> None:
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.wait(), 60)


def environment(var_dir: Path) -> dict[str, str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in _PORTS]
    ports = {
        f"KAWA_{name}__PORT": str(sock.getsockname()[1])
        for name, sock in zip(_PORTS, sockets, strict=True)
    }
    for sock in sockets:
        sock.close()
    return {**os.environ, "KAWA_VAR_DIR": str(var_dir), **ports}


async def run(*argv: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Standard output of a command that must succeed."""
    process = await asyncio.create_subprocess_exec(
        *argv, cwd=cwd, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await asyncio.wait_for(process.communicate(), 900)
    if process.returncode:
        sys.stderr.write(errors.decode(errors="replace")[-4000:])
        raise SystemExit(f"{argv[0]} ended with status {process.returncode}")
    return output.decode()


def row(what: str, figure: str, **details: object) -> None:
    print(f"{what}: {figure}")
    for name, value in details.items():
        print(f"    {name}: {value}")
    sys.stdout.flush()


def rounded(values: list[float]) -> list[float]:
    return [round(value, 3) for value in values]
