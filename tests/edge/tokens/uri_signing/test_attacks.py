from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OctKey

from config.contracts.tokens import MAX_TOKEN_CHARS
from edge.errors import NotAllowed
from edge.tokens.strict import to_base64url
from tests.edge.tokens.uri_signing.support import (
    KEYS,
    NOW,
    SIGNING,
    claims,
    encrypted,
    mint,
    verifier,
)

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
VERIFIER = verifier(renewal_key="ed", jwt_header=to_base64url(b'{"alg":"HS256","kid":"hs"}'))
GOOD = mint()
HEADER, PAYLOAD, SIGNATURE = GOOD.split(".")


def part(value: Any) -> str:
    return to_base64url(json.dumps(value).encode())


def with_header(**members: Any) -> str:
    return f"{part({'alg': 'ES256', 'kid': 'es', **members})}.{PAYLOAD}.{SIGNATURE}"


def hmac_with_public_key(encoding: Encoding, form: PublicFormat) -> str:
    public = KEYS.keys["es"].verifying.public_bytes(encoding, form)
    key = OctKey.import_key(base64.b64encode(public) if encoding is Encoding.DER else public.hex())
    return jws.serialize_compact({"alg": "HS256", "kid": "es"}, json.dumps(claims()), key)


def doubled(name: str) -> bytes:
    return json.dumps(claims()).encode()[:-1] + f', "{name}": 9999999999}}'.encode()


ATTACKS = {
    "nothing": "",
    "a dot": ".",
    "no signature": f"{HEADER}.{PAYLOAD}.",
    "no payload": f"{HEADER}..{SIGNATURE}",
    "alg none": f"{part({'alg': 'none', 'kid': 'es'})}.{PAYLOAD}.{SIGNATURE}",
    "alg None without signature": f"{part({'alg': 'None', 'kid': 'es'})}.{PAYLOAD}.",
    "alg of another kind": with_header(alg="HS256"),
    "alg missing": f"{part({'kid': 'es'})}.{PAYLOAD}.{SIGNATURE}",
    "alg a list": with_header(alg=["ES256"]),
    "alg in lower case": with_header(alg="es256"),
    "public key as secret": hmac_with_public_key(Encoding.X962, PublicFormat.UncompressedPoint),
    "public key's PEM as secret": hmac_with_public_key(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    ),
    "kid a path": mint(kid="../../dev/null"),
    "kid a statement": mint(kid="x' UNION SELECT 'secret"),
    "kid a number": mint(kid=5),
    "kid empty": mint(kid=""),
    "kid of another key": mint(kid="ed"),
    "kid of a content key": mint(key_id="hs", kid="enc"),
    "kid unknown": mint(kid="unknown"),
    "crit": mint(crit=["exp"], exp=1),
    "crit empty": mint(crit=[]),
    "b64 false": mint(b64=False),
    "nested": mint(GOOD.encode(), cty="JWT"),
    "nested, its type spelt out": mint(cty="application/JWT"),
    "encrypted as a whole": encrypted(json.dumps(claims())),
    "signed, then encrypted": encrypted(GOOD, cty="JWT"),
    "exp twice": mint(doubled("exp")),
    "cdniuc twice": mint(doubled("cdniuc")),
    "header's alg twice": to_base64url(b'{"alg":"ES256","kid":"es","alg":"ES256"}')
    + f".{PAYLOAD}.{SIGNATURE}",
    "exp NaN": mint(b'{"exp":NaN,"cdniuc":"regex:.*"}'),
    "exp Infinity": mint(b'{"exp":Infinity,"cdniuc":"regex:.*"}'),
    "exp 1e999": mint(b'{"exp":1e999,"cdniuc":"regex:.*"}'),
    "exp of 5000 digits": mint(b'{"exp":' + b"9" * 2000 + b',"cdniuc":"regex:.*"}'),
    "cdniets 1e999": mint(b'{"exp":1700000600,"cdniuc":"regex:.*","cdnistt":1,"cdniets":1e999}'),
    "a list of claims": mint(b'[{"exp":1700000600}]'),
    "no JSON": mint(b"{"),
    "deep": mint(b'{"exp":1700000600,"cdniuc":"regex:.*","a":' + b"[" * 900 + b"]" * 900 + b"}"),
    "huge": mint(claims(padding="a" * MAX_TOKEN_CHARS)),
    "padded": GOOD + "=",
    "padded inside": f"{HEADER}=.{PAYLOAD}.{SIGNATURE}",
    "with a line end": GOOD + "\n",
    "with a space": " " + GOOD,
    "other alphabet": f"{HEADER}.{PAYLOAD}.{'+' + SIGNATURE[1:]}",
    "four parts": GOOD + ".AAAA",
    "signature cut short": GOOD[:-2],
    "signature made longer": GOOD + "AA",
    "two signatures": GOOD + SIGNATURE,
    "signature in DER": f"{HEADER}.{PAYLOAD}."
    + to_base64url(
        encode_dss_signature(
            *(
                int.from_bytes(base64.urlsafe_b64decode(SIGNATURE + "==")[at : at + 32], "big")
                for at in (0, 32)
            )
        )
    ),
    "signature of noughts": f"{HEADER}.{PAYLOAD}.{to_base64url(bytes(64))}",
    "payload of another": f"{HEADER}.{part(claims(exp=int(NOW) + 1200))}.{SIGNATURE}",
    "header of another": with_header(typ="JWT"),
    "not ASCII": GOOD + "é",
    "a NUL": GOOD + "\0",
    "digits of another script": "\u0661" + GOOD[1:],
    "JSON serialization": json.dumps(
        {"protected": HEADER, "payload": PAYLOAD, "signature": SIGNATURE}
    ),
    "only blanks": " . . ",
}


@pytest.mark.parametrize("token", ATTACKS.values(), ids=ATTACKS.keys())
def test_attacks_are_refused(token: str) -> None:
    with pytest.raises(NotAllowed):
        VERIFIER.verify(token, now=NOW)
    with pytest.raises(NotAllowed):
        VERIFIER.renewed(token, now=NOW)
    assert VERIFIER.may_be(token) in (True, False)


@pytest.mark.parametrize("member", ["jku", "x5u", "jwk", "x5c"])
def test_keys_that_a_token_brings_are_not_looked_at(member: str) -> None:
    stranger = {name: value for name, value in SIGNING["ed"].items() if name != "d"}
    known: dict[str, Any] = {"jwk": stranger, "x5c": ["AAAA"]}
    brought: dict[str, Any] = {member: known.get(member, "https://evil.example/keys")}

    assert VERIFIER.verify(mint(None, **brought), now=NOW).key_id == "es"
    with pytest.raises(NotAllowed):
        VERIFIER.verify(mint(None, key_id="ed", **{"kid": "es", **brought}), now=NOW)


@pytest.mark.parametrize("key_id", ["es", "ed", "hs"])
def test_no_other_last_character_spells_the_same_token(key_id: str) -> None:
    token = mint(key_id=key_id)
    assert VERIFIER.verify(token, now=NOW).key_id == key_id
    for character in ALPHABET:
        if character != token[-1]:
            with pytest.raises(NotAllowed):
                VERIFIER.verify(token[:-1] + character, now=NOW)


def test_a_second_signature_that_anybody_can_make_is_the_same_session() -> None:
    raw = base64.urlsafe_b64decode(SIGNATURE + "==")
    r, s = (int.from_bytes(raw[at : at + 32], "big") for at in (0, 32))
    other = to_base64url(r.to_bytes(32, "big") + (P256_ORDER - s).to_bytes(32, "big"))
    assert decode_dss_signature(encode_dss_signature(r, s)) == (r, s)

    twin = VERIFIER.verify(f"{HEADER}.{PAYLOAD}.{other}", now=NOW)

    assert twin == VERIFIER.verify(GOOD, now=NOW)


def test_a_refusal_shows_nothing_of_the_token() -> None:
    secret = "canary-5f1c"
    for changed in ({"iss": secret}, {"aud": secret}, {"sub": secret}, {"cdniip": secret}):
        with pytest.raises(NotAllowed) as refused:
            VERIFIER.verify(mint(claims(**changed)), now=NOW)
        assert secret not in str(refused.value)


def only_refused(token: str) -> None:
    for attempt in (VERIFIER.verify, VERIFIER.renewed):
        with contextlib.suppress(NotAllowed):
            attempt(token, now=NOW)
    VERIFIER.may_be(token)


@given(st.one_of(st.text(max_size=300), st.text(ALPHABET + ".", max_size=300)))
def test_any_text_is_read_or_refused(text: str) -> None:
    only_refused(text)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
_NAMES = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "cdniv", "cdnicrit", "cdniip"]
_MEMBERS = st.sampled_from([*_NAMES, "cdniuc", "cdniets", "cdnistt", "cdnistd", "x"])
_ENCRYPTED = encrypted("192.0.2.0/24")
_VALUES = _JSON | st.sampled_from(
    [1, 30, "edge", "origin", "regex:.*", "x", "hash:sha-256;", _ENCRYPTED]
)


@given(st.dictionaries(_MEMBERS, _VALUES, max_size=6))
@settings(deadline=None)
def test_any_signed_claims_are_read_or_refused(changed: dict[str, Any]) -> None:
    only_refused(mint(claims(**changed), key_id="hs"))


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_signed_bytes_are_read_or_refused(payload: bytes) -> None:
    only_refused(mint(payload, key_id="hs"))


@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "cty", "crit", "b64", "jwk"]), _JSON))
@settings(deadline=None)
def test_any_header_is_read_or_refused(members: dict[str, Any]) -> None:
    only_refused(with_header(**members))


_TOKENS = [
    GOOD,
    mint(key_id="ed"),
    mint(key_id="hs"),
    mint(claims(sub=_ENCRYPTED, cdniip=_ENCRYPTED)),
]


@given(
    st.sampled_from(_TOKENS),
    st.lists(
        st.tuples(st.integers(0, 2000), st.sampled_from(ALPHABET + ".=é\0")), min_size=1, max_size=4
    ),
)
@settings(deadline=None)
def test_a_changed_token_is_refused(token: str, changes: list[tuple[int, str]]) -> None:
    characters = list(token)
    for at, character in changes:
        characters[at % len(characters)] = character
    changed = "".join(characters)
    if changed == token:
        return
    only_refused(changed)
    with pytest.raises(NotAllowed):
        VERIFIER.verify(changed, now=NOW)


@given(
    st.lists(
        st.tuples(st.integers(0, 2000), st.sampled_from(ALPHABET + ".=~")), min_size=1, max_size=3
    )
)
@settings(deadline=None)
def test_a_changed_encryption_is_refused(changes: list[tuple[int, str]]) -> None:
    characters = list(_ENCRYPTED)
    for at, character in changes:
        characters[at % len(characters)] = character
    changed = "".join(characters)
    token = mint(claims(cdniip=changed), key_id="hs")
    if changed == _ENCRYPTED:
        return
    with pytest.raises(NotAllowed):
        VERIFIER.verify(token, now=NOW)
