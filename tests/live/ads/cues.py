"""Splice messages as an encoder sends them (ANSI/SCTE 35): one command, one descriptor."""

from __future__ import annotations

import base64

_TICKS = 90_000


def splice_insert(event: int, seconds: int) -> str:
    """Out of the network for so long and back by itself (section 9.7.3), in base64."""
    command = event.to_bytes(4, "big") + b"\x7f"
    command += b"\xff"  # out of network, a whole programme, with a duration, immediately
    command += ((1 << 39) | (0x3F << 33) | seconds * _TICKS).to_bytes(5, "big")
    command += (1).to_bytes(2, "big") + b"\x00\x00"
    return base64.b64encode(_section(5, command, b"")).decode()


def time_signal(event: int, kind: int, seconds: int | None = None) -> bytes:
    """A segmentation descriptor of some type (section 10.3.3) at a time that is not told."""
    body = b"CUEI" + event.to_bytes(4, "big") + b"\x7f"
    body += b"\xff" if seconds is not None else b"\xbf"  # a whole programme, no restrictions
    if seconds is not None:
        body += (seconds * _TICKS).to_bytes(5, "big")
    body += b"\x00\x00" + bytes([kind, 1, 1])
    return _section(6, b"\x7f", bytes([2, len(body)]) + body)


def _section(kind: int, command: bytes, descriptors: bytes) -> bytes:
    body = b"\x00\x00" + bytes(4) + b"\x00" + ((0xFFF << 12) | len(command)).to_bytes(3, "big")
    body += bytes([kind]) + command + len(descriptors).to_bytes(2, "big") + descriptors
    head = b"\xfc" + (0x3000 | len(body) + 4).to_bytes(2, "big")
    return head + body + _crc(head + body).to_bytes(4, "big")


def _crc(data: bytes) -> int:
    """CRC-32 of MPEG-2 sections (ISO/IEC 13818-1 annex A)."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1) ^ (0x04C11DB7 if value & 0x80000000 else 0)
        value &= 0xFFFFFFFF
    return value
