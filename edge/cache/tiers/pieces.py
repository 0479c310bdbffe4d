"""Bodies in pieces, so that a large one never has to be written at once."""

from __future__ import annotations

from collections.abc import Iterator


def pieces(view: bytes | bytearray | memoryview, size: int) -> Iterator[memoryview]:
    """``view`` from its start to its end in pieces of ``size`` bytes, the last one shorter; nothing is copied."""
    if size < 1:
        raise ValueError("a piece has at least one byte")
    whole = memoryview(view).cast("B")
    return (whole[at : at + size] for at in range(0, len(whole), size))
