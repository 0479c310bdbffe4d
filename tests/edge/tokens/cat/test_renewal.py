from __future__ import annotations

from datetime import timedelta
from typing import Any

import cbor2
import pytest

from config.contracts.grants import Renewal
from edge.errors import EdgeError, TokenExpired, TokenMalformed, TokenUnsupported
from edge.tokens.cat.cose import opened
from tests.edge.tokens.cat.minting import NOW, by_cwt, token, tokens_of, verifier

CATU, CATNIP, CATREPLAY, CATR = 312, 311, 308, 323
WEEK = 7 * 86400
NODE = tokens_of("node_cat.json")


def _claims(text: str) -> dict[Any, Any]:
    claims: dict[Any, Any] = cbor2.loads(opened(text).payload)
    return claims


def _renewal(catr: object, **settings: Any) -> Renewal | None:
    given = {"renewal_key": "HS256", **settings}
    return verifier(**given).verify(token({CATR: catr}), now=NOW).renewal


@pytest.mark.parametrize(
    ("name", "carrier", "seconds", "within", "carried"),
    [
        ("catr header", "header", 120, 60, ("cta-common-access-token", (), 307)),
        ("catr cookie", "cookie", 300, 60, ("tok", ("Secure", "HttpOnly"), 307)),
        ("catr redirect", "redirect", 300, 60, ("", (), 302)),
        ("catr automatic", "as-it-came", 300, 60, ("", (), 307)),
    ],
)
def test_how_the_next_token_comes(
    name: str, carrier: str, seconds: int, within: int, carried: tuple[str, tuple[str, ...], int]
) -> None:
    renewal = verifier(renewal_key="HS256").verify(NODE[name], now=NOW).renewal

    assert renewal is not None
    assert (renewal.carrier, renewal.seconds, renewal.within) == (carrier, seconds, within)
    assert (renewal.name, renewal.attributes, renewal.status) == carried
    assert renewal.until == NOW + WEEK
    assert not renewal.late


@pytest.mark.parametrize(
    ("catr", "expected"),
    [
        pytest.param({0: 1, 1: 60}, ("CTA-Common-Access-Token", 60, 30, 307), id="usual names"),
        pytest.param({0: 2, 1: 60, 2: 10}, ("CTA-Common-Access-Token", 60, 10, 307), id="deadline"),
        pytest.param({0: 2, 1: 60, 2: 900}, ("CTA-Common-Access-Token", 60, 30, 307), id="at half"),
        pytest.param({0: 3, 1: 60, 7: 301}, ("", 60, 30, 307), id="nothing kept for good"),
        pytest.param({0: 3, 1: 60, 7: 303}, ("", 60, 30, 303), id="status"),
        pytest.param({0: 0, 1: 2**31 - 1}, ("", WEEK, 60, 307), id="no longer than may be"),
        pytest.param({0: 1, 1: 60, 3: "x", 5: "Secure"}, ("x", 60, 30, 307), id="one parameter"),
    ],
)
def test_what_a_renewal_says(catr: object, expected: tuple[str, int, int, int]) -> None:
    renewal = _renewal(catr)

    assert renewal is not None
    assert (renewal.name, renewal.seconds, renewal.within, renewal.status) == expected


@pytest.mark.parametrize(
    ("catr", "code"),
    [
        pytest.param({}, "token-unsupported", id="empty"),
        pytest.param({0: 4, 1: 60}, "token-unsupported", id="a kind that is not known"),
        pytest.param({0: True, 1: 60}, "token-unsupported", id="kind true"),
        pytest.param({0: 1, 1: 60, 8: 1}, "token-unsupported", id="a word that is not known"),
        pytest.param({0: 1}, "token-bad-claims", id="no time"),
        pytest.param({0: 1, 1: 0}, "token-bad-claims", id="no time at all"),
        pytest.param({0: 1, 1: 1.5}, "token-bad-claims", id="a fraction"),
        pytest.param({0: 1, 1: -5}, "token-bad-claims", id="negative time"),
        pytest.param({0: 1, 1: 60, 2: "x"}, "token-bad-claims", id="a deadline that is none"),
        pytest.param({0: 1, 1: 60, 3: "a;b"}, "token-bad-claims", id="a name with a semicolon"),
        pytest.param({0: 2, 1: 60, 4: "a\r\nb"}, "token-bad-claims", id="a name of two lines"),
        pytest.param({0: 1, 1: 60, 5: ["a\r\nSet-Cookie: b"]}, "token-bad-claims", id="injection"),
        pytest.param({0: 1, 1: 60, 5: ["a;b"]}, "token-bad-claims", id="two parameters in one"),
        pytest.param({0: 1, 1: 60, 5: ["a"] * 9}, "token-bad-claims", id="many parameters"),
        pytest.param({0: 3, 1: 60, 7: 200}, "token-bad-claims", id="no redirect"),
    ],
)
def test_renewals_that_cannot_be(catr: object, code: str) -> None:
    with pytest.raises(EdgeError) as caught:
        _renewal(catr)

    assert caught.value.code == code


def test_without_a_key_nothing_is_renewed_and_the_token_is_good() -> None:
    plain = verifier()

    assert _renewal({0: 1, 1: 60}, renewal_key=None) is None
    with pytest.raises(TokenUnsupported):
        plain.renewed(NODE["catr header"], now=NOW)


def test_a_token_without_catr_is_not_renewed() -> None:
    with pytest.raises(TokenUnsupported):
        verifier(renewal_key="HS256").renewed(token(), now=NOW)


@pytest.mark.parametrize("key", ["HS256", "ES256", "EdDSA", "PS256"])
def test_the_next_token_says_the_same_for_longer(key: str) -> None:
    signer = verifier(renewal_key=key)
    claims = {
        2: "somebody",
        5: NOW - 10,
        7: b"first",
        CATU: {3: {1: "/vod/"}},
        CATNIP: [cbor2.CBORTag(52, [8, b"\x0a"])],
        CATR: {0: 2, 1: 900, 2: 60},
        322: {(4, 5): [307, {"Location": "https://a.example/"}]},
    }
    first = token(claims)

    second = signer.renewed(first, now=NOW + 550.5)

    assert _claims(second)[4] == NOW + 550 + 900
    changed = {4: 0, 7: b"", 5: None}
    assert {**_claims(second), **changed} == {**_claims(first), **changed}
    assert 5 not in _claims(second)
    assert _claims(second)[7] != b"first"
    assert len(_claims(second)[7]) == 16
    grants = [signer.verify(text, now=NOW + 560) for text in (first, second)]
    shown = [[rule.to_json() for rule in grant.rules] for grant in grants]
    assert (
        shown[0]
        == shown[1]
        == [{"catu": {"path": [{"prefix": "/vod/"}]}}, {"catnip": ["10.0.0.0/8"]}]
    )
    assert grants[0].subject == grants[1].subject
    assert grants[1].key_id == key
    assert grants[0].renewal == grants[1].renewal


@pytest.mark.parametrize("tags", [(17, 61), (17,), ()])
def test_the_next_token_has_the_form_of_the_first(tags: tuple[int, ...]) -> None:
    first = token({CATR: {0: 0, 1: 60}}, tags=tags)

    second = verifier(renewal_key="HS256").renewed(first, now=NOW)

    before, after = opened(first), opened(second)
    assert (before.kind, before.has_cwt_tag) == (after.kind, after.has_cwt_tag)
    assert (before.key_id, before.key_id_is_protected) == (after.key_id, after.key_id_is_protected)


def test_the_name_of_the_key_stays_signed() -> None:
    first = by_cwt("HS256", {4: NOW + 60, CATR: {0: 0, 1: 60}}, kid_in="protected")

    second = verifier(renewal_key="ES256").renewed(first, now=NOW)

    assert opened(second).key_id_is_protected
    assert verifier().verify(second, now=NOW).key_id == "ES256"


def test_a_session_ends_however_often_it_is_renewed() -> None:
    signer = verifier(renewal_key="HS256", max_lifetime=timedelta(hours=1))
    text = token({CATR: {0: 0, 1: 1000}})
    ends = []
    for _ in range(3):
        text = signer.renewed(text, now=_claims(text)[4])
        ends.append(_claims(text)[4] - NOW)

    assert ends == [1600, 2600, 3600]
    with pytest.raises(TokenExpired):
        signer.renewed(text, now=NOW + 3600)


def test_a_token_that_does_not_say_when_it_was_issued_has_been_issued_when_it_is_first_renewed() -> (
    None
):
    signer = verifier(renewal_key="HS256")
    first = by_cwt("HS256", {4: NOW + 60, CATR: {0: 0, 1: 60}})

    second = signer.renewed(first, now=NOW + 30)
    third = signer.renewed(second, now=NOW + 70)

    assert 6 not in _claims(first)
    assert _claims(second)[6] == _claims(third)[6] == NOW + 30


def test_a_token_for_one_session_stays_one() -> None:
    signer = verifier(renewal_key="HS256")
    first = token({7: b"x", CATREPLAY: 1, CATR: {0: 0, 1: 60}})

    assert signer.verify(signer.renewed(first, now=NOW), now=NOW).once


def test_a_bad_signature_is_not_renewed() -> None:
    with pytest.raises(EdgeError) as caught:
        verifier(renewal_key="HS256").renewed(token({CATR: {0: 0, 1: 60}}, key=bytes(32)), now=NOW)

    assert caught.value.code == "token-bad-signature"


def test_a_next_token_that_would_be_too_long_is_not_made() -> None:
    claims: dict[Any, Any] = {
        4: NOW + 60,
        312: {3: {0: "/" + "x" * 1990}},
        315: {"x": {0: "y" * 850}},
    }
    text = by_cwt("HS256", {**claims, CATR: {0: 0, 1: 60}})
    signer = verifier(renewal_key="PS256")
    assert signer.verify(text, now=NOW).renewal is not None

    with pytest.raises(TokenMalformed, match="too long"):
        signer.renewed(text, now=NOW)
