"""A sequence whose items are worked out when somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, overload

T = TypeVar("T")


class Lazy(Sequence[T]):
    """``length`` items, one by one from ``item`` or, when all are wanted, from ``every`` at once."""

    __slots__ = ("_every", "_item", "_length")

    def __init__(
        self, length: int, item: Callable[[int], T], every: Callable[[], Sequence[T]] | None = None
    ) -> None:
        self._length = length
        self._item = item
        self._every = every

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, position: int) -> T: ...

    @overload
    def __getitem__(self, position: slice) -> Sequence[T]: ...

    def __getitem__(self, position: int | slice) -> T | Sequence[T]:
        if isinstance(position, slice):
            return [self._item(place) for place in range(*position.indices(self._length))]
        if not -self._length <= position < self._length:
            raise IndexError(position)
        return self._item(position + self._length if position < 0 else position)

    def __iter__(self) -> Iterator[T]:
        if self._every is not None:
            return iter(self._every())
        return map(self._item, range(self._length))
