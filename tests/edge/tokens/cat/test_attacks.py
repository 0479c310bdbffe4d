from __future__ import annotations

import base64
import time
from typing import Any

import cbor2
import pytest

from edge.errors import EdgeError
from edge.tokens.cat.cose import opened
from tests.edge.tokens.cat.minting import (
    EC,
    NOW,
    SECRET,
    base64url,
    by_cwt,
    jwks,
    mac0,
    token,
    tokens_of,
    verifier,
)

GOOD = token({2: "somebody"})
EXP = b"\x1a" + (NOW + 600).to_bytes(4)


def _code(text: str, **settings: Any) -> str:
    signer = verifier(**settings)
    begun = time.process_time()
    try:
        signer.verify(text, now=NOW)
    except EdgeError as error:
        return error.code
    finally:
        assert time.process_time() - begun < 0.5
    return "ok"


def _made(*parts: Any, tags: tuple[int, ...] = (17, 61)) -> str:
    item: object = list(parts)
    for number in tags:
        item = cbor2.CBORTag(number, item)
    return base64url(cbor2.dumps(item))


def _nested(item: bytes, opening: bytes, depth: int) -> bytes:
    return opening * depth + item


@pytest.mark.parametrize(
    ("protected", "code"),
    [
        pytest.param({}, "token-malformed", id="no algorithm"),
        pytest.param(b"", "token-malformed", id="no header"),
        pytest.param({1: None}, "token-malformed", id="null"),
        pytest.param({1: 0}, "token-bad-signature", id="a reserved one"),
        pytest.param({1: "none"}, "token-malformed", id="none"),
        pytest.param({1: "HS256"}, "token-malformed", id="a name"),
        pytest.param({1: 4}, "token-bad-signature", id="HMAC cut to 64 bits"),
        pytest.param({1: 6}, "token-bad-signature", id="HMAC with SHA-384"),
        pytest.param({1: -7}, "token-bad-signature", id="ES256"),
        pytest.param({1: True}, "token-malformed", id="true"),
        pytest.param({1: 5.0}, "token-malformed", id="a fraction"),
        pytest.param({1: 5, 2: [99], 99: 1}, "token-unsupported", id="critical, not known"),
        pytest.param({1: 5, 2: ["jku"], "jku": 1}, "token-unsupported", id="critical by name"),
        pytest.param({1: 5, 2: [4]}, "token-unsupported", id="critical, not there"),
        pytest.param({1: 5, 2: [{}]}, "token-unsupported", id="critical, a map"),
        pytest.param({1: 5, 2: []}, "token-malformed", id="nothing critical"),
        pytest.param({1: 5, 2: 1}, "token-malformed", id="critical, no array"),
        pytest.param({1: 5, 2: [1]}, "ok", id="critical, and understood"),
        pytest.param({1: 5, 16: "application/cwt", 3: 61}, "ok", id="types"),
        pytest.param({1: 5, 35: "https://evil.example/key"}, "ok", id="x5u is not followed"),
        pytest.param(b"\xa2\x01\x04\x01\x05", "token-malformed", id="an algorithm twice"),
        pytest.param(b"\xa1\x01\x05\x00", "token-malformed", id="something behind it"),
        pytest.param(b"\xbf\x01\x05\xff", "token-malformed", id="indefinite length"),
        pytest.param(b"\x81\x05", "token-malformed", id="an array"),
    ],
)
def test_protected_header(protected: Any, code: str) -> None:
    assert _code(token(protected=protected)) == code


@pytest.mark.parametrize(
    ("unprotected", "code"),
    [
        pytest.param({}, "token-unknown-key", id="no key"),
        pytest.param({4: b"nobody"}, "token-unknown-key", id="an unknown key"),
        pytest.param({4: b"ES256"}, "token-bad-signature", id="a public key as a secret"),
        pytest.param({4: b"../../etc/passwd"}, "token-malformed", id="a path"),
        pytest.param({4: b"' or 1=1 --"}, "token-malformed", id="a query"),
        pytest.param({4: b"HS256\0"}, "token-malformed", id="a NUL"),
        pytest.param({4: b"HS256\n"}, "token-malformed", id="a line feed"),
        pytest.param({4: "ＨＳ２５６"}, "token-malformed", id="letters that look like it"),
        pytest.param({4: b"\xff\xfe"}, "token-malformed", id="no text"),
        pytest.param({4: b""}, "token-malformed", id="empty"),
        pytest.param({4: b"k" * 65}, "token-malformed", id="long"),
        pytest.param({4: 5}, "token-malformed", id="a number"),
        pytest.param({4: [b"HS256"]}, "token-malformed", id="an array"),
        pytest.param({4: None}, "token-malformed", id="null"),
        pytest.param({4: "HS256"}, "token-malformed", id="a text"),
        pytest.param({4: b"HS256", 1: 5}, "token-malformed", id="an algorithm that is not signed"),
        pytest.param({4: b"HS256", 2: [99]}, "token-malformed", id="crit that is not signed"),
        pytest.param({4: b"HS256", 99: 1}, "token-malformed", id="something else"),
    ],
)
def test_unprotected_header(unprotected: Any, code: str) -> None:
    assert _code(token(unprotected=unprotected)) == code


def test_a_key_that_is_named_twice_is_refused() -> None:
    both = token(protected={1: 5, 4: b"HS256"}, unprotected={4: b"HS256"})

    assert _code(token(protected={1: 5, 4: b"HS256"}, unprotected={})) == "ok"
    assert _code(token(protected={1: 5, 4: "HS256"}, unprotected={})) == "ok"
    assert _code(both) == "token-malformed"


def test_a_token_that_names_no_key_has_the_default_one() -> None:
    text = token(unprotected={})

    assert _code(text, default_key="HS256") == "ok"
    assert _code(text, default_key="ES256") == "token-bad-signature"
    assert _code(text, default_key="nobody") == "token-unknown-key"


@pytest.mark.parametrize("secret", ["x", "y"])
def test_a_public_key_is_no_secret(secret: str) -> None:
    forged = token(unprotected={4: b"ES256"}, key=bytes.fromhex(EC[secret]))
    with_its_algorithm = token(
        protected={1: -7}, unprotected={4: b"ES256"}, key=bytes.fromhex(EC[secret])
    )

    assert _code(forged) == "token-bad-signature"
    assert (
        _code(
            with_its_algorithm,
        )
        == "token-bad-signature"
    )


def test_algorithms_are_not_exchanged() -> None:
    claims = {4: NOW + 60}
    for algorithm in ("HS256", "ES256", "EdDSA", "PS256"):
        for name in jwks():
            if jwks()[name]["alg"] == algorithm:
                continue
            data = opened(by_cwt(algorithm, claims))
            renamed = _made(
                data.protected,
                {4: name.encode()},
                data.payload,
                data.signature,
                tags=(17 if algorithm == "HS256" else 18, 61),
            )
            assert _code(renamed) == "token-bad-signature"


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"\xa2\x04\x1a\x00\x00\x00\x00\x04" + EXP, id="exp twice"),
        pytest.param(b"\xa2\x04" + EXP + b"\x18\x04" + EXP, id="exp twice, once written longer"),
        pytest.param(b"\xa1\x04" + EXP + b"\x00", id="something behind it"),
        pytest.param(b"\xbf\x04" + EXP + b"\xff", id="indefinite map"),
        pytest.param(b"\xa2\x04" + EXP + b"\x02\x7f\x61a\xff", id="indefinite text"),
        pytest.param(b"\xa2\x04" + EXP + b"\x03\x9f\xff", id="indefinite array"),
        pytest.param(b"\xa2\x04" + EXP + b"\x02\x62\xff\xfe", id="no UTF-8"),
        pytest.param(b"\xa2\x04" + EXP + b"\x02", id="cut short"),
        pytest.param(b"\xa2\x04" + EXP + b"\x02\x7b" + b"\xff" * 8, id="a text of 16 exabytes"),
        pytest.param(b"\xbb" + b"\xff" * 8, id="a map of 16 exa entries"),
        pytest.param(b"\xa2\x04" + EXP + b"\x03\x9a\x00\xff\xff\xff\x00", id="a huge array"),
        pytest.param(b"\xa1\x04\xc2\x58\x20" + b"\xff" * 32, id="a big number"),
        pytest.param(b"\xa1\x04\xf9\x7e\x00", id="not a number"),
        pytest.param(b"\xa1\x04\xf9\x7c\x00", id="infinity"),
        pytest.param(b"\xa2\x04" + EXP + b"\xf5\x01", id="true as a key"),
        pytest.param(b"\xa2\x04" + EXP + b"\x41\x01\x01", id="bytes as a key"),
        pytest.param(b"\xa2\x04" + EXP + b"\xf9\x44\x00\x01", id="a fraction as a key"),
        pytest.param(b"\xa2\x04" + EXP + b"\xa0\x01", id="a map as a key"),
        pytest.param(b"\xa2\x04" + EXP + b"\x02\xd8\x1c\x80", id="a shared value"),
        pytest.param(b"\xa2\x04" + EXP + b"\x02\xd8\x1d\x00", id="a reference"),
        pytest.param(b"\xa2\x04" + EXP + b"\x02\xd8\x23\x61(", id="a tagged regular expression"),
        pytest.param(b"\xa2\x04" + EXP + b"\x02\xf8\x18", id="a simple value"),
        pytest.param(b"\xa2\x04" + EXP + b"\x02\x1c", id="a reserved length"),
        pytest.param(b"\xd9\xd9\xf7\xa1\x04" + EXP, id="a tag that says it is CBOR"),
        pytest.param(b"\x81\x04", id="an array"),
        pytest.param(b"\x04", id="a number"),
        pytest.param(b"", id="nothing"),
        pytest.param(
            b"\xa2\x04" + EXP + b"\x19\x01\x40" + _nested(b"\x01", b"\x81", 2000), id="deep"
        ),
        pytest.param(
            b"\xa2\x04" + EXP + b"\x19\x01\x40" + _nested(b"\xa0", b"\xd9\x01\x03", 900), id="tags"
        ),
        pytest.param(b"\xa1\x04" * 1000 + EXP, id="maps in maps"),
        pytest.param(
            b"\xa2\x04" + EXP + b"\x19\x01\x37" + b"\x81\xd8\x34" * 600 + b"\x41\x01",
            id="addresses in addresses",
        ),
    ],
)
def test_claims_that_cannot_be_read_are_refused_though_they_are_signed(payload: bytes) -> None:
    assert _code(base64url(mac0(payload))) == "token-bad-claims"


def test_maps_that_say_they_are_maps_are_read() -> None:
    assert _code(base64url(mac0(b"\xd9\x01\x03\xa1\x04" + EXP))) == "ok"
    assert _code(base64url(mac0(b"\xb9\x00\x01\x04" + EXP))) == "ok"  # a length longer than need be
    assert _code(base64url(mac0(b"\xd9\x01\x03\x81\x04"))) == "token-bad-claims"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("A", id="a letter"),
        pytest.param(GOOD + "=", id="padding"),
        pytest.param(GOOD + "==", id="more padding"),
        pytest.param(GOOD + "AA", id="something behind it"),
        pytest.param(GOOD + "\n", id="a line feed behind it"),
        pytest.param(" " + GOOD, id="a space before it"),
        pytest.param(GOOD.replace("-", "+").replace("_", "/") + "+", id="the other alphabet"),
        pytest.param(GOOD[:-4], id="cut short"),
        pytest.param(GOOD + "\u212a", id="beyond ASCII"),
        pytest.param("A" * 4097, id="long"),
        pytest.param("A" * 4096, id="as long as may be"),
        pytest.param("f39_" * 1024, id="deep arrays"),
        pytest.param(base64url(b"\x81" * 3000), id="deeper arrays"),
        pytest.param(base64url(b"\xd8\x3d" * 1500), id="tags in tags"),
        pytest.param(base64url(b"\x84" + b"\xff" * 100), id="breaks"),
        pytest.param(base64url(b"\xd8\x3d\xd1\x9f" + b"\x40" * 100 + b"\xff"), id="indefinite"),
        pytest.param(_made(b"\xa1\x01\x05", {4: b"HS256"}, None, bytes(32)), id="no payload"),
        pytest.param(_made(b"\xa1\x01\x05", {4: b"HS256"}, b"\xa0"), id="three parts"),
        pytest.param(_made(b"\xa1\x01\x05", {4: b"HS256"}, b"\xa0", b"", b""), id="five parts"),
        pytest.param(_made({1: 5}, {4: b"HS256"}, b"\xa0", bytes(32)), id="a header not wrapped"),
        pytest.param(_made(b"\xa1\x01\x05", [4, b"HS256"], b"\xa0", bytes(32)), id="no map"),
        pytest.param(_made(b"\xa1\x01\x05", {4: b"HS256"}, "a0", bytes(32)), id="a text"),
        pytest.param(_made(b"\xa1\x01\x05", {4: b"HS256"}, b"\xa0", "0" * 32), id="a text as MAC"),
    ],
)
def test_what_is_no_token(text: str) -> None:
    assert _code(text) == "token-malformed"
    assert not verifier().may_be(text)


def test_no_second_spelling_of_base64_is_taken() -> None:
    spare = {0: "", 2: "BCDEFGHIJKLMNOP", 3: "BCD"}[len(GOOD) % 4]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for offset in range(1, len(spare) + 1):
        other = alphabet[(alphabet.index(GOOD[-1]) + offset) % 64]
        assert _code(GOOD[:-1] + other) in ("token-malformed", "token-bad-signature")


@pytest.mark.parametrize(
    ("change", "to"),
    [
        pytest.param(b"\xd8\x3d\xd1", b"\xd9\x00\x3d\xd1", id="a tag"),
        pytest.param(b"\xd1\x84", b"\xd8\x11\x84", id="another tag"),
        pytest.param(b"\xd1\x84", b"\xd1\x98\x04", id="the array"),
        pytest.param(b"\x43\xa1\x01\x05", b"\x58\x03\xa1\x01\x05", id="the header"),
        pytest.param(b"\xa1\x04\x45", b"\xb8\x01\x04\x45", id="the other header"),
        pytest.param(b"\xa1\x04\x45", b"\xa1\x18\x04\x45", id="a key in it"),
        pytest.param(b"\x58\x20", b"\x59\x00\x20", id="the MAC"),
    ],
)
def test_no_length_may_be_written_longer_outside_of_what_is_signed(
    change: bytes, to: bytes
) -> None:
    good = mac0({4: NOW + 600})
    assert _code(base64url(good)) == "ok"
    assert good.count(change) == 1

    assert _code(base64url(good.replace(change, to))) == "token-malformed"


@pytest.mark.parametrize("length", [0, 8, 16, 31, 33, 64])
def test_a_mac_of_another_length_is_refused(length: int) -> None:
    data = opened(GOOD)
    tag = (data.signature + data.signature)[:length]

    text = _made(data.protected, {4: b"HS256"}, data.payload, tag)

    assert _code(text) == "token-bad-signature"


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "PS256"])
@pytest.mark.parametrize("length", [0, 32, 63, 65, 72, 128])
def test_a_signature_of_another_length_is_refused(algorithm: str, length: int) -> None:
    data = opened(by_cwt(algorithm, {4: NOW + 60}))
    signature = (data.signature * 3)[:length]

    text = _made(data.protected, {4: algorithm.encode()}, data.payload, signature, tags=(18, 61))

    assert _code(text) == "token-bad-signature"


def test_r_and_s_that_are_zero_are_refused() -> None:
    data = opened(by_cwt("ES256", {4: NOW + 60}))

    text = _made(data.protected, {4: b"ES256"}, data.payload, bytes(64), tags=(18, 61))

    assert _code(text) == "token-bad-signature"


@pytest.mark.parametrize("name", ["plain", "catu"])
def test_every_changed_bit_is_noticed(name: str) -> None:
    good = tokens_of("node_cat.json")[name]
    raw = bytearray(base64.urlsafe_b64decode(good + "=" * (-len(good) % 4)))
    for position in range(len(raw)):
        for bit in range(8):
            changed = raw.copy()
            changed[position] ^= 1 << bit
            assert _code(base64url(bytes(changed))) != "ok"


def test_no_message_shows_the_token_or_the_key() -> None:
    for text in (GOOD + "AA", token(key=bytes(32)), token({999: "secret-claim"}), token({4: "x"})):
        with pytest.raises(EdgeError) as caught:
            verifier().verify(text, now=NOW)
        message = str(caught.value)
        assert text not in message
        assert SECRET.hex() not in message
        assert "secret-claim" not in message


def test_a_key_that_is_not_known_is_named_so_that_it_can_be_looked_for() -> None:
    with pytest.raises(EdgeError) as caught:
        verifier().verify(token(unprotected={4: b"tomorrow"}), now=NOW)

    assert getattr(caught.value, "key_id", "") == "tomorrow"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(GOOD, True, id="a good one"),
        pytest.param(token(key=bytes(32)), True, id="a forged one"),
        pytest.param(token(unprotected={4: b"tomorrow"}), True, id="of a key to come"),
        pytest.param(token(unprotected={}), False, id="of no key"),
        pytest.param("eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.c2lnbmF0dXJl", False, id="a JWT"),
    ],
)
def test_whose_a_token_could_be(text: str, *, expected: bool) -> None:
    assert verifier().may_be(text) is expected


def test_what_was_asked_about_is_verified_all_the_same() -> None:
    signer = verifier()
    forged = token(key=bytes(32))

    assert signer.may_be(forged)
    with pytest.raises(EdgeError):
        signer.verify(forged, now=NOW)
    assert signer.may_be(forged)
    assert signer.verify(GOOD, now=NOW).subject == "somebody"
