"""Codec strings (RFC 6381) sorted into the families that a filter names."""

from __future__ import annotations

from collections.abc import Container, Iterable
from functools import lru_cache
from typing import Literal

Medium = Literal["video", "audio", "text", "image"]

# Family -> the four-character codes (lower case, before the first dot) that belong to it.
VIDEO: dict[str, tuple[str, ...]] = {
    "avc": ("avc1", "avc2", "avc3", "avc4", "h264"),
    "hevc": ("hvc1", "hvc2", "hvc3", "hev1", "hev2", "hev3", "h265"),
    "dv": ("dvh1", "dvhe", "dva1", "dvav", "dav1", "dvc1", "dvi1"),
    "vvc": ("vvc1", "vvi1", "vvcn", "h266"),
    "av1": ("av01", "av1"),
    "vp8": ("vp08", "vp8"),
    "vp9": ("vp09", "vp9"),
    "mpeg2": ("mp2v",),
    "mpeg4": ("mp4v",),
    "mvc": ("mvc1", "mvc2", "mvc3", "mvc4"),
}
AUDIO: dict[str, tuple[str, ...]] = {
    "aac": ("mp4a", "aac", "aacl", "aach"),
    "ac-3": ("ac-3", "ac3"),
    "ec-3": ("ec-3", "ec3", "ec+3", "eac3"),
    "ac-4": ("ac-4", "ac4"),
    "opus": ("opus",),
    "flac": ("flac",),
    "vorbis": ("vorbis",),
    "alac": ("alac",),
    "mp3": ("mp3", ".mp3"),
    "dts": ("dtsc", "dtse", "dtsh", "dtsl", "dtsx", "dts+", "dts-"),
    "mpegh": ("mha1", "mha2", "mhm1", "mhm2"),
    "iamf": ("iamf",),
    "pcm": ("ipcm", "fpcm", "lpcm", "sowt", "twos"),
}
_TEXT: dict[str, tuple[str, ...]] = {
    "ttml": ("stpp", "ttml"),
    "webvtt": ("wvtt", "vtt", "webvtt"),
    "tx3g": ("tx3g",),
    "cea": ("c608", "c708"),
}
_IMAGE: dict[str, tuple[str, ...]] = {
    "jpeg": ("jpeg", "jpg", "mjpg"),
    "png": ("png",),
    "webp": ("webp",),
    "avif": ("avif",),
}

# Names that people use for a family, beside its own and its four-character codes.
ALIASES: dict[str, str] = {
    "dolbyvision": "dv",
    "dolby-vision": "dv",
    "dd": "ac-3",
    "ddp": "ec-3",
    "atmos": "ec-3",
    "e-ac-3": "ec-3",
    "mpeg-h": "mpegh",
}

# 'mp4a' and 'mp4v' name an MPEG-4 object type by number (RFC 6381 section 3.3; the numbers are registered by MP4RA).
_OBJECT_TYPES: dict[tuple[str, str], str] = {
    ("mp4a", "69"): "mp3",
    ("mp4a", "6b"): "mp3",
    ("mp4a", "a5"): "ac-3",
    ("mp4a", "a6"): "ec-3",
    ("mp4a", "a9"): "dts",
    ("mp4a", "ad"): "opus",
    ("mp4a", "dd"): "vorbis",
    **{("mp4v", f"{number:x}"): "mpeg2" for number in range(0x60, 0x66)},
    ("mp4v", "21"): "avc",
    ("mp4v", "23"): "hevc",
}
_AUDIO_OBJECT_TYPES = {"32": "mp3", "33": "mp3", "34": "mp3"}  # ISO/IEC 14496-3 table 1.17

_FAMILIES: dict[Medium, dict[str, tuple[str, ...]]] = {
    "video": VIDEO,
    "audio": AUDIO,
    "text": _TEXT,
    "image": _IMAGE,
}
_BY_CODE: dict[str, tuple[Medium, str]] = {
    code: (medium, name)
    for medium, names in _FAMILIES.items()
    for name, codes in names.items()
    for code in codes
}
_MEDIUM: dict[str, Medium] = {name: medium for medium, name in _BY_CODE.values()}
# vp09.PP.LL.DD.CC.cp.tc.mc.FF and av01.P.LLT.DD.M.CCC.cp.tc.mc.F: where the transfer characteristics stand.
_TRANSFER_PLACE = {"vp9": 6, "av1": 7}
# ISO/IEC 23091-2: transfer characteristics 16 is SMPTE ST 2084, 18 is ARIB STD-B67; 14 and 15 are BT.2020 in SDR.
_TRANSFER: dict[int, Literal["SDR", "HLG", "PQ"]] = {
    **dict.fromkeys((1, 4, 5, 6, 7, 8, 11, 13, 14, 15), "SDR"),
    16: "PQ",
    18: "HLG",
}


_NONE: frozenset[str] = frozenset()
_MAX_CHARS = 128  # of a codec string worth reading


def family(codec: str) -> tuple[Medium, str] | None:
    """What medium and family a codec string belongs to; ``None`` for one that is not known."""
    return _family(codec) if len(codec) <= _MAX_CHARS else None


@lru_cache(maxsize=1024)
def _family(codec: str) -> tuple[Medium, str] | None:
    code, _, rest = codec.strip().lower().partition(".")
    if code in ("mp4a", "mp4v"):
        number, _, profile = rest.partition(".")
        named = _OBJECT_TYPES.get((code, number))
        if named is None and (code, number) == ("mp4a", "40"):
            named = _AUDIO_OBJECT_TYPES.get(profile.partition(".")[0])
        if named is not None:
            return _MEDIUM[named], named
    return _BY_CODE.get(code)


def families(codecs: Iterable[str], medium: Medium) -> frozenset[str]:
    """The families of one medium that a list of codecs names."""
    found = [known[1] for codec in codecs if (known := family(codec)) and known[0] == medium]
    return frozenset(found) if found else _NONE


def is_of(codec: str, media: Container[Medium]) -> bool:
    """Whether a codec is known to be of one of these media."""
    known = family(codec)
    return known is not None and known[0] in media


def split_codecs(value: str) -> tuple[str, ...]:
    """The single codecs of a CODECS or @codecs attribute."""
    return tuple([codec for part in value.split(",") if (codec := part.strip())])


def transfer_range(number: int) -> Literal["SDR", "HLG", "PQ"] | None:
    """The dynamic range that a number of transfer characteristics means."""
    return _TRANSFER.get(number)


def stated_range(codecs: Iterable[str]) -> Literal["SDR", "HLG", "PQ"] | None:
    """The dynamic range that the codec strings themselves tell: VP9 and AV1 can, Dolby Vision always does."""
    for codec in codecs:
        known = family(codec)
        if known == ("video", "dv"):
            return "PQ"
        place = _TRANSFER_PLACE.get(known[1]) if known is not None else None
        if place is not None:
            parts = codec.strip().split(".")
            if len(parts) > place and parts[place].isdecimal():
                return transfer_range(int(parts[place][:4]))
    return None
