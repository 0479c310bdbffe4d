"""Other programs were asked about the same links; their verdicts are in data/."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from edge.tokens.links.verifier import LinkVerifier
from tests.edge.tokens.links.asking import is_served
from tests.edge.tokens.links.opened import HOUR, access_control, akamai, secure_link, url_sig
from tests.edge.tokens.links.records import lines

STRICTER = "stricter: "  # a second spelling that the other program takes, and this edge does not


def differing(
    verifiers: dict[str, LinkVerifier], urls: dict[str, str], name: str
) -> list[dict[str, Any]]:
    """Cases on which this edge differs from the program that was asked, those apart that it is meant to."""
    head, cases = lines(name)
    found = []
    for case in cases:
        cookie = case.get("cookie")
        served = is_served(
            verifiers[case["kind"]],
            case["target"],
            address=case["address"],
            user_agent=case.get("agent", ""),
            cookies={"TokenCookie": cookie} if cookie else {},
            now=float(head["now"]),
            public_url=urls[case["kind"]],
        )
        wanted = case["status"] == 200
        if served != wanted and not (wanted and case["why"].startswith(STRICTER)):
            found.append(case)
    return found


def test_nginx_and_this_edge_serve_the_same_secure_links() -> None:
    verifiers = {
        "plain": secure_link(),
        "endless": secure_link(
            expression="$secret$uri", hash_parameter="hash", expires_parameter="", lifetime=HOUR
        ),
        "agent": secure_link(
            expression="${secure_link_expires} $uri $arg_user $host $http_user_agent $secret"
        ),
        "old": secure_link(form="path", lifetime=HOUR, origins=("old",)),
    }
    urls = dict.fromkeys(verifiers, "https://media.example.com")

    assert differing(verifiers, urls, "nginx") == []


def test_traffic_server_and_this_edge_serve_the_same_links() -> None:
    head, _ = lines("trafficserver")
    urls = {
        "query": "http://media.example.com",
        "anchor": "http://anchor.example.com",
        "access": "https://access.example.com",
    }
    given = {"keys": head["keys"], "origins": ("vod", "live")}
    verifiers = {
        "query": url_sig(urls["query"], **given),
        "anchor": url_sig(urls["anchor"], sig_anchor="urlsig", **given),
        "access": access_control(urls["access"], keys=head["secrets"]),
    }

    assert differing(verifiers, urls, "trafficserver") == []


COVERED = {
    "/vod/a/*": (["/vod/a/x.ts", "/vod/a/b/c"], ["/vod/a", "/vod/ab/x", "/live/a/x"]),
    "/vod/a.m3u8!/vod/b/*": (
        ["/vod/a.m3u8", "/vod/b/y"],
        ["/vod/axm3u8", "/vod/c/y", "/vod/a.m3u8x"],
    ),
    "/*": (["/vod/z", "/live/1"], []),
    "/vod/?/x*.ts": (["/vod/q/x12.ts", "/vod/q/x.ts"], ["/vod/qq/x.ts", "/vod/q/y.ts"]),
    "/vod/*/1.ts!/live/*": (
        ["/vod/a/1.ts", "/vod/a/b/1.ts", "/live/1"],
        ["/vod/1.ts", "/vod/a/2.ts"],
    ),
}


def test_tokens_made_with_akamais_own_libraries_open_what_they_say() -> None:
    head, cases = lines("akamai")
    for case in cases:
        verifier = akamai(
            algorithm=case["algorithm"], salt=case["salt"], escape_input=case["escape"]
        )
        good, bad = COVERED[case["acl"]] if "acl" in case else ([case["url"]], ["/vod/other.ts"])
        token = case["token"]
        for path in good + bad:
            requests: tuple[tuple[str, dict[str, str]], ...] = (
                (f"{path}?hdnts={token}", {}),
                (f"{path}?a=1&hdnea={quote(token, safe='')}", {}),
                (path, {"hdntl": token}),
                (f"{path[: path.rindex('/')]}/hdntl={token.replace('/', '%2f')}{path[path.rindex('/') :]}", {}),
            )  # fmt: skip
            for number, (target, cookies) in enumerate(requests):
                if number == 3 and "/" in token:
                    continue  # signers escape it for the path before they sign
                served = is_served(verifier, target, cookies=cookies, now=float(head["now"]))
                assert served is (path in good), (case, target)


@pytest.mark.parametrize("name", ["nginx", "trafficserver"])
def test_the_records_hold_good_links_and_bad_ones(name: str) -> None:
    _, cases = lines(name)
    served = sum(case["status"] == 200 for case in cases)
    assert 100 < served < len(cases) - 100
