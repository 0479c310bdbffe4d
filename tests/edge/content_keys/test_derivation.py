from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from config.contracts.content_keys import BadKeyId, KeyId
from config.runtime.content_keys import content_key, content_kid, number_of_kid
from tests.edge.content_keys.hkdf import expected_key, expected_kid, hkdf

MASTER = bytes(range(32))
OTHER = bytes(32)

# RFC 5869 appendix A.1 to A.3: secret, salt, info, length, output.
RFC_5869 = [
    (
        "0b" * 22,
        "000102030405060708090a0b0c",
        "f0f1f2f3f4f5f6f7f8f9",
        42,
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    (
        bytes(range(0x50)).hex(),
        bytes(range(0x60, 0xB0)).hex(),
        bytes(range(0xB0, 0x100)).hex(),
        82,
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
        "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
    ),
    (
        "0b" * 22,
        "",
        "",
        42,
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
]


@pytest.mark.parametrize(("secret", "salt", "info", "length", "output"), RFC_5869)
def test_the_primitive_and_its_second_writing_agree_with_rfc_5869(
    secret: str, salt: str, info: str, length: int, output: str
) -> None:
    parts = [bytes.fromhex(part) for part in (secret, salt, info)]
    library = HKDF(algorithm=SHA256(), length=length, salt=parts[1] or None, info=parts[2])

    assert library.derive(parts[0]).hex() == output
    assert hkdf(parts[0], salt=parts[1], info=parts[2], length=length).hex() == output


titles = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)


@given(st.binary(min_size=32, max_size=64), titles, titles)
def test_a_key_is_what_anybody_computes_from_the_documented_info(
    master: bytes, title: str, key_id: str
) -> None:
    assert content_key(master, title=title, key_id=key_id) == expected_key(master, title, key_id)


def test_keys_stay_what_they_are() -> None:
    # A change of any of these would make every encrypted title unplayable.
    kid = content_kid(MASTER, title="a/b", key_id=KeyId("m1", 7))
    assert (
        content_key(MASTER, title="a/b", key_id="m1.7").hex() == "45036be290ddf83af682eb3d09cfd999"
    )
    assert kid.hex() == "ccf9c5d0d017dab988c93a6c00000007"
    assert kid == expected_kid(MASTER, "a/b", "m1", 7)


def test_every_part_makes_another_key() -> None:
    made = {
        content_key(master, title=title, key_id=key_id)
        for master in (MASTER, OTHER)
        for title in ("a", "a/b", "")
        for key_id in ("m1.0", "m1.1", "b/m1.0", "m1.00")
    }
    assert len(made) == 24


def test_a_part_cannot_reach_into_the_next() -> None:
    with pytest.raises(ValueError, match="NUL"):
        content_key(MASTER, title="a\0b", key_id="m1.0")
    with pytest.raises(ValueError, match="NUL"):
        content_key(MASTER, title="a", key_id="b\0m1.0")


@given(st.integers(0, 2**32 - 1))
def test_a_kid_tells_its_number_to_its_own_master_and_title_alone(number: int) -> None:
    kid = content_kid(MASTER, title="a", key_id=KeyId("m1", number))

    def told(master: bytes = MASTER, title: str = "a", name: str = "m1") -> int | None:
        return number_of_kid(master, title=title, master_id=name, kid=kid)

    assert told() == number
    assert told(OTHER) is told(title="b") is told(name="m2") is None


@pytest.mark.parametrize("kid", [b"", bytes(15), bytes(16), bytes(17)], ids=len)
def test_other_bytes_are_nobodys_kid(kid: bytes) -> None:
    assert number_of_kid(MASTER, title="a", master_id="m1", kid=kid) is None


@pytest.mark.parametrize("text", ["m1.0", "a.4294967295", "0-a.10"])
def test_a_key_id_has_one_spelling(text: str) -> None:
    assert str(KeyId.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m1",
        "m1.",
        ".1",
        "m1.01",
        "m1.-1",
        "m1.+1",
        "m1.4294967296",
        "M1.0",
        "m1.0\n",
        "m1.١",
        "-a.1",
        "m1.0.0",
        "m_1.0",
        "a" * 17 + ".0",
        "m1.1e3",
        "m1. 1",
    ],
)
def test_nothing_else_is_a_key_id(text: str) -> None:
    with pytest.raises(BadKeyId):
        KeyId.parse(text)
