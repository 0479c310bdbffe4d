"""Reads and writes the boxes of fragmented MP4 (ISO/IEC 14496-12) that a packager needs.

Input is a file of foreign origin as far as this module cares: every length is checked, every count is
bounded, and anything unexpected is ``BadTrack``.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from transcode.errors import BadTrack

MAX_HEAD_BYTES = 4 * 2**20  # of one moov or moof
_MAX_SAMPLES = 100_000  # of one fragment
_MAX_FRAGMENTS = 1_000_000

_NON_SYNC = 0x0001_0000  # sample_is_non_sync_sample, section 8.8.3.1


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its type and its payload."""

    kind: bytes
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Init:
    """What an initialization segment says of its one track."""

    brands: frozenset[str]
    track_id: int
    timescale: int  # ticks per second
    is_video: bool
    codec: str  # RFC 6381
    width: int = 0
    height: int = 0
    channel_count: int = 0
    sample_rate: int = 0
    edit_start: int = 0  # ticks of the media that are shown at 0
    default_duration: int = 0
    default_size: int = 0
    default_flags: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """One moof with its mdat, at a place in a file."""

    offset: int  # of the moof, bytes
    head_bytes: int  # of the moof alone
    data_offset: int  # of the first sample, bytes from the start of the file
    size_bytes: int  # moof and mdat
    decode_time: int  # ticks
    duration: int  # ticks
    first_composition: int  # ticks after decode_time at which the first sample is shown
    starts_with_sync: bool
    sync_count: int
    sizes: array[int]  # of every sample, bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A whole fragmented MP4 file of one track."""

    path: Path
    head: bytes  # ftyp and moov, as they stand
    init: Init
    fragments: tuple[Fragment, ...]

    @property
    def sample_count(self) -> int:
        return sum(len(fragment.sizes) for fragment in self.fragments)

    @property
    def duration(self) -> int:
        """Ticks of all samples together."""
        return sum(fragment.duration for fragment in self.fragments)


def read_track(path: Path) -> Track:
    """Read a track file: its head and every fragment, not the media data."""
    with path.open("rb") as file:
        head = bytearray()
        init: Init | None = None
        fragments: list[Fragment] = []
        for kind, offset, size in _top_level(file):
            if kind in (b"ftyp", b"moov") and init is None:
                head += _payload(file, offset, size)
                if len(head) > MAX_HEAD_BYTES:
                    raise BadTrack("a head box is too large")
                if kind == b"moov":
                    init = read_init(bytes(head))
            elif kind == b"moof":
                if init is None or len(fragments) >= _MAX_FRAGMENTS:
                    raise BadTrack("a fragment before the movie box, or too many of them")
                fragments.append(_fragment(file, offset, size, init))
    if init is None:
        raise BadTrack("no movie box")
    return Track(path=path, head=bytes(head), init=init, fragments=tuple(fragments))


def read_init(data: bytes) -> Init:
    """Read an initialization segment: ftyp and moov."""
    boxes = {box.kind: box.payload for box in children(data)}
    if b"ftyp" not in boxes or b"moov" not in boxes:
        raise BadTrack("an initialization segment needs ftyp and moov")
    moov = list(children(boxes[b"moov"]))
    tracks = [box for box in moov if box.kind == b"trak"]
    if len(tracks) != 1:
        raise BadTrack(f"{len(tracks)} tracks where one was expected")
    trak = _by_kind(tracks[0].payload)
    media = _by_kind(_need(trak, b"mdia"))
    entry = _sample_entry(_need(_by_kind(_need(_by_kind(_need(media, b"minf")), b"stbl")), b"stsd"))
    handler = _need(media, b"hdlr")[8:12]
    defaults = _by_kind(_need(_by_kind(boxes[b"moov"]), b"mvex"))
    trex = _unpack(">4xIIIII", _need(defaults, b"trex"))
    return Init(
        brands=_brands(boxes[b"ftyp"]),
        track_id=trex[0],
        timescale=_timescale(_need(media, b"mdhd")),
        is_video=handler == b"vide",
        edit_start=_edit_start(trak.get(b"edts")),
        default_duration=trex[2],
        default_size=trex[3],
        default_flags=trex[4],
        **(_visual(entry) if handler == b"vide" else _sound(entry, handler)),
    )


def children(data: bytes, *, limit: int = 4096) -> Iterator[Box]:
    """The boxes that lie one after another in ``data``, which they must fill exactly."""
    offset = 0
    for _ in range(limit):
        if offset == len(data):
            return
        size, kind = _unpack(">I4s", data[offset : offset + 8])
        start = offset + 8
        if size == 1:
            (size,) = _unpack(">Q", data[offset + 8 : offset + 16])
            start = offset + 16
        if size < start - offset or offset + size > len(data):
            raise BadTrack(f"box {kind!r} is longer than what holds it")
        yield Box(kind, data[start : offset + size])
        offset += size
    raise BadTrack("too many boxes")


def box(kind: bytes, *parts: bytes) -> bytes:
    """One box, written."""
    payload = b"".join(parts)
    return struct.pack(">I4s", len(payload) + 8, kind) + payload


# Segment type, section 8.16.2: 'msdh' for DASH, 'cmfs' for a CMAF segment.
SEGMENT_TYPE = box(b"styp", b"msdh", struct.pack(">I", 0), b"msdh", b"cmfs")


def write_fragment(
    *, sequence: int, track_id: int, decode_time: int, sample_duration: int, sizes: array[int]
) -> bytes:
    """The moof of samples of one duration that are all sync samples, and the header of their mdat."""
    tfhd = box(
        b"tfhd",
        # default-base-is-moof, default duration, default flags (sync); section 8.8.7
        struct.pack(">IIII", 0x02_0028, track_id, sample_duration, 0x0200_0000),
    )
    tfdt = box(b"tfdt", struct.pack(">IQ", 0x0100_0000, decode_time))
    samples = array("I", sizes)
    if struct.pack("=H", 1) != struct.pack(">H", 1):
        samples.byteswap()
    # mfhd 16 and traf header 8, the boxes above, trun 20 and its samples, and the mdat header
    moof_bytes = 8 + 16 + 8 + len(tfhd) + len(tfdt) + 20 + 4 * len(sizes)
    trun = box(
        b"trun",
        struct.pack(">III", 0x00_0201, len(sizes), moof_bytes + 8),
        samples.tobytes(),
    )
    moof = box(
        b"moof", box(b"mfhd", struct.pack(">II", 0, sequence)), box(b"traf", tfhd, tfdt, trun)
    )
    return moof + struct.pack(">I4s", sum(sizes) + 8, b"mdat")


def read_fragments(path: Path, init: Init) -> tuple[Fragment, ...]:
    """The fragments of a media segment, read by the defaults of its initialization segment."""
    with path.open("rb") as file:
        return tuple(
            _fragment(file, offset, size, init)
            for kind, offset, size in _top_level(file)
            if kind == b"moof"
        )


def _top_level(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Kind, offset and size of every box of a file; the caller may move the file's position."""
    end = file.seek(0, 2)
    offset = 0
    while offset < end:
        file.seek(offset)
        head = file.read(16)
        size, kind = _unpack(">I4s", head[:8])
        if size == 1:
            (size,) = _unpack(">Q", head[8:16])
        elif size == 0:  # to the end of the file
            size = end - offset
        if size < 8 or offset + size > end:
            raise BadTrack(f"box {kind!r} is longer than its file")
        yield kind, offset, size
        offset += size


def _payload(file: BinaryIO, offset: int, size: int) -> bytes:
    if size > MAX_HEAD_BYTES:
        raise BadTrack("a head box is too large")
    file.seek(offset)
    return file.read(size)


def _fragment(file: BinaryIO, offset: int, size: int, init: Init) -> Fragment:
    moof = _payload(file, offset, size)
    mdat_head = file.read(16)
    mdat_bytes, kind = _unpack(">I4s", mdat_head[:8])
    if mdat_bytes == 1:
        (mdat_bytes,) = _unpack(">Q", mdat_head[8:16])
    if kind != b"mdat":
        raise BadTrack("a moof without its mdat")
    boxes = next(children(moof)).payload
    trafs = [box for box in children(boxes) if box.kind == b"traf"]
    if len(trafs) != 1:
        raise BadTrack(
            "a fragment needs exactly one traf"
        )  # CMAF, ISO/IEC 23000-19 section 7.3.2.3
    traf = list(children(trafs[0].payload))
    truns = [box.payload for box in traf if box.kind == b"trun"]
    tfdt = [box.payload for box in traf if box.kind == b"tfdt"]
    tfhd = [box.payload for box in traf if box.kind == b"tfhd"]
    if len(truns) != 1 or len(tfdt) != 1 or len(tfhd) != 1:
        raise BadTrack("a traf needs one tfhd, one tfdt and one trun")
    run = _run(truns[0], _defaults(tfhd[0], init))
    if run.data_offset != size + 8 or sum(run.sizes) + 8 != mdat_bytes:
        raise BadTrack("the samples do not fill the mdat")
    return Fragment(
        offset=offset,
        head_bytes=size,
        data_offset=offset + run.data_offset,
        size_bytes=size + mdat_bytes,
        decode_time=_decode_time(tfdt[0]),
        duration=run.duration,
        first_composition=run.first_composition,
        starts_with_sync=run.starts_with_sync,
        sync_count=run.sync_count,
        sizes=run.sizes,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    data_offset: int
    duration: int
    first_composition: int
    starts_with_sync: bool
    sync_count: int
    sizes: array[int]


# Track fragment header, section 8.8.7
def _defaults(tfhd: bytes, init: Init) -> tuple[int, int, int]:
    version_flags, track_id = _unpack(">II", tfhd[:8])
    if track_id != init.track_id:
        raise BadTrack("a fragment of another track")
    offset = 8 + 8 * bool(version_flags & 0x1) + 4 * bool(version_flags & 0x2)
    values = [init.default_duration, init.default_size, init.default_flags]
    for position, flag in enumerate((0x8, 0x10, 0x20)):
        if version_flags & flag:
            (values[position],) = _unpack(">I", tfhd[offset : offset + 4])
            offset += 4
    return values[0], values[1], values[2]


# Track run, section 8.8.8
def _run(trun: bytes, defaults: tuple[int, int, int]) -> _Run:
    version_flags, count = _unpack(">II", trun[:8])
    flags, offset = version_flags & 0xFF_FFFF, 8
    if not 0 < count <= _MAX_SAMPLES or not flags & 0x1:
        raise BadTrack("a run needs samples and a data offset")
    (data_offset,) = _unpack(">i", trun[offset : offset + 4])
    offset += 4
    first_flags = None
    if flags & 0x4:
        (first_flags,) = _unpack(">I", trun[offset : offset + 4])
        offset += 4
    columns = [bool(flags & flag) for flag in (0x100, 0x200, 0x400, 0x800)]
    stride = 4 * sum(columns)
    if len(trun) != offset + stride * count:
        raise BadTrack("a run of another length than it says")
    table = array("I", trun[offset:])
    if struct.pack("=H", 1) != struct.pack(">H", 1):
        table.byteswap()
    duration, size, sample_flags, composition = _columns(table, columns, count, defaults)
    if first_flags is not None:
        sample_flags[0] = first_flags
    first_composition = composition[0] if composition else 0
    if version_flags >> 24 and first_composition >= 2**31:
        first_composition -= 2**32
    syncs = [not value & _NON_SYNC for value in sample_flags]
    return _Run(
        data_offset=data_offset,
        duration=sum(duration),
        first_composition=first_composition,
        starts_with_sync=syncs[0],
        sync_count=sum(syncs),
        sizes=size,
    )


def _columns(
    table: array[int], present: list[bool], count: int, defaults: tuple[int, int, int]
) -> list[array[int]]:
    width, position = sum(present), 0
    columns: list[array[int]] = []
    for number, is_present in enumerate(present):
        if is_present:
            columns.append(table[position::width])
            position += 1
        else:
            columns.append(array("I", [defaults[number]] * count if number < 3 else []))
    return columns


def _decode_time(tfdt: bytes) -> int:
    (version,) = _unpack(">B", tfdt[:1])
    (value,) = _unpack(">Q", tfdt[4:12]) if version == 1 else _unpack(">I", tfdt[4:8])
    return int(value)


def _timescale(mdhd: bytes) -> int:
    (version,) = _unpack(">B", mdhd[:1])
    offset = 20 if version == 1 else 12
    (timescale,) = _unpack(">I", mdhd[offset : offset + 4])
    if timescale == 0:
        raise BadTrack("a timescale of zero")
    return int(timescale)


# Edit list, section 8.6.6: one edit at normal speed is all that the byte stream format of MSE knows.
def _edit_start(edts: bytes | None) -> int:
    if edts is None:
        return 0
    elst = _need(_by_kind(edts), b"elst")
    version, count = _unpack(">B3xI", elst)
    media_time, rate = _unpack(">qI" if version == 1 else ">iI", elst[16 if version == 1 else 12 :])
    if count != 1 or media_time < 0 or rate != 0x0001_0000:
        raise BadTrack("an edit list that is more than a start")
    return int(media_time)


def _brands(ftyp: bytes) -> frozenset[str]:
    names = [ftyp[:4], *(ftyp[at : at + 4] for at in range(8, len(ftyp), 4))]
    return frozenset(name.decode("ascii", errors="replace") for name in names)


def _sample_entry(stsd: bytes) -> Box:
    entries = list(children(stsd[8:]))
    if len(entries) != 1:
        raise BadTrack("one sample entry was expected")
    return entries[0]


# VisualSampleEntry, section 12.1.3; AVCDecoderConfigurationRecord, ISO/IEC 14496-15 section 5.3.3.1
def _visual(entry: Box) -> dict[str, Any]:
    if entry.kind != b"avc1":
        raise BadTrack(f"sample entry {entry.kind!r} where avc1 was expected")
    width, height = _unpack(">24xHH", entry.payload[:28])
    config = _need(_by_kind(entry.payload[78:]), b"avcC")
    version, profile, compatibility, level = _unpack(">BBBB", config[:4])
    if version != 1:
        raise BadTrack("an unknown version of avcC")
    codec = f"avc1.{profile:02X}{compatibility:02X}{level:02X}"
    return {"codec": codec, "width": width, "height": height}


# AudioSampleEntry, section 12.2.3; ESDescriptor, ISO/IEC 14496-1 section 7.2.6.5
def _sound(entry: Box, handler: bytes) -> dict[str, Any]:
    if handler != b"soun" or entry.kind != b"mp4a":
        raise BadTrack(f"sample entry {entry.kind!r} where mp4a was expected")
    channels, rate = _unpack(">16xH6xH", entry.payload[:26])
    esds = _need(_by_kind(entry.payload[28:]), b"esds")
    kind, descriptor, _ = _descriptor(esds[4:])
    if (
        kind != 3 or len(descriptor) < 3 or descriptor[2]
    ):  # no optional fields: none of ours has them
        raise BadTrack("an unknown kind of ES descriptor")
    kind, decoder, _ = _descriptor(descriptor[3:])
    if kind != 4 or len(decoder) < 13:
        raise BadTrack("no decoder configuration")
    kind, config, _ = _descriptor(decoder[13:])
    if kind != 5 or not config:
        raise BadTrack("no decoder specific information")
    # AudioSpecificConfig, ISO/IEC 14496-3 section 1.6.2.1: five bits of audio object type.
    codec = f"mp4a.{decoder[0]:02x}.{config[0] >> 3}"
    return {"codec": codec, "channel_count": channels, "sample_rate": rate}


def _descriptor(data: bytes) -> tuple[int, bytes, bytes]:
    """Tag, body and rest; the length has seven bits a byte, ISO/IEC 14496-1 section 8.3.3."""
    length, offset = 0, 1
    while True:
        if offset >= min(len(data), 5):
            raise BadTrack("a descriptor without an end")
        length = length << 7 | data[offset] & 0x7F
        offset += 1
        if not data[offset - 1] & 0x80:
            break
    body = data[offset : offset + length]
    if len(body) != length:
        raise BadTrack("a descriptor longer than what holds it")
    return data[0], body, data[offset + length :]


def _by_kind(data: bytes) -> dict[bytes, bytes]:
    return {box.kind: box.payload for box in children(data)}


def _need(boxes: dict[bytes, bytes], kind: bytes) -> bytes:
    try:
        return boxes[kind]
    except KeyError:
        raise BadTrack(f"no {kind.decode('ascii', errors='replace')} box") from None


def _unpack(layout: str, data: bytes) -> tuple[Any, ...]:
    try:
        return struct.unpack(layout, data[: struct.calcsize(layout)])
    except struct.error as error:
        raise BadTrack("a box ends too early") from error
