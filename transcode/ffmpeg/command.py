"""The one command line of a job: decode once, scale to every rung, encode all tracks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from transcode.errors import UnsupportedVideo
from transcode.ffmpeg.inputs import INPUT_OPTIONS, file_url
from transcode.ladder import Grid, Rung
from transcode.probe import AudioTrack, Source, VideoTrack

# ffmpeg's exit status for a source above -max_error_rate.
TOO_MANY_ERRORS = 69

AUDIO_RATE = 48_000  # samples per second
AUDIO_BITRATE = 128_000  # bits per second
AAC_FRAME = 1024  # samples; also the delay of ffmpeg's AAC encoder

# One clean CMAF track per file: fragments start at key frames, decode times count from 0. delay_moov writes the
# one edit that shows the first picture at 0. With negative_cts_offsets instead, everything built on libavformat
# (ffmpeg, mpv, Kodi) shows the pictures two frames late against the sound.
_VIDEO_MOVFLAGS = "+cmaf+frag_keyframe+delay_moov+default_base_moof"
_AUDIO_MOVFLAGS = "+cmaf+empty_moov+default_base_moof"


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoOutput:
    """One video track file."""

    path: Path
    rung: Rung


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioOutput:
    """One audio track file."""

    path: Path
    track: AudioTrack


def encode_command(
    source: Source,
    video: Sequence[VideoOutput],
    audio: Sequence[AudioOutput],
    *,
    grid: Grid,
    program: Path,
    preset: str,
    threads: int,
    filters: frozenset[str],
) -> list[str]:
    """The argv that writes every track file of the source."""
    media = ffmpeg.input(file_url(source.path), **INPUT_OPTIONS)
    outputs = []
    pictures = _pictures(media[str(source.video.index)], source.video, grid, filters)
    copies = pictures.filter_multi_output("split", len(video)) if len(video) > 1 else [pictures]
    for number, output in enumerate(video):
        scaled = _scale(copies[number], output.rung)
        options = _video_options(output.rung, grid, preset=preset, threads=threads)
        outputs.append(ffmpeg.output(scaled, str(output.path), **options))
    for sound in audio:
        stream = _sound(media[str(sound.track.index)], source.video)
        outputs.append(ffmpeg.output(stream, str(sound.path), **_audio_options(sound.track)))
    merged = ffmpeg.merge_outputs(*outputs).global_args(
        *("-hide_banner", "-nostdin", "-nostats", "-v", "error"),
        *("-progress", "pipe:1", "-stats_period", "0.5"),
        # Otherwise a source that mostly cannot be decoded becomes a film of repeated pictures.
        *("-max_error_rate", "0.1"),
    )
    argv: list[str] = ffmpeg.compile(merged, cmd=str(program), overwrite_output=True)
    return argv


def _pictures(stream: Any, video: VideoTrack, grid: Grid, filters: frozenset[str]) -> Any:
    """Decoded pictures on the output grid, progressive and SDR."""
    # Every track starts at 0: sound is moved by the same amount below.
    pictures = stream.filter("setpts", expr="PTS-STARTPTS")
    if video.is_interlaced:
        _require("bwdif", filters, "interlaced")
        pictures = pictures.filter("bwdif", mode="send_frame", deint="interlaced")
    pictures = pictures.filter("fps", fps=_ratio(grid.rate), round="near")
    if video.is_hdr:
        # Once, before the split: it costs more than an encode.
        _require("zscale", filters, "HDR")
        _require("tonemap", filters, "HDR")
        pictures = (
            pictures.filter("zscale", transfer="linear", npl=100)
            .filter("format", pix_fmts="gbrpf32le")
            .filter("zscale", primaries="bt709")
            .filter("tonemap", tonemap="hable", desat=0)
            .filter("zscale", transfer="bt709", matrix="bt709", range="limited")
        )
    return pictures


def _scale(pictures: Any, rung: Rung) -> Any:
    # An exact size and square pixels: players and DASH refuse a ladder of unlike shapes.
    return (
        pictures.filter(
            "scale", w=rung.size.width, h=rung.size.height, flags="bicubic", out_range="tv"
        )
        .filter("setsar", sar="1")
        .filter("format", pix_fmts="yuv420p")
    )


def _sound(stream: Any, video: VideoTrack) -> Any:
    """Stereo at 48 kHz in step with the pictures, padded to their end."""
    seconds = video.duration + 1  # the packager cuts at the pictures' exact end
    return (
        stream.filter("asetpts", expr=f"PTS-({video.start:.6f})/TB")
        # Gaps become silence, and a track that starts late or early is padded or cut to start at 0.
        .filter("aresample", AUDIO_RATE, **{"async": 1000, "first_pts": 0})
        .filter("aformat", sample_fmts="fltp", channel_layouts="stereo")
        .filter("apad", whole_dur=f"{seconds:.6f}")
        # The encoder's delay is taken out of the sound once, here: what it encodes as sample n is heard
        # as sample n, so no edit list is needed, which some players ignore.
        .filter("atrim", start_sample=AAC_FRAME, end=f"{seconds:.6f}")
        .filter("asetpts", expr="N/SR/TB")
    )


def _video_options(rung: Rung, grid: Grid, *, preset: str, threads: int) -> dict[str, Any]:
    return {
        **_track_options(),
        "c:v": "libx264",
        "preset": preset,
        "profile:v": "high",
        "threads": threads,
        "crf": rung.crf,
        "maxrate": rung.max_bitrate,
        "bufsize": rung.buffer_bits,
        # Key frames at equal distance in every rendition, so that a player can change quality at any
        # segment boundary; a scene cut would restart the count.
        "g": grid.gop_frames,
        "keyint_min": grid.gop_frames,
        "sc_threshold": 0,
        "flags:v": "+cgop",
        "fps_mode": "passthrough",
        "movflags": _VIDEO_MOVFLAGS,
    }


def _audio_options(track: AudioTrack) -> dict[str, Any]:
    return {
        **_track_options(),
        "c:a": "aac",
        "profile:a": "aac_low",
        "b:a": AUDIO_BITRATE,
        "movflags": _AUDIO_MOVFLAGS,
        # Fragments only bound ffmpeg's memory: the packager cuts anew, at the video's boundaries.
        "frag_duration": 2_000_000,
        "metadata:s:a:0": f"language={track.language}",
    }


def _track_options() -> dict[str, Any]:
    return {
        "f": "mp4",
        "map_metadata": -1,
        "map_chapters": -1,  # chapters would become a second track
        "fflags": "+bitexact",
    }


def _require(name: str, filters: frozenset[str], kind: str) -> None:
    if name not in filters:
        raise UnsupportedVideo(f"this worker's ffmpeg has no {name} filter for {kind} video")


def _ratio(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}"
