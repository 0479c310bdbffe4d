from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from config.contracts.grants import Grant
from config.contracts.tokens import MAX_TOKEN_CHARS, BadClaims, PlaybackClaims
from config.runtime.keys import BadKeys, KeySet
from edge.errors import EdgeError, TokenExpired
from edge.tokens.kawa import KawaTokens
from edge.tokens.verified import VerifiedTokens
from edge.tokens.verifier import FixedKeys
from tests.edge.client import MASTER, Client
from tests.edge.refusals import causes, told

Mint = Callable[..., str]

NOW = int(time.time())
CLAIMS = {
    "iss": "kawa",
    "sub": "user:1",
    "sid": "s",
    "paths": ["/vod/title/"],
    "iat": NOW,
    "exp": NOW + 600,
}


def verify(token: str, keys: KeySet) -> Grant:
    return KawaTokens(FixedKeys(keys)).verify(token, now=time.time())


async def refused(client: Client, path: str, **headers: str) -> tuple[int, str]:
    with causes() as found:
        status, _, body = await client.ask(path, **headers)
    [cause] = found
    return status, told(body, cause)


def key_file(path: Path, *keys: dict[str, Any]) -> Path:
    path.touch(mode=0o600)
    path.write_text(json.dumps({"keys": keys}))
    return path


def symmetric(kid: str = "k", secret: bytes = b"0" * 32) -> dict[str, Any]:
    text = base64.urlsafe_b64encode(secret).rstrip(b"=").decode()
    return {"kty": "oct", "alg": "HS256", "kid": kid, "k": text}


def hs256(payload: dict[str, Any] | bytes, *, kid: str = "k", **headers: Any) -> str:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return jwt.api_jws.encode(body, b"0" * 32, "HS256", headers={"kid": kid, **headers})


@pytest.fixture
def keys(tmp_path: Path) -> KeySet:
    return KeySet.read(key_file(tmp_path / "k.json", symmetric()))


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        pytest.param("/vod/title/v/1.m4s?token={}", {}, id="query"),
        pytest.param("/vod/title/v/1.m4s", {"Authorization": "Bearer {}"}, id="bearer"),
        pytest.param("/vod/title/v/1.m4s", {"Authorization": "bearer {}"}, id="scheme's case"),
        pytest.param("/vod/title/v/1.m4s", {"Cookie": "a=b; kawa_token={}"}, id="cookie"),
        pytest.param("/t/{}/vod/title/v/1.m4s", {}, id="path"),
    ],
)
async def test_a_token_is_found_wherever_a_player_can_put_it(
    client: Client, mint: Mint, path: str, headers: dict[str, str]
) -> None:
    token = mint()
    filled = {name: value.format(token) for name, value in headers.items()}
    assert (await client.ask(path.format(token), **filled))[0] == 200


async def test_a_manifest_asked_for_with_a_query_token_moves_to_the_path_form(
    client: Client, mint: Mint
) -> None:
    token = mint()
    status, headers, _ = await client.ask(f"/vod/title/master.m3u8?token={token}")

    assert status == 302
    assert headers["Location"] == f"/t/{token}/vod/title/master.m3u8"
    assert headers["Cache-Control"] == "no-store"
    assert (await client.ask(headers["Location"]))[2] == MASTER


async def test_each_refusal_has_its_own_code_in_the_metric_and_one_body_for_viewers(
    client: Client, mint: Mint
) -> None:
    now = int(time.time())  # not NOW: that is when the tests were collected, minutes ago
    past = {"issued_at": now - 900, "expires_at": now - 300}
    future = {"issued_at": now + 300, "expires_at": now + 900}
    good = mint()
    stem, _, signature = good.rpartition(".")
    flipped = f"{stem}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    expected = {
        "/vod/title/master.m3u8": (401, "token-missing"),
        "/t/nonsense/vod/title/master.m3u8": (403, "token-malformed"),
        f"/t/{good}=/vod/title/master.m3u8": (403, "token-malformed"),
        f"/t/{'a' * MAX_TOKEN_CHARS}.a.a/vod/title/master.m3u8": (403, "token-malformed"),
        f"/t/{flipped}/vod/title/master.m3u8": (403, "token-bad-signature"),
        f"/t/{hs256(CLAIMS)}/vod/title/master.m3u8": (403, "token-unknown-key"),
        f"/t/{mint(**past)}/vod/title/master.m3u8": (403, "token-expired"),
        f"/t/{mint(**future)}/vod/title/master.m3u8": (403, "token-not-yet-valid"),
        f"/t/{mint('/vod/other/')}/vod/title/master.m3u8": (403, "path-not-covered"),
        f"/t/{mint('/vod/titl/')}/vod/title/master.m3u8": (403, "path-not-covered"),
        f"/t/{good}/nowhere/title/master.m3u8": (404, "unknown-origin"),
        f"/t/{good}/vod/title/none.m3u8": (404, "not-found"),
        f"/t/{good}/vod/title": (403, "path-not-covered"),
        f"/t/{good}/vod/title/v": (404, "not-found"),
        f"/t/{good}": (400, "bad-path"),
    }
    assert {path: await refused(client, path) for path in expected} == expected


async def test_a_refusal_never_shows_the_token(client: Client, mint: Mint) -> None:
    token = mint("/vod/other/")
    _, headers, body = await client.ask(f"/t/{token}/vod/title/master.m3u8")
    assert token not in body.decode() + str(headers)


async def test_the_second_request_of_a_token_checks_no_signature(
    key_set: KeySet, mint: Mint
) -> None:
    seen: list[str] = []

    def counting(token: str, _now: float) -> Grant:
        seen.append(token)
        return verify(token, key_set)

    tokens = VerifiedTokens(counting, capacity=2, leeway_seconds=0)
    first, second, third = mint(session="a"), mint(session="b"), mint(session="c")
    for token in (first, first, second, first, third, first, second):
        tokens.grant_of(token, now=time.time())

    # The third one pushed out the second, which was used least recently.
    assert seen == [first, second, third, second]
    assert len(tokens) == 2


async def test_a_remembered_token_still_expires(keys: KeySet) -> None:
    tokens = VerifiedTokens(lambda token, _: verify(token, keys), capacity=9, leeway_seconds=30)
    token = hs256(CLAIMS)
    tokens.grant_of(token, now=NOW)
    tokens.grant_of(token, now=NOW + 629)
    with pytest.raises(TokenExpired):
        tokens.grant_of(token, now=NOW + 630)
    assert len(tokens) == 0


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"exp": None}, id="no expiry"),
        pytest.param({"exp": str(NOW + 600)}, id="expiry as text"),
        pytest.param({"exp": NOW + 600.5}, id="expiry with a fraction"),
        pytest.param({"exp": True}, id="expiry true"),
        pytest.param({"exp": NOW - 1}, id="expiry before issue"),
        pytest.param({"exp": NOW + 10**7}, id="a life too long"),
        pytest.param({"iat": -1}, id="issued before time"),
        pytest.param({"iss": "other"}, id="another issuer"),
        pytest.param({"sub": ""}, id="no subject"),
        pytest.param({"sub": "a\nb"}, id="a control character"),
        pytest.param({"sid": ["s"]}, id="session as a list"),
        pytest.param({"paths": []}, id="no path"),
        pytest.param({"paths": "/vod/"}, id="paths as text"),
        pytest.param({"paths": ["/vod/title"]}, id="a prefix without its slash"),
        pytest.param({"paths": ["/vod/../"]}, id="dots"),
        pytest.param({"paths": ["//"]}, id="empty segment"),
        pytest.param({"paths": ["/a/"] * 17}, id="too many paths"),
        pytest.param({"max_height": 0}, id="no height"),
        pytest.param({"languages": [1]}, id="language as a number"),
    ],
)
def test_signed_claims_of_the_wrong_shape_are_refused(keys: KeySet, change: dict[str, Any]) -> None:
    payload = {name: value for name, value in (CLAIMS | change).items() if value is not None}
    with pytest.raises(EdgeError) as caught:
        verify(hs256(payload), keys)
    assert caught.value.code == "token-bad-claims"


@pytest.mark.parametrize(
    ("token", "code"),
    [
        pytest.param(hs256(b'{"exp":1,"exp":2}'), "token-bad-claims", id="a name twice"),
        pytest.param(hs256(b"[" * 1500), "token-bad-claims", id="deep"),
        pytest.param(hs256(b"[]"), "token-bad-claims", id="a list"),
        pytest.param(hs256(b"\xff"), "token-bad-claims", id="no text"),
        pytest.param(hs256(CLAIMS, kid="../k"), "token-unknown-key", id="kid as a path"),
        pytest.param(hs256(CLAIMS, kid=""), "token-unknown-key", id="empty kid"),
        pytest.param(hs256(CLAIMS, crit=["x"], x=1), "token-malformed", id="unknown crit"),
        pytest.param(
            hs256(CLAIMS, jwk=symmetric(secret=b"1" * 32))[:-4] + "AAAA",
            "token-malformed",
            id="a key of its own",
        ),
        pytest.param(
            "eyJhbGciOiJub25lIiwia2lkIjoiayJ9.e30.AA", "token-bad-signature", id="alg none"
        ),
    ],
)
def test_forged_tokens_are_refused(keys: KeySet, token: str, code: str) -> None:
    with pytest.raises(EdgeError) as caught:
        verify(token, keys)
    assert caught.value.code == code


def test_a_public_key_does_not_verify_as_a_shared_secret(tmp_path: Path) -> None:
    private = generate_private_key(SECP256R1())
    jwk = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    keys = KeySet.read(key_file(tmp_path / "k.json", {**jwk, "alg": "ES256", "kid": "k"}))

    assert verify(
        jwt.api_jws.encode(json.dumps(CLAIMS).encode(), private, "ES256", headers={"kid": "k"}),
        keys,
    ).covers("/vod/title/x")
    with pytest.raises(EdgeError) as caught:
        verify(hs256(CLAIMS), keys)
    assert caught.value.code == "token-bad-signature"


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda b: b.decode("latin-1")))
def test_garbage_is_refused_by_a_code(garbage: str) -> None:
    with pytest.raises(EdgeError):
        verify(garbage, KeySet({}))


@given(
    st.dictionaries(
        st.sampled_from(sorted(CLAIMS)) | st.text(max_size=4),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3),
        ),
    )
)
def test_any_payload_is_claims_or_bad_claims(payload: dict[str, Any]) -> None:
    try:
        claims = PlaybackClaims.from_json(CLAIMS | payload)
    except BadClaims:
        return
    assert PlaybackClaims.from_json(claims.to_json()) == claims


@pytest.mark.parametrize(
    "key",
    [
        pytest.param({}, id="empty"),
        pytest.param(symmetric(secret=b"short"), id="a short secret"),
        pytest.param({**symmetric(), "alg": "none"}, id="alg none"),
        pytest.param({**symmetric(), "alg": "EdDSA"}, id="alg of another kind"),
        pytest.param({**symmetric(), "use": "enc"}, id="for encryption"),
        pytest.param({**symmetric(), "kid": ""}, id="no name"),
    ],
)
def test_a_bad_key_file_is_refused_without_showing_a_key(
    tmp_path: Path, key: dict[str, Any]
) -> None:
    with pytest.raises(BadKeys) as caught:
        KeySet.read(key_file(tmp_path / "k.json", key))
    assert "MDAw" not in str(caught.value)
