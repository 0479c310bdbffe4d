"""From a source file to a checked set of renditions in a folder. Knows no storage, database or queue."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from config.contracts.jobs import JobStage
from config.contracts.paths import DASH_MANIFEST
from config.runtime.logging import get_logger
from config.runtime.threads import Checkpoint, in_thread
from config.settings.transcode import TranscodeSettings
from transcode.errors import (
    EncodeFailed,
    EncoderKilled,
    EncodeStalled,
    ScratchFull,
    SourceUnreadable,
)
from transcode.ffmpeg.binaries import Tools
from transcode.ffmpeg.command import TOO_MANY_ERRORS, AudioOutput, VideoOutput, encode_command
from transcode.ffmpeg.inputs import file_url
from transcode.ffmpeg.process import last_line, running
from transcode.ffmpeg.progress import Progress
from transcode.ladder import Grid, rungs_for
from transcode.languages import display_name
from transcode.metrics import MEDIA_SECONDS, timed
from transcode.packaging import dash, hls, rules
from transcode.packaging.renditions import Presentation
from transcode.packaging.segments import cut_audio, cut_video, segment_ends
from transcode.probe import AudioTrack, Source, probe

log = get_logger(__name__)

# Told of every step forward: the stage, and the share of it that is done.
Report = Callable[[JobStage, float], None]

_NO_ROOM = "No space left on device"
_NO_MEMORY = ("Cannot allocate memory", "Resource temporarily unavailable")
_KILLED = (-9, 137)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is made of a source, and where."""

    source: Source
    grid: Grid
    video: tuple[VideoOutput, ...]
    audio: tuple[AudioOutput, ...]


async def transcode(
    source: Path, work: Path, *, tools: Tools, settings: TranscodeSettings, report: Report
) -> Presentation:
    """Make the renditions of ``source`` in ``work / "set"``; every failure is a ``TranscodeError``."""
    with room_in(work):
        with timed(JobStage.PROBE):
            report(JobStage.PROBE, 0)
            looked_at = await probe(
                source, ffprobe=tools.ffprobe, max_duration=settings.max_duration
            )
        plan = plan_for(looked_at, work, segment_seconds=settings.segment_seconds)
        log.info(
            "transcode planned",
            codec=looked_at.video.codec,
            seconds=round(looked_at.video.duration, 3),
            rate=str(plan.grid.rate),
            rungs=[f"{v.rung.size.width}x{v.rung.size.height}" for v in plan.video],
            languages=[output.track.language for output in plan.audio],
        )
        with timed(JobStage.ENCODE):
            await encode(plan, tools=tools, settings=settings, report=report)
        MEDIA_SECONDS.inc(looked_at.video.duration)
        with timed(JobStage.PACKAGE):
            report(JobStage.PACKAGE, 0)
            return await in_thread(
                lambda checkpoint: package(plan, output_folder(work), checkpoint=checkpoint)
            )


def output_folder(work: Path) -> Path:
    """Where the set lies, ready to be published."""
    return work / "set"


def plan_for(source: Source, work: Path, *, segment_seconds: int) -> Plan:
    """The ladder, the grid and the track files of a source."""
    rungs = rungs_for(source.video.size, rate=source.video.rate)
    return Plan(
        source=source,
        grid=Grid.of(source.video.rate, segment_seconds=segment_seconds),
        video=tuple(VideoOutput(path=work / f"{rung.name}.mp4", rung=rung) for rung in rungs),
        audio=tuple(
            AudioOutput(path=work / f"{name}.mp4", track=track)
            for name, track in zip(audio_names(source.audio), source.audio, strict=True)
        ),
    )


def audio_names(tracks: tuple[AudioTrack, ...]) -> list[str]:
    """A folder for each sound track: its language, numbered where a language comes twice."""
    names: list[str] = []
    for track in tracks:
        name = f"a-{track.language}"
        number = sum(1 for earlier in names if earlier == name or earlier.startswith(f"{name}."))
        names.append(f"{name}.{number + 1}" if number else name)
    return names


def audio_titles(tracks: tuple[AudioTrack, ...]) -> list[str]:
    """A name for each sound track, no two alike (RFC 8216 section 4.3.4.1.1)."""
    titles: list[str] = []
    for track in tracks:
        title = track.title or display_name(track.language)
        number = 2
        while title in titles:
            title = f"{track.title or display_name(track.language)} {number}"
            number += 1
        titles.append(title)
    return titles


async def encode(plan: Plan, *, tools: Tools, settings: TranscodeSettings, report: Report) -> None:
    """Run the one ffmpeg of the job, watching that it moves on."""
    argv = encode_command(
        plan.source,
        plan.video,
        plan.audio,
        grid=plan.grid,
        program=tools.ffmpeg,
        preset=settings.preset,
        threads=settings.threads,
        filters=tools.filters,
    )
    report(JobStage.ENCODE, 0)
    log.debug("encoder starts", argv=argv)
    progress, stall = Progress(), settings.stall_timeout.total_seconds()
    loop = asyncio.get_running_loop()
    async with running(argv) as program:
        try:
            async with asyncio.timeout(stall) as deadline:
                async for line in program.lines():
                    if progress.read(line):
                        deadline.reschedule(loop.time() + stall)
                        report(JobStage.ENCODE, progress.seconds / plan.source.video.duration)
                code = await program.wait()
        except TimeoutError as error:
            raise EncodeStalled(
                f"the encoder made no progress for {settings.stall_timeout} at {progress.seconds:.1f} s"
            ) from error
    if code != 0:
        raise _failure(code, program.stderr, plan)
    _check_pictures(plan, progress.frame_count)


def package(plan: Plan, folder: Path, *, checkpoint: Checkpoint) -> Presentation:
    """Cut the track files, write the manifests and prove the set; blocking."""
    video = []
    for output in plan.video:
        name = output.rung.name
        video.append(
            cut_video(output.path, folder, name=name, grid=plan.grid, checkpoint=checkpoint)
        )
        output.path.unlink()
    default = next((n for n, output in enumerate(plan.audio) if output.track.is_default), 0)
    ends, audio = segment_ends(video[0]), []
    for number, title in enumerate(audio_titles(plan.source.audio)):
        sound = plan.audio[number]
        audio.append(
            cut_audio(
                sound.path,
                folder,
                name=sound.path.stem,
                title=title,
                track=sound.track,
                is_default=number == default,
                boundaries=ends,
                checkpoint=checkpoint,
            )
        )
        sound.path.unlink()
    presentation = Presentation(video=tuple(video), audio=tuple(audio))
    for path, text in hls.playlists(presentation).items():
        (folder / path).write_text(text, "utf-8")
    (folder / DASH_MANIFEST).write_bytes(dash.manifest(presentation))
    checkpoint()
    rules.require(folder)
    return presentation


@contextmanager
def room_in(work: Path) -> Iterator[None]:
    """Turn a full scratch disk into ``ScratchFull``."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ScratchFull(f"{work.parent} has no room left") from error
        raise


def _failure(code: int, stderr: str, plan: Plan) -> Exception:
    if _NO_ROOM in stderr:
        return ScratchFull("the worker's scratch folder has no room left for the renditions")
    if code == TOO_MANY_ERRORS:
        return SourceUnreadable(
            "more than a tenth of the source could not be decoded: it is damaged"
        )
    complaint = last_line(stderr).replace(file_url(plan.source.path), "source")
    if code in _KILLED or any(sign in stderr for sign in _NO_MEMORY):
        return EncoderKilled(
            f"the encoder was killed, most likely for want of memory ({complaint})"
        )
    log.warning("encoder failed", code=code, stderr=stderr[-2000:])
    return EncodeFailed(f"the encoder gave up on the source ({complaint or f'exit status {code}'})")


def _check_pictures(plan: Plan, frame_count: int) -> None:
    """A damaged source must not become a short or empty film that looks finished."""
    expected = round(plan.source.video.duration * plan.grid.rate)
    if frame_count == 0:
        raise SourceUnreadable("no picture of the source could be decoded")
    if frame_count < expected * 0.98 - 2:
        raise SourceUnreadable(
            f"only {frame_count} of {expected} pictures could be decoded: the source is damaged"
        )
