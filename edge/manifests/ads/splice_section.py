"""SCTE 35 splice_info_section() in bytes, as far as breaks depend on it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

MOST_BYTES = 3 + 0xFFF  # section_length has 12 bits
TICKS = 90_000  # a second
_INTACT = 0xFFFFFFFF  # what zlib finds in a section whose CRC-32/MPEG-2 holds, the bits of each byte reversed
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))

_SPLICE_NULL, _SPLICE_INSERT, _TIME_SIGNAL, _BANDWIDTH_RESERVATION = 0x00, 0x05, 0x06, 0x07
_UNKNOWN_LENGTH = 0xFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Insert:
    """splice_insert(), section 9.7.3."""

    event: int | None
    out: bool | None  # of the network, into a break; None: not said, as when it is cancelled
    seconds: Decimal | None = None
    cancelled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmentation:
    """segmentation_descriptor(), section 10.3.3."""

    event: int | None
    type: int | None
    seconds: Decimal | None = None
    cancelled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """splice_info_section(), section 9.6, as far as breaks depend on it."""

    insert: Insert | None = None
    segmentations: tuple[Segmentation, ...] = ()
    intact: bool = True  # its CRC holds; one that does not is read all the same


class _Odd(Exception):
    """The bytes are no section that can be read."""


class _Bytes:
    """A slice of a section, read from its beginning and never past its end."""

    __slots__ = ("data", "end", "position")

    def __init__(self, data: bytes, position: int, length: int) -> None:
        self.data = data
        self.position = position
        self.end = position + length
        if self.end > len(data):
            raise _Odd

    def number(self, length: int) -> int:
        position = self.position
        self.skip(length)
        return int.from_bytes(self.data[position : self.position])

    def skip(self, length: int) -> None:
        self.position += length
        if self.position > self.end:
            raise _Odd


def section(data: bytes) -> Cue | None:
    """The cue in a section; ``None`` if the section is cut short, encrypted, of a later protocol or not one."""
    try:
        return _read(data)
    except _Odd:
        return None


def _read(data: bytes) -> Cue:
    head = _Bytes(data, 0, min(len(data), 14))
    if head.number(1) != 0xFC:  # table_id
        raise _Odd
    length = 3 + (head.number(2) & 0xFFF)
    if length > len(data):
        raise _Odd
    protocol, flags = head.number(1), head.number(1)
    if protocol != 0 or flags & 0x80:  # a later protocol, or encrypted
        raise _Odd
    head.skip(
        6
    )  # the rest of pts_adjustment, cw_index, 12 bits of tier and 4 of the command's length
    command_length = head.number(2) & 0xFFF
    command_type = head.number(1)
    body = _Bytes(data, 14, length - 4 - 14)  # without the CRC
    insert = _command(body, command_type, command_length)
    loop = body.number(2)
    found = tuple(_descriptors(_Bytes(data, body.position, loop)))
    body.skip(loop)
    intact = zlib.crc32(data[:length].translate(_REVERSED)) == _INTACT
    return Cue(insert=insert, segmentations=found, intact=intact)


def _command(body: _Bytes, kind: int, length: int) -> Insert | None:
    """Reads the command and leaves ``body`` behind it."""
    start = body.position
    told = length != _UNKNOWN_LENGTH
    command = _Bytes(body.data, start, length if told else body.end - start)
    if command.end > body.end:
        raise _Odd
    insert = None
    if kind == _SPLICE_INSERT:
        insert = _insert(command)
    elif kind == _TIME_SIGNAL:
        _skip_time(command)
    elif kind not in (_SPLICE_NULL, _BANDWIDTH_RESERVATION) and not told:
        raise _Odd  # nothing says where it ends
    body.skip((command.end if told else command.position) - start)
    return insert


def _insert(command: _Bytes) -> Insert:
    event = command.number(4)
    if command.number(1) & 0x80:
        return Insert(event=event, out=None, cancelled=True)
    flags = command.number(1)
    program, timed, immediate = flags & 0x40, flags & 0x20, flags & 0x10
    if program and not immediate:
        _skip_time(command)
    if not program:
        for _ in range(command.number(1)):
            command.skip(1)
            if not immediate:
                _skip_time(command)
    seconds = Decimal(command.number(5) & 0x1FFFFFFFF) / TICKS if timed else None
    command.skip(4)  # program, avail, avails
    return Insert(event=event, out=bool(flags & 0x80), seconds=seconds)


def _skip_time(command: _Bytes) -> None:
    if command.number(1) & 0x80:
        command.skip(4)


def _descriptors(loop: _Bytes) -> Iterator[Segmentation]:
    while loop.position < loop.end:
        tag, length = loop.number(1), loop.number(1)
        at = loop.position
        loop.skip(length)
        if tag == 0x02 and loop.data[at : at + 4] == b"CUEI":
            descriptor = _Bytes(loop.data, at, length)
            descriptor.skip(4)
            yield _segmentation(descriptor)


def _segmentation(descriptor: _Bytes) -> Segmentation:
    event = descriptor.number(4)
    if descriptor.number(1) & 0x80:
        return Segmentation(event=event, type=None, cancelled=True)
    flags = descriptor.number(1)
    if not flags & 0x80:
        descriptor.skip(6 * descriptor.number(1))  # components
    seconds = Decimal(descriptor.number(5)) / TICKS if flags & 0x40 else None
    descriptor.skip(1)  # type of the UPID
    descriptor.skip(descriptor.number(1))
    return Segmentation(event=event, type=descriptor.number(1), seconds=seconds)
