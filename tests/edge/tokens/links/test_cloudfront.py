"""botocore signs, with its own CloudFrontSigner; this edge verifies."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from edge.errors import (
    AddressNotCovered,
    NotAllowed,
    PathNotCovered,
    TokenBadClaims,
    TokenBadSignature,
    TokenMalformed,
    TokenNotYetValid,
    TokenUnknownKey,
    TokenUnsupported,
)
from edge.tokens.links.verifier import LinkVerifier
from tests.edge.tokens.links.asking import NOW, PUBLIC_URL, ask, carried, is_served, opened
from tests.edge.tokens.links.opened import cloudfront

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ENDS = datetime.fromtimestamp(NOW + 600, tz=UTC).replace(
    tzinfo=None
)  # botocore takes UTC without saying so
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def by_rsa(message: bytes) -> bytes:
    return RSA.sign(message, padding.PKCS1v15(), SHA1())  # noqa: S303 - the scheme's default


def by_ec(message: bytes) -> bytes:
    return EC.sign(message, ec.ECDSA(SHA1()))  # noqa: S303 - the scheme's default


@pytest.fixture
def verifier() -> LinkVerifier:
    return cloudfront({"KRSA": RSA.public_key(), "KEC": EC.public_key()})


def signed(
    path: str,
    *,
    policy: str | None = None,
    key_id: str = "KRSA",
    sign: Callable[[bytes], bytes] = by_rsa,
) -> str:
    """The request that botocore makes of a path."""
    given: dict[str, Any] = {"date_less_than": ENDS} if policy is None else {"policy": policy}
    url: str = CloudFrontSigner(key_id, sign).generate_presigned_url(PUBLIC_URL + path, **given)
    return url.removeprefix(PUBLIC_URL)


def statement(
    resource: object = f"{PUBLIC_URL}/vod/*", *, ends: object = NOW + 600, **conditions: object
) -> str:
    """A policy of the signer's own."""
    ends = int(ends) if isinstance(ends, float) else ends
    given: dict[str, object] = {"DateLessThan": {"AWS:EpochTime": ends}, **conditions}
    return json.dumps(
        {"Statement": [{"Resource": resource, "Condition": given}]}, separators=(",", ":")
    )


@pytest.mark.parametrize("path", ["/vod/a.m4s", "/vod/a.m4s?x=1&y=%20", "/vod/%D0%90/b,c;d=1.ts"])
@pytest.mark.parametrize(("key_id", "sign"), [("KRSA", by_rsa), ("KEC", by_ec)])
def test_a_canned_policy_opens_its_file(
    verifier: LinkVerifier, path: str, key_id: str, sign: Callable[[bytes], bytes]
) -> None:
    target = signed(path, key_id=key_id, sign=sign)

    grant = ask(verifier, target)

    assert grant.expires_at == NOW + 600
    assert grant.key_id == key_id
    found = carried(verifier, target)
    assert (found.path + (f"?{found.query}" if found.query else "")) == path


OTHER_PATHS = ["/vod/b.m4s", "/vod/a.m4s/b", "/vod/a.m4s?x=2", "/vod/a.m4s?x=1&y=2", "/vod/A.m4s"]


@pytest.mark.parametrize("path", OTHER_PATHS)
def test_it_opens_nothing_else(verifier: LinkVerifier, path: str) -> None:
    target = signed("/vod/a.m4s?x=1")
    grant = verifier.verify(carried(verifier, target).link.encode(), now=NOW)
    signature = target.partition("x=1&")[2]
    separator = "&" if "?" in path else "?"

    with pytest.raises(TokenBadSignature):
        ask(verifier, path + separator + signature)
    assert grant.path_prefixes == ("/vod/",)
    with pytest.raises(PathNotCovered):
        opened(grant, path)


def test_a_canned_policy_opens_a_folder_where_the_settings_say_so() -> None:
    verifier = cloudfront({"KRSA": RSA.public_key()}, reach="folder")

    grant = ask(verifier, signed("/vod/movie/master.m3u8"))

    assert grant.path_prefixes == ("/vod/movie/",)
    assert grant.is_plain


RESOURCES = [
    pytest.param(f"{PUBLIC_URL}/vod/*", "/vod/a/b.ts", True, id="folder"),
    pytest.param(f"{PUBLIC_URL}/vod/*", "/live/a.ts", False, id="another folder"),
    pytest.param(f"{PUBLIC_URL}/vod/*", "/vodka/a.ts", False, id="a folder that begins alike"),
    pytest.param(f"{PUBLIC_URL}/vod/*.ts", "/vod/a/b.ts", True, id="extension"),
    pytest.param(f"{PUBLIC_URL}/vod/*.ts", "/vod/a/b.key", False, id="another extension"),
    pytest.param(f"{PUBLIC_URL}/vod/*.ts", "/vod/a.key?x=.ts", True, id="extension in the query, as CloudFront has it"),
    pytest.param(f"{PUBLIC_URL}/vod/a?.ts", "/vod/a1.ts", True, id="one character"),
    pytest.param(f"{PUBLIC_URL}/vod/a?.ts", "/vod/a12.ts", False, id="two characters"),
    pytest.param(f"{PUBLIC_URL}/vod/a.ts", "/vod/a.ts", True, id="no wildcard"),
    pytest.param(f"{PUBLIC_URL}/vod/a.ts", "/vod/aXts", False, id="a point is a point"),
    pytest.param(f"{PUBLIC_URL}/vod/a.ts", "/vod/a.ts?x=1", False, id="a query that is not named"),
    pytest.param(f"{PUBLIC_URL}/vod/a.ts?size=large", "/vod/a.ts?size=large", True, id="a query that is"),
    pytest.param("http*://media.example.com/vod/*", "/vod/a.ts", True, id="either scheme"),
    pytest.param("http://media.example.com/vod/*", "/vod/a.ts", False, id="the other scheme"),
    pytest.param("https://MEDIA.example.com/vod/*", "/vod/a.ts", True, id="host in capitals"),
    pytest.param("https://*.example.com/vod/*", "/vod/a.ts", True, id="wildcard in the host"),
    pytest.param("https://*/vod/*", "/vod/a.ts", True, id="any host"),
    pytest.param("https://*", "/vod/a.ts", True, id="everything"),
    pytest.param("*", "/vod/a.ts", True, id="everything, however"),
    pytest.param("https://other.example.com/vod/*", "/vod/a.ts", False, id="another host"),
    pytest.param("https://media.example.com.evil/vod/*", "/vod/a.ts", False, id="a host that begins alike"),
    pytest.param("https://media.example.com:8443/vod/*", "/vod/a.ts", False, id="another port"),
    pytest.param("https://media*", "/vod/a.ts", False, id="a wildcard that would leave the host"),
    pytest.param("https://*other.example/x/*", "/vod/other.example/x/a.ts", False, id="a host found in the path"),
    pytest.param("https://*a.ts", "/vod/a.ts", False, id="a file found by way of the host"),
    pytest.param("https://media.example.com@evil/vod/*", "/vod/a.ts", False, id="user before the host"),
    pytest.param(f"{PUBLIC_URL}/vod/%d0%90/*", "/vod/%D0%90/a.ts", True, id="small hexadecimal"),
    pytest.param(f"{PUBLIC_URL}/vod/%61*", "/vod/a.ts", True, id="a letter that need not be encoded"),
    pytest.param(f"{PUBLIC_URL}/vod/(a|b).ts", "/vod/a.ts", False, id="no regular expression"),
]  # fmt: skip


@pytest.mark.parametrize(("resource", "path", "served"), RESOURCES)
def test_what_a_resource_covers(
    verifier: LinkVerifier, resource: str, path: str, served: bool
) -> None:
    assert is_served(verifier, signed(path, policy=statement(resource))) is served


def test_a_folder_of_a_resource_needs_no_look_at_the_request(verifier: LinkVerifier) -> None:
    grant = ask(verifier, signed("/vod/a.ts", policy=statement(f"{PUBLIC_URL}/vod/*")))
    assert grant.path_prefixes == ("/vod/",)
    assert grant.is_plain


def test_two_requests_with_the_same_cookies_carry_the_same_token(verifier: LinkVerifier) -> None:
    _, _, query = signed("/vod/a.ts", policy=statement()).partition("?")
    cookies = {
        f"CloudFront-{name}": value
        for name, _, value in (item.partition("=") for item in query.split("&"))
    }
    first = carried(verifier, "/vod/a.ts?x=1", cookies=cookies)
    second = carried(verifier, "/vod/b/c.ts", cookies=cookies)

    assert first.link.encode() == second.link.encode()
    assert first.query == "x=1"
    assert is_served(verifier, "/vod/b/c.ts", cookies=cookies)
    assert not is_served(verifier, "/live/c.ts", cookies=cookies)


def test_the_address_and_the_beginning_of_a_policy_are_kept(verifier: LinkVerifier) -> None:
    source = {"AWS:SourceIp": "198.51.100.0/24"}
    target = signed("/vod/a.ts", policy=statement(IpAddress=source))
    assert is_served(verifier, target, address="198.51.100.9")
    assert is_served(verifier, target, address="198.51.100.9")
    with pytest.raises(AddressNotCovered):
        ask(verifier, target, address="203.0.113.9")
    with pytest.raises(AddressNotCovered):
        ask(verifier, target, address="2001:db8::1")

    later = signed("/vod/a.ts", policy=statement(DateGreaterThan={"AWS:EpochTime": int(NOW)}))
    with pytest.raises(TokenNotYetValid):
        ask(verifier, later, now=NOW)
    assert is_served(verifier, later, now=NOW + 1)


POLICIES = [
    pytest.param(json.dumps([1]), TokenBadClaims, id="no object"),
    pytest.param('{"Statement":[]}', TokenBadClaims, id="no statement"),
    pytest.param('{"Statement":[1]}', TokenBadClaims, id="no statement but a number"),
    pytest.param(statement()[:-2] + "," + statement()[14:], TokenBadClaims, id="two statements"),
    pytest.param(statement().replace('"Resource"', '"resource"'), TokenBadClaims, id="no resource"),
    pytest.param(statement().replace("{", '{"Id":1,', 1), TokenUnsupported, id="more than a statement"),
    pytest.param(statement(NotIpAddress={"AWS:SourceIp": "1.2.3.4"}), TokenUnsupported, id="unknown condition"),
    pytest.param(statement(IpAddress={"AWS:SourceIp": "x"}), TokenBadClaims, id="address that is none"),
    pytest.param(statement(IpAddress={"AWS:SourceIp": ["1.2.3.4"]}), TokenBadClaims, id="list of addresses"),
    pytest.param(statement(IpAddress={"AWS:SourceIp": "fe80::1%eth0"}), TokenBadClaims, id="zone"),
    pytest.param(statement(ends="1700000600"), TokenBadClaims, id="end as text"),
    pytest.param(statement(ends=True), TokenBadClaims, id="end as truth"),
    pytest.param(statement(ends=0), TokenBadClaims, id="end is zero"),
    pytest.param(statement(ends=-1), TokenBadClaims, id="negative end"),
    pytest.param(statement().replace("1700000600", "1700000600.5"), TokenBadClaims, id="end with a fraction"),
    pytest.param(statement().replace("1700000600", "1e400"), TokenBadClaims, id="end without end"),
    pytest.param(statement().replace("1700000600", "NaN"), TokenBadClaims, id="end is no number"),
    pytest.param(statement().replace("1700000600", "9" * 40), TokenBadClaims, id="end too large"),
    pytest.param(statement(ends=int(NOW) + 10**9), TokenBadClaims, id="end too far"),
    pytest.param(statement().replace('"Resource"', '"Resource":"*","Resource"'), TokenBadClaims, id="a name twice"),
    pytest.param(statement("ftp://media.example.com/*"), TokenUnsupported, id="another protocol"),
    pytest.param(statement("/vod/*"), TokenUnsupported, id="no host"),
    pytest.param(statement(7), TokenBadClaims, id="resource is a number"),
    pytest.param(statement(f"{PUBLIC_URL}/é*"), TokenBadClaims, id="resource is not ASCII"),
    pytest.param(statement(PUBLIC_URL + "/" + "*" * 33), TokenUnsupported, id="too many wildcards"),
    pytest.param(statement(PUBLIC_URL + "/" + "a" * 1100), TokenBadClaims, id="resource too long"),
    pytest.param("[" * 100, TokenBadClaims, id="nested"),
    pytest.param("", TokenBadClaims, id="empty"),
]  # fmt: skip


@pytest.mark.parametrize(("policy", "error"), POLICIES)
def test_a_signed_policy_that_says_something_else_is_refused(
    verifier: LinkVerifier, policy: str, error: type[NotAllowed]
) -> None:
    target = f"/vod/a.ts?Policy={own(policy.encode())}&Signature={own(by_rsa(policy.encode()))}&Key-Pair-Id=KRSA"
    with pytest.raises(error):
        ask(verifier, target)


def own(data: bytes) -> str:
    return base64.b64encode(data).decode().translate(str.maketrans("+=/", "-_~"))


def test_the_two_forms_of_one_ecdsa_signature_are_one_token(verifier: LinkVerifier) -> None:
    target = signed("/vod/a.ts", key_id="KEC", sign=by_ec)
    name = next(
        item for item in target.partition("?")[2].split("&") if item.startswith("Signature=")
    )
    signature = base64.b64decode(name[10:].translate(str.maketrans("-_~", "+=/")))
    r, s = decode_dss_signature(signature)
    other = target.replace(name[10:], own(encode_dss_signature(r, P256_ORDER - s)))
    assert other != target

    tokens = {carried(verifier, link).link.encode() for link in (target, other)}

    assert len(tokens) == 1
    assert is_served(verifier, target)
    assert is_served(verifier, other)
    link = carried(verifier, target).link
    fields = dict(link.fields)
    high = own(encode_dss_signature(r, max(s, P256_ORDER - s)))
    forged = type(link).of(
        link.signer, path=link.path, query=link.query, fields=fields | {"Signature": high}
    )
    with pytest.raises(TokenMalformed):
        verifier.verify(forged.encode(), now=NOW)


def test_a_hash_that_is_named_though_it_is_the_default_is_the_same_token(
    verifier: LinkVerifier,
) -> None:
    target = signed("/vod/a.ts")
    named = target + "&Hash-Algorithm=SHA1"
    assert carried(verifier, target).link == carried(verifier, named).link
    assert is_served(verifier, named)
    for other in ("SHA256", "sha1", "MD5", "", "SHA1&Hash-Algorithm=SHA1"):
        assert not is_served(verifier, f"{target}&Hash-Algorithm={other}")


def test_sha1_is_refused_where_the_settings_leave_it_out() -> None:
    verifier = cloudfront({"KRSA": RSA.public_key()}, hashes=("sha256",))
    with pytest.raises(TokenUnsupported):
        ask(verifier, signed("/vod/a.ts"))

    def sign(message: bytes) -> bytes:
        return RSA.sign(message, padding.PKCS1v15(), SHA256())

    assert is_served(verifier, signed("/vod/a.ts", sign=sign) + "&Hash-Algorithm=SHA256")


def test_a_key_of_the_other_kind_or_of_another_name_verifies_nothing(
    verifier: LinkVerifier,
) -> None:
    assert not is_served(verifier, signed("/vod/a.ts", key_id="KEC", sign=by_rsa))
    assert not is_served(verifier, signed("/vod/a.ts", key_id="KRSA", sign=by_ec))
    with pytest.raises(TokenUnknownKey):
        ask(verifier, signed("/vod/a.ts", key_id="KOTHER"))


def test_a_policy_cannot_be_put_together_from_an_address(verifier: LinkVerifier) -> None:
    resource = (
        f'{PUBLIC_URL}/vod/a.ts?","Condition":{{"IpAddress":{{"AWS:SourceIp":"1.2.3.4"}}}},"x":"'
    )
    ends = int(NOW) + 600
    policy = (
        '{"Statement":[{"Resource":"' + resource + '","Condition":{"DateLessThan":{"AWS:EpochTime":'
    )
    policy += str(ends) + "}}}]}"
    signature = own(by_rsa(policy.encode()))
    target = (
        f"{resource.removeprefix(PUBLIC_URL)}&Expires={ends}&Signature={signature}&Key-Pair-Id=KRSA"
    )
    with pytest.raises(TokenMalformed):
        ask(verifier, target)
