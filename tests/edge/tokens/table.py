"""``python -m tests.edge.tokens.table [write]``: others' vectors, and what the edge makes of them.

The cases are those of the schemes' own tests; here they are counted. The table stands in ``edge/README.md``.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cryptography.hazmat.primitives.serialization import load_pem_public_key

from config.runtime.jwk import read_key
from config.runtime.keys import KeySet
from edge.errors import EdgeError
from edge.tokens.cat.cose import check, opened
from edge.tokens.links.verifier import LinkVerifier
from edge.tokens.uri_signing.jwe import opened as decrypted
from edge.tokens.uri_signing.normal import normal_uri
from tests.edge.tokens import wycheproof
from tests.edge.tokens.cat import minting
from tests.edge.tokens.cat import test_vectors as cat
from tests.edge.tokens.links import opened as links
from tests.edge.tokens.links import test_peers as peers
from tests.edge.tokens.links import test_published as published
from tests.edge.tokens.links.asking import is_served
from tests.edge.tokens.links.records import lines
from tests.edge.tokens.uri_signing import support
from tests.edge.tokens.uri_signing import test_appendix as appendix
from tests.edge.tokens.uri_signing import test_independent as independent
from tests.edge.tokens.uri_signing import test_uris as uris

README = Path(__file__).parents[3] / "edge" / "README.md"
MARKED = re.compile(r"(?<=<!-- vectors -->).*?(?=<!-- /vectors -->)", re.DOTALL)

Outcome = Literal["passed", "refused", "stricter", "differs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One source, and how many of its cases came out how."""

    scheme: str
    source: str
    outcomes: Counter[Outcome]

    def __str__(self) -> str:
        found = self.outcomes
        wrong = f" (and {found['differs']} NOT as they should be)" if found["differs"] else ""
        return (
            f"| {self.scheme} | {self.source} | {found.total()} | {found['passed']} | "
            f"{found['refused']}{wrong} | {found['stricter']} |"
        )


def rows() -> Iterator[Row]:
    """All of them."""
    for scheme, source, outcomes in SOURCES:
        yield Row(scheme=scheme, source=source, outcomes=Counter(outcomes()))


def table(found: Iterable[Row]) -> str:
    """As Markdown."""
    head = (
        "| scheme | source | cases | passed | refused, as they should be | refused by this edge's own rules |",
        "|---|---|---|---|---|---|",
    )
    return "\n".join([*head, *map(str, found)])


def _outcome(*, wanted: bool, got: bool, meant: bool = False) -> Outcome:
    """``meant``: what the source takes, this edge refuses, and the tests say so."""
    if wanted and meant:
        return "differs" if got else "stricter"
    if wanted != got:
        return "differs"
    return "passed" if got else "refused"


def _accepts(work: Callable[[], object]) -> bool:
    try:
        work()
    except EdgeError:
        return False
    return True


def _params(test: Any) -> list[Any]:
    """The cases that a test is parametrized with."""
    (mark,) = [mark for mark in test.pytestmark if mark.name == "parametrize"]
    return [case.values if hasattr(case, "marks") else case for case in mark.args[1]]


def _rfc9246() -> Iterator[Outcome]:
    verifier = appendix.appendix()
    for token in appendix.TOKENS:
        got = _accepts(lambda token=token: verifier.verify(token, now=appendix.CLOCK))  # type: ignore[misc]
        yield _outcome(wanted=True, got=got)
    keys = KeySet.of(appendix.DOCUMENT["keys"], source="RFC 9246 appendix A")
    for example in appendix.DOCUMENT["examples"]:
        if example["parts"] == 5:
            text = example["token"]
            got = _accepts(lambda text=text: decrypted(text, keys, claim="sub"))  # type: ignore[misc]
            yield _outcome(wanted=True, got=got)
    grant = verifier.verify(appendix.SIMPLE, now=appendix.CLOCK)
    hashed = appendix.broken(grant, "http://cdni.example/foo/bar") is None
    yield _outcome(wanted=True, got=hashed)


def _ats_uris() -> Iterator[Outcome]:
    base = "http://host.example"
    dots = [(base + path, base + normal) for path, normal in uris.DOTS]
    for uri, normal in [*uris.SPELLINGS, *dots]:
        yield _outcome(wanted=True, got=normal_uri(uri) == normal)


def _ats_tokens() -> Iterator[Outcome]:
    keys = KeySet.of({"keys": [independent.ATS_KEY]}, source="Apache Traffic Server")
    verifier = support.verifier(keys, issuers=["Master Issuer"], audiences=["tester"])
    for audience, text in independent.ATS_TOKENS.items():
        token = f"{independent.ATS_HEADER}.{text}"
        got = _accepts(lambda token=token: verifier.verify(token, now=support.NOW))  # type: ignore[misc]
        # Neither has an end; the other one also names somebody else.
        yield _outcome(wanted=audience == "tester", got=got, meant=True)


def _jwcrypto() -> Iterator[Outcome]:
    document = independent.DOCUMENT
    verifier = support.verifier(KeySet.of(document["keys"], source="jwcrypto"))
    for case in [*document["good"], *document["refused"]]:
        token = case["token"]
        got = _accepts(lambda token=token: verifier.verify(token, now=document["clock"]))  # type: ignore[misc]
        yield _outcome(wanted=case in document["good"], got=got)


def _cose() -> Iterator[Outcome]:
    for example in _params(cat.test_examples_of_the_cose_working_group):
        jwk = _jwk(example["key"] or {"kty": "oct", "k": "00" * 32})
        token = minting.base64url(bytes.fromhex(example["cbor"]))
        got = _accepts(lambda token=token, jwk=jwk: check(opened(token), read_key(jwk)))  # type: ignore[misc]
        wanted = "fail" not in example["name"]
        yield _outcome(wanted=wanted, got=got, meant=example["expected"] != "ok")


def _jwk(parts: dict[str, str]) -> dict[str, str]:
    if parts.get("crv") not in (None, "P-256", "Ed25519"):
        parts = {"kty": "oct", "k": "00" * 32}
    algorithm = {"oct": "HS256", "EC": "ES256", "OKP": "EdDSA"}[parts["kty"]]
    return {"kid": "example", "alg": algorithm} | {
        name: minting.base64url(bytes.fromhex(value)) if name in "kxy" else value
        for name, value in parts.items()
    }


def _node_cat() -> Iterator[Outcome]:
    for name, code in _params(cat.test_published_tokens_of_node_cat):
        got = _cat(cat.PUBLISHED[name], now=1_742_161_068)
        yield _outcome(wanted=True, got=got, meant=code != "ok")
    for name, code in _params(cat.test_tokens_made_with_node_cat):
        got = _cat(cat.NODE[name], audiences=["one"])
        yield _outcome(wanted=True, got=got, meant=code != "ok")


def _akamai_cat() -> Iterator[Outcome]:
    for name, token in cat.AKAMAI.items():
        got = _cat(token, audiences=["cdn.example.com"])
        yield _outcome(wanted=True, got=got, meant=name.endswith(": or"))


def _cwt() -> Iterator[Outcome]:
    for algorithm in ("HS256", "ES256", "EdDSA", "PS256"):
        for place in ("protected", "unprotected"):
            token = minting.by_cwt(algorithm, {4: minting.NOW + 60}, kid_in=place)
            yield _outcome(wanted=True, got=_cat(token))


def _cat(token: str, *, now: float = minting.NOW, **settings: Any) -> bool:
    given = {"max_lifetime": links.LONG, **settings}
    return _accepts(lambda: minting.verifier(**given).verify(token, now=now))


def _cat_conditions() -> Iterator[Outcome]:
    for tokens, name, good, bad in _params(cat.test_their_conditions_are_held_against_requests):
        grant = minting.verifier(audiences=["cdn.example.com"]).verify(
            tokens[name], now=minting.NOW
        )
        yield _outcome(wanted=True, got=grant.broken_rule(good) is None)
        yield _outcome(wanted=False, got=grant.broken_rule(bad) is None)


def _nginx_published() -> Iterator[Outcome]:
    verifier = links.secure_link(secrets=("secret",), max_lifetime=links.LONG)
    link = "/s/link?md5=_e4Nc3iduzkWRm01TBBNYw&expires=2147483647"
    yield _outcome(wanted=True, got=is_served(verifier, link, address="127.0.0.1"))
    old = links.secure_link(
        secrets=("secret",), form="path", lifetime=links.HOUR, origins=("files",)
    )
    link = "/files/5e814704a28d9bc1914ff19fa0c4a00a/link"
    yield _outcome(wanted=True, got=is_served(old, link))
    plain = links.secure_link(
        secrets=("secret",),
        expression="$secret$uri",
        hash_parameter="hash",
        expires_parameter="",
        lifetime=links.HOUR,
    )
    for verifier, cases in ((plain, published.NGINX_TESTS), (old, published.NGINX_OLD_TESTS)):
        for case in cases:
            target, wanted = case.values
            yield _outcome(wanted=bool(wanted), got=is_served(verifier, str(target)))


def _recorded(
    name: str, verifiers: dict[str, LinkVerifier], urls: dict[str, str], kinds: set[str]
) -> Iterator[Outcome]:
    head, cases = lines(name)
    for case in cases:
        if case["kind"] not in kinds:
            continue
        wanted = case["status"] == 200
        meant = case["why"].startswith(peers.STRICTER)
        cookie = case.get("cookie")
        got = is_served(
            verifiers[case["kind"]],
            case["target"],
            address=case["address"],
            user_agent=case.get("agent", ""),
            cookies={"TokenCookie": cookie} if cookie else {},
            now=float(head["now"]),
            public_url=urls[case["kind"]],
        )
        yield _outcome(wanted=wanted, got=got, meant=meant and not got)


def _nginx() -> Iterator[Outcome]:
    verifiers = {
        "plain": links.secure_link(),
        "endless": links.secure_link(
            expression="$secret$uri",
            hash_parameter="hash",
            expires_parameter="",
            lifetime=links.HOUR,
        ),
        "agent": links.secure_link(
            expression="${secure_link_expires} $uri $arg_user $host $http_user_agent $secret"
        ),
        "old": links.secure_link(form="path", lifetime=links.HOUR, origins=("old",)),
    }
    urls = dict.fromkeys(verifiers, "https://media.example.com")
    return _recorded("nginx", verifiers, urls, set(verifiers))


def _traffic_server(kinds: set[str]) -> Iterator[Outcome]:
    head, _ = lines("trafficserver")
    urls = {
        "query": "http://media.example.com",
        "anchor": "http://anchor.example.com",
        "access": "https://access.example.com",
    }
    given = {"keys": head["keys"], "origins": ("vod", "live")}
    verifiers = {
        "query": links.url_sig(urls["query"], **given),
        "anchor": links.url_sig(urls["anchor"], sig_anchor="urlsig", **given),
        "access": links.access_control(urls["access"], keys=head["secrets"]),
    }
    return _recorded("trafficserver", verifiers, urls, kinds)


def _url_sig_published() -> Iterator[Outcome]:
    verifier = links.url_sig("https://foo.com", keys=published.DOCUMENTED_KEYS)
    link = (
        "/downloads/expensive-app.exe?C=1.2.3.4&E=1453846938&A=1&K=2&P=1"
        "&S=8c5cfa440458233452ee9b5b570063a0e71827f2"
    )
    got = is_served(
        verifier, link, address="1.2.3.4", now=1453846000.0, public_url="https://foo.com"
    )
    yield _outcome(wanted=True, got=got)
    for case in published.GOLD["cases"]:
        url = f"http://{case['host']}"
        verifier = links.url_sig(
            url,
            keys=published.GOLD["keys"],
            sig_anchor="urlsig",
            max_lifetime=links.LONG,
            origins=("foo",),
        )
        got = is_served(verifier, case["target"], address="127.0.0.1", public_url=url)
        yield _outcome(wanted=case["served"], got=got)


def _access_control_published() -> Iterator[Outcome]:
    verifier = links.access_control(max_lifetime=links.LONG)
    cookies = {"TokenCookie": published.KERMIT}
    for now, wanted in ((1550000000.0, True), (1577836801.0, False), (1514764800.0, False)):
        got = is_served(verifier, "/vod/object", cookies=cookies, now=now)
        yield _outcome(wanted=wanted, got=got)


def _cloudfront() -> Iterator[Outcome]:
    url = "https://d111111abcdef8.cloudfront.net"
    key: Any = load_pem_public_key(published.PUBLISHED["keys"]["K1TESTKEY"].encode())
    verifier = links.cloudfront({"K1TESTKEY": key}, url)
    ends = float(published.PUBLISHED["expires"])
    for case in published.PUBLISHED["cases"]:
        target, cookies = published.published_request(case)
        address = case.get("address", "192.0.2.7")
        for now in (ends - 60, ends):
            got = is_served(
                verifier, target, cookies=cookies, address=address, now=now, public_url=url
            )
            yield _outcome(wanted=now < ends, got=got)


def _akamai() -> Iterator[Outcome]:
    head, cases = lines("akamai")
    for case in cases:
        verifier = links.akamai(
            algorithm=case["algorithm"], salt=case["salt"], escape_input=case["escape"]
        )
        good, bad = (
            peers.COVERED[case["acl"]] if "acl" in case else ([case["url"]], ["/vod/other.ts"])
        )
        for path in good + bad:
            got = is_served(verifier, f"{path}?hdnts={case['token']}", now=float(head["now"]))
            yield _outcome(wanted=path in good, got=got)


def _wycheproof(name: str) -> Iterator[Outcome]:
    cases = wycheproof.SETS[name]()
    looser = wycheproof.LOOSER.get(name, {})
    wrong = {case.tc_id for case in wycheproof.accepted_though_invalid(cases)} - looser.keys()
    for case in cases:
        if case.tc_id in wrong:
            yield "differs"
        elif case.is_valid or case.reason != "ok":
            meant = case.tc_id in wycheproof.STRICTER[name]
            yield _outcome(wanted=case.is_valid, got=case.reason == "ok", meant=meant)
        else:
            yield "passed"  # byte for byte a valid case, or listed and explained


SOURCES: list[tuple[str, str, Callable[[], Iterator[Outcome]]]] = [
    ("uri-signing", "RFC 9246 Appendix A: 4 signed JWTs, 2 encrypted claims, a hash", _rfc9246),
    ("uri-signing", "Traffic Server, unit tests of uri_signing: URIs, and more like them", _ats_uris),
    ("uri-signing", "Traffic Server, unit tests of uri_signing: tokens (without an end)", _ats_tokens),
    ("uri-signing", "made with jwcrypto (PyPI)", _jwcrypto),
    ("cat", "COSE working group, examples", _cose),
    ("cat", "@eyevinn/cat (npm): published, and made with it", _node_cat),
    ("cat", "made with Akamai's CAT library for EdgeWorkers", _akamai_cat),
    ("cat", "made with cwt (PyPI)", _cwt),
    ("cat", "conditions of those tokens, held against requests", _cat_conditions),
    ("url-sig", "Traffic Server, documentation and tests of url_sig", _url_sig_published),
    ("url-sig", "verdicts of Traffic Server 9.2.9", lambda: _traffic_server({"query", "anchor"})),
    ("access-control", "Traffic Server, documentation of access_control", _access_control_published),
    ("access-control", "verdicts of Traffic Server 9.2.9", lambda: _traffic_server({"access"})),
    ("secure-link", "nginx, documentation and tests of secure_link", _nginx_published),
    ("secure-link", "verdicts of nginx 1.22.1", _nginx),
    ("cloudfront", "aws-cli, tests: URLs and cookies, before and at their end", _cloudfront),
    ("akamai", "made with akamai-edgeauth (PyPI, npm): paths in and outside", _akamai),
    ("uri-signing", "Wycheproof, JSON Web Signature", lambda: _wycheproof("jws uri-signing")),
    ("kawa", "Wycheproof, JSON Web Signature", lambda: _wycheproof("jws kawa")),
    ("uri-signing", "Wycheproof, JSON Web Key", lambda: _wycheproof("jwk uri-signing")),
    ("kawa", "Wycheproof, JSON Web Key", lambda: _wycheproof("jwk kawa")),
    ("all with Ed25519", "Wycheproof, Ed25519", lambda: _wycheproof("ed25519")),
    ("all with HS256", "Wycheproof, HMAC-SHA-256", lambda: _wycheproof("hmac_sha256")),
]  # fmt: skip


def main() -> int:
    """Print the table; 1 if a case came out as it should not."""
    found = list(rows())
    print(table(found))
    if sys.argv[1:] == ["write"]:
        README.write_text(MARKED.sub(lambda _: f"\n{table(found)}\n", README.read_text()))
    return 1 if any(row.outcomes["differs"] for row in found) else 0


if __name__ == "__main__":
    sys.exit(main())
