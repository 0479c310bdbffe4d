"""Tells a cut MP4 or QuickTime file by its outermost boxes, which say how long they should be."""

from __future__ import annotations

import struct
from pathlib import Path

_KNOWN = {
    *(b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"free", b"skip"),
    *(b"wide", b"uuid", b"meta", b"sidx", b"mfra", b"pnot"),
}
_MAX_BOXES = 10_000


def is_cut(path: Path) -> bool:
    """Whether the file is made of such boxes and its last one is longer than the file, or it has no index."""
    size = path.stat().st_size
    kinds: set[bytes] = set()
    with path.open("rb") as file:
        offset = 0
        for _ in range(_MAX_BOXES):
            file.seek(offset)
            head = file.read(16)
            if len(head) < 8:
                break
            length, kind = struct.unpack(">I4s", head[:8])
            if kind not in _KNOWN:  # another format, or something that was appended
                break
            kinds.add(kind)
            if length == 0:  # to the end of the file
                offset = size
                break
            if length == 1 and len(head) == 16:
                (length,) = struct.unpack(">Q", head[8:])
            if length < 8:
                break
            offset += length
    # Only what is surely one of these formats is judged: a first box of another kind proves nothing.
    if not kinds & {b"ftyp", b"moov", b"mdat"}:
        return False
    return offset > size or (b"moov" not in kinds and offset >= size)
