"""Numbered pictures with pitched sound, encoded as a packager would: segments of a second, parts of half of one."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import imageio_ffmpeg

from tests.live.ads.picture import FPS, HEIGHT, WIDTH, Name, draw
from tests.live.ads.tones import AD_PITCH, RATE, pitch_of, tone
from tests.live.media import Track, track_of

PART_TARGET = 0.52  # half a second of sound is twenty-four frames of AAC


class Second(NamedTuple):
    """A second of content or of ads; seconds of each kind are counted by themselves."""

    ad: bool
    number: int

    @property
    def names(self) -> list[Name]:
        """What its pictures say."""
        return [Name(self.ad, number) for number in frames_of(self.number)]


@dataclass(frozen=True, slots=True)
class Film:
    """One encoding: a segment for each second, in pictures and in sound."""

    tracks: Mapping[str, Track]


def frames_of(second: int) -> range:
    """The numbers of the pictures of a second."""
    return range(second * FPS, (second + 1) * FPS)


def make_film(folder: Path, seconds: Sequence[Second]) -> Film:
    """Encode them in this order."""
    folder.mkdir(parents=True)
    # A last second that no film has: its segment only tells where the one before it ends.
    drawn = [*seconds, seconds[-1]]
    with (folder / "pictures").open("wb") as pictures:
        pictures.writelines(draw(name) for second in drawn for name in second.names)
    with (folder / "sound").open("wb") as sound:
        sound.writelines(tone(AD_PITCH if ad else pitch_of(number)) for ad, number in drawn)
    # fmt: off
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y",
        "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(FPS),
        "-i", str(folder / "pictures"),
        "-f", "s16le", "-ar", str(RATE), "-ac", "1", "-i", str(folder / "sound"),
        "-map", "0:v", "-map", "1:a",
        "-c:v", "libx264", "-preset", "ultrafast", "-profile:v", "baseline", "-g", str(FPS), "-sc_threshold", "0",
        "-c:a", "aac", "-b:a", "64k",
        "-f", "dash", "-seg_duration", "1", "-frag_type", "duration", "-frag_duration", "0.5",
        "-use_template", "1", "-use_timeline", "0", "-adaptation_sets", "id=0,streams=v id=1,streams=a",
        str(folder / "manifest.mpd"),
    ]
    # fmt: on
    subprocess.run(command, check=True, timeout=60)  # the test's own clip
    return Film(
        {
            "picture": track_of(folder, 0, "picture", "avc1.42c00a", 100_000, HEIGHT),
            "sound": track_of(folder, 1, "sound", "mp4a.40.2", 70_000, None),
        }
    )
