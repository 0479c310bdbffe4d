from __future__ import annotations

import base64
import contextlib
import time

import cbor2
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.errors import NotAllowed, TokenExpired, TokenMalformed
from edge.tokens.cat.cbor import MAP_TAG, Tagged, read
from tests.edge.tokens.cat.minting import (
    NOW,
    asked,
    base64url,
    mac0,
    tokens_of,
    verifier,
)

SIGNER = verifier(renewal_key="HS256", audiences=["one", "cdn.example.com"])
GOOD = [*tokens_of("node_cat.json").values(), *tokens_of("akamai.json").values()]
RAW = [base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) for text in GOOD]

KEYS = st.one_of(st.integers(-(2**64), 2**64 - 1), st.sampled_from(range(330)), st.text(max_size=8))
ITEMS = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**64), 2**64 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=20),
        st.binary(max_size=40),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(KEYS, inner, max_size=4),
        st.builds(cbor2.CBORTag, st.sampled_from([52, 54]), inner),
    ),
    max_leaves=12,
)
CLAIM_NUMBERS = st.sampled_from([*range(1, 9), 282, *range(308, 326)])


def _tried(text: str) -> None:
    begun = time.process_time()
    SIGNER.may_be(text)
    try:
        grant = SIGNER.verify(text, now=NOW)
    except NotAllowed:
        pass
    else:
        grant.broken_rule(asked(address="192.0.2.1", headers={"a": "b"}))
        for rule in grant.rules:
            rule.to_json()
        with contextlib.suppress(NotAllowed):
            SIGNER.renewed(text, now=NOW)
    SIGNER.answer(text, TokenExpired(), now=NOW)
    assert time.process_time() - begun < 0.5


@given(st.text(max_size=300))
@example("A" * 5000)
@settings(deadline=None)
def test_any_text_is_a_token_or_is_refused(text: str) -> None:
    _tried(text)


@given(st.binary(max_size=3000))
@settings(deadline=None)
def test_any_bytes_are_a_token_or_are_refused(data: bytes) -> None:
    _tried(base64url(data))


@given(
    st.sampled_from(RAW),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(0, 3),
)
@settings(deadline=None, max_examples=300)
def test_a_changed_token_is_refused(raw: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    changed = bytearray(raw)
    for position, value in changes:
        changed[position % len(raw)] = value

    _tried(base64url(bytes(changed[: len(changed) - cut])))


@given(st.binary(max_size=400))
@settings(deadline=None, max_examples=300)
def test_any_signed_bytes_are_claims_or_are_refused(payload: bytes) -> None:
    _tried(base64url(mac0(payload)))


@given(st.dictionaries(CLAIM_NUMBERS, ITEMS, max_size=6))
@settings(deadline=None, max_examples=200)
def test_any_signed_claims_are_understood_or_refused(claims: dict[int, object]) -> None:
    _tried(base64url(mac0({4: NOW + 60} | claims)))


@given(st.sampled_from([282, *range(308, 324)]), ITEMS)
@settings(deadline=None, max_examples=200)
def test_any_value_of_one_claim_is_understood_or_refused(claim: int, value: object) -> None:
    _tried(base64url(mac0({4: NOW + 60, claim: value})))


def _plain(value: object) -> object:
    if isinstance(value, cbor2.CBORTag):
        return Tagged(value.tag, _plain(value.value))
    if isinstance(value, list):
        return tuple(_plain(item) for item in value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


@given(item=ITEMS, canonical=st.booleans())
@settings(deadline=None)
def test_what_is_written_by_another_library_is_read_alike(*, item: object, canonical: bool) -> None:
    data = cbor2.dumps(item)
    try:
        found = read(data, tags=(52, 54, MAP_TAG), canonical=canonical)
    except TokenMalformed:
        assert _depth(item) > 9
    else:
        assert found == _plain(item)


def _depth(value: object) -> int:
    if isinstance(value, cbor2.CBORTag):
        return 1 + _depth(value.value)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 0
