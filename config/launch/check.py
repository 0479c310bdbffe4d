"""Reads a published stream through the edge with ffmpeg as a client and compares it with the source."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

from aiohttp import ClientSession, ClientTimeout

from config.launch.catalog_client import Playback
from config.launch.errors import CommandFailed
from config.runtime.logging import hide_secrets

_READ_SECONDS = 600
# AAC comes in frames of 1024 samples and starts with priming; sources are cut less evenly than outputs.
_LENGTH_TOLERANCE_SECONDS = 0.5


class CheckFailed(CommandFailed):
    """What was read through the edge is not the source; the message says where they differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a client read through the edge."""

    frames: int
    renditions: int
    seconds: float


async def first_frame(url: str, *, ffmpeg: Path) -> None:
    """Decode one picture of the stream, as a player does before it shows anything."""
    await _run(
        *(str(ffmpeg), "-v", "error", "-nostdin", "-i", url, "-frames:v", "1", "-f", "null", "-")
    )


async def check_playback(playback: Playback, source: Path, *, ffmpeg: Path) -> Checked:
    """Decode every rendition of HLS and DASH whole and compare frames and lengths with the source."""
    expected = await _decode(str(source), ffmpeg, video="0:v:0")
    frames = max(stream.frames for stream in expected if stream.kind == "video")
    seconds = max(stream.seconds for stream in expected)
    promised = await _promised(playback)
    for name, url in (("HLS", playback.hls), ("DASH", playback.dash)):
        streams = await _decode(url, ffmpeg, video="0:v")
        videos = [stream for stream in streams if stream.kind == "video"]
        if len(videos) != promised[name]:
            raise CheckFailed(f"{name}: {len(videos)} of {promised[name]} renditions could be read")
        # A source with uneven frame times is put on an even grid, so its count may change.
        if expected[0].even and any(stream.frames != frames for stream in videos):
            counts = ", ".join(str(stream.frames) for stream in videos)
            raise CheckFailed(f"{name}: {counts} frames where the source has {frames}")
        if {stream.kind for stream in streams} != {stream.kind for stream in expected}:
            raise CheckFailed(f"{name}: sound or picture is missing")
        longest = max(stream.seconds for stream in streams)
        if abs(longest - seconds) > _LENGTH_TOLERANCE_SECONDS:
            raise CheckFailed(f"{name}: {longest:.2f} s where the source has {seconds:.2f} s")
    return Checked(frames=frames, renditions=promised["HLS"], seconds=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stream:
    kind: str
    frames: int
    seconds: float
    even: bool  # all frames are equally long


async def _promised(playback: Playback) -> dict[str, int]:
    """How many video renditions each manifest names."""
    timeout = ClientTimeout(total=30)
    async with ClientSession(timeout=timeout, raise_for_status=True) as session:
        async with session.get(playback.hls) as answer:
            master = await answer.text()
        async with session.get(playback.dash) as answer:
            manifest = ET.fromstring(await answer.text())  # noqa: S314 - our own, just written
    video = 0
    for group in manifest.iter("{urn:mpeg:dash:schema:mpd:2011}AdaptationSet"):
        if group.get("contentType") == "video" or (group.get("mimeType") or "").startswith("video"):
            video += len(group.findall("{urn:mpeg:dash:schema:mpd:2011}Representation"))
    variants = re.findall(r"^#EXT-X-STREAM-INF:", master, re.MULTILINE)
    return {"HLS": len(variants), "DASH": video}


async def _decode(url: str, ffmpeg: Path, *, video: str) -> list[_Stream]:
    """Decode whole streams; ffmpeg's framecrc muxer writes one line per decoded frame."""
    output = await _run(
        *(str(ffmpeg), "-v", "error", "-nostdin", "-i", url, "-map", video, "-map", "0:a:0?"),
        *("-fps_mode", "passthrough", "-f", "framecrc", "-"),
    )
    kinds = dict(re.findall(r"^#media_type (\d+): (\w+)", output, re.MULTILINE))
    bases = {
        stream: int(top) / int(bottom)
        for stream, top, bottom in re.findall(r"^#tb (\d+): (\d+)/(\d+)", output, re.MULTILINE)
    }
    times: dict[str, list[int]] = {stream: [] for stream in kinds}
    ends = dict.fromkeys(kinds, 0)
    for stream, pts, length in re.findall(
        r"^(\d+), *-?\d+, *(-?\d+), *(\d+),", output, re.MULTILINE
    ):
        times[stream].append(int(pts))
        ends[stream] = max(ends[stream], int(pts) + int(length))
    return [
        _Stream(
            kind=kind,
            frames=len(times[stream]),
            seconds=ends[stream] * bases[stream],
            even=len({b - a for a, b in pairwise(times[stream])}) <= 1,
        )
        for stream, kind in kinds.items()
    ]


async def _run(*argv: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_READ_SECONDS):
            output, errors = await process.communicate()
    except TimeoutError:
        raise CheckFailed(f"reading took longer than {_READ_SECONDS} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode or errors:
        last = errors.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        raise CheckFailed(f"{Path(argv[0]).name}: {hide_secrets(last[0])}")
    return output.decode()
