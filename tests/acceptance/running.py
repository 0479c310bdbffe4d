"""Starts the system as an operator does, on free ports and in a folder of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientConnectionError, ClientSession

from config.settings.transcode import TranscodeSettings
from transcode.ffmpeg.binaries import find_ffmpeg

FFMPEG = find_ffmpeg(TranscodeSettings())
READY_SECONDS = 90
_SECTIONS = ("EDGE__LISTEN", "EDGE__ADMIN", "CATALOG__LISTEN", "CATALOG__ADMIN", "TRANSCODE__ADMIN")


@dataclass(frozen=True, kw_only=True)
class Kawa:
    """A running ``kawa up`` and its environment."""

    env: dict[str, str]
    process: asyncio.subprocess.Process
    log: Path

    @property
    def edge(self) -> str:
        return f"http://127.0.0.1:{self.env['KAWA_EDGE__LISTEN__PORT']}"

    @property
    def catalog(self) -> str:
        return f"http://127.0.0.1:{self.env['KAWA_CATALOG__LISTEN__PORT']}"

    def program(self, name: str) -> int:
        """The process id of one of the programs."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        for pid in children.split():
            if f"-m\0{name}\0" in Path(f"/proc/{pid}/cmdline").read_text():
                return int(pid)
        raise LookupError(name)


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


def environment(var_dir: Path, **changes: str) -> dict[str, str]:
    """An environment in which ``kawa`` meets no other run."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in _SECTIONS]
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("KAWA_")},
        "KAWA_VAR_DIR": str(var_dir),
        "KAWA_CONFIG": str(var_dir / "none.toml"),
        "KAWA_TRANSCODE__PRESET": "ultrafast",
        **{
            f"KAWA_{section}__PORT": str(port)
            for section, port in zip(_SECTIONS, ports, strict=True)
        },
        **changes,
    }


@asynccontextmanager
async def up(env: dict[str, str]) -> AsyncIterator[Kawa]:
    """``kawa up``, ready; stopped by SIGTERM on leaving, which must end it with status 0."""
    var_dir = Path(env["KAWA_VAR_DIR"])
    var_dir.mkdir(parents=True, exist_ok=True)
    log = var_dir / "up.log"
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "config.launch", "up"), env=env, stdout=output, stderr=output
        )
    kawa = Kawa(env=env, process=process, log=log)
    try:
        await _until_ready(kawa)
        yield kawa
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        status = await asyncio.wait_for(process.wait(), 60)
    assert status == 0, log.read_text()[-3000:]


async def _until_ready(kawa: Kawa) -> None:
    async with asyncio.timeout(READY_SECONDS), ClientSession() as session:
        for section in ("EDGE__ADMIN", "CATALOG__ADMIN", "TRANSCODE__ADMIN"):
            url = f"http://127.0.0.1:{kawa.env[f'KAWA_{section}__PORT']}/readyz"
            while True:
                assert kawa.process.returncode is None, kawa.log.read_text()[-3000:]
                try:
                    async with session.get(url) as answer:
                        if answer.status == 200:
                            break
                except ClientConnectionError:
                    pass
                await asyncio.sleep(0.05)


async def command(env: dict[str, str], *arguments: str, seconds: float = 170) -> Done:
    """Run ``kawa`` with these arguments to its end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "config.launch", *arguments),
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Done(status=process.returncode, out=out.decode(), err=err.decode())


async def ffmpeg(*arguments: str) -> str:
    """Run ffmpeg; its standard output, or a failed assertion with what it complained of."""
    process = await asyncio.create_subprocess_exec(
        *(str(FFMPEG), "-v", "error", "-nostdin", "-y", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    assert (process.returncode, err) == (0, b""), err.decode()
    return out.decode()


async def make_clip(path: Path, *, seconds: int, size: str = "854x480", sound: bool = True) -> Path:
    """A moving test picture, with a tone unless ``sound`` is False."""
    tone = ("-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}", "-c:a", "aac")
    await ffmpeg(
        *("-f", "lavfi", "-i", f"testsrc2=size={size}:rate=24:duration={seconds}"),
        *(tone if sound else ()),
        *("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", str(path)),
    )
    return path
