"""What is worth keeping of versions that are over, within a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, Protocol, TypeVar


class _Sized(Protocol):
    @property
    def size_bytes(self) -> int: ...


V = TypeVar("V", bound=_Sized)


class Kept(Generic[V]):
    """Values by key; those that were put longest ago make room."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._values: OrderedDict[object, V] = OrderedDict()
        self._bytes = 0

    def get(self, key: object) -> V | None:
        """What is kept under a key."""
        return self._values.get(key)

    def pop(self, key: object) -> V | None:
        """The same, which is not kept any longer."""
        value = self._values.pop(key, None)
        self._bytes -= 0 if value is None else value.size_bytes
        return value

    def put(self, key: object, value: V) -> None:
        """Keep a value in the place of what was there."""
        old = self._values.pop(key, None)
        self._bytes += value.size_bytes - (0 if old is None else old.size_bytes)
        self._values[key] = value
        while self._bytes > self._max_bytes:
            _, gone = self._values.popitem(last=False)
            self._bytes -= gone.size_bytes
