"""The part of CBOR (RFC 8949) that a token may be written in, read strictly.

Not by cbor2, which lets the last of two equal keys win, passes over what stands behind the item, and follows tags into
dates, big numbers, regular expressions and references; here none of these is read.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Collection
from dataclasses import dataclass

from edge.errors import TokenMalformed

MAX_DEPTH = 10

_SIMPLE: dict[int, bool | None] = {20: False, 21: True, 22: None, 23: None}  # 23: undefined
MAP_TAG = (
    259  # of a map that says it is one, as some JavaScript encoders write it: no more than that map
)
_FLOATS = {25: ">e", 26: ">f", 27: ">d"}
_UNSIGNED = {24: ">B", 25: ">H", 26: ">I", 27: ">Q"}
_LEAST = {24: 24, 25: 1 << 8, 26: 1 << 16, 27: 1 << 32}


@dataclass(frozen=True, slots=True)
class Tagged:
    """An item with a tag, one of those that were allowed."""

    tag: int
    value: object


def read(data: bytes, *, tags: Collection[int] = (), canonical: bool = False) -> object:
    """The one item that ``data`` is, or ``TokenMalformed``.

    Arrays are tuples. Keys of maps are integers, texts or arrays of these, each only once. Nothing is of indefinite
    length; a ``canonical`` item also has no length or number written longer than need be.
    """
    reader = _Reader(data, tags, canonical=canonical)
    try:
        item = reader.item(MAX_DEPTH)
    except (IndexError, struct.error, UnicodeDecodeError, OverflowError) as error:
        raise TokenMalformed from error
    if reader.at != len(data):
        raise TokenMalformed
    return item


class _Reader:
    __slots__ = ("_canonical", "_data", "_size", "_tags", "at")

    def __init__(self, data: bytes, tags: Collection[int], *, canonical: bool) -> None:
        self._data = data
        self._size = len(data)
        self._tags = tags
        self._canonical = canonical
        self.at = 0

    def item(self, depth: int) -> object:
        initial = self._data[self.at]
        self.at += 1
        if initial < 24:  # a small number, as most keys are
            return initial
        major, argument = initial >> 5, initial & 0x1F
        if major == 7:
            return self._simple(argument)
        if argument > 23:
            argument = self._argument(argument)
        if major == 0:
            return argument
        if major == 1:
            return -1 - argument
        if major < 4:
            end = self.at + argument
            if end > self._size:
                raise TokenMalformed
            found = self._data[self.at : end]
            self.at = end
            return found if major == 2 else found.decode()
        if depth == 0:
            raise TokenMalformed
        if major == 6:
            return self._tagged(argument, depth - 1)
        # Each item in it takes a byte at least, so that no length can promise more than there is.
        if argument > self._size:
            raise TokenMalformed
        if major == 5:
            return self._map(argument, depth - 1)
        return tuple([self.item(depth - 1) for _ in range(argument)])

    def _tagged(self, tag: int, depth: int) -> object:
        if tag not in self._tags:
            raise TokenMalformed
        value = self.item(depth)
        if tag != MAP_TAG:
            return Tagged(tag, value)
        if type(value) is not dict:
            raise TokenMalformed
        return value

    def _argument(self, info: int) -> int:
        if info > 27:  # RFC 8949 section 3: 28 to 30 are reserved, 31 is for indefinite lengths
            raise TokenMalformed
        (value,) = struct.unpack_from(_UNSIGNED[info], self._data, self.at)
        self.at += 1 << (info - 24)
        if self._canonical and value < _LEAST[info]:
            raise TokenMalformed
        return int(value)

    def _map(self, length: int, depth: int) -> dict[object, object]:
        found: dict[object, object] = {}
        for _ in range(length):
            key = self.item(depth)
            if (type(key) is not int and not _is_key(key)) or key in found:
                raise TokenMalformed
            found[key] = self.item(depth)
        return found

    def _simple(self, info: int) -> object:
        if info in _SIMPLE:
            return _SIMPLE[info]
        if info not in _FLOATS:
            raise TokenMalformed
        (value,) = struct.unpack_from(_FLOATS[info], self._data, self.at)
        self.at += 1 << (info - 24)
        if not math.isfinite(value):
            raise TokenMalformed
        return value


def _is_key(key: object) -> bool:
    if type(key) is tuple:
        return all(type(part) in (int, str) for part in key)
    return type(key) is str
