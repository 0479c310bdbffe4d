"""A film of a few seconds in two renditions, made by ffmpeg, as HLS and as DASH, announced as larger than it is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import imageio_ffmpeg

SECONDS = 12
# Announced, in bit/s: on both sides of a step of the ladder that advice knows.
SMALL, LARGE = 600_000, 1_600_000
AUDIO = 64_000

_MASTER = f"""#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="one",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="1",URI="media_2.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH={SMALL},RESOLUTION=160x90,CODECS="avc1.42c00a,mp4a.40.2",AUDIO="a"
media_0.m3u8
#EXT-X-STREAM-INF:BANDWIDTH={LARGE},RESOLUTION=320x180,CODECS="avc1.42c00d,mp4a.40.2",AUDIO="a"
media_1.m3u8
"""


def make_film(folder: Path) -> None:
    """Write master.m3u8, manifest.mpd and segments of one second each."""
    # fmt: off
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y",
        "-f", "lavfi", "-i", f"testsrc=s=320x180:r=10:d={SECONDS}",
        "-f", "lavfi", "-i", f"sine=f=440:d={SECONDS - 0.1}:r=48000",
        "-filter_complex", "[0:v]split[large][b];[b]scale=160:90[small]",
        "-map", "[small]", "-map", "[large]", "-map", "1:a",
        "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-profile:v", "baseline",
        "-g", "10", "-sc_threshold", "0", "-b:v:0", "60k", "-b:v:1", "150k",
        "-c:a", "aac", "-b:a", "48k", "-ac", "1",
        "-f", "dash", "-seg_duration", "1", "-use_template", "1", "-use_timeline", "0",
        "-hls_playlist", "1", "-adaptation_sets", "id=0,streams=v id=1,streams=a",
        str(folder / "manifest.mpd"),
    ]
    # fmt: on
    subprocess.run(command, check=True, timeout=60)  # the test's own clip
    (folder / "master.m3u8").write_text(_MASTER)
    manifest = folder / "manifest.mpd"
    announced = iter((SMALL, LARGE, AUDIO))
    text = re.sub(
        r'bandwidth="\d+"', lambda _: f'bandwidth="{next(announced)}"', manifest.read_text()
    )
    assert next(announced, None) is None
    manifest.write_text(text)
