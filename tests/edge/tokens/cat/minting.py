"""A signer, its keys and its tokens, made with other libraries than the edge's own COSE."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import rsa
from cwt import COSE, COSEKey
from jwt.algorithms import RSAAlgorithm

from config.contracts.grants import NOWHERE, Asked, Place
from config.runtime.keys import KeySet
from config.settings.schemes.cat import CommonAccessToken
from edge.tokens.cat.verifier import CommonAccessTokens, open_cat
from edge.tokens.verifier import FixedKeys

DATA = Path(__file__).with_name("data")
NOW = 1_800_000_000
EDGE = "https://edge.example.com"

# RFC 8392 Appendix A.2.2, and the names that two implementations give it.
SECRET = bytes.fromhex("403697de87af64611c1d32a05dab0fe1fcb715a86ab435f1ec99192d79569388")
HMAC_NAMES = ("Symmetric256", "akamai_key_hs256")
# RFC 8392 Appendix A.2.3.
EC = {
    "x": "143329cce7868e416927599cf65a34f3ce2ffda55a7eca69ed8919a394d42f0f",
    "y": "60f7f1a780d8a783bfb7a2dd6b2796e8128dbbcef9d3d168db9529971a36e7b9",
    "d": "6c1382765aec5358f117733d281c1c7bdc39884d04a45a1e6c67c858bc206c19",
}
# RFC 8037 Appendix A.1.
ED = {
    "x": "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "d": "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
}
# akamai/edgeworkers-examples, delivery/media/cat/examples.
AKAMAI_EC = {
    "x": "D5fNFnQYFBOjWa1ndpQK3ZrzXuHD77oGDgPaMNbtZ7s",
    "y": "Y4iS6G8atqp3x85xJOfCY997AVWHPy-dEgLk6CaNZ7w",
}


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _hex(parts: Mapping[str, str]) -> dict[str, str]:
    return {name: base64url(bytes.fromhex(value)) for name, value in parts.items()}


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def jwks() -> dict[str, dict[str, Any]]:
    """Private keys by name; those that sign for the tests are called as their algorithm."""
    rsa_jwk = RSAAlgorithm.to_jwk(rsa_key(), as_dict=True)
    rsa_jwk.pop("key_ops")
    keys: dict[str, dict[str, Any]] = {
        "HS256": {"kty": "oct", "k": base64url(SECRET), "alg": "HS256"},
        "ES256": {"kty": "EC", "crv": "P-256", "alg": "ES256", **_hex(EC)},
        "EdDSA": {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", **_hex(ED)},
        "PS256": rsa_jwk | {"alg": "PS256"},
        "akamai_key_es256": {"kty": "EC", "crv": "P-256", "alg": "ES256", **AKAMAI_EC},
    }
    keys |= dict.fromkeys(HMAC_NAMES, keys["HS256"])
    return {name: key | {"kid": name, "use": "sig"} for name, key in keys.items()}


@cache
def keys() -> KeySet:
    return KeySet.of({"keys": list(jwks().values())}, source="test")


def verifier(**settings: Any) -> CommonAccessTokens:
    given = {"scheme": "cat", "max_lifetime": timedelta(days=7), **settings}
    return open_cat(
        "cat",
        CommonAccessToken.model_validate(given),
        keys=FixedKeys(keys()),
        public_url=EDGE,
        leeway_seconds=30,
    )


def mac0(
    claims: object,
    *,
    protected: Mapping[Any, Any] | bytes | None = None,
    unprotected: Mapping[Any, Any] | None = None,
    key: bytes = SECRET,
    tags: tuple[int, ...] = (17, 61),
) -> bytes:
    """A COSE_Mac0 put together by hand, so that every part of it can be wrong."""
    header = {1: 5} if protected is None else protected
    packed = header if isinstance(header, bytes) else cbor2.dumps(header)
    payload = claims if isinstance(claims, bytes) else cbor2.dumps(claims)
    tag = hmac.digest(key, cbor2.dumps(["MAC0", packed, b"", payload]), "sha256")
    item: object = [packed, {4: b"HS256"} if unprotected is None else unprotected, payload, tag]
    for number in tags:
        item = cbor2.CBORTag(number, item)
    return cbor2.dumps(item)


def token(claims: Mapping[Any, Any] | None = None, **parts: Any) -> str:
    """A token that holds for ten minutes from ``NOW``, with these claims besides."""
    return base64url(mac0({4: NOW + 600, 6: NOW} | dict(claims or {}), **parts))


def by_cwt(algorithm: str, claims: Mapping[Any, Any], *, kid_in: str = "unprotected") -> str:
    """A token that the cwt library has made."""
    key = COSEKey.from_jwk(jwks()[algorithm])
    kid = {4: algorithm.encode()}
    sender = COSE.new(alg_auto_inclusion=True)
    protected = kid if kid_in == "protected" else {}
    unprotected = kid if kid_in == "unprotected" else {}
    encoded = sender.encode(
        cbor2.dumps(dict(claims)), key=key, protected=protected, unprotected=unprotected
    )
    return base64url(b"\xd8\x3d" + encoded)


def asked(
    path: str = "/vod/title/master.m3u8",
    *,
    uri: str | None = None,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    address: str | None = None,
    place: Place = NOWHERE,
    protocol: str = "http/1.1",
) -> Asked:
    return Asked(
        method=method,
        uri=EDGE + path if uri is None else uri,
        scope=path.partition("?")[0],
        headers=headers or {},
        address=None if address is None else ip_address(address),
        place=place,
        protocol=protocol,
    )


def tokens_of(file: str) -> dict[str, str]:
    """Recorded tokens of another implementation, by name."""
    found: dict[str, str] = json.loads((DATA / file).read_text())["tokens"]
    return found
