from __future__ import annotations

from typing import Any

import pytest

from edge.errors import NotAllowed, TokenUnknownKey
from tests.edge.tokens.uri_signing.support import (
    NOW,
    asked,
    claims,
    encrypted,
    mint,
    verifier,
)

BAD, UNSUPPORTED = "token-bad-claims", "token-unsupported"
DAY = 24 * 3600


def outcome(token: str, **fields: Any) -> str:
    try:
        verifier(**fields).verify(token, now=NOW)
    except NotAllowed as error:
        return error.code
    return "ok"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({}, "ok", id="all that is needed"),
        pytest.param({"exp": None}, BAD, id="no end"),
        pytest.param({"exp": "1700000600"}, BAD, id="an end in words"),
        pytest.param({"exp": NOW + 600.5}, BAD, id="an end between two seconds"),
        pytest.param({"exp": True}, BAD, id="true is no end"),
        pytest.param({"exp": -1}, BAD, id="an end before time"),
        pytest.param({"exp": 10**400}, BAD, id="an end after time"),
        pytest.param({"exp": int(NOW) - DAY}, "ok", id="an end long ago is for the caller to see"),
        pytest.param({"exp": int(NOW) + 7 * DAY}, "ok", id="as long as it may"),
        pytest.param({"exp": int(NOW) + 7 * DAY + 1}, BAD, id="longer than it may"),
        pytest.param({"iat": int(NOW) - 8 * DAY}, BAD, id="longer than it may since it was issued"),
        pytest.param({"iat": int(NOW) - DAY}, "ok", id="issued yesterday"),
        pytest.param({"iat": int(NOW) + 30}, "ok", id="issued by a clock that is fast"),
        pytest.param({"iat": int(NOW) + 31}, "token-not-yet-valid", id="issued in the future"),
        pytest.param({"iat": "now"}, BAD, id="issued in words"),
        pytest.param({"nbf": int(NOW) + 60}, "ok", id="a beginning is for the caller to see"),
        pytest.param({"nbf": None}, "ok", id="no beginning"),
        pytest.param({"nbf": 1.5}, BAD, id="a beginning between two seconds"),
        pytest.param({"iss": "elsewhere"}, BAD, id="another issuer"),
        pytest.param({"iss": "Origin"}, BAD, id="an issuer in another case"),
        pytest.param({"iss": None}, "ok", id="no issuer"),
        pytest.param({"iss": ""}, BAD, id="an issuer without a name"),
        pytest.param({"iss": ["origin"]}, BAD, id="issuers"),
        pytest.param({"jti": "a"}, "ok", id="one use"),
        pytest.param({"jti": 5}, BAD, id="a number as id"),
        pytest.param({"jti": "a\nb"}, BAD, id="an id of two lines"),
        pytest.param({"jti": "a" * 257}, BAD, id="an endless id"),
        pytest.param({"sub": "viewer"}, BAD, id="subject in the clear"),
        pytest.param({"cdniip": "123.123.123.123"}, BAD, id="address in the clear"),
        pytest.param({"cdniip": 5}, BAD, id="a number as address"),
        pytest.param({"cdniv": 1}, "ok", id="this version"),
        pytest.param({"cdniv": 2}, UNSUPPORTED, id="the next version"),
        pytest.param({"cdniv": 0}, UNSUPPORTED, id="version nought"),
        pytest.param({"cdniv": True}, BAD, id="true is no version"),
        pytest.param({"cdniv": 1.0}, BAD, id="a fraction is no version"),
        pytest.param({"cdniv": "1"}, BAD, id="a version in words"),
        pytest.param({"cdnicrit": "x", "x": 1}, UNSUPPORTED, id="critical and unknown"),
        pytest.param({"cdnicrit": "x"}, BAD, id="critical and absent"),
        pytest.param({"cdnicrit": "x,x", "x": 1}, BAD, id="critical twice"),
        pytest.param({"cdnicrit": "exp"}, BAD, id="critical and defined"),
        pytest.param({"cdnicrit": "cdniuc,x", "x": 1}, BAD, id="critical, one of them defined"),
        pytest.param({"cdnicrit": ""}, BAD, id="critical nothing"),
        pytest.param({"cdnicrit": ["x"], "x": 1}, BAD, id="critical list"),
        pytest.param({"x": {"y": [1]}}, "ok", id="unknown and not critical"),
        pytest.param({"cdniuc": None}, BAD, id="no container"),
        pytest.param({"cdniuc": ""}, BAD, id="empty container"),
        pytest.param({"cdniuc": ["regex:.*"]}, BAD, id="containers"),
        pytest.param({"cdniuc": "uri-regex:.*"}, UNSUPPORTED, id="a form of an old draft"),
        pytest.param({"cdniuc": "Regex:.*"}, UNSUPPORTED, id="a form in another case"),
        pytest.param({"cdniuc": "https://cdn.example/"}, UNSUPPORTED, id="a bare URI"),
        pytest.param({"cdniuc": "regex:("}, BAD, id="no expression"),
        pytest.param({"cdniuc": "regex:" + "a" * 1025}, BAD, id="an endless expression"),
        pytest.param({"cdniuc": "regex:((a{255}){255}){255}"}, BAD, id="an explosion"),
        pytest.param({"cdniuc": "hash:sha-256;AAAA"}, BAD, id="a short hash"),
        pytest.param({"cdniuc": "hash:sha-256;****"}, BAD, id="no hash"),
        pytest.param({"cdniuc": "hash:sha-256-32;AAAAAA"}, UNSUPPORTED, id="a hash cut short"),
        pytest.param({"cdniuc": "hash:md5;AAAAAAAAAAAAAAAAAAAAAA"}, UNSUPPORTED, id="an old hash"),
        pytest.param({"cdniets": 30, "cdnistt": 1}, "ok", id="renewal"),
        pytest.param({"cdniets": 30.5, "cdnistt": 1}, "ok", id="renewal by a fraction"),
        pytest.param({"cdniets": 30}, BAD, id="renewal without a way"),
        pytest.param({"cdnistt": 1}, BAD, id="renewal without a time"),
        pytest.param({"cdnistt": 0}, BAD, id="no renewal and no time"),
        pytest.param({"cdnistt": 0, "cdniets": 0}, "ok", id="no renewal"),
        pytest.param({"cdnistt": 3, "cdniets": 30}, UNSUPPORTED, id="renewal in an unknown way"),
        pytest.param({"cdnistt": -1, "cdniets": 30}, UNSUPPORTED, id="renewal in no way"),
        pytest.param({"cdnistt": "1", "cdniets": 30}, BAD, id="a way in words"),
        pytest.param({"cdnistt": True, "cdniets": 30}, BAD, id="true is no way"),
        pytest.param({"cdnistt": 1, "cdniets": 0}, BAD, id="renewal for no time"),
        pytest.param({"cdnistt": 1, "cdniets": -30}, BAD, id="renewal into the past"),
        pytest.param({"cdnistt": 1, "cdniets": "30"}, BAD, id="a time in words"),
        pytest.param({"cdnistt": 1, "cdniets": True}, BAD, id="true is no time"),
        pytest.param({"cdnistt": 1, "cdniets": 7 * DAY + 1}, BAD, id="renewal past the longest"),
        pytest.param({"cdnistd": 2}, "ok", id="depth"),
        pytest.param({"cdnistd": -2}, BAD, id="negative depth"),
        pytest.param({"cdnistd": 2.0}, BAD, id="depth as a fraction"),
        pytest.param({"cdnistd": 65}, BAD, id="an abyss"),
    ],
)
def test_each_claim_is_held_or_refused(changed: dict[str, Any], expected: str) -> None:
    assert outcome(mint(claims(**changed))) == expected


@pytest.mark.parametrize(
    ("audience", "expected"),
    [
        pytest.param("edge", "ok", id="one"),
        pytest.param(["foo", "bar", "edge"], "ok", id="one of several"),
        pytest.param("foo", BAD, id="another"),
        pytest.param(["foo", "bar", "edges"], BAD, id="others"),
        pytest.param("Edge", BAD, id="another case"),
        pytest.param(["Edge"], BAD, id="another case among several"),
        pytest.param(1, BAD, id="a number"),
        pytest.param([1, "edge"], BAD, id="a number among several"),
        pytest.param([], BAD, id="nobody"),
        pytest.param(["edge"] * 17, BAD, id="too many"),
    ],
)
def test_a_token_is_for_its_audience(audience: object, expected: str) -> None:
    # The cases of Apache Traffic Server's uri_signing, which lets the number among several pass.
    token = mint(claims(aud=audience))
    assert outcome(token) == expected
    assert outcome(token, audiences=[]) == BAD


def test_an_issuer_signs_with_its_own_keys_alone() -> None:
    own = {"issuer_keys": {"origin": ["es"], "partner": ["ed"]}, "issuers": []}

    assert outcome(mint(claims(), key_id="es"), **own) == "ok"
    assert outcome(mint(claims(iss="partner"), key_id="ed"), **own) == "ok"
    assert outcome(mint(claims(), key_id="ed"), **own) == BAD
    assert outcome(mint(claims(iss="partner"), key_id="es"), **own) == BAD
    assert outcome(mint(claims(iss="stranger"), key_id="es"), **own) == BAD
    assert outcome(mint(claims(iss=None), key_id="hs"), **own) == "ok"


def test_a_token_without_kid_is_tried_with_the_only_key_that_fits() -> None:
    assert outcome(mint(key_id="es", kid=None)) == "ok"
    assert outcome(mint(key_id="ed", kid=None)) == "ok"
    assert verifier().may_be(mint(key_id="es", kid=None))
    two_fit = mint(key_id="hs", kid=None)
    assert not verifier().may_be(two_fit)
    with pytest.raises(TokenUnknownKey) as refused:
        verifier().verify(two_fit, now=NOW)
    assert refused.value.key_id == ""


def test_a_token_without_kid_is_tried_with_the_keys_of_its_issuer() -> None:
    own = {"issuer_keys": {"origin": ["hs", "hs2"], "partner": ["hs"]}}

    assert outcome(mint(key_id="hs", kid=None), **own) == "ok"
    assert outcome(mint(key_id="hs2", kid=None), **own) == "ok"
    partners = mint(claims(iss="partner"), key_id="hs2", kid=None)
    assert outcome(partners, **own) == "token-bad-signature"
    assert outcome(mint(key_id="es", kid=None), **own) == "token-unknown-key"


def test_settings_can_ask_for_claims() -> None:
    needed = {"required_claims": ["iss", "jti"]}
    assert outcome(mint(claims(jti="a")), **needed) == "ok"
    assert outcome(mint(claims()), **needed) == BAD
    assert outcome(mint(claims(jti="a", iss=None)), **needed) == BAD


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        pytest.param("192.0.2.7", "192.0.2.7", "192.0.2.8", id="address"),
        pytest.param("192.0.2.0/25", "192.0.2.127", "192.0.2.128", id="prefix"),
        pytest.param("192.0.2.99/25", "192.0.2.1", "192.0.2.128", id="prefix of an address"),
        pytest.param("2001:db8::/64", "2001:db8::ffff", "2001:db8:0:1::", id="IPv6 prefix"),
        pytest.param("[2001:db8::1]", "2001:db8::1", "2001:db8::2", id="IPv6 in brackets"),
        pytest.param("2001:DB8::1", "2001:db8::1", "2001:db8::2", id="IPv6 in capitals"),
        pytest.param("0.0.0.0/0", "203.0.113.9", "2001:db8::1", id="every IPv4"),
        pytest.param("::ffff:192.0.2.0/120", "192.0.2.9", "192.0.3.9", id="IPv4 in IPv6"),
    ],
)
def test_an_encrypted_address_is_held_against_the_client(
    text: str, inside: str, outside: str
) -> None:
    grant = verifier().verify(mint(claims(cdniip=encrypted(text))), now=NOW)

    assert grant.broken_rule(asked(address=inside)) is None
    for address in (outside, None):
        rule = grant.broken_rule(asked(address=address))
        assert rule is not None
        assert rule.reason == "address-not-covered"


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "192.0.2.1 ", "192.0.2", "1.2.3.4/33", "1.2.3.4/", "1.2.3.4/255.0.0.0"),
        *("010.0.0.1", "3221225985", "fe80::1%eth0", "[192.0.2.1", "::/129", "localhost", "é"),
        "192.0.2.1,192.0.2.2",
    ],
)
def test_an_encrypted_address_that_is_none_is_refused(text: str) -> None:
    assert outcome(mint(claims(cdniip=encrypted(text)))) == BAD


def test_a_subject_is_decrypted() -> None:
    grant = verifier().verify(mint(claims(sub=encrypted("viewer 5"))), now=NOW)
    assert grant.subject == "viewer 5"
    for text in ("", "a\nb", "a" * 257):
        assert outcome(mint(claims(sub=encrypted(text)))) == BAD


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(encrypted("192.0.2.1", kid=None), "ok", id="without kid"),
        pytest.param(encrypted("192.0.2.1", kid="none"), "token-unknown-key", id="unknown kid"),
        pytest.param(encrypted("192.0.2.1", kid="es"), "token-unknown-key", id="a signer's kid"),
        pytest.param(encrypted("192.0.2.1" * 50, zip="DEF"), UNSUPPORTED, id="compressed"),
        pytest.param(encrypted("192.0.2.1") + "=", BAD, id="padded"),
        pytest.param(encrypted("192.0.2.1") + ".a", BAD, id="six parts"),
        pytest.param(encrypted("192.0.2.1").replace("..", ".AAAA."), BAD, id="with a wrapped key"),
        pytest.param(encrypted("192.0.2.1")[:-8], BAD, id="tag cut short"),
        pytest.param("....", BAD, id="nothing"),
    ],
)
def test_an_encrypted_claim_has_one_form(text: str, expected: str) -> None:
    assert outcome(mint(claims(cdniip=text))) == expected


def test_a_token_names_its_session_by_what_was_signed() -> None:
    first, second = mint(), mint()  # two ECDSA signatures of the same claims
    assert first != second
    grants = [verifier().verify(token, now=NOW) for token in (first, second)]
    assert grants[0].session == grants[1].session
    assert len(grants[0].session) == 32
    assert verifier().verify(mint(claims(jti="one")), now=NOW).session == "one"
    assert verifier().verify(mint(claims(jti="one", sid="s")), now=NOW).session == "s"


def test_the_header_can_be_known_beforehand() -> None:
    token = mint()
    header, _, rest = token.partition(".")
    shared = verifier(jwt_header=header)

    assert not verifier().may_be(rest)
    assert shared.may_be(rest)
    assert shared.verify(rest, now=NOW) == verifier().verify(token, now=NOW)
    assert outcome(token, jwt_header=header) == "token-malformed"  # one token, one spelling
    assert outcome(mint(key_id="ed"), jwt_header=header) == "ok"
    assert outcome(rest) == "token-malformed"
