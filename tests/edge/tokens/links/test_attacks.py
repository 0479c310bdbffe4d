"""A good link of every scheme, and what people do to such links."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import AddressNotCovered, BadPath, NotAllowed, TokenMalformed, TokenUnsupported
from edge.tokens.links.link import Link
from edge.tokens.links.secrets import PublicKey
from edge.tokens.links.verifier import LinkVerifier
from tests.edge.tokens.links import signing
from tests.edge.tokens.links.asking import NOW, ask, carried, is_served, opened
from tests.edge.tokens.links.opened import (
    AKAMAI_KEY,
    HOUR,
    access_control,
    akamai,
    cloudfront,
    secure_link,
    url_sig,
)
from tests.edge.tokens.links.test_cloudfront import EC, RSA, by_ec, signed, statement

ENDS = int(NOW) + 600
FILE = "/vod/movie/seg.m4s"
VIEWER = ip_address("192.0.2.7")
FOLDER = "https://media.example.com/vod/movie/*"
CLAIMS = f"sub=frogs&exp={ENDS}&nbf=1600000000&iat=1600000000&tid=t1&scope=/vod/movie/&kid=key1&st=HMAC-SHA-256"


@dataclass(frozen=True, slots=True)
class Good:
    """A link that is served."""

    verifier: LinkVerifier
    target: str
    cookies: Mapping[str, str] = field(default_factory=dict)


def _cookies(link: str, prefix: str) -> dict[str, str]:
    items = (item.partition("=") for item in link.partition("?")[2].split("&"))
    return {prefix + name: value for name, _, value in items}


OLD = hashlib.md5(b"movie/seg.m4senigma", usedforsecurity=False).hexdigest()
KEYS: dict[str, PublicKey] = {"KRSA": RSA.public_key(), "KEC": EC.public_key()}
GOOD: dict[str, Callable[[], Good]] = {
    "secure_link": lambda: Good(secure_link(), signing.nginx(FILE, ENDS)),
    "secure_link in the path": lambda: Good(
        secure_link(form="path", lifetime=HOUR, origins=("vod",), secrets=("old", "enigma")),
        f"/vod/{OLD}/movie/seg.m4s",
    ),
    "url_sig": lambda: Good(
        url_sig(), signing.url_sig(FILE, f"C=192.0.2.7&E={ENDS}&A=1&K=3&P=1")
    ),
    "access_control": lambda: Good(
        access_control(), FILE, {"TokenCookie": signing.access_token(CLAIMS)}
    ),
    "cloudfront canned": lambda: Good(cloudfront(KEYS), signed(FILE)),
    "cloudfront ecdsa": lambda: Good(cloudfront(KEYS), signed(FILE, key_id="KEC", sign=by_ec)),
    "cloudfront custom": lambda: Good(cloudfront(KEYS), signed(FILE, policy=statement(FOLDER))),
    "cloudfront cookies": lambda: Good(
        cloudfront(KEYS), FILE, _cookies(signed(FILE, policy=statement(FOLDER)), "CloudFront-")
    ),
    "akamai acl": lambda: Good(
        akamai(),
        f"{FILE}?hdnts=" + signing.akamai(f"st=1600000000~exp={ENDS}~acl=/vod/movie/*", key=AKAMAI_KEY),
    ),
    "akamai url": lambda: Good(
        akamai(), f"{FILE}?hdnts=" + signing.akamai(f"exp={ENDS}", key=AKAMAI_KEY, url=FILE)
    ),
    "akamai cookie": lambda: Good(
        akamai(), FILE, {"hdntl": signing.akamai(f"exp={ENDS}~acl=/vod/movie/*~data=hdntl", key=AKAMAI_KEY)}
    ),
    "akamai path": lambda: Good(
        akamai(),
        "/vod/hdntl="
        + signing.akamai(f"exp={ENDS}~acl=%2fvod%2fmovie%2f*~data=hdntl", key=AKAMAI_KEY)
        + "/movie/seg.m4s",
    ),
}  # fmt: skip


@cache
def good_link(kind: str) -> Good:
    """The link of a scheme, signed once."""
    return GOOD[kind]()


@pytest.fixture(params=GOOD)
def good(request: pytest.FixtureRequest) -> Good:
    return good_link(request.param)


def test_the_link_is_served_and_its_token_opens_the_same(good: Good) -> None:
    grant = ask(good.verifier, good.target, cookies=good.cookies)

    found = carried(good.verifier, good.target, cookies=good.cookies)
    assert found.path == FILE
    assert found.query == ""
    again = good.verifier.verify(found.link.encode(), now=NOW)
    assert again == grant
    opened(again, FILE)
    assert len(grant.session) == 32
    assert grant.renewal is None
    assert grant.issuer in ("nginx", "ats", "access", "aws", "akamai")


def test_a_link_is_never_renewed(good: Good) -> None:
    token = carried(good.verifier, good.target, cookies=good.cookies).link.encode()
    with pytest.raises(TokenUnsupported):
        good.verifier.renewed(token, now=NOW)


OTHER_PATHS = [
    pytest.param("/vod/movie2/seg.m4s", id="another title"),
    pytest.param("/vod/movi/seg.m4s", id="a title that begins alike"),
    pytest.param("/vod/movie/../other/seg.m4s", id="dot segments"),
    pytest.param("/vod/movie/%2e%2e/other/seg.m4s", id="encoded dot segments"),
    pytest.param("/vod/movie/%2E%2E%2Fother/seg.m4s", id="encoded slash"),
    pytest.param("/vod/movie/..;/other/seg.m4s", id="dot segments with a parameter"),
    pytest.param("/vod/movie%5cseg.m4s", id="encoded backslash"),
    pytest.param("/vod/movie/%252e%252e/other/seg.m4s", id="encoded twice"),
    pytest.param("/VOD/movie/seg.m4s", id="origin in capitals"),
    pytest.param("/vod/Movie/seg.m4s", id="folder in capitals"),
    pytest.param("/other/movie/seg.m4s", id="another origin"),
    pytest.param("//vod/movie/seg.m4s", id="empty segment before"),
    pytest.param("/vod//movie/seg.m4s", id="empty segment between"),
    pytest.param("/vod/movie/seg.m4s%00", id="null"),
    pytest.param("/x/vod/abc/https/example.com/movie/seg.m4s", id="carried host"),
]


@pytest.mark.parametrize("path", OTHER_PATHS)
def test_a_link_opens_no_other_path(good: Good, path: str) -> None:
    _, mark, query = good.target.partition("?")
    assert not is_served(good.verifier, path + mark + query, cookies=good.cookies)

    token = carried(good.verifier, good.target, cookies=good.cookies).link.encode()
    grant = good.verifier.verify(token, now=NOW)
    with pytest.raises((NotAllowed, BadPath)):
        opened(grant, path)


@pytest.mark.parametrize(
    "path", ["/vod/movie/seg.m4s.key", "/vod/movie/seg", "/vod/movie/seg.m4s/x"]
)
def test_a_link_to_one_file_opens_no_other(good: Good, path: str) -> None:
    grant = ask(good.verifier, good.target, cookies=good.cookies)
    if grant.is_plain or (grant.path_prefixes == ("/vod/movie/",) and not grant.rules):
        return  # the signer's own rule is for the folder
    with pytest.raises(NotAllowed):
        opened(grant, path)


def test_every_changed_character_of_a_link_is_refused(good: Good) -> None:
    token = carried(good.verifier, good.target, cookies=good.cookies).link.encode()
    for at in range(len(good.target)):
        changed = good.target[:at] + _other(good.target[at]) + good.target[at + 1 :]
        path, _, query = changed.partition("?")
        found = good.verifier.found(path, query, good.cookies, address=VIEWER)
        if found and found.link.encode() == token and found.path.startswith("/vod/movie/"):
            continue  # the signature is whole, and the signer's own rule is for the folder
        assert not is_served(good.verifier, changed, cookies=good.cookies), changed
    for name, value in good.cookies.items():
        for at in range(len(value)):
            cookies = {**good.cookies, name: value[:at] + _other(value[at]) + value[at + 1 :]}
            assert not is_served(good.verifier, FILE, cookies=cookies), cookies


def _other(character: str) -> str:
    return "1" if character == "0" else "0"


def test_every_changed_character_of_a_token_is_refused(good: Good) -> None:
    token = carried(good.verifier, good.target, cookies=good.cookies).link.encode()
    alphabet = string.ascii_letters + string.digits + "-_"
    for at in range(2, len(token)):
        other = alphabet[(alphabet.index(token[at]) + 1) % 64]
        with pytest.raises(NotAllowed):
            good.verifier.verify(token[:at] + other + token[at + 1 :], now=NOW)
    for changed in (token[:-1], token + "A", token[2:], token.upper(), "l." + token):
        with pytest.raises(NotAllowed):
            good.verifier.verify(changed, now=NOW)


def test_a_parameter_that_stands_twice_is_refused(good: Good) -> None:
    path, mark, query = good.target.partition("?")
    if not mark:
        return
    for item in query.split("&"):
        name = item.partition("=")[0]
        for doubled in (f"{query}&{item}", f"{item}&{query}", f"{name}=0&{query}"):
            assert not is_served(good.verifier, f"{path}?{doubled}"), doubled


def test_the_order_of_parameters_is_signed_or_does_not_matter(good: Good) -> None:
    path, mark, query = good.target.partition("?")
    if not mark:
        return
    reverse = "&".join(reversed(query.split("&")))
    if is_served(good.verifier, f"{path}?{reverse}"):
        token = carried(good.verifier, good.target).link.encode()
        assert carried(good.verifier, f"{path}?{reverse}").link.encode() == token


ENDINGS = [
    "+1700000600", "01700000600", "0x6553f358", "1700000600.0", "1.7e9", "-1", "0", "", " 1700000600", "1700000600 ",
    "1700000600%00", "１７００００００００", "9" * 12, "9" * 13, "9" * 40, "1700000600,", "NaN", "inf", "1_700_000_600",
]  # fmt: skip


@pytest.mark.parametrize("ends", ENDINGS)
def test_an_end_in_another_form_is_refused_though_it_is_signed(ends: str) -> None:
    links = (
        Good(secure_link(), signing.nginx(FILE, ends)),
        Good(url_sig(), signing.url_sig(FILE, f"E={ends}&A=1&K=3&P=1")),
        Good(
            access_control(),
            FILE,
            {"TokenCookie": signing.access_token(f"sub=frogs&exp={ends}&kid=key1")},
        ),
        Good(akamai(), f"{FILE}?hdnts=" + signing.akamai(f"exp={ends}~acl=/*", key=AKAMAI_KEY)),
        Good(akamai(), f"{FILE}?hdnts=" + signing.akamai(f"st={ends}~exp={ENDS}~acl=/*", key=AKAMAI_KEY)),
    )  # fmt: skip
    for link in links:
        with pytest.raises(NotAllowed):
            ask(link.verifier, link.target, cookies=link.cookies)


ADDRESSES = [
    pytest.param("192.0.2.8", False, id="another"),
    pytest.param("::ffff:192.0.2.8", False, id="another, mapped"),
    pytest.param("2001:db8::7", False, id="of the other family"),
    pytest.param("::c000:207", False, id="compatible, not mapped"),
]


@pytest.mark.parametrize(("address", "served"), ADDRESSES)
def test_a_link_for_one_address_is_for_no_other(address: str, served: bool) -> None:
    ip = signing.akamai(f"ip=192.0.2.7~exp={ENDS}~acl=/vod/*", key=AKAMAI_KEY)
    links = (
        Good(secure_link(), signing.nginx(FILE, ENDS)),
        Good(url_sig(), signing.url_sig(FILE, f"C=192.0.2.7&E={ENDS}&A=1&K=3&P=1")),
        Good(akamai(), f"{FILE}?hdnts={ip}"),
    )
    for link in links:
        assert is_served(link.verifier, link.target)
        assert is_served(link.verifier, link.target, address=address) is served
        # Nor does the token of one viewer open anything for another.
        grant = link.verifier.verify(carried(link.verifier, link.target).link.encode(), now=NOW)
        with pytest.raises(AddressNotCovered):
            opened(grant, FILE, address=address)


NO_ADDRESSES = [
    "192.0.2.0/24",
    "::ffff:192.0.2.7%25eth0",
    "192.0.2",
    "192.0.2.007",
    "",
    "0",
    "localhost",
]


@pytest.mark.parametrize("written", NO_ADDRESSES)
def test_an_address_that_is_none_is_refused_though_it_is_signed(written: str) -> None:
    sig = signing.url_sig(FILE, f"C={written}&E={ENDS}&A=1&K=3&P=1")
    token = signing.akamai(f"ip={written}~exp={ENDS}~acl=/vod/*", key=AKAMAI_KEY)
    assert not is_served(url_sig(), sig)
    assert not is_served(akamai(), f"{FILE}?hdnts={token}")


def test_a_mapped_address_in_a_link_is_the_plain_one() -> None:
    assert is_served(url_sig(), signing.url_sig(FILE, f"C=::ffff:192.0.2.7&E={ENDS}&A=1&K=3&P=1"))


def test_the_host_is_the_edges_own_and_not_the_requests() -> None:
    elsewhere = signing.url_sig(FILE, f"E={ENDS}&A=1&K=3&P=1", host="evil.example.com")
    assert not is_served(url_sig(), elsewhere)
    assert not is_served(url_sig(), f"https://evil.example.com{elsewhere}")
    assert not is_served(cloudfront(KEYS, "https://evil.example.com"), signed(FILE))


@pytest.mark.parametrize("origins", [("live",), ("vo",), ("vod2", "live")])
def test_a_signer_has_no_say_in_other_origins(origins: tuple[str, ...]) -> None:
    for opening, link in (
        (secure_link, signing.nginx(FILE, ENDS)),
        (url_sig, signing.url_sig(FILE, f"E={ENDS}&A=1&K=3&P=1")),
    ):
        assert not is_served(opening(origins=origins), link)
        token = carried(opening(), link).link.encode()
        with pytest.raises(NotAllowed):
            opening(origins=origins).verify(token, now=NOW)
    everything = signing.akamai(f"exp={ENDS}~acl=/*", key=AKAMAI_KEY)
    verifier = akamai(origins=("vod", "live"))
    grant = verifier.verify(carried(verifier, f"{FILE}?hdnts={everything}").link.encode(), now=NOW)
    assert grant.path_prefixes == ("/vod/", "/live/")


def test_a_link_of_one_signer_is_not_anothers() -> None:
    token = carried(secure_link(), signing.nginx(FILE, ENDS)).link
    other = url_sig()
    assert not other.may_be(token.encode())
    with pytest.raises(TokenMalformed):
        other.verify(token.encode(), now=NOW)
    with pytest.raises(NotAllowed):
        other.verify(Link("ats", token.path, token.query, token.fields).encode(), now=NOW)


_TEXT = st.text(max_size=300)


@pytest.mark.parametrize("kind", [name for name in GOOD if "path" not in name])
@settings(max_examples=60)
@given(path=_TEXT, query=_TEXT, value=_TEXT, data=st.data())
def test_anything_ends_in_a_refusal(
    kind: str, path: str, query: str, value: str, data: st.DataObject
) -> None:
    good = good_link(kind)
    cookies = dict.fromkeys((*good.cookies, "TokenCookie", "hdntl", "CloudFront-Policy"), value)
    for target_path in (path, "/" + path, FILE):
        for sent in (
            query,
            f"md5={query}&expires=1",
            f"E=1&S={query}",
            f"hdnts={query}",
            f"Policy={query}&Signature=a&Key-Pair-Id=KRSA",
        ):
            found = good.verifier.found(target_path, sent, cookies)
            if found is not None:
                with pytest.raises(NotAllowed):
                    good.verifier.verify(found.link.encode(), now=NOW)
    link = carried(good.verifier, good.target, cookies=good.cookies).link
    name, old = data.draw(st.sampled_from(link.fields))
    fields = dict(link.fields) | {name: value}
    if value != old:
        for changed in (
            Link.of(link.signer, path=link.path, query=link.query, fields=fields),
            Link.of(link.signer, path=link.path, query=query + "x", fields=dict(link.fields)),
            Link.of(
                link.signer, path="/" + path + "/x", query=link.query, fields=dict(link.fields)
            ),
        ):
            with pytest.raises(NotAllowed):
                good.verifier.verify(changed.encode(), now=NOW)
    with pytest.raises(NotAllowed):
        good.verifier.verify(value, now=NOW)
