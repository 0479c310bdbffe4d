"""The content type of every kind of file that is written or served."""

from __future__ import annotations

_BY_SUFFIX = {
    "m3u8": "application/vnd.apple.mpegurl",  # RFC 8216 section 4
    "mpd": "application/dash+xml",
    "mp4": "video/mp4",
    "m4s": "video/iso.segment",
    "m4v": "video/mp4",
    "m4a": "audio/mp4",
    "cmfv": "video/mp4",
    "cmfa": "audio/mp4",
    "aac": "audio/aac",
    "ts": "video/mp2t",
    "vtt": "text/vtt; charset=utf-8",
    "ttml": "application/ttml+xml",
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "json": "application/json",
}


def content_type_of(path: str) -> str:
    """The content type by suffix; ``application/octet-stream`` for what is not known."""
    return _BY_SUFFIX.get(path.rpartition(".")[2].lower(), "application/octet-stream")


def is_manifest(path: str) -> bool:
    """Whether the path names an HLS playlist or a DASH manifest."""
    return path.endswith((".m3u8", ".mpd"))
