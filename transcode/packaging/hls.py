"""Writes the HLS playlists of a presentation (RFC 8216): every URI is relative."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from config.contracts.paths import MASTER_PLAYLIST
from transcode.packaging.renditions import (
    INIT_NAME,
    AudioRendition,
    Presentation,
    Rendition,
    VideoRendition,
    average_bitrate,
    peak_bitrate,
    target_duration,
)

MEDIA_PLAYLIST = "media.m3u8"
IFRAME_PLAYLIST = "iframes.m3u8"
AUDIO_GROUP = "aac"

# EXT-X-MAP outside I-frame playlists needs 6 (RFC 8216 section 7); fMP4 readers expect 7.
_VERSION = 7

# What most players take first, before they have measured anything, is the first variant.
_START_BITRATE = 2_500_000


def playlists(presentation: Presentation) -> dict[str, str]:
    """Path and text of every playlist, the master last."""
    texts: dict[str, str] = {}
    for video in presentation.video:
        texts[f"{video.name}/{MEDIA_PLAYLIST}"] = media_playlist(video)
        texts[f"{video.name}/{IFRAME_PLAYLIST}"] = iframe_playlist(video)
    for audio in presentation.audio:
        texts[f"{audio.name}/{MEDIA_PLAYLIST}"] = media_playlist(audio)
    texts[MASTER_PLAYLIST] = master_playlist(presentation)
    return texts


def master_playlist(presentation: Presentation) -> str:
    """The multivariant playlist."""
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{_VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS", ""]
    lines += [_audio_media(audio) for audio in presentation.audio]
    for video in _start_first(presentation):
        lines += [_stream_inf(video, presentation), f"{video.name}/{MEDIA_PLAYLIST}"]
    lines += [_iframe_stream_inf(video) for video in presentation.video]
    return _text(lines)


def media_playlist(rendition: Rendition) -> str:
    """The playlist of one track."""
    lines = list(_head(rendition.target_duration))
    for number, seconds in enumerate(rendition.seconds, start=1):
        lines += [f"#EXTINF:{_decimal(seconds)},", f"{number}.m4s"]
    return _text([*lines, "#EXT-X-ENDLIST"])


def iframe_playlist(video: VideoRendition) -> str:
    """The key frames of one rung, for fast seeking (RFC 8216 section 4.3.3.6)."""
    lines = [*_head(target_duration(video.key_frame_seconds)), "#EXT-X-I-FRAMES-ONLY"]
    for frame, seconds in zip(video.key_frames, video.key_frame_seconds, strict=True):
        lines += [
            f"#EXTINF:{_decimal(seconds)},",
            f"#EXT-X-BYTERANGE:{frame.size_bytes}@{frame.offset}",
            f"{frame.segment}.m4s",
        ]
    return _text([*lines, "#EXT-X-ENDLIST"])


def variant_peak(video: VideoRendition, presentation: Presentation) -> int:
    """BANDWIDTH: the largest sum of peaks of any playable combination (RFC 8216 section 4.3.4.2)."""
    return video.peak + max((audio.peak for audio in presentation.audio), default=0)


def variant_average(video: VideoRendition, presentation: Presentation) -> int:
    """AVERAGE-BANDWIDTH, for the same combination."""
    return video.average + max((audio.average for audio in presentation.audio), default=0)


def _head(target: int) -> Iterator[str]:
    yield "#EXTM3U"
    yield f"#EXT-X-VERSION:{_VERSION}"
    yield f"#EXT-X-TARGETDURATION:{target}"
    yield "#EXT-X-MEDIA-SEQUENCE:1"
    yield "#EXT-X-PLAYLIST-TYPE:VOD"
    yield "#EXT-X-INDEPENDENT-SEGMENTS"
    yield f'#EXT-X-MAP:URI="{INIT_NAME}"'


def _start_first(presentation: Presentation) -> list[VideoRendition]:
    """The rung to start with, then the others from low to high."""
    ascending = sorted(presentation.video, key=lambda video: video.peak)
    fitting = [v for v in ascending if variant_peak(v, presentation) <= _START_BITRATE]
    start = fitting[-1] if fitting else ascending[0]
    return [start, *(video for video in ascending if video is not start)]


def _audio_media(audio: AudioRendition) -> str:
    default = "YES" if audio.is_default else "NO"
    return (
        f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="{AUDIO_GROUP}",NAME="{audio.title}"'
        f',LANGUAGE="{audio.language}",DEFAULT={default},AUTOSELECT=YES'
        f',CHANNELS="{audio.channel_count}",URI="{audio.name}/{MEDIA_PLAYLIST}"'
    )


def _stream_inf(video: VideoRendition, presentation: Presentation) -> str:
    codecs = [video.codec, *dict.fromkeys(audio.codec for audio in presentation.audio)]
    sound = f',AUDIO="{AUDIO_GROUP}"' if presentation.audio else ""
    return (
        f"#EXT-X-STREAM-INF:BANDWIDTH={variant_peak(video, presentation)}"
        f",AVERAGE-BANDWIDTH={variant_average(video, presentation)}"
        f',CODECS="{",".join(codecs)}"'
        f",RESOLUTION={video.size.width}x{video.size.height}"
        f",FRAME-RATE={float(video.rate):.3f},VIDEO-RANGE=SDR,CLOSED-CAPTIONS=NONE{sound}"
    )


def _iframe_stream_inf(video: VideoRendition) -> str:
    sizes = [frame.size_bytes for frame in video.key_frames]
    return (
        f"#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={peak_bitrate(video.key_frame_seconds, sizes)}"
        f",AVERAGE-BANDWIDTH={average_bitrate(video.key_frame_seconds, sizes)}"
        f',CODECS="{video.codec}",RESOLUTION={video.size.width}x{video.size.height}'
        f',VIDEO-RANGE=SDR,URI="{video.name}/{IFRAME_PLAYLIST}"'
    )


def _decimal(seconds: Fraction) -> str:
    """Seconds to the microsecond: players add these up."""
    return f"{float(seconds):.6f}"


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
