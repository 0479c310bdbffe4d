"""Writes SCTE 35 sections bit by bit, for tests; shares nothing with the reader in edge."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field


class Bits:
    """Numbers of so many bits, one behind the other."""

    def __init__(self) -> None:
        self._text: list[str] = []

    def add(self, value: int, width: int) -> Bits:
        assert 0 <= value < 1 << width, (value, width)
        self._text.append(format(value, f"0{width}b"))
        return self

    def put(self, data: bytes) -> Bits:
        for byte in data:
            self.add(byte, 8)
        return self

    def data(self) -> bytes:
        text = "".join(self._text)
        assert len(text) % 8 == 0, len(text)
        return bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8))


@dataclass(frozen=True, kw_only=True)
class InsertSpec:
    event: int = 1
    out: bool = True
    cancelled: bool = False
    ticks: int | None = None  # of the break
    immediate: bool = False
    components: Sequence[int] | None = None  # None: the whole program
    at: int | None = 0  # splice_time
    auto_return: bool = True

    def data(self) -> bytes:
        bits = Bits().add(self.event, 32).add(self.cancelled, 1).add(0x7F, 7)
        if self.cancelled:
            return bits.data()
        bits.add(self.out, 1).add(self.components is None, 1).add(self.ticks is not None, 1)
        bits.add(self.immediate, 1).add(0xF, 4)
        if self.components is None:
            if not self.immediate:
                splice_time(bits, self.at)
        else:
            bits.add(len(self.components), 8)
            for tag in self.components:
                bits.add(tag, 8)
                if not self.immediate:
                    splice_time(bits, self.at)
        if self.ticks is not None:
            bits.add(self.auto_return, 1).add(0x3F, 6).add(self.ticks, 33)
        return bits.add(7, 16).add(1, 8).add(1, 8).data()


@dataclass(frozen=True, kw_only=True)
class SegmentationSpec:
    event: int = 1
    type: int = 0x30
    cancelled: bool = False
    ticks: int | None = None
    components: Sequence[int] | None = None
    upid: bytes = b""
    upid_type: int = 0
    restricted: bool = False
    sub: bool = False  # sub_segment_num and sub_segments_expected follow

    def data(self) -> bytes:
        bits = Bits().put(b"CUEI").add(self.event, 32).add(self.cancelled, 1).add(0x7F, 7)
        if not self.cancelled:
            bits.add(self.components is None, 1).add(self.ticks is not None, 1)
            bits.add(not self.restricted, 1).add(0 if self.restricted else 0x1F, 5)
            if self.components is not None:
                bits.add(len(self.components), 8)
                for tag in self.components:
                    bits.add(tag, 8).add(0x7F, 7).add(0, 33)
            if self.ticks is not None:
                bits.add(self.ticks, 40)
            bits.add(self.upid_type, 8).add(len(self.upid), 8).put(self.upid)
            bits.add(self.type, 8).add(1, 8).add(1, 8)
            if self.sub:
                bits.add(1, 8).add(1, 8)
        return descriptor(0x02, bits.data())


def splice_time(bits: Bits, at: int | None) -> None:
    """splice_time(); without a time if ``at`` is none."""
    if at is None:
        bits.add(0, 1).add(0x7F, 7)
    else:
        bits.add(1, 1).add(0x3F, 6).add(at, 33)


def descriptor(tag: int, content: bytes) -> bytes:
    """Any splice_descriptor()."""
    return Bits().add(tag, 8).add(len(content), 8).put(content).data()


def time_signal(at: int | None = 0) -> bytes:
    """time_signal()."""
    bits = Bits()
    splice_time(bits, at)
    return bits.data()


@dataclass(frozen=True, kw_only=True)
class SectionSpec:
    insert: InsertSpec | None = None
    segmentations: Sequence[SegmentationSpec] = ()
    other_descriptors: Sequence[bytes] = ()
    at: int | None = 0
    pts_adjustment: int = 0
    tier: int = 0xFFF
    told_length: bool = True  # of the command
    stuffing: bytes = field(default=b"")

    def data(self) -> bytes:
        kind, command = (6, time_signal(self.at))
        if self.insert is not None:
            kind, command = 5, self.insert.data()
        return section(
            kind,
            command,
            b"".join((*self.other_descriptors, *(item.data() for item in self.segmentations))),
            pts_adjustment=self.pts_adjustment,
            tier=self.tier,
            told_length=self.told_length,
            stuffing=self.stuffing,
        )

    def text(self) -> str:
        return base64.b64encode(self.data()).decode()

    def digits(self) -> str:
        return "0x" + self.data().hex().upper()


def section(
    kind: int,
    command: bytes,
    descriptors: bytes = b"",
    *,
    pts_adjustment: int = 0,
    tier: int = 0xFFF,
    told_length: bool = True,
    stuffing: bytes = b"",
    protocol: int = 0,
    encrypted: bool = False,
) -> bytes:
    """splice_info_section() around a command."""
    body = Bits().add(protocol, 8).add(encrypted, 1).add(0, 6).add(pts_adjustment, 33).add(0, 8)
    body.add(tier, 12).add(len(command) if told_length else 0xFFF, 12).add(kind, 8).put(command)
    body.add(len(descriptors), 16).put(descriptors).put(stuffing)
    content = body.data()
    head = Bits().add(0xFC, 8).add(0, 1).add(0, 1).add(3, 2).add(len(content) + 4, 12).data()
    return head + content + crc32_mpeg2(head + content).to_bytes(4, "big")


def crc32_mpeg2(data: bytes) -> int:
    """The CRC of MPEG-2 systems, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = ((crc << 1) ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc
