"""Links of other signers: changed, mixed, moved, and taken apart."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from edge.tokens.links.link import MARK, Link
from edge.tokens.strict import base64url
from tests.edge.refusals import causes
from tests.edge.tokens.attacks.asking import SECRET, Attacked, is_plain_refusal, sent
from tests.edge.tokens.forging import (
    INIT_PATH,
    MASTER_PATH,
    SEGMENT_PATH,
    access_token,
    akamai_token,
    cloudfront_query,
    secure_link,
    url_sig_folder,
    url_sig_link,
)
from tests.edge.tokens.links import signing

Mint = Callable[..., str]
THEIRS = "/vod/other/v/1.m4s"


@pytest.fixture
def links(cloudfront_key: rsa.RSAPrivateKey) -> dict[str, str]:
    """A good link of each scheme that puts something into the query."""
    return {
        "secure-link": secure_link(INIT_PATH),
        "cloudfront": f"{INIT_PATH}?{cloudfront_query(cloudfront_key)}",
        "akamai": f"{INIT_PATH}?hdnts={akamai_token()}",
        "url-sig": url_sig_link(INIT_PATH),
    }


async def test_a_link_moved_to_another_path_opens_nothing_there(
    edge: Attacked, links: dict[str, str]
) -> None:
    for scheme, link in links.items():
        assert (await sent(edge, link)).body == b"init", scheme
        query = link.partition("?")[2]
        for target in (
            f"{THEIRS}?{query}",
            f"/f/height:..720{THEIRS}?{query}",
            f"/vod/title/../other/v/1.m4s?{query}",
            f"{INIT_PATH}/../../../other/v/1.m4s?{query}",
            f"{INIT_PATH}%2f..%2f..%2f..%2fother%2fv%2f1.m4s?{query}",
            f"/vod/other/key/m1.1?{query}",
            f"/vod/secret.m4s?{query}",
            f"//vod/other/v/1.m4s?{query}",
        ):
            answer = await sent(edge, target)
            assert answer.status in (400, 401, 403, 404), (scheme, target)


async def test_a_link_whose_parameters_are_doubled_moved_or_left_out_opens_nothing(
    edge: Attacked, links: dict[str, str]
) -> None:
    opened = []
    for scheme, link in links.items():
        path, _, query = link.partition("?")
        items = query.split("&")
        for number, item in enumerate(items):
            name, _, value = item.partition("=")
            for changed in (
                [*items, item],
                [item, *items],
                [*items, f"{name}="],
                [f"{name}={value}x" if n == number else other for n, other in enumerate(items)],
                [f"{name}={value[:-1]}" if n == number else other for n, other in enumerate(items)],
                [
                    f"{name}=%{ord(value[0]):02x}{value[1:]}" if n == number else other
                    for n, other in enumerate(items)
                ],
                [
                    f"{name.swapcase()}={value}" if n == number else other
                    for n, other in enumerate(items)
                ],
                [f"{name}[]={value}" if n == number else other for n, other in enumerate(items)],
                [other for other in items if other != item],
            ):
                if changed == items or (name == "Hash-Algorithm" and item not in changed):
                    continue
                answer = await sent(edge, f"{path}?{'&'.join(changed)}")
                if answer.status not in (401, 403):
                    opened.append((scheme, changed, answer.status))
    assert not opened


async def test_links_of_two_signers_do_not_add_up(
    edge: Attacked, links: dict[str, str], mint: Mint
) -> None:
    """The first that is found counts, and what is left of the others opens nothing."""
    queries = {scheme: link.partition("?")[2] for scheme, link in links.items()}
    everything = akamai_token("acl=/vod/other/*")
    for first in queries:
        for second in queries:
            if first != second:
                target = f"{THEIRS}?{queries[first]}&{queries[second]}"
                assert (await sent(edge, target)).body != SECRET
        narrow = f"/hdnts={akamai_token()}{THEIRS}?{queries[first]}"
        assert (await sent(edge, narrow)).status in (401, 403, 404)
    for target in (
        f"/hdnts={akamai_token()}{THEIRS}?hdnts={everything}",
        f"/hdnts={akamai_token()}/hdnts={everything}{THEIRS}",
        f"{THEIRS}?hdnts={akamai_token()}&hdnts={everything}",
        f"{THEIRS}?hdnts={akamai_token()}&hdnea={everything}",
        f"/hdnts={everything}/t/{mint()}{THEIRS}",
    ):
        answer = await sent(edge, target)
        assert answer.status in (403, 404), target
        assert answer.body != SECRET


async def test_cookies_of_one_title_open_no_other(
    edge: Attacked, cloudfront_key: rsa.RSAPrivateKey
) -> None:
    policy = cloudfront_query(cloudfront_key).split("&")
    for cookies in (
        "; ".join(f"CloudFront-{item}" for item in policy),
        f"TokenCookie={access_token()}",
        f"hdntl={akamai_token()}",
        f"hdntl={akamai_token('acl=/vod/title/*!/vod/title/v/?.m4s')}",
    ):
        assert (await sent(edge, INIT_PATH, Cookie=cookies)).body == b"init"
        for target in (THEIRS, "/vod/secret.m4s", "/vod/other/key/m1.1"):
            with causes() as found:
                assert is_plain_refusal(await sent(edge, target, Cookie=cookies)), (target, cookies)
            assert found == ["path-not-covered"]


@pytest.mark.parametrize(
    "resource",
    [
        "https://evil.example/*",
        "https://*.evil.example/vod/other/*",
        "https://edge.example.com/vod/title/*?/vod/other/v/1.m4s",
        "https://edge.example.com.evil.example/*",
        "https://edge.example.com:8443/*",
        "https://edge.example.com/vod/oth*/x",
        "https://edge.example.com/vod/%6fther",
        "https://evil.example/edge.example.com/vod/other/*",
        "https://user@edge.example.com/*",
        "http://edge.example.com/*",
        "//edge.example.com/*",
        "*evil*",
        "",
    ],
)
async def test_a_policy_for_something_else_opens_nothing_here(
    edge: Attacked, cloudfront_key: rsa.RSAPrivateKey, resource: str
) -> None:
    query = cloudfront_query(cloudfront_key, resource=resource)
    assert is_plain_refusal(await sent(edge, f"{THEIRS}?{query}"))


async def test_a_signer_has_no_say_in_other_origins(edge: Attacked) -> None:
    for target, fields in (
        (f"/nowhere/1.m4s?hdnts={akamai_token('acl=/*')}", {}),
        ("/nowhere/1.m4s", {"Cookie": f"TokenCookie={access_token('/')}"}),
        (f"/x/vod/AAAAAAAAAAAAAAAAAAAAAA/http/127.0.0.1/?hdnts={akamai_token('acl=/*')}", {}),
    ):
        assert (await sent(edge, target, **fields)).status in (401, 403, 404)


async def test_a_link_as_a_token_has_one_spelling_and_no_more_rights(edge: Attacked) -> None:
    location = (await sent(edge, secure_link(MASTER_PATH))).headers["Location"]
    token = location.removeprefix("/t/").partition("/")[0]
    assert (await sent(edge, f"/t/{token}{INIT_PATH}")).body == b"init"
    lines = base64url(token.removeprefix(MARK)).decode().split("\n")
    fields = dict(line.split("=", 1) for line in lines[3:])
    expires = int(fields["expires"])

    def told(path: str = lines[1], signer: str = lines[0], query: str = "", **changed: str) -> str:
        return Link.of(signer, path=path, query=query, fields=fields | changed).encode()

    assert told() == token
    for other in (
        token + "=",
        token.replace("l.", "L."),
        token.replace("l.", "l.."),
        "l.",
        told("/vod/other/master.m3u8"),
        told("/vod/title/../master.m3u8"),
        told("/vod/t%69tle/master.m3u8"),
        told(query="x=1"),
        told(expires=str(expires + 1)),
        told(expires=f"0{expires}"),
        told(expires="9" * 12),
        told(remote_addr="192.0.2.1"),
        told(remote_addr=""),
        told(extra="1"),
        told(signer="akamai"),
        told(signer="kawa"),
        told(signer="nobody"),
    ):
        assert is_plain_refusal(await sent(edge, f"/t/{other}{INIT_PATH}")), other
    assert (await sent(edge, f"/t/{token}{THEIRS}")).status == 403


async def test_a_link_is_for_the_address_that_it_was_signed_for(edge: Attacked) -> None:
    for address in ("192.0.2.7", "::ffff:192.0.2.7", "::1", ""):
        link = signing.nginx(INIT_PATH, int(time.time()) + 600, address=address)
        for fields in ({}, {"X-Forwarded-For": address}):
            assert is_plain_refusal(await sent(edge, link, **fields))
    for ip in ("192.0.2.7", "127.0.0.1%25lo", "127.0.0.1%lo", "127.1"):
        assert is_plain_refusal(
            await sent(edge, f"{INIT_PATH}?hdnts={akamai_token(f'ip={ip}~acl=/vod/*')}")
        )


async def test_a_mask_is_not_moved_over_the_segments_by_an_empty_one(edge: Attacked) -> None:
    """The signer leaves one folder of the path open, and not those that follow."""
    signed = url_sig_folder("/vod/title/v", parts="1101")
    assert (await sent(edge, f"{signed}/init.mp4")).body == b"init"
    assert (await sent(edge, f"{signed.replace('/title/', '/other/')}/1.m4s")).body == SECRET
    assert is_plain_refusal(await sent(edge, f"{signed.replace('/v;', '/w;')}/1.m4s"))
    query, _, signature = base64url(signed.partition("urlsig=")[2]).decode().rpartition(";S=")
    for path in ("/vod//v", "/vod///v", "/vod/x//v", "//vod/v"):
        token = Link.of(
            "ats", path=path, query=query, fields={"in": "path", "S": signature}
        ).encode()
        for target in (
            f"/t/{token}/vod/secret.m4s",
            f"/t/{token}/vod/title/master.m3u8",
            f"{path};urlsig={signed.partition('urlsig=')[2]}/secret.m4s",
        ):
            assert (await sent(edge, target)).status in (400, 403, 404), target


@pytest.mark.usefixtures("titles")
async def test_what_belongs_to_a_signature_is_asked_of_no_origin_and_parts_no_cache(
    edge: Attacked, links: dict[str, str]
) -> None:
    """Also where an origin is public and needs no link: one file is kept once."""
    results = []
    for link in [*links.values(), *links.values()]:
        answer = await sent(edge, link.replace(INIT_PATH, "/open/1.m4s"))
        assert (answer.status, answer.body) == (200, b"public")
        results.append(answer.headers["Cache-Status"].partition(";")[2])
    # The signer that is for 'vod' alone has nothing to say here, and its parameter is the origin's.
    assert sum("hit" in result for result in results) == len(results) - 2


@pytest.mark.parametrize(
    "cookie", ["TokenCookie=zzz", "hdntl=zzz", "CloudFront-Signature=a; CloudFront-Key-Pair-Id=b"]
)
async def test_a_cookie_from_elsewhere_does_not_shut_out_who_brings_a_token(
    edge: Attacked, mint: Mint, cookie: str
) -> None:
    """Any page of a neighbouring host can set cookies that are sent here, too."""
    token = mint()
    for target, fields in (
        (f"/t/{token}{SEGMENT_PATH}", {}),
        (f"{SEGMENT_PATH}?token={token}", {}),
        (f"{SEGMENT_PATH};URISigningPackage={token}", {}),
        (SEGMENT_PATH, {"Authorization": f"Bearer {token}"}),
        (SEGMENT_PATH, {"CTA-Common-Access-Token": token}),
    ):
        assert (await sent(edge, target, Cookie=cookie, **fields)).status == 200, target
