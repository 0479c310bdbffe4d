"""How a source is opened: as a real container, and as nothing but that one file."""

from __future__ import annotations

from pathlib import Path

# A hostile source may be a playlist or name other files and hosts.
INPUT_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": (
        "mov,matroska,webm,mpegts,mpeg,avi,flv,asf,mxf,ogg,wav,mp3,flac,aac,nut,ivf,gxf,rm,dv"
    ),
}

INPUT_ARGUMENTS = tuple(
    argument for name, value in INPUT_OPTIONS.items() for argument in (f"-{name}", value)
)


def file_url(path: Path) -> str:
    """The file as ffmpeg reads it without looking for a protocol in its name."""
    return f"file:{path.absolute()}"
