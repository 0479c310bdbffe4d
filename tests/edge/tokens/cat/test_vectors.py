from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from config.contracts.grants import Place
from config.runtime.jwk import read_key
from edge.errors import EdgeError, NotAllowed
from edge.tokens.cat.cose import check, opened
from tests.edge.tokens.cat.minting import (
    DATA,
    NOW,
    asked,
    base64url,
    by_cwt,
    token,
    tokens_of,
    verifier,
)

_EXAMPLES = json.loads((DATA / "cose_wg.json").read_text())["examples"]
_ALGORITHMS = {"oct": "HS256", "EC": "ES256", "OKP": "EdDSA"}
NODE = tokens_of("node_cat.json")
AKAMAI = tokens_of("akamai.json")

PUBLISHED = tokens_of("node_cat_published.json")


def _code(token: str, *, now: float = NOW, **settings: Any) -> str:
    try:
        verifier(**settings).verify(token, now=now)
    except EdgeError as error:
        return error.code
    return "ok"


@pytest.mark.parametrize("example", _EXAMPLES, ids=lambda example: example["name"])
def test_examples_of_the_cose_working_group(example: dict[str, Any]) -> None:
    parts = example["key"] or {"kty": "oct", "k": "00" * 32}
    jwk = {"kid": "example", "alg": _ALGORITHMS[parts["kty"]]} | {
        name: base64url(bytes.fromhex(value)) if name in "kxy" else value
        for name, value in parts.items()
    }
    if jwk.get("crv") not in (None, "P-256", "Ed25519"):
        jwk = {"kid": "example", "kty": "oct", "k": base64url(bytes(32)), "alg": "HS256"}

    try:
        check(opened(base64url(bytes.fromhex(example["cbor"]))), read_key(jwk))
        code = "ok"
    except NotAllowed as error:
        code = error.code

    assert code == example["expected"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("ends in 2032", "ok"),
        ("expired", "ok"),  # its times are the caller's to check
        ("cookie", "ok"),
        ("no exp", "token-bad-claims"),
        ("no exp, audience", "token-bad-claims"),
        ("claims as hexadecimal text", "token-malformed"),
        ("padded, key name in a text", "token-malformed"),
    ],
)
def test_published_tokens_of_node_cat(name: str, code: str) -> None:
    assert _code(PUBLISHED[name], now=1_742_161_068, max_lifetime=timedelta(days=4000)) == code


def test_a_published_token_says_how_it_is_renewed() -> None:
    grant = verifier(renewal_key="HS256").verify(PUBLISHED["cookie"], now=1_747_983_250)

    assert grant.key_id == "Symmetric256"
    assert grant.issuer == "eyevinn"
    assert grant.token_id == b"c7a49ffd-cc79-4ce5-9331-6b126bcdd1dd".hex()
    assert grant.renewal is not None
    assert grant.renewal.carrier == "cookie"
    assert grant.renewal.name == "CTA-Common-Access-Token"
    assert grant.renewal.attributes == (
        "Secure",
        "Domain=.tv4play.se",
        "path=/",
        "SameSite=None",
    )
    assert (grant.renewal.seconds, grant.renewal.within) == (60, 30)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("plain", "ok"),
        ("cwt id", "ok"),
        ("audience", "ok"),
        ("one audience", "ok"),
        ("catu", "ok"),
        ("catu regex", "ok"),
        ("catu hash", "ok"),
        ("catm", "ok"),
        ("catnip", "ok"),
        ("cath", "ok"),
        ("catgeoiso3166", "ok"),
        ("catgeocoord", "ok"),
        ("geohash", "ok"),
        ("catreplay 0", "ok"),
        ("catreplay 1", "ok"),
        ("catreplay 2", "ok"),
        ("catr header", "ok"),
        ("catr cookie", "ok"),
        ("catr redirect", "ok"),
        ("catr automatic", "ok"),
        ("catif", "ok"),
        ("catif with a token", "ok"),
        ("catifdata", "ok"),
        ("catpor", "token-unsupported"),
        ("cattpk", "token-unsupported"),
        ("no exp", "token-bad-claims"),
        ("no tags at all", "token-malformed"),  # claims as hexadecimal text, not as bytes
    ],
)
def test_tokens_made_with_node_cat(name: str, code: str) -> None:
    assert _code(NODE[name], audiences=["one"]) == code


@pytest.mark.parametrize("name", AKAMAI)
def test_tokens_made_with_the_akamai_library(name: str) -> None:
    expected = "token-unsupported" if name.endswith(": or") else "ok"

    assert _code(AKAMAI[name], audiences=["cdn.example.com"]) == expected


@pytest.mark.parametrize(
    ("tokens", "name", "good", "bad"),
    [
        (NODE, "catu", asked("/vod/title/a.m3u8"), asked("/vod/other/a.m3u8")),
        (NODE, "catu regex", asked("/VOD/title/a.ts"), asked("/vod/1/a.ts")),
        (NODE, "catm", asked(method="HEAD"), asked(method="POST")),
        (NODE, "catnip", asked(address="10.9.8.7"), asked(address="11.9.8.7")),
        (NODE, "catnip", asked(address="2001:db8:0:20ff::1"), asked(address="2001:db8:0:2100::1")),
        (NODE, "catnip", asked(place=Place(network=64512)), asked(place=Place(network=64513))),
        (NODE, "cath", asked(headers={"user-agent": "Mozilla/5.0"}), asked()),
        (
            NODE,
            "catgeoiso3166",
            asked(place=Place(country="US", subdivision="US-CA")),
            asked(place=Place(country="US", subdivision="US-NY")),
        ),
        (
            NODE,
            "catgeocoord",
            asked(place=Place(latitude=59.35, longitude=18.1)),
            asked(place=Place(latitude=59.86, longitude=17.64)),
        ),
        (
            NODE,
            "geohash",
            asked(place=Place(latitude=59.33, longitude=18.07)),
            asked(place=Place(latitude=55.6, longitude=13.0)),
        ),
        (
            AKAMAI,
            "HS256, both tags: catu, cath, catm and country",
            asked(headers={"UserID": "38vh7mmers45zq1csjplkd"}, place=Place(country="FR")),
            asked(headers={"UserID": "38vh7mmers45zq1csjplkd"}, place=Place(country="DE")),
        ),
        (AKAMAI, "HS256, both tags: hash of a path", asked(), asked("/vod/title/other.m3u8")),
        (AKAMAI, "HS256, both tags: protocol", asked(protocol="h2"), asked(protocol="h3")),
        (
            AKAMAI,
            "HS256, both tags: geohash",
            asked(place=Place(latitude=48.8566, longitude=2.3522)),
            asked(),
        ),
    ],
)
def test_their_conditions_are_held_against_requests(
    tokens: dict[str, str], name: str, good: Any, bad: Any
) -> None:
    grant = verifier(audiences=["cdn.example.com"]).verify(tokens[name], now=NOW)

    assert grant.broken_rule(good) is None
    assert grant.broken_rule(bad) is not None


@pytest.mark.parametrize("kid_in", ["protected", "unprotected"])
@pytest.mark.parametrize("algorithm", ["HS256", "ES256", "EdDSA", "PS256"])
def test_tokens_made_with_the_cwt_library(algorithm: str, kid_in: str) -> None:
    token = by_cwt(algorithm, {1: "s", 2: "v", 4: NOW + 60, 7: b"\x01\x02"}, kid_in=kid_in)

    grant = verifier().verify(token, now=NOW)

    assert (grant.issuer, grant.subject, grant.token_id) == ("s", "v", "0102")
    assert (grant.key_id, grant.expires_at, grant.scheme) == (algorithm, NOW + 60, "cat")


def test_every_way_of_tagging_is_read() -> None:
    names = [name for name in AKAMAI if name.endswith("country") and name.startswith("HS256")]

    grants = [
        verifier(audiences=["cdn.example.com"]).verify(AKAMAI[name], now=NOW) for name in names
    ]

    assert len(names) == 3
    # One name for them all: what is signed is the same.
    assert len({grant.session for grant in grants}) == 1


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        pytest.param((17, 61), "ok", id="both"),
        pytest.param((17,), "ok", id="that of COSE"),
        pytest.param((), "ok", id="none"),
        pytest.param((61,), "token-malformed", id="that of CWT alone, RFC 8392 section 6"),
        pytest.param((61, 17), "token-malformed", id="the wrong way round"),
        pytest.param((17, 61, 61), "token-malformed", id="one twice"),
        pytest.param((18, 61), "token-bad-signature", id="of another kind"),
        pytest.param((98, 61), "token-unsupported", id="of several signers"),
        pytest.param((16, 61), "token-unsupported", id="of an encrypted one"),
        pytest.param((55799, 17, 61), "token-malformed", id="that says it is CBOR, inside"),
    ],
)
def test_tags(tags: tuple[int, ...], code: str) -> None:
    assert _code(token(tags=tags)) == code
