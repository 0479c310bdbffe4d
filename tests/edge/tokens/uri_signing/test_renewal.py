from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from config.contracts.grants import Grant, Renewal
from config.contracts.tokens import MAX_TOKEN_CHARS
from config.runtime.jwk import new_jwk
from config.runtime.keys import KeySet
from edge.errors import (
    NotAllowed,
    TokenBadClaims,
    TokenExpired,
    TokenNotYetValid,
    TokenUnknownKey,
    TokenUnsupported,
)
from edge.handlers.moving import cookie_path
from edge.tokens.uri_signing.verifier import UriSigningVerifier
from tests.edge.tokens.uri_signing.support import (
    KEYS,
    NOW,
    SIGNING,
    asked,
    claims,
    encrypted,
    mint,
    payload_of,
    settings,
    verifier,
)

COOKIE = {"cdniets": 30, "cdnistt": 1}
QUERY = {"cdniets": 30, "cdnistt": 2}


def renewing(**fields: Any) -> UriSigningVerifier:
    return verifier(renewal_key="ed", **fields)


def renewal(**changed: Any) -> Renewal:
    found = renewing().verify(mint(claims(**changed)), now=NOW).renewal
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("changed", "carrier"),
    [
        pytest.param({}, None, id="not asked for"),
        pytest.param({"cdniets": 30, "cdnistt": 0}, None, id="asked not to"),
        pytest.param(COOKIE, "cookie", id="cookie"),
        pytest.param(QUERY, "redirect", id="query"),
    ],
)
def test_the_token_says_how_the_next_one_travels(
    changed: dict[str, Any], carrier: str | None
) -> None:
    token = mint(claims(**changed))
    found = renewing().verify(token, now=NOW).renewal
    assert (None if found is None else found.carrier) == carrier
    assert verifier().verify(token, now=NOW).renewal is None  # no key to sign with


@pytest.mark.parametrize("seconds", [2, 3, 4, 30, 600])
def test_a_token_that_was_just_made_is_not_due(seconds: int) -> None:
    found = renewal(cdniets=seconds, cdnistt=2)
    assert found.seconds == seconds
    assert 0 < found.within < seconds


@pytest.mark.parametrize(
    ("path", "depth", "expected"),
    [
        ("/foo/bar/1.ts", 0, "/"),
        ("/", 0, "/"),
        ("/foo/bar/1.ts", 1, "/foo"),
        ("/foo/bar/1.ts", 2, "/foo/bar"),
        ("/foo/bar/1.ts", 3, "/foo/bar/1.ts"),
        ("/foo/bar/1.ts", 4, None),
        ("/foo/bar/", 2, "/foo/bar"),
        ("/foo/bar/", 3, None),
        ("/", 1, None),
    ],
)
def test_the_cookie_is_for_the_first_segments_of_the_path(
    path: str, depth: int, expected: str | None
) -> None:
    grant = Grant(
        subject="s",
        session="s",
        not_before=0,
        expires_at=1,
        key_id="k",
        renewal=renewal(**COOKIE, cdnistd=depth),
    )
    assert cookie_path(grant, path) == expected


def test_no_depth_is_depth_nought() -> None:
    assert renewal(**COOKIE) == renewal(**COOKIE, cdnistd=0)


def test_the_next_token_says_the_same_for_longer() -> None:
    full = claims(
        **COOKIE,
        cdnistd=2,
        cdniv=1,
        aud=["x", "edge"],
        nbf=int(NOW) - 600,
        iat=int(NOW) - 600,
        jti="first",
        sub=encrypted("viewer"),
        cdniip=encrypted("192.0.2.0/24"),
        extension={"a": [1, 2.5, None]},
    )
    at = NOW + 100.25
    token = mint(full)
    text = renewing().renewed(token, now=at)
    said = payload_of(text)

    assert said.pop("exp") == int(NOW) + 131
    assert said.pop("iat") == int(NOW) + 100
    assert said.pop("jti") not in ("first", "")
    assert said.pop("sid") == "first"
    assert said == {name: full[name] for name in full if name not in ("exp", "iat", "jti")}
    before, after = renewing().verify(token, now=at), renewing().verify(text, now=at)
    assert after.key_id == "ed"
    changed = ("expires_at", "token_id", "key_id")
    for field in dataclasses.fields(before):
        if field.name not in (*changed, "rules"):
            assert getattr(after, field.name) == getattr(before, field.name), field.name
    assert after.broken_rule(asked(address="192.0.2.9")) is None
    assert after.broken_rule(asked(address="192.0.3.9")) is not None


def test_the_next_token_has_nothing_that_the_first_had_not() -> None:
    said = payload_of(renewing().renewed(mint(claims(**COOKIE, iss=None)), now=NOW))
    assert said.keys() == {"cdniets", "cdnistt", "exp", "cdniuc", "sid"}


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "HS256", "PS256"])
def test_every_kind_of_key_that_signs_can_renew(algorithm: str) -> None:
    keys = KeySet.of({"keys": [SIGNING["es"], new_jwk(algorithm, key_id="next")]}, source="tests")
    either = verifier(keys, renewal_key="next")

    text = either.renewed(mint(claims(**COOKIE)), now=NOW)

    assert either.verify(text, now=NOW).key_id == "next"


def test_a_chain_is_one_session_however_long() -> None:
    token = mint(claims(**COOKIE))
    first = renewing().verify(token, now=NOW)
    for step in range(1, 6):
        now = NOW + 20 * step
        token = renewing().renewed(token, now=now)
        grant = renewing().verify(token, now=now)
        assert grant.session == first.session
        assert grant.expires_at == now + 30
        assert grant.renewal == first.renewal


def test_only_a_token_that_holds_is_followed() -> None:
    good = {**COOKIE, "exp": int(NOW) + 10, "nbf": int(NOW)}
    token = mint(claims(**good))
    assert renewing().renewed(token, now=NOW)
    assert renewing().renewed(token, now=NOW + 9.9)
    with pytest.raises(TokenExpired):
        renewing().renewed(token, now=NOW + 10)  # section 2.1.4: no leeway
    with pytest.raises(TokenNotYetValid):
        renewing().renewed(token, now=NOW - 0.1)
    with pytest.raises(TokenUnsupported):
        renewing().renewed(mint(claims()), now=NOW)
    with pytest.raises(TokenUnsupported):
        verifier().renewed(token, now=NOW)
    with pytest.raises(NotAllowed):
        renewing().renewed(token[:-4] + "AAAA", now=NOW)
    with pytest.raises(TokenBadClaims):
        renewing().renewed(mint(claims(**COOKIE, iss="elsewhere")), now=NOW)


def test_the_issuer_becomes_whoever_renews() -> None:
    fields = {
        "issuers": [],
        "issuer_keys": {"origin": ["es"], "edge of ours": ["ed"]},
        "renewal_issuer": "edge of ours",
    }
    text = renewing(**fields).renewed(mint(claims(**COOKIE)), now=NOW)
    assert renewing(**fields).verify(text, now=NOW).issuer == "edge of ours"
    assert "iss" not in payload_of(
        renewing(**fields).renewed(mint(claims(**COOKIE, iss=None)), now=NOW)
    )


def test_a_key_that_went_away_renews_nothing() -> None:
    class Rotating:
        keys = KEYS

        def current(self) -> KeySet:
            return self.keys

    rotating = Rotating()
    made = UriSigningVerifier(settings(renewal_key="ed"), keys=rotating, leeway_seconds=0)
    token = mint(claims(**COOKIE))
    assert made.renewed(token, now=NOW)
    rotating.keys = KeySet.of({"keys": [SIGNING["es"]]}, source="tests")
    with pytest.raises(TokenUnknownKey):
        made.renewed(token, now=NOW)


def test_a_token_never_grows_past_what_is_read() -> None:
    long = claims(**COOKIE, padding="")
    long["padding"] = "a" * ((MAX_TOKEN_CHARS - len(mint(long))) * 3 // 4 - 3)
    token = mint(long)
    assert MAX_TOKEN_CHARS - 8 < len(token) <= MAX_TOKEN_CHARS
    with pytest.raises(TokenUnsupported):
        renewing().renewed(token, now=NOW)


def test_a_number_that_cannot_be_written_ends_the_chain() -> None:
    token = mint(b'{"exp":1700000600,"cdniuc":"regex:.*","cdniets":30,"cdnistt":1,"odd":1e999}')
    assert renewing().verify(token, now=NOW).renewal is not None
    with pytest.raises(TokenBadClaims):
        renewing().renewed(token, now=NOW)


def test_the_next_token_is_written_as_this_edge_reads_it() -> None:
    header = renewing().renewed(mint(claims(**COOKIE)), now=NOW).partition(".")[0]
    short = renewing(jwt_header=header)

    text = short.renewed(mint(claims(**COOKIE)), now=NOW)

    assert text.count(".") == 1
    assert short.verify(short.renewed(text, now=NOW), now=NOW).key_id == "ed"
