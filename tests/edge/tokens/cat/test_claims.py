from __future__ import annotations

from datetime import timedelta
from typing import Any

import cbor2
import pytest

from config.contracts.grants import NOWHERE, Asked, Place
from config.runtime.processes import WrongUse
from config.settings.schemes.cat import CommonAccessToken
from edge.errors import EdgeError
from edge.tokens.cat.verifier import open_cat
from tests.edge.tokens.cat.minting import EDGE, NOW, asked, base64url, mac0, token, verifier

AUD, NBF, IAT, CTI, CNF = 3, 5, 6, 7, 8
GEOHASH, CATREPLAY, CATPOR, CATV, CATNIP, CATU, CATM, CATALPN, CATH = 282, *range(308, 316)
COUNTRY, COORDINATES, ALTITUDE, TLS_KEY, IFDATA, DPOP, CATIF, CATR = range(316, 324)

HOME = Place(country="FR", subdivision="FR-75", latitude=48.8566, longitude=2.3522, network=64500)
BROWSER = {"User-Agent": "Mozilla/5.0", "X-Tag": "one"}


def ipv4(value: object) -> cbor2.CBORTag:
    return cbor2.CBORTag(52, value)


def ipv6(value: object) -> cbor2.CBORTag:
    return cbor2.CBORTag(54, value)


def _code(claims: dict[Any, Any], request: Asked | None = None, **settings: Any) -> str:
    try:
        grant = verifier(**settings).verify(token(claims), now=NOW)
    except EdgeError as error:
        return error.code
    broken = grant.broken_rule(asked() if request is None else request)
    return "ok" if broken is None else broken.reason


@pytest.mark.parametrize(
    ("claims", "request_", "code"),
    [
        pytest.param({CATM: ["GET"]}, asked(), "ok", id="method"),
        pytest.param({CATM: ["GET"]}, asked(method="HEAD"), "method-not-covered", id="another"),
        pytest.param({CATM: ["get"]}, asked(), "method-not-covered", id="method's case"),
        pytest.param({CATM: []}, asked(), "method-not-covered", id="no method"),
        pytest.param({CATALPN: [b"h2"]}, asked(protocol="h2"), "ok", id="protocol"),
        pytest.param({CATALPN: [b"h2"]}, asked(), "protocol-not-covered", id="another protocol"),
        pytest.param({CATH: {"X-Tag": {0: "one"}}}, asked(headers=BROWSER), "ok", id="field"),
        pytest.param({CATH: {"x-tag": {0: "one"}}}, asked(headers=BROWSER), "ok", id="its case"),
        pytest.param(
            {CATH: {"X-Tag": {0: "two"}}}, asked(headers=BROWSER), "header-not-covered", id="value"
        ),
        pytest.param({CATH: {"X-Tag": {1: ""}}}, asked(), "header-not-covered", id="no field"),
        pytest.param({COUNTRY: ["FR"]}, asked(place=HOME), "ok", id="country"),
        pytest.param({COUNTRY: ["fr-75"]}, asked(place=HOME), "ok", id="subdivision"),
        pytest.param({COUNTRY: ["DE", "FR-13"]}, asked(place=HOME), "place-not-covered", id="no"),
        pytest.param({COUNTRY: ["FR"]}, asked(), "place-not-covered", id="country not known"),
        pytest.param({COUNTRY: []}, asked(place=HOME), "place-not-covered", id="no country"),
        pytest.param({COORDINATES: [[48.85, 2.35, 2000]]}, asked(place=HOME), "ok", id="near"),
        pytest.param(
            {COORDINATES: [[48.85, 2.35, 500]]}, asked(place=HOME), "place-not-covered", id="far"
        ),
        pytest.param(
            {COORDINATES: [[0, 0, 1], [49, 2, 50_000.5]]}, asked(place=HOME), "ok", id="of two"
        ),
        pytest.param(
            {COORDINATES: [[48.85, 2.35, 9e8]]}, asked(), "place-not-covered", id="not known where"
        ),
        pytest.param({GEOHASH: "u09tv"}, asked(place=HOME), "ok", id="cell"),
        pytest.param({GEOHASH: ["ezs42", "U09"]}, asked(place=HOME), "ok", id="one of two cells"),
        pytest.param({GEOHASH: ["u09tw"]}, asked(place=HOME), "place-not-covered", id="next cell"),
        pytest.param({GEOHASH: ["u"]}, asked(), "place-not-covered", id="cell not known"),
        pytest.param({CATNIP: [64500]}, asked(place=HOME), "ok", id="system"),
        pytest.param({CATNIP: [64501]}, asked(place=HOME), "address-not-covered", id="another"),
        pytest.param(
            {CATNIP: [ipv4(b"\xc0\x00\x02\x01")]}, asked(address="192.0.2.1"), "ok", id="IPv4"
        ),
        pytest.param(
            {CATNIP: [ipv4(b"\xc0\x00\x02\x01")]},
            asked(address="::ffff:192.0.2.1"),
            "ok",
            id="IPv4 mapped into IPv6",
        ),
        pytest.param(
            {CATNIP: [ipv6(b"\0" * 10 + b"\xff\xff\xc0\x00\x02\x01")]},
            asked(address="192.0.2.1"),
            "ok",
            id="mapped in the token",
        ),
        pytest.param(
            {CATNIP: [ipv4([24, b"\xc0\x00\x02"])]},
            asked(address="192.0.2.9"),
            "ok",
            id="short form",
        ),
        pytest.param(
            {CATNIP: [ipv4([24, b"\xc0\x00\x02"])]},
            asked(address="192.0.3.9"),
            "address-not-covered",
            id="outside",
        ),
        pytest.param(
            {CATNIP: [ipv6([32, b"\x20\x01\x0d\xb8"])]},
            asked(address="2001:db8::1%eth0"),
            "ok",
            id="a zone does not count",
        ),
        pytest.param(
            {CATNIP: [ipv6([0, b""])]},
            asked(address="192.0.2.1"),
            "address-not-covered",
            id="family",
        ),
        pytest.param({CATNIP: [ipv4([0, b""])]}, asked(), "address-not-covered", id="not known"),
        pytest.param({CATNIP: []}, asked(address="192.0.2.1"), "address-not-covered", id="nobody"),
        pytest.param({CATU: {3: {1: "/vod/"}}}, asked(), "ok", id="path"),
        pytest.param({CATU: {3: {1: "/vod/"}}}, asked("/live/a"), "path-not-covered", id="other"),
        pytest.param({CATU: {1: {0: "edge.example.com"}}}, asked(), "ok", id="host"),
        pytest.param({CATV: 1, CATREPLAY: 0, IFDATA: ["exp"]}, asked(), "ok", id="no condition"),
        pytest.param({2: "somebody", IFDATA: "exp", CATIF: {}}, asked(), "ok", id="nor these"),
    ],
)
def test_conditions(claims: dict[Any, Any], request_: Asked, code: str) -> None:
    assert _code(claims, request_) == code


# The cases of github.com/Eyevinn/node-cat, src/catnip.test.ts (MIT).
@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.168.1.10", "ok"),
        ("192.168.1.11", "ok"),
        ("192.168.0.10", "ok"),
        ("192.168.0.1", "ok"),
        ("2001:0db8:f3c2:156a:e391:7ba4:970f:12bf", "ok"),
        ("2001:db8:0:2000:0:0:0:1", "ok"),
        ("192.168.5.5", "address-not-covered"),
        ("2001:db9:0:2000:0:0:0:1", "address-not-covered"),
        ("2001:0db8:f3c2:156a:e391:7ba4:970f:ffff", "address-not-covered"),
    ],
)
def test_the_network_cases_of_node_cat(address: str, expected: str) -> None:
    networks = [
        ipv4(b"\xc0\xa8\x01\x0a"),
        ipv4([24, b"\xc0\xa8\x01\x00"]),
        4321,
        1234,
        ipv4([24, b"\xc0\xa8\x00\x00"]),
        ipv4(b"\xc0\xa8\x00\x01"),
        ipv6(bytes.fromhex("20010db8f3c2156ae3917ba4970f12bf")),
        ipv6([56, bytes.fromhex("20010db8000020000000000000000000")]),
    ]

    assert _code({CATNIP: networks}, asked(address=address)) == expected


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        pytest.param({CATPOR: [0.5, b"id"]}, "token-unsupported", id="probability of rejection"),
        pytest.param({ALTITUDE: [10, 5]}, "token-unsupported", id="altitude"),
        pytest.param({TLS_KEY: b"\1" * 32}, "token-unsupported", id="TLS key"),
        pytest.param({DPOP: {0: 300}}, "token-unsupported", id="DPoP"),
        pytest.param({CNF: {3: b"\1" * 32}}, "token-unsupported", id="proof of possession"),
        pytest.param({324: {0: 2, 1: b"x"}}, "token-unsupported", id="TLS fingerprint"),
        pytest.param({325: "x"}, "token-unsupported", id="a claim to come"),
        pytest.param({41: [{CATM: ["GET"]}]}, "token-unsupported", id="or, as one writes it"),
        pytest.param({44: {4: b"x"}}, "token-unsupported", id="enc, as one writes it"),
        pytest.param({45: [CATM]}, "token-unsupported", id="crit, as one writes it"),
        pytest.param({-70000: 1}, "token-unsupported", id="a private claim"),
        pytest.param({"ext": 1}, "token-unsupported", id="a claim by name"),
        pytest.param({CATV: 2}, "token-unsupported", id="version 2"),
        pytest.param({CATV: True}, "token-unsupported", id="version true"),
        pytest.param({CATV: 1.0}, "token-unsupported", id="version 1.0"),
        pytest.param({CATREPLAY: 3}, "token-unsupported", id="replay 3"),
        pytest.param({CATREPLAY: False}, "token-unsupported", id="replay false"),
        pytest.param({CATNIP: [ipv4([24, b"\1\2\3", 7])]}, "token-unsupported", id="interface"),
        pytest.param({CATNIP: ["10.0.0.0/8"]}, "token-unsupported", id="network as a text"),
        pytest.param({CATNIP: [[64512, 64520]]}, "token-unsupported", id="a range of systems"),
        pytest.param({CATNIP: [2**32]}, "token-unsupported", id="a system beyond the last"),
        pytest.param({CATNIP: [ipv4(b"\1\2\3")]}, "token-bad-claims", id="short address"),
        pytest.param({CATNIP: [ipv4([33, b"\1"])]}, "token-bad-claims", id="long prefix"),
        pytest.param({CATNIP: [ipv4([True, b"\1"])]}, "token-bad-claims", id="prefix true"),
        pytest.param({CATNIP: [64500] * 257}, "token-bad-claims", id="many networks"),
        pytest.param({CATM: "GET"}, "token-bad-claims", id="method as a text"),
        pytest.param({CATM: [{"GET": 1}]}, "token-bad-claims", id="method as a map"),
        pytest.param({CATM: ["GE T"]}, "token-bad-claims", id="a method that is none"),
        pytest.param({CATALPN: ["h2"]}, "token-bad-claims", id="protocol as a text"),
        pytest.param({CATH: {"a b": {0: "x"}}}, "token-bad-claims", id="a field that is none"),
        pytest.param({CATH: {"a": {0: "x"}, "A": {0: "y"}}}, "token-bad-claims", id="field twice"),
        pytest.param({COUNTRY: ["France"]}, "token-bad-claims", id="a country that is none"),
        pytest.param({COORDINATES: [[91, 0, 1]]}, "token-bad-claims", id="beyond the pole"),
        pytest.param({COORDINATES: [[1, 0, -1]]}, "token-bad-claims", id="negative radius"),
        pytest.param({COORDINATES: [1, 2, 3]}, "token-bad-claims", id="no circles"),
        pytest.param({COORDINATES: [[1, 2, True]]}, "token-bad-claims", id="radius true"),
        pytest.param({GEOHASH: ["a"]}, "token-bad-claims", id="a letter that is none"),
        pytest.param({GEOHASH: [""]}, "token-bad-claims", id="empty geohash"),
        pytest.param({CTI: "id"}, "token-bad-claims", id="cti as a text"),
        pytest.param({CTI: b"x" * 65}, "token-bad-claims", id="long cti"),
        pytest.param({2: "a\nb"}, "token-bad-claims", id="a line feed in sub"),
        pytest.param({2: ""}, "token-bad-claims", id="empty sub"),
        pytest.param({1: 5}, "token-bad-claims", id="iss a number"),
        pytest.param({AUD: []}, "token-bad-claims", id="nobody in aud"),
        pytest.param({AUD: ["us", 5]}, "token-bad-claims", id="a number in aud"),
        pytest.param({IFDATA: 5}, "token-bad-claims", id="catifdata a number"),
        pytest.param({CATIF: []}, "token-bad-claims", id="catif an array"),
        pytest.param({CATR: []}, "token-bad-claims", id="catr an array"),
        pytest.param({4: float(NOW)}, "token-bad-claims", id="exp a fraction"),
        pytest.param({4: str(NOW)}, "token-bad-claims", id="exp a text"),
        pytest.param({4: True}, "token-bad-claims", id="exp true"),
        pytest.param({4: None}, "token-bad-claims", id="exp null"),
        pytest.param({4: -1}, "token-bad-claims", id="exp before 1970"),
        pytest.param({4: cbor2.CBORTag(1, NOW)}, "token-bad-claims", id="exp a tagged time"),
        pytest.param({4: 2**64 - 1}, "token-bad-claims", id="exp at the end of days"),
        pytest.param({4: NOW + 8 * 86400}, "token-bad-claims", id="exp in more than a week"),
        pytest.param({IAT: NOW - 8 * 86400}, "token-bad-claims", id="issued a week before exp"),
        pytest.param({NBF: float("nan")}, "token-bad-claims", id="nbf not a number"),
        pytest.param({IAT: float(NOW)}, "token-bad-claims", id="iat a fraction"),
    ],
)
def test_what_is_not_enforced_is_refused(claims: dict[Any, Any], code: str) -> None:
    assert _code(claims) == code


@pytest.mark.parametrize("missing", [{}, {1: "s"}, {5: NOW}])
def test_a_token_without_an_end_is_refused(missing: dict[int, Any]) -> None:
    with pytest.raises(EdgeError, match="exp is missing"):
        verifier().verify(base64url(mac0(missing)), now=NOW)


@pytest.mark.parametrize(
    ("claims", "settings", "code"),
    [
        pytest.param({}, {}, "ok", id="nothing asked, nothing named"),
        pytest.param({1: "them"}, {}, "ok", id="any issuer"),
        pytest.param({1: "them"}, {"issuers": ["us", "them"]}, "ok", id="one of the issuers"),
        pytest.param({1: "them"}, {"issuers": ["us"]}, "token-bad-claims", id="another issuer"),
        pytest.param({}, {"issuers": ["us"]}, "token-bad-claims", id="no issuer"),
        pytest.param({AUD: "us"}, {"audiences": ["us"]}, "ok", id="for us"),
        pytest.param({AUD: ["them", "us"]}, {"audiences": ["us"]}, "ok", id="for us too"),
        pytest.param({AUD: "them"}, {"audiences": ["us"]}, "token-bad-claims", id="for others"),
        pytest.param({AUD: "us"}, {}, "token-bad-claims", id="we have no name"),
        pytest.param({}, {"audiences": ["us"]}, "ok", id="for nobody in particular"),
        pytest.param({-70000: 1}, {"ignored_claims": [-70000]}, "ok", id="a claim to pass over"),
        pytest.param({"ext": 1}, {"ignored_claims": ["ext"]}, "ok", id="one by name"),
        pytest.param(
            {4: NOW + 20 * 86400}, {"max_lifetime": timedelta(days=30)}, "ok", id="longer lifetime"
        ),
    ],
)
def test_settings(claims: dict[Any, Any], settings: dict[str, Any], code: str) -> None:
    assert _code(claims, **settings) == code


def test_what_a_grant_says() -> None:
    claims = {1: "issuer", 2: "subject", 5: NOW - 5, CTI: b"\xab\xcd", CATREPLAY: 1}

    grant = verifier().verify(token(claims), now=NOW)

    assert (grant.issuer, grant.subject) == ("issuer", "subject")
    assert (grant.token_id, grant.session) == ("abcd", "abcd")
    assert (grant.not_before, grant.expires_at) == (NOW - 5, NOW + 600)
    assert grant.once
    assert grant.path_prefixes == ("/",)
    assert grant.renewal is None


@pytest.mark.parametrize(("replay", "once"), [(0, False), (1, True), (2, True)])
def test_reuse_that_is_to_be_detected_is_not_allowed_at_all(replay: int, *, once: bool) -> None:
    assert verifier().verify(token({CATREPLAY: replay}), now=NOW).once is once


def test_a_token_without_an_id_has_one_session_however_it_is_spelled() -> None:
    spelled = [
        token({2: "a"}, tags=(17, 61)),
        token({2: "a"}, tags=()),
        token({2: "a"}, tags=(17,)),
        token({2: "a"}, unprotected={4: b"Symmetric256"}),
    ]

    sessions = {verifier().verify(text, now=NOW).session for text in spelled}

    assert len(set(spelled)) == 4
    assert len(sessions) == 1
    assert verifier().verify(token({2: "b"}), now=NOW).session not in sessions


def test_a_token_without_an_id_is_used_up_by_a_name_that_all_its_spellings_share() -> None:
    grants = [
        verifier().verify(token({CATREPLAY: 1}, tags=tags), now=NOW)
        for tags in ((17, 61), (17,), ())
    ]

    assert len({grant.token_id for grant in grants}) == 1
    assert len(grants[0].token_id) == 32
    assert verifier().verify(token(), now=NOW).token_id == ""


def test_a_grant_can_be_shown_to_people() -> None:
    claims = {
        CATU: {3: {1: "/vod/"}},
        CATM: ["GET"],
        CATNIP: [ipv4([8, b"\x0a"]), 64500],
        CATH: {"X-Tag": {4: ["a.c"]}},
        CATALPN: [b"h2"],
        COUNTRY: ["FR"],
        COORDINATES: [[1, 2, 3]],
        GEOHASH: "u09",
    }

    grant = verifier().verify(token(claims), now=NOW)

    assert [rule.to_json() for rule in grant.rules] == [
        {"catu": {"path": [{"prefix": "/vod/"}]}},
        {"methods": ["GET"]},
        {"catnip": ["10.0.0.0/8", 64500]},
        {"cath": {"x-tag": [{"regex": "a.c"}]}},
        {"catalpn": ["h2"]},
        {"countries": ["FR"]},
        {"catgeocoord": [[1.0, 2.0, 3.0]]},
        {"geohash": ["u09"]},
    ]
    assert grant.broken_rule(asked(place=NOWHERE)) is not None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"ignored_claims": [CATU]}, "not to be ignored", id="a known claim"),
        pytest.param({"renewal_key": "nobody"}, "no private key", id="no such key"),
        pytest.param({"renewal_key": "akamai_key_es256"}, "no private key", id="a public key"),
    ],
)
def test_settings_that_cannot_work(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(WrongUse, match=message):
        verifier(**settings)


def test_a_signer_without_keys_cannot_work() -> None:
    with pytest.raises(WrongUse, match="keys_file or jwks_url"):
        open_cat(
            "cdn",
            CommonAccessToken(scheme="cat"),
            keys=None,
            public_url=EDGE,
            leeway_seconds=30,
        )
