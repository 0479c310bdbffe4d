"""Tokens that nobody signed, or not so: each is refused for its own cause, and all of them in the same words."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from config.contracts.tokens import MAX_TOKEN_CHARS
from config.runtime.keys import KeySet
from edge import keys
from tests.edge.refusals import causes
from tests.edge.tokens.attacks.asking import Attacked, answer_on, is_plain_refusal, looks, sent
from tests.edge.tokens.cat import minting as cat
from tests.edge.tokens.forging import (
    ANYTHING,
    HOST,
    INIT_PATH,
    akamai_token,
    cat_token,
    cloudfront_query,
    secure_link,
    uri_token,
    url_sig_link,
)
from tests.edge.tokens.uri_signing import support as uri

Mint = Callable[..., str]

ZONE = {"cdniip": uri.encrypted("127.0.0.1%lo")}


def b64(data: bytes | dict[str, Any]) -> str:
    raw_bytes = json.dumps(data).encode() if isinstance(data, dict) else data
    return base64.urlsafe_b64encode(raw_bytes).rstrip(b"=").decode()


def own_claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    return {
        "iss": "kawa",
        "sub": "user:1",
        "sid": "s",
        "paths": ["/vod/title/"],
        "iat": now,
        "exp": now + 600,
        **changed,
    }


class Forger:
    """Has the public key, and never the private one; ``honest`` signs what a careless signer would."""

    def __init__(self, key_set: KeySet) -> None:
        [self._key] = key_set.keys.values()
        self.key_id = self._key.key_id
        public: Any = self._key.verifying
        self.public = [
            public.public_bytes(encoding, form)
            for encoding, form in (
                (serialization.Encoding.Raw, serialization.PublicFormat.Raw),
                (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
                (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
            )
        ]

    def unsigned(self, header: dict[str, Any], signature: bytes = b"") -> str:
        return f"{b64(header)}.{b64(own_claims())}.{b64(signature)}"

    def hs256(self, secret: bytes, **header: Any) -> str:
        stem = self.unsigned({"alg": "HS256", "kid": self.key_id, **header}).rpartition(".")[0]
        return f"{stem}.{b64(hmac.digest(secret, stem.encode(), 'sha256'))}"

    def honest(self, payload: bytes | dict[str, Any], **header: Any) -> str:
        stem = f"{b64({'alg': 'EdDSA', 'kid': self.key_id, **header})}.{b64(payload)}"
        signing: Any = self._key.signing
        return f"{stem}.{b64(signing.sign(stem.encode()))}"


@pytest.fixture
def forger(key_set: KeySet) -> Forger:
    return Forger(key_set)


async def test_what_forgers_try_with_tokens_of_our_own(
    edge: Attacked, forger: Forger, mint: Mint
) -> None:
    now, kid, good = int(time.time()), forger.key_id, mint()
    head, body, signature = good.split(".")
    deep = b'{"a":' + b"[" * 60 + b"]" * 60 + b"}"
    text = json.dumps(own_claims()).encode()
    tokens = {
        "token-malformed": [
            "",
            ".",
            "..",
            good + "=",
            good + ".",
            f"{head}.{body}.",
            f"{head}.{body}",
            f"{head}..{signature}",
            f"{head}.{body}.{signature}.{signature}",
            f"{head}.{body}.{signature}.{signature}.{signature}",
            f"{head}=.{body}.{signature}",
            f"{head}.{body}.{signature[:-1]}{chr(ord(signature[-1]) + 1)}",  # same bytes, unused bits
            good.replace(".", "%2E"),
            "a" * (MAX_TOKEN_CHARS + 1),
            f"{b64(b'x' * 3000)}.{b64(b'x' * 1000)}.aaaa",
            forger.honest(own_claims(), crit=["exp"], exp=now + 60),
            forger.honest(own_claims(), crit=[]),
            forger.honest(own_claims(), b64=False, crit=["b64"]),
            forger.honest(own_claims(), jku="https://evil.example/keys"),
            forger.honest(own_claims(), jwk={"kty": "oct", "k": "AAAA"}),
            forger.honest(own_claims(), x5u="https://evil.example/x", x5c=["AAAA"]),
            forger.honest(own_claims(), cty="JWT"),
            forger.honest(own_claims(), zip="DEF"),
        ],
        "token-bad-signature": [
            forger.unsigned({"alg": "none", "kid": kid}, b"x"),
            forger.unsigned({"alg": "None", "kid": kid}, b"x"),
            forger.unsigned({"alg": "", "kid": kid}, b"x"),
            forger.unsigned({"kid": kid}, b"x"),
            forger.unsigned({"alg": "EdDSA", "kid": kid}, bytes(64)),
            forger.unsigned({"alg": "ES256", "kid": kid}, bytes(64)),  # CVE-2022-21449
            forger.unsigned({"alg": ["EdDSA"], "kid": kid}, bytes(64)),
            *(forger.hs256(public) for public in forger.public),
            forger.hs256(b""),
            forger.unsigned({"alg": "EdDSA"}, bytes(64)),  # another signer's only key of that kind
            f"{head}.{b64(own_claims(paths=['/']))}.{signature}",
            f"{head}.{body}.{signature[:-4]}AAAA",
        ],
        "token-unknown-key": [
            *(
                forger.unsigned({"alg": "HS256", "kid": key_id}, bytes(32))
                for key_id in (
                    "../../../../dev/null",
                    "/dev/null",
                    "' union select 'AAAA' --",
                    "x\x00",
                    "k\r\nX-Key: 1",
                    "http://evil.example/k",
                    "a" * 65,
                    "",
                    0,
                    None,
                    [kid],
                    {"kid": kid},
                    kid.upper() + "x",
                    "unknown",
                )
            ),
        ],
        "token-bad-claims": [
            forger.honest(own_claims(exp=now + 30 * 24 * 3600)),
            forger.honest(own_claims(exp=float(now + 600))),
            forger.honest(own_claims(exp=str(now + 600))),
            forger.honest(own_claims(exp=True)),
            forger.honest(own_claims(exp=2**70)),
            forger.honest(own_claims(exp=-1)),
            forger.honest(own_claims(iss="Kawa")),
            forger.honest(own_claims(paths=[])),
            forger.honest(own_claims(paths=["/vod/title/../"])),
            forger.honest(own_claims(paths=["/vod/title"])),
            forger.honest(own_claims(paths=["//"])),
            forger.honest(own_claims(paths=["/"] * 17)),
            forger.honest(own_claims(networks=["127.0.0.1%lo"])),
            forger.honest(own_claims(networks=["fe80::1%1/64"])),
            forger.honest(own_claims(networks=["localhost"])),
            forger.honest(own_claims(networks=[])),
            forger.honest(own_claims(once=1)),
            forger.honest({key: value for key, value in own_claims().items() if key != "exp"}),
            forger.honest(text[:-1] + b', "paths": ["/"]}'),
            forger.honest(text[:-1] + b', "exp": NaN}'),
            forger.honest(text[:-1] + b', "x": 1e999, "paths": ["/"]}'),
            forger.honest(b"[" + text + b"]"),
            forger.honest(text + text),
            forger.honest(deep),
            forger.honest(b'"' + text + b'"'),
            forger.honest(b"\xef\xbb\xbf" + text),
            forger.honest(text.decode().encode("utf-16")),
            forger.honest(b"\xff\xfe"),
        ],
        "token-expired": [mint(issued_at=now - 900, expires_at=now - 300)],
        "token-not-yet-valid": [
            mint(issued_at=now + 300, expires_at=now + 900),
            mint(not_before=now + 300),
        ],
        "path-not-covered": [mint("/vod/other/"), mint("/vod/titl/"), mint("/vod/title/v/1.m4s/")],
    }
    wrong = {}
    for cause, each in tokens.items():
        for token in each:
            with causes() as found:
                answer = await sent(edge, INIT_PATH, Authorization=f"Bearer {token}")
            if found != [cause] or not is_plain_refusal(answer):
                wrong[token] = (cause, found, answer.status)
    assert not wrong


@pytest.mark.parametrize("place", ["path", "query", "Bearer", "field", "cookie", "parameter"])
async def test_wherever_it_stands_a_token_is_refused_alike(
    edge: Attacked, forger: Forger, mint: Mint, place: str
) -> None:
    def asked(token: str) -> tuple[str, dict[str, str]]:
        return {
            "path": (f"/t/{token}{INIT_PATH}", {}),
            "query": (f"{INIT_PATH}?token={token}", {}),
            "Bearer": (INIT_PATH, {"Authorization": f"Bearer {token}"}),
            "field": (INIT_PATH, {"CTA-Common-Access-Token": token}),
            "cookie": (INIT_PATH, {"Cookie": f"URISigningPackage={token}"}),
            "parameter": (f"{INIT_PATH};URISigningPackage={token}", {}),
        }[place]

    target, fields = asked(mint())
    assert (await sent(edge, target, **fields)).body == b"init"
    seen = set()
    for token in (
        forger.unsigned({"alg": "none", "kid": forger.key_id}, b"x"),
        forger.hs256(forger.public[0]),
        forger.honest(own_claims(), crit=["x"]),
        mint("/vod/other/"),
        mint(issued_at=int(time.time()) - 900, expires_at=int(time.time()) - 300),
        "a" * 5000,
        "~~~",
    ):
        target, fields = asked(token)
        seen.add(looks(await sent(edge, target, **fields)))
    assert len(seen) == 1
    [(status, _, _)] = seen
    assert status == 403


async def test_a_viewer_without_a_token_is_told_so_and_nobody_else_is(edge: Attacked) -> None:
    assert (await sent(edge, INIT_PATH)).status == 401
    for target, fields in (
        (f"{INIT_PATH}?token=", {}),
        (f"/t/{INIT_PATH}", {}),
        (INIT_PATH, {"Authorization": "Bearer"}),
        (INIT_PATH, {"Cookie": "kawa_token="}),
        (INIT_PATH, {"CTA-Common-Access-Token": ""}),
        (f"{INIT_PATH};URISigningPackage=", {}),
        (f"{INIT_PATH}?md5=&expires=", {}),
        (f"{INIT_PATH}?hdnts=", {}),
    ):
        assert is_plain_refusal(await sent(edge, target, **fields)), target


async def test_a_token_in_the_referer_or_in_a_field_of_no_meaning_counts_for_nothing(
    edge: Attacked, mint: Mint
) -> None:
    token = mint()
    for name in ("Referer", "X-Token", "X-Access-Token", "Proxy-Authorization", "X-Original-URL"):
        value = (
            f"Bearer {token}"
            if name.startswith("Proxy")
            else f"https://{HOST}/t/{token}{INIT_PATH}"
        )
        with causes() as found:
            assert (await sent(edge, INIT_PATH, **{name: value})).status == 401
        assert found == ["token-missing"]
    assert is_plain_refusal(await sent(edge, INIT_PATH, Authorization=f"Bearer Bearer {token}"))
    assert (await sent(edge, INIT_PATH, Authorization=f"Basic {token}")).status == 401


async def test_bytes_that_are_no_text_are_refused_like_all_else(edge: Attacked, mint: Mint) -> None:
    token = mint()
    for fields in (
        {"Authorization": f"Bearer {token}~\xff"},
        {"Authorization": f"Bearer \xff{token}"},
        {"Cookie": f"kawa_token={token}~\xe9"},
        {"Cookie": "TokenCookie=\xff"},
        {"Cookie": "hdnts=exp=1~acl=/*~hmac=\xff"},
        {"Cookie": "CloudFront-Policy=\xff; CloudFront-Signature=\xff; CloudFront-Key-Pair-Id=K1"},
        {"CTA-Common-Access-Token": "\xd8\x3d"},
    ):
        assert is_plain_refusal(await sent(edge, INIT_PATH, **fields)), fields
    for target in (
        f"/t/{token}~".encode() + b"\xff" + INIT_PATH.encode(),
        f"/t/{token}{INIT_PATH}?x=".encode() + b"\xff",
        f"/t/{token}{INIT_PATH}?x=\u00e9".encode(),
        f"/t/{token}".encode() + b"\x00" + INIT_PATH.encode(),
    ):
        answer = await sent(edge, target)
        assert (answer.status, answer.error) == (400, "bad-request")
        assert token not in answer.body.decode()


def uri_tokens() -> dict[str, list[str]]:
    now = int(time.time())
    good = {"iss": "origin", "exp": now + 600, "cdniuc": ANYTHING}
    return {
        "token-bad-claims": [
            uri_token(exp=now + 600.5),
            uri_token(exp=now + 10**9),
            uri_token(iss="somebody"),
            uri_token(aud="another"),
            uri_token(cdniip="127.0.0.1"),
            uri_token(**ZONE),
            uri_token(sub="plain"),
            uri_token(cdnicrit="exp"),
            uri_token(cdniuc="regex:" + "a" * 2000),
            uri_token(cdniuc="regex:((((((((((.{999}){999}){999}"),
        ],
        "token-bad-signature": [
            uri.mint(good, alg="none"),
            uri.mint(good, alg="HS256"),
            uri.mint(good, kid="hs"),
        ],
        "token-unknown-key": [
            uri.mint(good, kid="../../es"),
            uri.mint(good, kid=["es"]),
            uri.mint(good, crit=["exp"]),
        ],
        "token-unsupported": [
            uri_token(cdniv=2),
            uri_token(cdnicrit="vendor", vendor=1),
            uri_token(cdniuc=r"regex:(?i)https://.*"),
            uri_token(cdniuc="https://edge.example.com/vod/title/"),
        ],
        "path-not-covered": [
            uri_token(cdniuc=r"regex:https://edge\.example\.com/vod/other/.*"),
            uri_token(cdniuc=r"regex:https://edge\.example\.com/vod/title"),
            uri_token(cdniuc=r"regex:https://evil\.example/vod/title/.*"),
            uri_token(cdniuc=r"regex:/vod/title/.*"),
            uri_token(cdniuc=r"regex:.*/vod/other/.*\?.*"),
        ],
    }


async def test_what_forgers_try_with_uri_signing(edge: Attacked) -> None:
    wrong = {}
    for cause, tokens in uri_tokens().items():
        for token in tokens:
            with causes() as found:
                answer = await sent(edge, f"{INIT_PATH}?URISigningPackage={token}")
            if found != [cause] or not is_plain_refusal(answer):
                wrong[token] = (cause, found, answer.status)
    assert not wrong
    nested = uri.mint(uri_token().encode())
    only_encrypted = uri.encrypted(json.dumps({"exp": 2**40, "cdniuc": ANYTHING}))
    for token in (nested, only_encrypted):
        assert is_plain_refusal(await sent(edge, f"{INIT_PATH}?URISigningPackage={token}"))


def cose_attacks() -> list[str]:
    claims = {4: int(time.time()) + 600}
    packed = cbor2.dumps(claims)
    header = cbor2.dumps({1: 5})
    wrong_tag = hmac.digest(cat.SECRET, cbor2.dumps(["MAC0", header, b"", packed]), "sha256")
    return [
        cat.base64url(data)
        for data in (
            cat.mac0(claims, key=b"guess"),
            cat.mac0(claims, key=b""),
            cat.mac0(claims, protected={}),
            cat.mac0(claims, protected={1: 4}),
            cat.mac0(claims, protected={1: -7}),
            cat.mac0(claims, protected={1: 5, 2: [99], 99: 1}),
            cat.mac0(claims, protected={1: 5, 2: [4], 4: b"HS256"}),
            cat.mac0(claims, unprotected={4: b"../../etc/passwd"}),
            cat.mac0(claims, unprotected={4: b"ES256"}),
            cat.mac0(claims, unprotected={4: b"HS256", 5: b"iv"}),
            cat.mac0(claims, unprotected={}),
            cat.mac0(claims, tags=(18, 61)),
            cat.mac0(claims, tags=(16, 61)),
            cat.mac0(claims, tags=(17, 61, 61)),
            cat.mac0(claims, tags=(17, 61)) + b"\x00",
            cat.mac0(b""),
            cat.mac0(b"\xa1\x04"),
            cat.mac0(b"\xbf\x04\x1a\x7f\xff\xff\xff\xff"),
            cat.mac0(b"\xa2\x04\x1a\x7f\xff\xff\xff\x04\x1a\x7f\xff\xff\xff"),
            cat.mac0(packed[:-5] + b"\xfb\x7f\xf8\x00\x00\x00\x00\x00\x00"),
            cat.mac0(b"\x81" * 2000 + b"\x00"),
            cat.mac0(b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff"),
            cat.mac0(b"\xa1\x04\xc2\x58\xff" + b"\xff" * 255),
            cat.mac0({**claims, 9999: 1}),
            cat.mac0({**claims, 312: {3: {4: "(a*)*" * 300}}}),
            cat.mac0({**claims, 312: {}}),
            cat.mac0({**claims, 311: ["127.0.0.1%lo"]}),
            cat.mac0({**claims, 323: {0: 2, 1: 60, 4: "Transfer-Encoding"}}),
            cat.mac0({**claims, 323: {0: 2, 1: 60, 4: "X\r\nY"}}),
            cat.mac0({**claims, 322: {312: [302, {"Location": "https://a\r\nSet-Cookie: b=c"}]}}),
            cat.mac0({**claims, 322: {312: [200, {}]}}),
            cbor2.dumps([header, {4: b"HS256"}, packed, wrong_tag[:8]]),
            cbor2.dumps({"a": 1}),
            b"",
        )
    ]


async def test_what_forgers_try_with_common_access_tokens(edge: Attacked) -> None:
    good = cat.base64url(cat.mac0({4: int(time.time()) + 600}))
    assert (await sent(edge, INIT_PATH, CTA_Common_Access_Token=good)).status == 200
    taken = []
    for token in [*cose_attacks(), good + "=", good + "A", good.replace("2D3R", "2d3r")]:
        answer = await sent(edge, INIT_PATH, CTA_Common_Access_Token=token)
        if not is_plain_refusal(answer):
            taken.append((token, answer.status))
    assert not taken


async def test_no_signer_takes_the_token_of_another(
    edge: Attacked, cloudfront_key: rsa.RSAPrivateKey
) -> None:
    """Also not where a key of one has the name of another's."""
    now = int(time.time())
    own = own_claims()
    for token in (
        uri.mint(own),
        uri.mint(own, key_id="hs"),
        uri.mint(own, key_id="ed"),
        uri.mint({**own, "cdniuc": ANYTHING}),
        cat.base64url(cat.mac0(own)),
        cat.base64url(cat.mac0(json.dumps(own).encode())),
    ):
        assert is_plain_refusal(await sent(edge, INIT_PATH, Authorization=f"Bearer {token}"))
    query = cloudfront_query(cloudfront_key)
    for target in (
        f"{INIT_PATH}?{query.replace('K1', 'K2')}",
        f"{INIT_PATH}?{query.replace('SHA256', 'SHA1')}",
        f"{INIT_PATH}?{query.replace('SHA256', 'none')}",
        f"{INIT_PATH}?{query}&Expires={now + 600}",
        f"{INIT_PATH}?hdnts={akamai_token().replace('hmac=', 'hmac=00')}",
        f"{INIT_PATH}?hdnts={akamai_token().partition('~hmac')[0]}",
        url_sig_link(INIT_PATH).replace("A=1", "A=3"),
        url_sig_link(INIT_PATH).replace("K=0", "K=1"),
        secure_link(INIT_PATH).replace("expires=1", "expires=01"),
    ):
        assert is_plain_refusal(await sent(edge, target)), target


async def test_a_flood_of_bad_tokens_pushes_out_no_good_one(
    edge: Attacked, mint: Mint, cloudfront_key: rsa.RSAPrivateKey
) -> None:
    good = mint()
    assert (await sent(edge, f"/t/{good}{INIT_PATH}")).status == 200
    known = len(edge.app[keys.TOKENS])
    bad = [
        *(f"/t/{good[:-6]}{number:06}{INIT_PATH}" for number in range(200)),
        *(f"/t/{cat_token()[:-6]}{number:06}{INIT_PATH}" for number in range(200)),
        *(f"/t/{uri_token()[:-6]}{number:06}{INIT_PATH}" for number in range(200)),
        *(f"{secure_link(INIT_PATH)[:-4]}{number:04}" for number in range(200)),
        # Upper case is no hexadecimal of these schemes: none of these is the good one by chance.
        *(f"{url_sig_link(INIT_PATH)[:-4]}F{number:03}" for number in range(200)),
        *(f"{INIT_PATH}?hdnts={akamai_token()[:-4]}F{number:03}" for number in range(200)),
        *(f"{INIT_PATH}?{cloudfront_query(cloudfront_key)}{n}" for n in range(50)),
    ]
    statuses = set()
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(edge.host, edge.port)
        for target in bad:
            writer.write(f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            statuses.add((await answer_on(reader)).status)
        writer.close()
    assert statuses == {403}
    assert len(edge.app[keys.TOKENS]) == known


async def test_whatever_is_too_much_is_refused_at_once(edge: Attacked, mint: Mint) -> None:
    good = mint()
    started = time.monotonic()
    for target, fields, status in (
        (f"/t/{'a' * 4097}{INIT_PATH}", {}, 403),
        (f"{INIT_PATH}?token={'a' * 4097}", {}, 403),
        (f"{INIT_PATH}?token={'~' * 4000}", {}, 403),
        (INIT_PATH, {"Authorization": f"Bearer {'a.' * 3000}"}, 403),
        (INIT_PATH, {"CTA-Common-Access-Token": "g" * 5000}, 403),
        (INIT_PATH, {"Cookie": f"URISigningPackage={'a' * 5000}"}, 403),
        (INIT_PATH, {"Cookie": "a=b;" * 1900}, 401),
        (INIT_PATH, {"Cookie": f"TokenCookie={'a' * 7000}"}, 403),
        (f"{INIT_PATH}?hdnts={'~' * 5000}", {}, 403),
        (f"{INIT_PATH}?md5=a&expires={'9' * 5000}", {}, 403),
        (f"{INIT_PATH}?{'E=1&' * 1000}S=1", {}, 403),
        (f"{INIT_PATH}?Policy={'A' * 6000}&Signature=A&Key-Pair-Id=K1", {}, 403),
        (f"{INIT_PATH}{';URISigningPackage=a' * 300}", {}, 400),
        (f"/vod{'/hdnts=hmac=' * 500}/x", {}, 403),
        (f"/vod{';urlsig=' * 500}/x", {}, 403),
        (f"{INIT_PATH}?{'a&' * 3500}", {}, 401),
        (f"{INIT_PATH}?token={good}&{'a&' * 3500}", {}, 200),
        (f"{INIT_PATH}?{'a&' * 10_000}", {}, 400),
        (INIT_PATH, {"Cookie": "a=b;" * 5000}, 400),
    ):
        answer = await sent(edge, target, **fields)
        assert answer.status == status, (target[:60], fields.keys(), answer)
    assert time.monotonic() - started < 5
