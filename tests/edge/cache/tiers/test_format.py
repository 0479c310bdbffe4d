from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from edge.cache.tiers.format import (
    BLOCK_BYTES,
    MOST_META_BYTES,
    PREAMBLE_BYTES,
    STATE_AT,
    Damaged,
    Head,
    encode_head,
)
from tests.edge.cache.tiers.things import body_of


def parse(data: bytes) -> Head:
    """The head of a whole file, its body checked."""
    head = Head.parse(data, file_bytes=len(data))
    head.check(memoryview(data)[head.preamble.body_at :])
    return head


@given(
    st.text(),
    st.binary(max_size=2000),
    st.lists(st.text(max_size=20), max_size=10).map(tuple),
    st.binary(max_size=2000),
    st.integers(0, 2**64 - 1),
)
def test_what_was_encoded_is_read_again(
    key: str, head: bytes, tags: tuple[str, ...], body: bytes, stamp: int
) -> None:
    data = encode_head(key, head, tags, body, stamp=stamp) + body
    found = parse(data)
    assert (found.key, found.head, found.tags) == (key, head, tags)
    assert (found.preamble.stamp, found.preamble.fresh) == (stamp, True)
    assert data[found.preamble.body_at :] == body


def test_a_lone_surrogate_in_a_key_is_kept() -> None:
    assert parse(encode_head("a\udc80", b"", (), b"", stamp=1)).key == "a\udc80"


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1])
def test_each_block_of_a_body_has_its_checksum(size: int) -> None:
    body = body_of(1, size)
    head = parse(encode_head("k", b"", (), body, stamp=1) + body)
    assert len(head.sums) == (size + BLOCK_BYTES - 1) // BLOCK_BYTES


def test_every_flipped_bit_is_noticed_or_asks_for_validation() -> None:
    body = body_of(2, 40)
    data = encode_head("key", b"head", ("tag",), body, stamp=5) + body
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        if bit // 8 == STATE_AT:
            assert not parse(bytes(flipped)).preamble.fresh
        else:
            with pytest.raises(Damaged):
                parse(bytes(flipped))


def test_every_shortened_or_lengthened_file_is_damaged() -> None:
    body = body_of(3, 40)
    data = encode_head("key", b"head", ("tag",), body, stamp=5) + body
    for length in range(len(data)):
        with pytest.raises(Damaged):
            parse(data[:length])
    with pytest.raises(Damaged):
        parse(data + b"\0")


@given(st.binary(max_size=300))
def test_garbage_is_damaged(data: bytes) -> None:
    with pytest.raises(Damaged):
        parse(data)


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_meta_data_that_are_well_summed_but_senseless_are_damaged(meta: bytes, body: bytes) -> None:
    # As a file of another program with our magic would be: nothing but our own error may come out of it.
    rest = struct.pack("<IQQ", len(meta), len(body), 1) + meta
    data = b"KAWAOBJ\x01F" + struct.pack("<Q", xxh3_64_intdigest(rest)) + rest + body
    try:
        head = Head.parse(data, file_bytes=len(data))
    except Damaged:
        return
    assert len(head.sums) == (1 if body else 0)


def test_a_head_that_would_not_be_read_again_is_not_written() -> None:
    with pytest.raises(ValueError, match="too long"):
        encode_head("k", b"x" * MOST_META_BYTES, (), b"", stamp=1)


def test_the_preamble_claims_no_absurd_lengths() -> None:
    data = bytearray(encode_head("k", b"", (), b"", stamp=1))
    data[17:21] = b"\xff\xff\xff\xff"
    with pytest.raises(Damaged, match="too long"):
        Head.parse(bytes(data), file_bytes=len(data))
    assert len(data) > PREAMBLE_BYTES
