from __future__ import annotations

import json
from typing import Any

import pytest

from config.contracts.grants import Grant
from config.runtime.keys import KeySet
from config.settings.schemes.uri_signing import UriSigning
from edge.errors import TokenBadClaims, TokenExpired, TokenUnknownKey
from edge.handlers.moving import cookie_path
from edge.tokens.uri_signing.verifier import UriSigningVerifier, open_uri_signing
from edge.tokens.verifier import FixedKeys
from tests.edge.tokens.uri_signing.support import VECTORS, asked, payload_of
from tests.lacking import lacking

if not VECTORS.exists():
    lacking(f"the vectors of RFC 9246 are not at {VECTORS}: put them beside the project")

DOCUMENT = json.loads(VECTORS.read_text())
CLOCK = float(DOCUMENT["clock"])
TOKENS = [example["token"] for example in DOCUMENT["examples"] if example["parts"] == 3]
SIMPLE, COMPLEX, CHAIN, CHAINED = TOKENS
SIGNER = "P5UpOv0eMq1wcxLf7WxIg09JdSYGYFDOWkldueaImf0"


def appendix(**fields: Any) -> UriSigningVerifier:
    settings = UriSigning.model_validate(
        {
            "scheme": "uri-signing",
            "keys_file": "keys.json",
            "issuer_keys": {"uCDN Inc": [SIGNER]},
            "audiences": ["dCDN LLC"],
            **fields,
        }
    )
    keys = KeySet.of(DOCUMENT["keys"], source="RFC 9246 appendix A")
    return open_uri_signing(
        "appendix",
        settings,
        keys=FixedKeys(keys),
        public_url="http://cdni.example",
        leeway_seconds=0,
    )


def broken(grant: Grant, uri: str, address: str | None = None) -> str | None:
    rule = grant.broken_rule(asked(uri, address=address))
    return None if rule is None else rule.reason


def test_the_simple_example_opens_the_uri_that_was_hashed() -> None:
    grant = appendix().verify(SIMPLE, now=CLOCK)

    assert (grant.issuer, grant.key_id, grant.expires_at) == ("uCDN Inc", SIGNER, 1646867369)
    assert grant.scheme == "uri-signing"
    assert grant.renewal is None
    assert not grant.once
    assert broken(grant, "http://cdni.example/foo/bar") is None
    assert broken(grant, "HTTP://CDNI.example:80/foo/./b%61r") is None
    assert broken(grant, "http://cdni.example/foo/bar/") == "path-not-covered"
    assert broken(grant, "https://cdni.example/foo/bar") == "path-not-covered"
    assert broken(grant, "http://cdni.example/foo/bar?a=b") == "path-not-covered"


def test_the_complex_example_is_for_an_encrypted_address_and_subject() -> None:
    grant = appendix().verify(COMPLEX, now=CLOCK)

    assert grant.subject == "UserToken"
    assert grant.token_id == grant.session == "5DAafLhZAfhsbe"
    assert grant.once
    assert (grant.not_before, grant.expires_at) == (1646780969, 1646867369)
    good = "http://cdni.example/foo/bar/123.png"
    assert broken(grant, good, "2001:db8:ffff::1") is None
    assert broken(grant, good, "2001:db9::1") == "address-not-covered"
    assert broken(grant, good, "192.0.2.1") == "address-not-covered"
    assert broken(grant, good) == "address-not-covered"
    assert (
        broken(grant, "http://cdni.example/foo/bar/1234.png", "2001:db8::1") == "path-not-covered"
    )
    assert broken(grant, "http://cdniXexample/foo/bar/123.png", "2001:db8::1") == "path-not-covered"


def test_the_complex_example_is_for_those_it_names() -> None:
    with pytest.raises(TokenBadClaims, match="aud"):
        appendix(audiences=["another CDN"]).verify(COMPLEX, now=CLOCK)
    with pytest.raises(TokenBadClaims, match="aud"):
        appendix(audiences=[]).verify(COMPLEX, now=CLOCK)
    with pytest.raises(TokenBadClaims, match="iss"):
        appendix(issuer_keys={"another CSP": [SIGNER]}).verify(COMPLEX, now=CLOCK)


def test_the_renewal_example_is_followed_by_the_one_that_the_appendix_shows() -> None:
    renewing = appendix(renewal_key=SIGNER)
    grant = renewing.verify(CHAIN, now=CLOCK)

    assert grant.renewal is not None
    assert (grant.renewal.carrier, grant.renewal.name) == ("cookie", "URISigningPackage")
    assert grant.renewal.seconds == 30
    assert cookie_path(grant, "/foo/bar/123.ts") == "/foo/bar"
    following = renewing.renewed(CHAIN, now=1646867368.5)
    assert payload_of(following) == {**payload_of(CHAINED), "sid": grant.session}
    after = renewing.verify(following, now=1646867369)
    assert (after.expires_at, after.session) == (1646867399, grant.session)
    assert broken(after, "http://cdni.example/foo/bar/124.ts") is None


def test_a_chain_that_has_ended_is_not_continued() -> None:
    renewing = appendix(renewal_key=SIGNER)
    assert renewing.renewed(CHAIN, now=1646867368.999)
    with pytest.raises(TokenExpired):
        renewing.renewed(CHAIN, now=1646867369)


def test_every_example_needs_its_keys() -> None:
    other = KeySet.of({"keys": [DOCUMENT["keys"]["keys"][2]]}, source="only the content key")
    settings = UriSigning.model_validate({"scheme": "uri-signing", "keys_file": "keys.json"})
    opened = open_uri_signing(
        "appendix",
        settings,
        keys=FixedKeys(other),
        public_url="http://cdni.example",
        leeway_seconds=0,
    )
    for token in TOKENS:
        assert not opened.may_be(token)
        with pytest.raises(TokenUnknownKey) as refused:
            opened.verify(token, now=CLOCK)
        assert refused.value.key_id == SIGNER
    for token in TOKENS:
        assert appendix().may_be(token)
