"""Clips made by the real ffmpeg, and the real ffprobe and ffmpeg as readers of what was made of them."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from config.contracts.jobs import JobStage
from config.settings.transcode import TranscodeSettings
from transcode.ffmpeg.binaries import find_ffmpeg, find_ffprobe, find_tools
from transcode.packaging.renditions import Presentation
from transcode.pipeline import output_folder, transcode

SETTINGS = TranscodeSettings(preset="ultrafast")
FFMPEG, FFPROBE = find_ffmpeg(SETTINGS), find_ffprobe(SETTINGS)

TONE = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
AAC = ("-c:a", "aac", "-b:a", "64k")


def picture(size: str = "320x180", rate: str = "25") -> tuple[str, ...]:
    """ffmpeg's arguments for a moving test picture."""
    return ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}")


def make_clip(path: Path, *arguments: str, seconds: float | None = None) -> Path:
    """Run ffmpeg with the arguments and return the file that it wrote."""
    length = () if seconds is None else ("-t", str(seconds))
    argv = [str(FFMPEG), "-y", "-v", "error", *arguments, *length, str(path)]
    subprocess.run(argv, check=True, timeout=60)
    return path


def standard_clip(
    path: Path, *, seconds: float = 5, size: str = "320x180", rate: str = "25"
) -> Path:
    """A short clip with sound."""
    return make_clip(path, *picture(size, rate), *TONE, *H264, *AAC, seconds=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A set that the pipeline made."""

    folder: Path
    presentation: Presentation
    reports: list[tuple[JobStage, float]]


async def make_set(source: Path, work: Path, settings: TranscodeSettings = SETTINGS) -> Made:
    """Put a source through the whole pipeline."""
    work.mkdir()
    reports: list[tuple[JobStage, float]] = []
    presentation = await transcode(
        source,
        work,
        tools=await find_tools(settings),
        settings=settings,
        report=lambda stage, share: reports.append((stage, share)),
    )
    return Made(folder=output_folder(work), presentation=presentation, reports=reports)


def read_streams(path: Path) -> list[dict[str, Any]]:
    """Every stream as ffprobe sees it, its frames decoded and counted."""
    argv = [str(FFPROBE), "-v", "error", "-count_frames", "-show_streams", "-of", "json"]
    # Listed as ffprobe's own playlist reader wants it: segments named .m4s, a local file.
    result = subprocess.run(
        [*argv, str(path)], check=True, timeout=60, capture_output=True, text=True
    )
    assert not result.stderr, result.stderr
    streams: list[dict[str, Any]] = json.loads(result.stdout)["streams"]
    return streams


def frame_count(path: Path) -> int:
    """Decoded frames of a file's video."""
    return next(int(s["nb_read_frames"]) for s in read_streams(path) if s["codec_type"] == "video")


def first_and_count(path: Path, stream: str) -> tuple[Fraction, int]:
    """When ffmpeg, as a player of HLS or DASH, shows the first frame of a stream, and how many there are."""
    argv = [str(FFMPEG), "-v", "error", "-copyts", "-i", str(path), "-map", "0:v:0", "-map", "0:a?"]
    result = subprocess.run(
        [*argv, "-f", "framecrc", "-"], check=True, timeout=60, capture_output=True, text=True
    )
    assert not result.stderr, result.stderr
    lines = result.stdout.splitlines()
    index = "0" if stream == "v" else "1"
    base = next(Fraction(line.split()[-1]) for line in lines if line.startswith(f"#tb {index}:"))
    frames = [line.split(",") for line in lines if line.startswith(f"{index},")]
    return int(frames[0][2]) * base, len(frames)


def samples(path: Path) -> memoryview:
    """The decoded sound of a file: mono, 48 kHz, 16 bits."""
    argv = [str(FFMPEG), "-v", "error", "-i", str(path), "-map", "0:a", "-ac", "1", "-ar", "48000"]
    result = subprocess.run(
        [*argv, "-f", "s16le", "-"], check=True, timeout=60, capture_output=True
    )
    return memoryview(result.stdout).cast("h")


def combed_share(path: Path) -> float:
    """The share of frames that ffmpeg's idet filter finds interlaced."""
    argv = [str(FFMPEG), "-v", "info", "-i", str(path), "-map", "0:v:0", "-vf", "idet"]
    result = subprocess.run(
        [*argv, "-f", "null", "-"], check=True, timeout=60, capture_output=True, text=True
    )
    line = [text for text in result.stderr.splitlines() if "Single frame detection" in text][-1]
    top, bottom, progressive, unknown = (int(number) for number in re.findall(r":\s*(\d+)", line))
    return (top + bottom) / (top + bottom + progressive + unknown)
