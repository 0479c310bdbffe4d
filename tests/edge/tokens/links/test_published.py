from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from edge.errors import (
    AddressNotCovered,
    NotAllowed,
    PathNotCovered,
    TokenBadClaims,
    TokenBadSignature,
    TokenExpired,
    TokenMissing,
    TokenNotYetValid,
)
from tests.edge.tokens.links.asking import ask, is_served
from tests.edge.tokens.links.opened import (
    HOUR,
    LONG,
    access_control,
    cloudfront,
    secure_link,
    url_sig,
)
from tests.edge.tokens.links.records import document

# nginx.org, documentation of ngx_http_secure_link_module (BSD-2-Clause), and nginx-tests secure_link.t (BSD-2-Clause).


def test_the_example_of_secure_link_md5_in_nginx_documentation() -> None:
    verifier = secure_link(secrets=("secret",), max_lifetime=LONG)
    link = "/s/link?md5=_e4Nc3iduzkWRm01TBBNYw&expires=2147483647"

    grant = ask(verifier, link, address="127.0.0.1")

    assert grant.expires_at == 2147483647
    with pytest.raises(TokenBadSignature):
        ask(verifier, link, address="127.0.0.2")


def test_the_example_of_secure_link_secret_in_nginx_documentation() -> None:
    # There it stands below /p/, too short for the name of an origin; the hash is not over it.
    verifier = secure_link(secrets=("secret",), form="path", lifetime=HOUR, origins=("files",))

    ask(verifier, "/files/5e814704a28d9bc1914ff19fa0c4a00a/link")


NGINX_TESTS = [
    pytest.param("/test.html?hash=q-5vpkjBkRXXtkUMXiJVHA==", True, id="request md5"),
    pytest.param("/test.html?hash=q-5vpkjBkRXXtkUMXiJVHA", True, id="no padding"),
    pytest.param("/test.html?hash=q-5vpkjBkRXXtkUMXiJVHAQQ", False, id="too long"),
    pytest.param("/test.html?hash=q-5vpkjBkRXXtkUMXiJVHA-TOOLONG", False, id="too long encoding"),
    pytest.param("/test.html?hash=BADHASHLENGTH", False, id="decode error"),
    pytest.param("/test.html?hash=q-5vpkjBkRXXtkUMXiJVHX==", False, id="mismatch"),
    pytest.param("/test.html", False, id="no hash"),
]


@pytest.mark.parametrize(("target", "served"), NGINX_TESTS)
def test_secure_link_as_nginx_tests_has_it(target: str, served: bool) -> None:
    verifier = secure_link(
        secrets=("secret",),
        expression="$secret$uri",
        hash_parameter="hash",
        expires_parameter="",
        lifetime=HOUR,
    )
    assert is_served(verifier, target) is served


NGINX_OLD_TESTS = [
    pytest.param("/files/144c9defac04969c7bfad8efaa8ea194/test.html", False, id="fake hash"),
    pytest.param("/files/foo/test.html", False, id="short hash"),
    pytest.param("/files/" + "x" * 32 + "/test.html", False, id="corrupt hash"),
    pytest.param("/files%2f", False, id="bad uri"),
    pytest.param("/files/test.html", False, id="no hash"),
]


@pytest.mark.parametrize(("target", "served"), NGINX_OLD_TESTS)
def test_the_old_secure_link_as_nginx_tests_has_it(target: str, served: bool) -> None:
    verifier = secure_link(secrets=("secret",), form="path", lifetime=HOUR, origins=("files",))
    assert is_served(verifier, target) is served


# apache/trafficserver (Apache-2.0): doc/admin-guide/plugins/url_sig.en.rst, tests/gold_tests/pluginTest/url_sig.
DOCUMENTED_KEYS = {
    "key2": "YicZbmr6KlxfxPTJ3p9vYhARdPQ9WJYZ",
    "key3": "DTV4Tcn046eM9BzJMeYrYpm3kbqOtBs7",
}


def test_the_example_of_url_sig_in_traffic_server_documentation() -> None:
    verifier = url_sig("https://foo.com", keys=DOCUMENTED_KEYS)
    link = (
        "/downloads/expensive-app.exe?C=1.2.3.4&E=1453846938&A=1&K=2&P=1"
        "&S=8c5cfa440458233452ee9b5b570063a0e71827f2"
    )

    ask(verifier, link, address="1.2.3.4", now=1453846000, public_url="https://foo.com")

    with pytest.raises(AddressNotCovered):
        ask(verifier, link, address="1.2.3.5", now=1453846000)
    with pytest.raises(TokenExpired):
        ask(verifier, link, address="1.2.3.4", now=1453846938)


GOLD = document("url_sig")


@pytest.mark.parametrize("case", GOLD["cases"], ids=lambda case: case["id"])
def test_url_sig_as_traffic_server_tests_have_it(case: dict[str, Any]) -> None:
    url = f"http://{case['host']}"
    verifier = url_sig(
        url, keys=GOLD["keys"], sig_anchor="urlsig", max_lifetime=LONG, origins=("foo",)
    )
    served = is_served(verifier, case["target"], address="127.0.0.1", public_url=url)
    assert served is case["served"]


# apache/trafficserver: doc/admin-guide/plugins/access_control.en.rst, tests/gold_tests/pluginTest/access_control.
KERMIT = (
    "c3ViPWZyb2dzLWluLWEtd2VsbCZleHA9MTU3NzgzNjgwMCZuYmY9MTUxNDc2NDgwMCZpYXQ9MTUxNDE2MDAwMCZ0aWQ9MTIzNDU2Nzg5MCZraWQ9"
    "a2V5MSZzdD1ITUFDLVNIQS0yNTYmbWQ9ODg3OWFmOThhYjYwNzEzMTVhN2FiNTVlNTI0NWNiZTFjMTA2MzAzYmNjNDY5MGNiZmM4MDdhNDQwMmQx"
    "MWFiMw"
)


def test_the_example_of_access_control_in_traffic_server_documentation() -> None:
    verifier = access_control(max_lifetime=LONG)
    cookies = {"TokenCookie": KERMIT}

    grant = ask(verifier, "/vod/object", cookies=cookies, now=1550000000)

    assert grant.subject == "frogs-in-a-well"
    assert grant.token_id == "1234567890"
    with pytest.raises(TokenExpired):
        ask(verifier, "/vod/object", cookies=cookies, now=1577836801)
    with pytest.raises(TokenNotYetValid):
        ask(verifier, "/vod/object", cookies=cookies, now=1514764800)


def test_a_session_cookie_that_never_ends_is_refused() -> None:
    # exp=0 of Traffic Server's own test: "Origin server set exp=0 and ATS returns Session Cookie".
    text = (
        "c3ViPWZyb2dzLWluLWEtd2VsbCZleHA9MCZuYmY9MTUxNDc2NDgwMCZpYXQ9MTUxNDE2MDAwMCZ0aWQ9MTIzNDU2Nzg5MCZraWQ9a2V5MSZzdD1I"
        "TUFDLVNIQS0yNTYmbWQ9ZTY3ZGNlMmZjZmFmMTY5ZGRlMGZlMGU2ZWNmMTRiZWE3NjU4YmZmYmUzZjFiMzBjMjJiMDQ4NDMyZTljYzQxZg"
    )
    with pytest.raises(TokenBadClaims):
        ask(access_control(max_lifetime=LONG), "/vod/object", cookies={"TokenCookie": text})


PUBLISHED = document("cloudfront")


@pytest.mark.parametrize("case", PUBLISHED["cases"], ids=lambda case: case["id"])
def test_cloudfront_as_the_tests_of_aws_have_it(case: dict[str, str]) -> None:
    url = "https://d111111abcdef8.cloudfront.net"
    key = load_pem_public_key(PUBLISHED["keys"]["K1TESTKEY"].encode())
    verifier = cloudfront({"K1TESTKEY": key}, url)  # type: ignore[dict-item]
    target, cookies = published_request(case)
    now, address = PUBLISHED["expires"] - 60, case.get("address", "192.0.2.7")

    grant = ask(verifier, target, cookies=cookies, address=address, now=now, public_url=url)

    assert grant.expires_at == PUBLISHED["expires"]
    assert grant.key_id == "K1TESTKEY"
    with pytest.raises(TokenExpired):
        ask(verifier, target, cookies=cookies, address=address, now=now + 60, public_url=url)
    if "address" in case:
        with pytest.raises(AddressNotCovered):
            ask(verifier, target, cookies=cookies, now=now, public_url=url)
    if f'"{url}/*"' not in case.get("policy", ""):
        with pytest.raises((TokenBadSignature, PathNotCovered)):
            ask(
                verifier,
                target.replace(".", "s.", 1).replace("/", "/other/", 1),
                cookies=cookies,
                address=address,
                now=now,
                public_url=url,
            )


def published_request(case: dict[str, str]) -> tuple[str, dict[str, str]]:
    """The request of a case: path and query, and cookies."""
    target = case["resource"].removeprefix("https://d111111abcdef8.cloudfront.net")
    parts = {"Signature": case["signature"], "Key-Pair-Id": "K1TESTKEY"}
    if "policy" in case:
        parts["Policy"] = cloudfront_base64(case["policy"].encode())
    else:
        parts["Expires"] = str(PUBLISHED["expires"])
    if "hash" in case:
        parts["Hash-Algorithm"] = case["hash"]
    if case.get("cookies"):
        return target, {f"CloudFront-{name}": value for name, value in parts.items()}
    separator = "&" if "?" in target else "?"
    return target + separator + "&".join(f"{name}={value}" for name, value in parts.items()), {}


def cloudfront_base64(data: bytes) -> str:
    """Base64 with CloudFront's own characters."""
    return base64.b64encode(data).decode().translate(str.maketrans("+=/", "-_~"))


def test_none_of_the_links_that_others_publish_is_taken_for_another_schemes() -> None:
    verifier = secure_link()
    with pytest.raises(TokenMissing):
        ask(verifier, "/foo/bar?E=1&S=0")
    with pytest.raises(NotAllowed):
        ask(verifier, "/s/link?md5=_e4Nc3iduzkWRm01TBBNYw&expires=2147483647")
