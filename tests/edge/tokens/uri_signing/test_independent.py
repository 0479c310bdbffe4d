from __future__ import annotations

import json
from typing import Any

import pytest

from config.runtime.keys import KeySet
from edge.errors import NotAllowed, TokenBadClaims, TokenBadSignature
from edge.tokens.uri_signing.jws import read_signed, verify_signature
from edge.tokens.uri_signing.verifier import UriSigningVerifier
from tests.edge.tokens.uri_signing.support import DATA, asked, verifier

DOCUMENT = json.loads((DATA / "jwcrypto.json").read_text())
GOOD = [pytest.param(case, id=case["name"]) for case in DOCUMENT["good"]]
REFUSED = [pytest.param(case["token"], id=case["name"]) for case in DOCUMENT["refused"]]


@pytest.fixture
def accepting() -> UriSigningVerifier:
    return verifier(KeySet.of(DOCUMENT["keys"], source="jwcrypto"))


@pytest.mark.parametrize("case", GOOD)
def test_tokens_of_another_implementation_are_accepted(
    case: dict[str, Any], accepting: UriSigningVerifier
) -> None:
    assert accepting.may_be(case["token"])

    grant = accepting.verify(case["token"], now=DOCUMENT["clock"])

    assert grant.key_id == case["key"]
    assert grant.subject == case.get("subject", "")
    assert grant.token_id == case.get("token_id", "")
    shown = [rule.to_json() for rule in grant.rules[1:]]
    assert shown == ([{"networks": [case["network"]]}] if "network" in case else [])
    assert grant.rules[0].allows(asked())


@pytest.mark.parametrize("token", REFUSED)
def test_what_another_implementation_can_also_make_is_refused(
    token: str, accepting: UriSigningVerifier
) -> None:
    with pytest.raises(NotAllowed):
        accepting.verify(token, now=DOCUMENT["clock"])


# Apache Traffic Server's uri_signing (Apache-2.0, unit_tests/uri_signing_test.cc): a key, and tokens it is held to.
ATS_KEY = {
    "alg": "HS256",
    "k": "GJMCTyZhNoSOZvUOKmmY9MtGSLaONNLHqtKwsC3MWKo",
    "kid": "5",
    "kty": "oct",
}
ATS_HEADER = "eyJLZXlJREtleSI6IjUiLCJhbGciOiJIUzI1NiJ9"
ATS_TOKENS = {
    "tester": "eyJjZG5pZXRzIjozMCwiY2RuaXN0dCI6MSwiaXNzIjoiTWFzdGVyIElzc3VlciIsImF1ZCI6InRlc3RlciIsImNkbml1YyI6"
    "InJlZ2V4Omh0dHA6Ly93d3cuZm9vYmFyLmNvbS8qIn0.InBxVm6OOAglNqc-U5wAZaRQVebJ9PK7Y9i7VFHWYHU",
    "bad": "eyJjZG5pZXRzIjozMCwiY2RuaXN0dCI6MSwiaXNzIjoiTWFzdGVyIElzc3VlciIsImF1ZCI6ImJhZCIsImNkbml1YyI6InJ"
    "lZ2V4Omh0dHA6Ly93d3cuZm9vYmFyLmNvbS8qIn0.aCOo8gOBa5G1RKkkzgWYwc79dPRw_fQUC0k1sWcjkyM",
}


@pytest.mark.parametrize("audience", ATS_TOKENS)
def test_tokens_of_traffic_server_are_read_but_never_last_for_ever(audience: str) -> None:
    keys = KeySet.of({"keys": [ATS_KEY]}, source="Apache Traffic Server")
    token = f"{ATS_HEADER}.{ATS_TOKENS[audience]}"

    assert verify_signature(read_signed(token), keys.keys.values()).key_id == "5"
    with pytest.raises(TokenBadClaims, match="exp"):
        verifier(keys, issuers=["Master Issuer"], audiences=["tester"]).verify(
            token, now=DOCUMENT["clock"]
        )
    with pytest.raises(TokenBadSignature):
        verify_signature(read_signed(token[:-1] + "A"), keys.keys.values())
