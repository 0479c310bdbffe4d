"""Real media for a live stream: two qualities and one voice, in segments of a second and parts of a quarter."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import imageio_ffmpeg

from tests.live.boxes import decode_time_of, fragments_of, timescale_of

SECONDS = 48
SEGMENT_SECONDS = 1
PART_TARGET = 0.26  # an audio part is twelve frames of AAC


@dataclass(frozen=True, slots=True)
class Span:
    """Some media, and when it is shown; ``start`` and ``duration`` in ticks."""

    data: bytes
    start: int
    duration: int


@dataclass(frozen=True, slots=True)
class Segment:
    """One second, and the parts it consists of."""

    whole: Span
    parts: tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One rendition."""

    name: str
    codecs: str
    bandwidth: int
    height: int | None
    timescale: int
    init: bytes
    segments: tuple[Segment, ...]

    def end_of(self, span: Span) -> float:
        """When a span is over, in seconds: it cannot be published before."""
        return (span.start + span.duration) / self.timescale

    def seconds(self, span: Span) -> float:
        """How long a span is."""
        return span.duration / self.timescale


@dataclass(frozen=True, slots=True)
class Media:
    """All renditions by name."""

    tracks: dict[str, Track]

    @property
    def video(self) -> list[Track]:
        """The pictures, best first."""
        return [track for track in self.tracks.values() if track.height is not None]

    @property
    def audio(self) -> Track:
        """The sound."""
        return self.tracks["sound"]


def make_media(folder: Path) -> Media:
    """Encode it and take it apart."""
    # fmt: off
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y",
        "-f", "lavfi", "-i", f"testsrc2=s=640x360:r=24:d={SECONDS}",
        "-f", "lavfi", "-i", f"sine=f=440:d={SECONDS}:r=48000",
        "-filter_complex", "[0:v]split[large][b];[b]scale=320:180[small]",
        "-map", "[large]", "-map", "[small]", "-map", "1:a",
        "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p",
        "-g", "24", "-sc_threshold", "0", "-b:v:0", "600k", "-b:v:1", "200k",
        "-c:a", "aac", "-b:a", "64k", "-ac", "2",
        "-f", "dash", "-seg_duration", str(SEGMENT_SECONDS), "-frag_type", "duration", "-frag_duration", "0.25",
        "-use_template", "1", "-use_timeline", "0", "-adaptation_sets", "id=0,streams=v id=1,streams=a",
        str(folder / "manifest.mpd"),
    ]
    # fmt: on
    subprocess.run(command, check=True, timeout=60)  # the test's own clip
    return Media(
        {
            "large": track_of(folder, 0, "large", "avc1.42c01e", 700_000, 360),
            "small": track_of(folder, 1, "small", "avc1.42c00d", 300_000, 180),
            "sound": track_of(folder, 2, "sound", "mp4a.40.2", 70_000, None),
        }
    )


def track_of(
    folder: Path, stream: int, name: str, codecs: str, bandwidth: int, height: int | None
) -> Track:
    """A stream as ffmpeg's DASH packager left it in a folder."""
    init = (folder / f"init-stream{stream}.m4s").read_bytes()
    # A span ends where the next one starts; the last segment only says where the one before it ends.
    cut = [
        [(decode_time_of(fragment), fragment) for fragment in fragments_of(path.read_bytes())]
        for path in sorted(folder.glob(f"chunk-stream{stream}-*.m4s"))
    ]
    segments = []
    for fragments, following in pairwise(cut):
        ends = [start for start, _ in fragments[1:]] + [following[0][0]]
        parts = tuple(
            Span(data, start, end - start)
            for (start, data), end in zip(fragments, ends, strict=True)
        )
        whole = Span(
            b"".join(part.data for part in parts), parts[0].start, ends[-1] - parts[0].start
        )
        segments.append(Segment(whole, parts))
    return Track(
        name=name,
        codecs=codecs,
        bandwidth=bandwidth,
        height=height,
        timescale=timescale_of(init),
        init=init,
        segments=tuple(segments),
    )
