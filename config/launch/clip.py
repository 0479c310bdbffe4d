"""The demo's clip: a real film trailer out of a package of the Python registry, else a generated picture."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import tarfile
from pathlib import Path

from config.launch.errors import CommandFailed
from config.launch.system import Report

# Big Buck Bunny trailer, (c) Blender Foundation, CC BY 3.0: 55 s, 1280x720, stereo. It lies in this source package.
PACKAGE = "moviepy==2.2.1"
MEMBER = "docs/_static/medias/getting_started/moviepy_10_minutes/trailer_bbb.mp4"
_MAX_CLIP_BYTES = 64 * 2**20
_FETCH_SECONDS = 300
_GENERATED_SECONDS = 20


class NoClip(CommandFailed):
    """No video to show: give one with FILE=…"""


async def demo_clip(folder: Path, *, ffmpeg: Path, report: Report) -> Path:
    """A video file under ``folder``, kept for the next time."""
    folder.mkdir(parents=True, exist_ok=True)
    clip = folder / "big-buck-bunny-trailer.mp4"
    if clip.exists():
        return clip
    report("fetching the Big Buck Bunny trailer (58 MB, (c) Blender Foundation, CC BY 3.0)")
    with contextlib.suppress(OSError, TimeoutError, NoClip):
        await _fetch(clip, folder / "package")
        return clip
    report("the package registry cannot be reached: using a generated clip instead")
    return await _generate(folder / "generated.mp4", ffmpeg)


async def _fetch(clip: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    try:
        # pip's own way of reading a source package's metadata needs no build of the package.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--no-binary", ":all:", "--no-build-isolation"),
            *("--dest", str(folder), PACKAGE),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(_FETCH_SECONDS):
                status = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        archives = list(folder.glob("*.tar.gz"))
        if status or not archives:
            raise NoClip(NoClip.__doc__)
        await asyncio.to_thread(_extract, archives[0], clip)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _extract(archive: Path, clip: Path) -> None:
    temporary = clip.with_suffix(".part")
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.name.partition("/")[2] == MEMBER and member.size <= _MAX_CLIP_BYTES:
                    source = tar.extractfile(member)
                    if source is not None:
                        with source, temporary.open("wb") as target:
                            shutil.copyfileobj(source, target)
                        temporary.replace(clip)
                        return
    except tarfile.TarError as error:
        raise NoClip(str(error)) from error
    raise NoClip(f"{MEMBER} is not in {archive.name}")


async def _generate(clip: Path, ffmpeg: Path) -> Path:
    if clip.exists():
        return clip
    temporary = clip.with_suffix(".part.mp4")
    process = await asyncio.create_subprocess_exec(
        *(str(ffmpeg), "-v", "error", "-y", "-nostdin"),
        *("-f", "lavfi", "-i", f"testsrc2=size=1280x720:rate=24:duration={_GENERATED_SECONDS}"),
        *("-f", "lavfi", "-i", f"sine=frequency=440:duration={_GENERATED_SECONDS}"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"),
        str(temporary),
        stdin=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(120):
        if await process.wait():
            raise NoClip(NoClip.__doc__)
    temporary.replace(clip)
    return clip
