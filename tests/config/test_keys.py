from __future__ import annotations

import base64
import contextlib
import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from config.contracts.tokens import PlaybackClaims
from config.runtime.key_files import Content, require_owner_only
from config.runtime.keys import BadKeys, KeySet, make_key_file

ROOT = Path(__file__).parents[2]
SECRET = base64.urlsafe_b64encode(b"correct-horse-battery-staple-and-more").decode().rstrip("=")
HMAC: dict[str, Any] = {"kty": "oct", "kid": "h", "alg": "HS256", "k": SECRET}


def ed25519_key(key_id: str, *, public: bool = False) -> dict[str, Any]:
    key = ed25519.Ed25519PrivateKey.generate()
    jwk: dict[str, Any] = OKPAlgorithm.to_jwk(key.public_key() if public else key, as_dict=True)
    return jwk | {"kid": key_id, "alg": "EdDSA", "use": "sig"}


def es256_key(key_id: str) -> dict[str, Any]:
    jwk: dict[str, Any] = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
    return jwk | {"kid": key_id, "alg": "ES256"}


def rsa_key(key_id: str, *, bits: int = 2048, algorithm: str = "PS256") -> dict[str, Any]:
    private = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    jwk: dict[str, Any] = RSAAlgorithm.to_jwk(private, as_dict=True)
    del jwk["key_ops"]
    return jwk | {"kid": key_id, "alg": algorithm}


def public_part(jwk: dict[str, Any]) -> dict[str, Any]:
    return {
        name: part for name, part in jwk.items() if name not in ("d", "p", "q", "dp", "dq", "qi")
    }


def content_key(size: int, algorithm: str) -> dict[str, Any]:
    text = base64.urlsafe_b64encode(bytes(range(size))).decode().rstrip("=")
    return {"kty": "oct", "kid": "c", "alg": algorithm, "use": "enc", "k": text}


RSA = rsa_key("r")
_MEMBERS = [
    "kty",
    "kid",
    "alg",
    "use",
    "key_ops",
    "crv",
    "x",
    "y",
    "d",
    "k",
    "n",
    "e",
    "p",
    "nbf",
    "exp",
]
_KINDS = [HMAC, RSA, es256_key("k"), ed25519_key("k"), content_key(16, "A128GCM")]

# RFC 9246 Appendix A.1
RFC_9246 = {
    "keys": [
        {
            "kty": "EC",
            "kid": "P5UpOv0eMq1wcxLf7WxIg09JdSYGYFDOWkldueaImf0",
            "use": "sig",
            "alg": "ES256",
            "crv": "P-256",
            "x": "be807S4O7dzB6I4hTiCUvmxCI6FuxWba1xYBlLSSsZ8",
            "y": "rOGC4vI69g-WF9AGEVI37sNNwbjIzBxSjLvIL7f3RBA",
        },
        {
            "kty": "EC",
            "kid": "P5UpOv0eMq1wcxLf7WxIg09JdSYGYFDOWkldueaImf0",
            "use": "sig",
            "alg": "ES256",
            "crv": "P-256",
            "x": "be807S4O7dzB6I4hTiCUvmxCI6FuxWba1xYBlLSSsZ8",
            "y": "rOGC4vI69g-WF9AGEVI37sNNwbjIzBxSjLvIL7f3RBA",
            "d": "yaowezrCLTU6yIwUL5RQw67cHgvZeMTLVZXjUGb1A1M",
        },
        {
            "kty": "oct",
            "kid": "f-WbjxBC3dPuI3d24kP2hfvos7Qz688UTi6aB0hN998",
            "use": "enc",
            "alg": "A128GCM",
            "k": "4uFxxV7fhNmrtiah2d1fFg",
        },
    ]
}
_LARGE_EXPONENT = base64.urlsafe_b64encode(b"\1" * 64).decode().rstrip("=")


def written(folder: Path, *keys: object) -> Path:
    path = folder / "keys.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps({"keys": keys}))
    return path


def claims() -> PlaybackClaims:
    now = int(time.time())
    return PlaybackClaims(
        subject="v", session="s", path_prefixes=("/vod/m/",), issued_at=now, expires_at=now + 60
    )


def test_a_key_file_is_made_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "keys.json"

    make_key_file(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [found.name for found in path.parent.iterdir()] == ["keys.json"]
    [key] = KeySet.read(path).keys.values()
    assert key.algorithm == "EdDSA"
    assert key.signing is not None


def test_a_key_file_that_is_there_is_kept(tmp_path: Path) -> None:
    path = written(tmp_path, HMAC)
    before = path.read_bytes()

    make_key_file(path)

    assert path.read_bytes() == before


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "keys.json"
    script = (
        "import pathlib, sys\n"
        "from config.runtime.keys import KeySet, make_key_file\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "sys.stdin.readline()\n"
        "make_key_file(path)\n"
        "print(list(KeySet.read(path).keys))\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = {process.communicate(timeout=60)[0] for process in processes}

    assert len(answers) == 1
    assert "[]" not in answers.pop()
    assert os.listdir(path.parent) == ["keys.json"]  # noqa: PTH208 - names, not paths


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(ed25519_key("k"), id="EdDSA"),
        pytest.param(es256_key("k"), id="ES256"),
        pytest.param(HMAC | {"kid": "k"}, id="HS256"),
    ],
)
def test_a_signed_token_names_its_key_and_can_be_verified(
    key: dict[str, Any], tmp_path: Path
) -> None:
    keys = KeySet.read(written(tmp_path, key))

    token = keys.sign(claims())

    assert jwt.get_unverified_header(token)["kid"] == "k"
    payload = jwt.decode(token, keys.keys["k"].verifying, algorithms=[key["alg"]])
    assert PlaybackClaims.from_json(payload) == claims()


def test_the_first_key_with_a_private_part_signs(tmp_path: Path) -> None:
    keys = KeySet.read(
        written(tmp_path, ed25519_key("old", public=True), ed25519_key("new"), ed25519_key("next"))
    )

    assert jwt.get_unverified_header(keys.sign(claims()))["kid"] == "new"


def test_public_keys_alone_cannot_sign(tmp_path: Path) -> None:
    keys = KeySet.read(written(tmp_path, ed25519_key("k", public=True)))

    with pytest.raises(BadKeys, match="no private key"):
        keys.sign(claims())


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        pytest.param([], "no keys", id="none"),
        pytest.param(["k"], "not an object", id="text"),
        pytest.param([HMAC | {"kid": ""}], "kid", id="empty kid"),
        pytest.param([HMAC | {"kid": 7}], "kid", id="kid is a number"),
        pytest.param([HMAC | {"kid": "k" * 65}], "kid", id="long kid"),
        pytest.param([HMAC, HMAC], "twice", id="same kid"),
        pytest.param([HMAC | {"alg": "none"}], "alg", id="alg none"),
        pytest.param([HMAC | {"kid": "a/../b"}], "kid", id="kid with a slash"),
        pytest.param([HMAC | {"kid": "k\n"}], "kid", id="kid with a line end"),
        pytest.param([HMAC | {"alg": "RS256"}], "alg", id="alg of another family"),
        pytest.param([HMAC | {"alg": None}], "alg", id="no alg"),
        pytest.param([public_part(RSA) | {"alg": "HS256"}], "alg", id="RSA as a secret"),
        pytest.param([content_key(16, "A256GCM")], "exactly 32", id="short content key"),
        pytest.param([content_key(32, "A128GCM")], "exactly 16", id="long content key"),
        pytest.param([content_key(16, "A128GCM") | {"use": "sig"}], "use enc", id="AES to sign"),
        pytest.param(
            [content_key(16, "A128GCM") | {"key_ops": ["sign"]}], "decrypt", id="AES not to decrypt"
        ),
        pytest.param([rsa_key("r", bits=1024)], "2048", id="small RSA"),
        pytest.param([RSA | {"e": _LARGE_EXPONENT}], "key r", id="large exponent"),
        pytest.param(
            [ed25519_key("e") | {"x": ed25519_key("o")["x"]}], "key e", id="Ed25519 of two"
        ),
        pytest.param([es256_key("e") | {"d": es256_key("o")["d"]}], "key e", id="EC key of two"),
        pytest.param([RSA | {"n": rsa_key("o")["n"]}], "key r", id="RSA key of two"),
        pytest.param([es256_key("e"), es256_key("e")], "twice", id="same kid, other key"),
        pytest.param(
            [es256_key("e"), public_part(es256_key("e"))], "twice", id="public part of another"
        ),
        pytest.param([ed25519_key("e", public=True) | {"key_ops": ["sign"]}], "key_ops", id="ops"),
        pytest.param([HMAC | {"key_ops": ["wrapKey"]}], "key_ops", id="ops of another use"),
        pytest.param([HMAC | {"key_ops": ["sign", "sign"]}], "key_ops", id="an operation twice"),
        pytest.param([HMAC | {"key_ops": "verify"}], "key_ops", id="operations are text"),
        pytest.param([HMAC | {"exp": "soon"}], "exp", id="end is text"),
        pytest.param([HMAC | {"nbf": 1.5}], "nbf", id="begin is a fraction"),
        pytest.param([HMAC] * 300, "more than", id="too many"),
        pytest.param([HMAC | {"alg": ["HS256"]}], "alg", id="alg is a list"),
        pytest.param([HMAC | {"alg": "EdDSA"}], "alg and kty", id="alg and kty differ"),
        pytest.param([HMAC | {"use": "enc"}], "not a signing key", id="for encryption"),
        pytest.param([HMAC | {"k": "c2hvcnQ"}], "shorter", id="short secret"),
        pytest.param([{"kty": "oct", "kid": "h", "alg": "HS256"}], "key h", id="no secret"),
        pytest.param([HMAC | {"k": 7}], "key h", id="secret is a number"),
        pytest.param([ed25519_key("e") | {"x": "AA"}], "key e", id="damaged public part"),
        pytest.param([ed25519_key("e") | {"crv": "X25519"}], "key e", id="key agreement curve"),
        pytest.param([es256_key("e") | {"crv": "P-384"}], "key e", id="curve of another length"),
    ],
)
def test_a_bad_key_is_named_and_never_shown(keys: list[Any], said: str, tmp_path: Path) -> None:
    path = written(tmp_path, *keys)

    with pytest.raises(BadKeys, match=said) as refusal:
        KeySet.read(path)

    assert str(path) in str(refusal.value)
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="no JSON"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'{"keys": {}}', id="no list"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'{"keys": [], "keys": []}', id="a name twice"),
        pytest.param(b'{"keys": [], "a": NaN}', id="not a number"),
        pytest.param(b" " * 300_000, id="large"),
    ],
)
def test_a_file_that_is_no_key_set_is_refused(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(text)

    with pytest.raises(BadKeys, match=r"keys\.json"):
        KeySet.read(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadKeys, match="No such file"):
        KeySet.read(tmp_path / "keys.json")


def test_a_folder_or_a_pipe_is_no_key_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(BadKeys, match="not a file"):
        KeySet.read(tmp_path / "pipe")
    with pytest.raises(BadKeys, match=str(tmp_path)):
        KeySet.read(tmp_path)


def test_a_public_and_a_private_form_are_one_key(tmp_path: Path) -> None:
    private = es256_key("k")

    for pair in ((public_part(private), private), (private, public_part(private))):
        [key] = KeySet.read(written(tmp_path, *pair)).keys.values()
        assert key.signing is not None

    with pytest.raises(BadKeys, match="twice"):
        KeySet.read(written(tmp_path, private, private))


def test_the_keys_of_rfc_9246_can_be_used() -> None:
    keys = KeySet.of(RFC_9246, source="RFC 9246")

    signing = keys.to_verify("P5UpOv0eMq1wcxLf7WxIg09JdSYGYFDOWkldueaImf0")
    content = keys.to_decrypt("f-WbjxBC3dPuI3d24kP2hfvos7Qz688UTi6aB0hN998")
    assert signing is not None
    assert (signing.algorithm, signing.signing is not None) == ("ES256", True)
    assert content is not None
    assert (content.algorithm, len(content.content_key or b"")) == ("A128GCM", 16)
    assert len(keys.keys) == 2


def test_a_key_is_never_for_what_it_was_not_made_for() -> None:
    keys = KeySet.of(RFC_9246, source="RFC 9246")

    assert keys.to_decrypt("P5UpOv0eMq1wcxLf7WxIg09JdSYGYFDOWkldueaImf0") is None
    assert keys.to_verify("f-WbjxBC3dPuI3d24kP2hfvos7Qz688UTi6aB0hN998") is None
    assert keys.to_sign("f-WbjxBC3dPuI3d24kP2hfvos7Qz688UTi6aB0hN998") is None


def test_rsa_with_the_old_padding_is_only_verified(tmp_path: Path) -> None:
    keys = KeySet.read(written(tmp_path, rsa_key("r", algorithm="RS256")))

    assert keys.to_verify("r") is not None
    assert keys.to_sign("r") is None


@pytest.mark.parametrize(
    ("operations", "verifies", "signs"),
    [
        pytest.param(["sign"], False, True, id="sign"),
        pytest.param(["verify"], True, False, id="verify"),
        pytest.param(["sign", "verify"], True, True, id="both"),
    ],
)
def test_operations_of_a_secret_are_respected(
    operations: list[str], verifies: bool, signs: bool
) -> None:
    keys = KeySet.of({"keys": [HMAC | {"key_ops": operations}]}, source="test")

    assert (keys.to_verify("h") is not None) is verifies
    assert (keys.to_sign("h") is not None) is signs


def test_a_private_key_that_signs_verifies_by_its_public_half() -> None:
    keys = KeySet.of({"keys": [es256_key("k") | {"key_ops": ["sign"]}]}, source="test")

    assert keys.to_verify("k") is not None
    assert keys.to_sign("k") is not None


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(HMAC, id="secret"),
        pytest.param(es256_key("k"), id="EC"),
        pytest.param(ed25519_key("k"), id="Ed25519"),
        pytest.param(RSA, id="RSA"),
        pytest.param({"kty": "?", "d": "x"}, id="unknown kind"),
        pytest.param(content_key(16, "A128GCM"), id="AES"),
    ],
)
def test_a_set_from_elsewhere_must_not_show_a_secret(key: dict[str, Any]) -> None:
    with pytest.raises(BadKeys, match="private key or a secret"):
        KeySet.of({"keys": [ed25519_key("p", public=True), key]}, source="test", foreign=True)


def test_a_set_from_elsewhere_may_have_keys_for_others() -> None:
    others = [
        {"kty": "RSA", "kid": "1", "alg": "RSA-OAEP", "use": "enc", "n": "AQAB", "e": "AQAB"},
        {"kty": "EC", "kid": "2", "alg": "ES512", "crv": "P-521", "x": "AA", "y": "AA"},
        {"kty": "new", "kid": "3"},
    ]
    ours = ed25519_key("p", public=True)

    keys = KeySet.of({"keys": [*others, ours]}, source="test", foreign=True)

    assert list(keys.keys) == ["p"]
    with pytest.raises(BadKeys, match="no keys"):
        KeySet.of({"keys": others}, source="test", foreign=True)
    with pytest.raises(BadKeys, match="alg and kty"):
        KeySet.of({"keys": [*others, ours]}, source="test")


def test_only_public_parts_are_published() -> None:
    keys = [HMAC, content_key(16, "A128GCM"), ed25519_key("a"), es256_key("b"), RSA]

    published = KeySet.of({"keys": keys}, source="test").public()

    assert [key["kid"] for key in published["keys"]] == ["a", "b", "r"]
    text = json.dumps(published)
    for key in keys:
        for name in ("d", "k", "p", "q", "dp", "dq", "qi"):
            assert name not in key or key[name] not in text
    again = KeySet.of(published, source="test", foreign=True)
    assert all(key.signing is None for key in again.keys.values())
    assert again.public() == published


def test_a_key_that_has_ended_is_read_no_more(tmp_path: Path) -> None:
    path = written(tmp_path, HMAC | {"exp": 2000}, es256_key("k") | {"exp": 3000})

    assert list(KeySet.read(path, now=1999).keys) == ["h", "k"]
    assert list(KeySet.read(path, now=2000).keys) == ["k"]
    assert list(KeySet.read(path, now=3000).keys) == []
    assert KeySet.read(path, now=0).next_end() == 2000


def test_the_key_that_began_last_signs() -> None:
    first, second, third = ed25519_key("1"), ed25519_key("2"), ed25519_key("3")
    document = {"keys": [first, second | {"nbf": 2000}, third | {"nbf": 3000, "exp": 4000}]}
    keys = KeySet.of(document, source="test")

    chosen = [keys.signing_key(now=now).key_id for now in (1999, 2000, 2999, 3000, 4000)]

    assert chosen == ["1", "2", "2", "3", "2"]


def test_before_its_time_no_key_signs() -> None:
    keys = KeySet.of({"keys": [ed25519_key("1") | {"nbf": 2000}]}, source="test")

    with pytest.raises(BadKeys, match="signs now"):
        keys.signing_key(now=1999)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o666, 0o620])
@pytest.mark.parametrize("key", [HMAC, es256_key("k"), content_key(16, "A128GCM")])
def test_a_secret_that_others_can_read_is_refused(
    key: dict[str, Any], mode: int, tmp_path: Path
) -> None:
    path = written(tmp_path, key)
    path.chmod(mode)

    with pytest.raises(BadKeys, match=f"{mode:04o}.*chmod 600"):
        KeySet.read(path)


def test_public_keys_may_be_read_by_everybody(tmp_path: Path) -> None:
    path = written(tmp_path, ed25519_key("k", public=True))
    path.chmod(0o644)

    assert list(KeySet.read(path).keys) == ["k"]


@pytest.mark.parametrize(
    ("mode", "good"),
    [
        pytest.param(0o400, True, id="root alone"),
        pytest.param(0o440, True, id="a mounted secret with a group"),
        pytest.param(0o640, True, id="root writes, the group reads"),
        pytest.param(0o444, False, id="everybody"),
        pytest.param(0o460, False, id="the group writes"),
    ],
)
def test_a_file_of_root_may_have_a_group(
    mode: int, good: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 10001)
    content = Content(data=b"", mode=mode, owner=0, group=10001)

    if good:
        require_owner_only(content, tmp_path)
    else:
        with pytest.raises(BadKeys, match="chmod 640"):
            require_owner_only(content, tmp_path)


@given(
    st.dictionaries(
        st.sampled_from(_MEMBERS), st.none() | st.text() | st.integers() | st.lists(st.text())
    )
)
def test_whatever_a_key_says_it_is_read_or_refused(jwk: dict[str, Any]) -> None:
    with contextlib.suppress(BadKeys):
        KeySet.of({"keys": [jwk]}, source="test")


@given(st.sampled_from(_KINDS), st.sampled_from(_MEMBERS), st.text() | st.integers() | st.binary())
def test_whatever_is_changed_in_a_key_it_is_read_or_refused(
    jwk: dict[str, Any], name: str, value: object
) -> None:
    part = base64.urlsafe_b64encode(value).decode() if isinstance(value, bytes) else value

    with contextlib.suppress(BadKeys):
        KeySet.of({"keys": [jwk | {name: part}]}, source="test")
