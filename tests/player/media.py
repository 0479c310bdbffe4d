"""A small published media, made by ffmpeg: two qualities, two languages, subtitles, as HLS and as DASH."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg

SECONDS = 16
# A little less, so that the encoder's padding does not spill into a segment of its own.
AUDIO_SECONDS = 15.9
LARGE, SMALL = (640, 360), (320, 180)

_MASTER = """#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="日本語",LANGUAGE="ja",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="media_2.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",LANGUAGE="en",AUTOSELECT=YES,CHANNELS="2",URI="media_3.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="English",LANGUAGE="en",URI="subtitles.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=700000,AVERAGE-BANDWIDTH=600000,RESOLUTION=640x360,FRAME-RATE=25.000,CODECS="avc1.42c01e,mp4a.40.2",AUDIO="a",SUBTITLES="s"
media_0.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=300000,AVERAGE-BANDWIDTH=250000,RESOLUTION=320x180,FRAME-RATE=25.000,CODECS="avc1.42c00d,mp4a.40.2",AUDIO="a",SUBTITLES="s"
media_1.m3u8
"""

_SUBTITLES_PLAYLIST = f"""#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:{SECONDS}
#EXT-X-PLAYLIST-TYPE:VOD
#EXTINF:{SECONDS}.0,
subtitles.vtt
#EXT-X-ENDLIST
"""

_SUBTITLES = """WEBVTT
X-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000

00:00.000 --> 00:16.000
The river goes on.
"""

_DASH_SUBTITLES = """<AdaptationSet id="9" contentType="text" lang="en" mimeType="text/vtt">
<Role schemeIdUri="urn:mpeg:dash:role:2011" value="subtitle"/>
<Representation id="text" bandwidth="100"><BaseURL>subtitles.vtt</BaseURL></Representation>
</AdaptationSet></Period>"""


def publish(folder: Path) -> None:
    """Write master.m3u8, manifest.mpd and everything they name into ``folder``."""
    # fmt: off
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y",
        "-f", "lavfi", "-i", f"testsrc2=s={LARGE[0]}x{LARGE[1]}:r=25:d={SECONDS}",
        "-f", "lavfi", "-i", f"sine=f=440:d={AUDIO_SECONDS}:r=48000",
        "-f", "lavfi", "-i", f"sine=f=660:d={AUDIO_SECONDS}:r=48000",
        "-filter_complex", f"[0:v]split[large][b];[b]scale={SMALL[0]}:{SMALL[1]}[small]",
        "-map", "[large]", "-map", "[small]", "-map", "1:a", "-map", "2:a",
        "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p",
        # Key frames at equal distance, so that a player can change quality at any segment boundary.
        "-g", "25", "-sc_threshold", "0", "-b:v:0", "600k", "-b:v:1", "200k",
        "-c:a", "aac", "-b:a", "64k", "-ac", "2",
        "-metadata:s:a:0", "language=ja", "-metadata:s:a:1", "language=en",
        "-f", "dash", "-seg_duration", "1", "-use_template", "1", "-use_timeline", "0", "-hls_playlist", "1",
        "-adaptation_sets", "id=0,streams=v id=1,streams=2 id=2,streams=3",
        str(folder / "manifest.mpd"),
    ]
    # fmt: on
    subprocess.run(command, check=True, timeout=60)  # the test's own clip
    # ffmpeg names neither languages nor subtitles in its master playlist.
    (folder / "master.m3u8").write_text(_MASTER)
    (folder / "subtitles.m3u8").write_text(_SUBTITLES_PLAYLIST)
    (folder / "subtitles.vtt").write_text(_SUBTITLES)
    # What a live stream looks like between two segments: a playlist without an end.
    playlist = (folder / "media_1.m3u8").read_text()
    (folder / "live.m3u8").write_text(playlist.replace("#EXT-X-ENDLIST\n", ""))
    manifest = folder / "manifest.mpd"
    manifest.write_text(manifest.read_text().replace("</Period>", _DASH_SUBTITLES))
