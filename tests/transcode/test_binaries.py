from __future__ import annotations

from pathlib import Path

import pytest

from config.settings.transcode import TranscodeSettings
from tests.transcode.media import FFMPEG
from transcode.errors import ProgramMissing
from transcode.ffmpeg.binaries import check, find_ffmpeg, find_ffprobe, names_in_list


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


async def test_the_packaged_programs_lack_nothing() -> None:
    assert await check(TranscodeSettings()) == []


def test_the_setting_comes_first(tmp_path: Path) -> None:
    mine = script(tmp_path / "ffmpeg", "exit 0")

    assert find_ffmpeg(TranscodeSettings(ffmpeg=mine)) == mine
    assert find_ffprobe(TranscodeSettings(ffprobe=mine)) == mine


def test_then_the_variable_of_imageio_ffmpeg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = script(tmp_path / "ffmpeg", "exit 0")
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(mine))

    assert find_ffmpeg(TranscodeSettings()) == mine


def test_a_setting_that_names_no_program_is_an_error_and_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(ProgramMissing):
        find_ffmpeg(TranscodeSettings(ffmpeg=tmp_path / "none"))


async def test_what_a_poor_ffmpeg_lacks_is_listed_with_a_remedy(tmp_path: Path) -> None:
    poor = script(tmp_path / "ffmpeg", f'"{FFMPEG}" "$@" | grep -v -e libx264 -e zscale')

    problems = await check(TranscodeSettings(ffmpeg=poor))

    assert [problem.is_fatal for problem in problems] == [True, False]
    assert "libx264" in problems[0].what
    assert "HDR" in problems[1].what
    assert all(problem.mend for problem in problems)


async def test_programs_that_do_not_run_are_listed(tmp_path: Path) -> None:
    broken = script(tmp_path / "broken", "echo not today >&2; exit 1")

    problems = await check(TranscodeSettings(ffmpeg=broken, ffprobe=broken))

    assert len(problems) == 2
    assert any("not today" in problem.what for problem in problems)


def test_lists_of_ffmpeg_are_read() -> None:
    text = (
        "Encoders:\n V..... = Video\n ------\n V....D libx264    H.264\n A....D aac   AAC\n"
        " TS aresample  A->A  Resample\n  E  mov,mp4   formats\n"
    )

    assert {"libx264", "aac", "aresample", "mov", "mp4"} <= names_in_list(text)
