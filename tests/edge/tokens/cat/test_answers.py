from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import cbor2
import pytest

from config.contracts.grants import Place
from edge.errors import (
    AddressNotCovered,
    EdgeError,
    NotAllowed,
    PathNotCovered,
    PlaceNotCovered,
    TokenExpired,
    TokenMalformed,
    TokenRevoked,
    TokenUsed,
)
from edge.tokens.cat.answers import Answer
from edge.tokens.cat.cose import opened
from tests.edge.tokens.cat.minting import NOW, asked, token, tokens_of, verifier

CATIF, CATU, CATGEOISO3166, GEOHASH = 322, 312, 316, 282
NODE = tokens_of("node_cat.json")
LOGIN = "https://auth.example.net/"


def _answer(
    catif: object, refusal: NotAllowed, claims: dict[Any, Any] | None = None, **rest: Any
) -> Answer | None:
    return verifier().answer(token({CATIF: catif, **(claims or {})}), refusal, now=NOW, **rest)


@pytest.mark.parametrize(
    ("catif", "refusal", "expected"),
    [
        pytest.param(
            {4: [307, {"Location": LOGIN}]},
            TokenExpired(),
            Answer(status=307, headers=(("Location", LOGIN),)),
            id="redirect",
        ),
        pytest.param({4: [403]}, TokenExpired(), Answer(status=403), id="a status alone"),
        pytest.param({4: [403, None]}, TokenExpired(), Answer(status=403), id="null for fields"),
        pytest.param({"exp": [410]}, TokenExpired(), Answer(status=410), id="a claim by name"),
        pytest.param({(4, CATU): [410]}, PathNotCovered(), Answer(status=410), id="several claims"),
        pytest.param({311: [451]}, AddressNotCovered(), Answer(status=451), id="network"),
        pytest.param({308: [409]}, TokenUsed(), Answer(status=409), id="used"),
        pytest.param({4: [410]}, PathNotCovered(), None, id="nothing said of that claim"),
        pytest.param({4: [410]}, TokenRevoked(), None, id="no claim has failed"),
        pytest.param({4: [410]}, TokenMalformed(), None, id="no token"),
        pytest.param({999: [410]}, TokenExpired(), None, id="a claim that is not known"),
    ],
)
def test_what_is_sent_instead(catif: object, refusal: NotAllowed, expected: Answer | None) -> None:
    assert _answer(catif, refusal) == expected


def test_the_rule_that_was_broken_tells_claims_of_one_code_apart() -> None:
    claims: dict[Any, Any] = {CATGEOISO3166: ["FR"], GEOHASH: "u09"}
    text = token({**claims, CATIF: {CATGEOISO3166: [451], GEOHASH: [403]}})
    signer = verifier()
    rule = signer.verify(text, now=NOW).broken_rule(asked(place=Place(country="FR")))
    claim = getattr(rule, "claim", None)

    assert claim == GEOHASH
    answer = signer.answer(text, PlaceNotCovered(), now=NOW, claim=claim)

    assert answer == Answer(status=403)
    assert signer.answer(text, PlaceNotCovered(), now=NOW) == Answer(status=451)


def test_an_instruction_of_node_cat_is_read() -> None:
    answer = verifier().answer(NODE["catif"], TokenExpired(), now=NOW + 1000)

    assert answer == Answer(status=307, headers=(("Location", LOGIN), ("x-why", "expired")))


def test_a_token_is_made_for_whoever_is_redirected_to() -> None:
    signer = verifier(renewal_key="Symmetric256")

    answer = signer.answer(NODE["catif with a token"], TokenExpired(), now=NOW + 1000)

    assert answer is not None
    assert answer.status == 307
    ((name, location),) = answer.headers
    before, _, made = location.partition("=")
    assert (name, before) == ("Location", "https://auth.example.net/?CAT")
    claims = cbor2.loads(opened(unquote(made)).payload)
    assert claims == {1: "eyevinn", 6: NOW + 1000, 312: {1: {0: "auth.example.net"}}}


@pytest.mark.parametrize(
    ("key", "inside"),
    [
        pytest.param("ES256", {6: None}, id="another key than ours"),
        pytest.param("HS256", {1: None}, id="a claim that the token has not"),
        pytest.param("HS256", {6: None, "6": 1}, id="a claim twice"),
        pytest.param("", {6: None}, id="no key"),
    ],
)
def test_a_token_that_cannot_be_made_leaves_the_plain_refusal(
    key: str, inside: dict[Any, Any]
) -> None:
    text = token({CATIF: {4: [307, {"Location": [LOGIN + "?CAT=", inside]}, key or None]}})

    assert verifier(renewal_key="HS256").answer(text, TokenExpired(), now=NOW) is None


@pytest.mark.parametrize(
    "catif",
    [
        pytest.param({4: []}, id="nothing"),
        pytest.param({4: [200]}, id="success"),
        pytest.param({4: [500]}, id="failure of ours"),
        pytest.param({4: [True]}, id="status true"),
        pytest.param({4: [307, []]}, id="fields as an array"),
        pytest.param({4: [307, {}, 5]}, id="a key's name that is a number"),
        pytest.param({4: [307, {}, "k", 1]}, id="something behind it"),
        pytest.param({4: [307, {"Location": "a\r\nX: b"}]}, id="two lines"),
        pytest.param({4: [307, {"Location": "é"}]}, id="beyond ASCII"),
        pytest.param({4: [307, {"A B": "x"}]}, id="a name that is none"),
        pytest.param({4: [307, {5: "x"}]}, id="a name that is a number"),
        pytest.param({4: [307, {"Content-Length": "5"}]}, id="the message's length"),
        pytest.param({4: [307, {"set-cookie": "a=b"}]}, id="a cookie"),
        pytest.param({4: [307, {"Location": ["x", 5]}]}, id="claims that are none"),
        pytest.param({4: [307, {f"x-{i}": "y" for i in range(17)}]}, id="many fields"),
        pytest.param({i: [307] for i in range(1000, 1033)}, id="many claims"),
    ],
)
def test_instructions_that_cannot_be(catif: object) -> None:
    with pytest.raises(EdgeError) as caught:
        verifier().verify(token({CATIF: catif}), now=NOW)

    assert caught.value.code == "token-bad-claims"


def test_a_token_of_somebody_else_redirects_nobody() -> None:
    forged = token({CATIF: {4: [307, {"Location": "https://evil.example/"}]}}, key=bytes(32))

    assert verifier().answer(forged, TokenExpired(), now=NOW) is None


def test_a_token_without_instructions_leaves_the_plain_refusal() -> None:
    assert verifier().answer(token(), TokenExpired(), now=NOW) is None
