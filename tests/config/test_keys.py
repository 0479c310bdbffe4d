from __future__ import annotations

import base64
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
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from config.contracts.tokens import PlaybackClaims
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


def written(folder: Path, *keys: object) -> Path:
    path = folder / "keys.json"
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
        pytest.param([HMAC | {"alg": "RS256"}], "alg", id="alg of another family"),
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
