from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.cache.tiers.pieces import pieces


@given(st.binary(max_size=500), st.integers(1, 600))
def test_pieces_make_up_the_whole_and_are_as_long_as_asked(body: bytes, size: int) -> None:
    parts = list(pieces(body, size))
    assert b"".join(parts) == body
    assert all(len(part) == size for part in parts[:-1])
    assert all(0 < len(part) <= size for part in parts)


def test_pieces_are_views_of_the_same_memory() -> None:
    body = bytes(100)
    assert all(part.obj is body for part in pieces(memoryview(body), 30))


def test_a_piece_of_nothing_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="at least one byte"):
        pieces(b"abc", 0)
