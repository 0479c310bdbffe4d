"""What goes over the line between a worker and its parent's registry: a length, then one message in MessagePack."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping

import msgspec

from config.contracts.sessions import Playing, SessionStart, StopReason
from edge.sessions.registry import Report

MOST_BYTES = 8 * 2**20
_LENGTH = struct.Struct("!I")


class Open(msgspec.Struct, array_like=True, tag=True, frozen=True):
    """``Registry.open``."""

    number: int  # which the answer repeats
    start: SessionStart
    joins: bool


class Tell(msgspec.Struct, array_like=True, tag=True, frozen=True):
    """``Registry.tell``."""

    number: int
    worker: str
    reports: list[Report]


class Stop(msgspec.Struct, array_like=True, tag=True, frozen=True):
    """``Registry.stop``."""

    number: int
    session: str


class Done(msgspec.Struct, array_like=True, tag=True, frozen=True):
    """It was done."""

    number: int


class Refused(msgspec.Struct, array_like=True, tag=True, frozen=True):
    """A ``StreamRefused`` with this code."""

    number: int
    code: str
    playing: tuple[Playing, ...]


class Told(msgspec.Struct, array_like=True, tag=True, frozen=True):
    """An ``Answer``."""

    number: int
    unknown: tuple[str, ...]
    forgotten: tuple[str, ...]
    ended: Mapping[str, StopReason]
    caps: Mapping[str, int | None]


class Failed(msgspec.Struct, array_like=True, tag=True, frozen=True):
    """The registry could not do it; its log says why."""

    number: int


Question = Open | Tell | Stop
Reply = Done | Refused | Told | Failed

encoder = msgspec.msgpack.Encoder()
questions: msgspec.msgpack.Decoder[Question] = msgspec.msgpack.Decoder(Question)
replies: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


class BadFrame(ConnectionError):
    """The other end does not keep to the form: the connection is of no use."""


def framed(message: Question | Reply) -> bytes:
    """The message as it is sent."""
    body = encoder.encode(message)
    if len(body) > MOST_BYTES:
        raise BadFrame("a message is too long")
    return _LENGTH.pack(len(body)) + body


async def next_frame(reader: asyncio.StreamReader) -> bytes | None:
    """The next message, undecoded; ``None`` at the end of the connection."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > MOST_BYTES:
            raise BadFrame("a message is too long")
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError:
        return None
