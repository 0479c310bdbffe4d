"""A good token of one title, used on everything else that it is not for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from config.contracts.tokens import Renew
from config.settings.load import Settings
from tests.edge.refusals import causes
from tests.edge.tokens.attacks.asking import SECRET, Attacked, is_plain_refusal, sent
from tests.edge.tokens.forging import (
    EDGE,
    HOST,
    INIT_PATH,
    MASTER_PATH,
    SEGMENT_PATH,
    akamai_token,
    cat_token,
    uri_token,
)

Mint = Callable[..., str]

# Ways to write a path to the other title that some server would read as one below the token's own.
CLIMBS = [
    "/vod/other/v/1.m4s",
    "/vod/title/../other/v/1.m4s",
    "/vod/title/v/../../other/v/1.m4s",
    "/vod/title/%2e%2e/other/v/1.m4s",
    "/vod/title/.%2E/other/v/1.m4s",
    "/vod/title/%252e%252e/other/v/1.m4s",
    "/vod/title/%25252e%25252e/other/v/1.m4s",
    "/vod/title/..%2fother/v/1.m4s",
    "/vod/title%2f..%2fother/v/1.m4s",
    "/vod/title/..%5cother%5cv%5c1.m4s",
    "/vod/title/..\\other\\v\\1.m4s",
    "/vod/title/..;/other/v/1.m4s",
    "/vod/title/..;x=y/other/v/1.m4s",
    "/vod/title/..%3b/other/v/1.m4s",
    "/vod/title/..%00/other/v/1.m4s",
    "/vod/title/..%0d%0a/other/v/1.m4s",
    "/vod/title/%c0%ae%c0%ae/other/v/1.m4s",
    "/vod/title/%e0%80%ae%e0%80%ae/other/v/1.m4s",
    "/vod/title/%EF%BC%8E%EF%BC%8E/other/v/1.m4s",
    "/vod/title/%E2%80%A5/other/v/1.m4s",  # one character that NFKC makes two dots of
    "/vod/title/%u002e%u002e/other/v/1.m4s",
    "/vod/title/..../other/v/1.m4s",
    "/vod/title/. ./other/v/1.m4s",
    "/vod/title/%2e%2e%20/other/v/1.m4s",
    "/vod/title//../other/v/1.m4s",
    "/vod//title/../other/v/1.m4s",
    "/vod/./other/v/1.m4s",
    "/vod/title/../../vod/other/v/1.m4s",
    "//vod/other/v/1.m4s",
    "///vod/other/v/1.m4s",
    "/VOD/other/v/1.m4s",
    "/vod./other/v/1.m4s",
    "/vod%20/other/v/1.m4s",
    "/vod/Title/v/1.m4s/../../../other/v/1.m4s",
    "/vod/title.",
    "/vod/title",
    "/vod/titl%65x/1.m4s",
    "/vod/other/v/1.m4s?/vod/title/",
    "/vod/other/v/1.m4s;/vod/title/",
    "/f/height:..720/vod/other/v/1.m4s",
    "/f/..%2f/vod/title/../other/v/1.m4s",
    "/f//vod/other/v/1.m4s",
    "/f/vod/title/vod/other/v/1.m4s",
    "/x/vod/AAAAAAAAAAAAAAAAAAAAAA/http/127.0.0.1/vod/title/",
    "/x/../vod/other/v/1.m4s",
    "/vod/title;URISigningPackage=a/../other/v/1.m4s",
    "/vod/title/.;URISigningPackage=a./other/v/1.m4s",
    "/vod/title/.;URISigningPackage=a;./other/v/1.m4s",
    "/vod/title/.;URISigningPackage=/./other/v/1.m4s",
    "/vod/title/..;URISigningPackage=a/other/v/1.m4s",
    "/vod/title/.;URISigningPackage=.;URISigningPackage=./other/v/1.m4s",
    "/vod/title/%2e;URISigningPackage=a/%2e%2e/other/v/1.m4s",
    "/vod/other;URISigningPackage=a/v/1.m4s",
    "/;URISigningPackage=a/vod/other/v/1.m4s",
    "/hdnts=exp=1~acl=/*~hmac=00/../other/v/1.m4s",
    "/vod/title/hdnts=hmac=/../../other/v/1.m4s",
    "/vod/title;urlsig=AAAA/../other/v/1.m4s",
    "/vod/0123456789abcdef0123456789abcdef/other/v/1.m4s",
    "/vod/other/key/m1.1",
    "/vod/title/../other/key/m1.1",
    "/vod/title/key/../../other/key/m1.1",
]


def ways(token: str, path: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The same request with its token in every place; a parameter of the path only where there is none."""
    joined = "&" if "?" in path else "?"
    yield f"/t/{token}{path}", {}
    yield f"{path}{joined}token={token}", {}
    yield f"{path}{joined}URISigningPackage={token}", {}
    yield path, {"Authorization": f"Bearer {token}"}
    yield path, {"Cookie": f"kawa_token={token}"}
    yield f"http://{HOST}/t/{token}{path}", {}
    yield f"HTTPS://{HOST}/t/{token}{path}", {}
    yield f"/t/{token}/t/{token}{path}", {}
    yield f"/t/{token}{path}{joined}token={token}", {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("scheme", ["kawa", "uri-signing", "cat", "akamai"])
async def test_no_spelling_of_a_path_leads_out_of_the_title(
    edge: Attacked, mint: Mint, scheme: str
) -> None:
    token = {
        "kawa": mint,
        "uri-signing": uri_token,
        "cat": cat_token,
        "akamai": lambda: akamai_token("acl=/vod/title/*"),
    }[scheme]()
    opened = []
    for path in CLIMBS:
        for target, fields in ways(token, path):
            if scheme == "akamai":
                target = target.replace("URISigningPackage=" + token, "hdnts=" + token)
                fields = {
                    name: value.replace("kawa_token", "hdntl") for name, value in fields.items()
                }
            answer = await sent(edge, target, **fields)
            if answer.status not in (400, 401, 403, 404) or SECRET in answer.body:
                opened.append((target, answer.status))
    assert not opened


async def test_the_other_title_is_there_for_who_may_have_it(edge: Attacked, mint: Mint) -> None:
    assert (await sent(edge, f"/t/{mint('/vod/other/')}/vod/other/v/1.m4s")).body == SECRET


async def test_of_several_tokens_one_counts_and_it_is_always_the_same_one(
    edge: Attacked, mint: Mint
) -> None:
    """Path, then query, then fields, then cookies; the others neither help nor harm."""
    own, other = mint(), mint("/vod/other/")
    theirs = "/vod/other/v/1.m4s"
    for target, fields, opens in (
        (f"/t/{own}{theirs}?token={other}", {}, False),
        (f"/t/{own}{theirs};URISigningPackage={other}", {}, False),
        (f"/t/{own}{theirs}", {"Authorization": f"Bearer {other}"}, False),
        (f"/t/{own}{theirs}", {"Cookie": f"kawa_token={other}"}, False),
        (f"/t/{own}{theirs}?hdnts={akamai_token('acl=/vod/other/*')}", {}, False),
        (f"/t/{own}{theirs}", {"Cookie": f"hdntl={akamai_token('acl=/*')}"}, False),
        (f"{theirs}?token={own}&token={other}", {}, False),
        (f"{theirs}?CAT={own}&token={other}", {}, False),
        (f"{theirs}?token={own}", {"Authorization": f"Bearer {other}"}, False),
        (theirs, {"Authorization": f"Bearer {own}", "Cookie": f"kawa_token={other}"}, False),
        (theirs, {"Cookie": f"kawa_token={own}; URISigningPackage={other}"}, False),
        (theirs, {"Cookie": f"kawa_token={own}; kawa_token={other}"}, False),
        (f"/t/{other}{theirs}?token={own}", {"Authorization": f"Bearer {own}"}, True),
        (f"{theirs}?token={other}&token={own}", {"Cookie": f"kawa_token={own}"}, True),
    ):
        answer = await sent(edge, target, **fields)
        assert (answer.body == SECRET) is opens, (target, fields)
        assert opens or is_plain_refusal(answer), (target, fields)


async def test_two_tokens_in_one_path_are_refused_and_neither_goes_on(
    edge: Attacked, mint: Mint
) -> None:
    token = mint()
    for path in (
        f"/vod/title;URISigningPackage={token};URISigningPackage={token}/v/init.mp4",
        f"/vod/title;URISigningPackage={token}/v;URISigningPackage=x/init.mp4",
        f"/t/{token}/vod/title;URISigningPackage={token}/v/init.mp4;URISigningPackage=",
    ):
        answer = await sent(edge, path)
        assert (answer.status, answer.error) == (400, "bad-path")


async def test_the_host_is_not_the_clients_to_choose(edge: Attacked, mint: Mint) -> None:
    token, signed = mint(), uri_token()
    for target, host, status in (
        (f"http://evil.example/t/{token}{INIT_PATH}", HOST, 400),
        (f"http://{HOST}/t/{token}{INIT_PATH}", "evil.example", 400),
        (f"http://{HOST}@evil.example/t/{token}{INIT_PATH}", HOST, 400),
        (f"http://evil.example@{HOST}/t/{token}{INIT_PATH}", HOST, 400),
        (f"http://{HOST}:99999/t/{token}{INIT_PATH}", f"{HOST}:99999", 400),
        (f"http://{HOST}#/t/{token}{INIT_PATH}", HOST, 400),
        (f"ftp://{HOST}/t/{token}{INIT_PATH}", HOST, 400),
        (f"//{HOST}/t/{token}{INIT_PATH}", HOST, 404),
        (f"/t/{token}{INIT_PATH}", "evil.example/x", 400),
        (f"/t/{token}{INIT_PATH}", "a b", 400),
        # A token for URIs is for those of this edge, whatever the client calls it.
        (f"{INIT_PATH}?URISigningPackage={signed}", "evil.example", 200),
        (f"http://{HOST}{INIT_PATH}?URISigningPackage={signed}", HOST, 200),
    ):
        answer = await sent(edge, target, Host=host)
        assert answer.status == status, (target, host)
    foreign = uri_token(cdniuc=r"regex:https://evil\.example/vod/title/.*")
    with causes() as found:
        answer = await sent(edge, f"{INIT_PATH}?URISigningPackage={foreign}", Host="evil.example")
    assert (answer.status, found) == (403, ["path-not-covered"])
    answer = await sent(edge, f"http://{HOST}?/t/{token}{INIT_PATH}")
    assert answer.status in (400, 404)


ADDRESSES = [
    ("127.0.0.0/8", True),
    ("127.0.0.1", True),
    ("::ffff:127.0.0.1", True),
    ("::ffff:7f00:1", True),
    ("0:0:0:0:0:ffff:7f00:1/128", True),
    ("::ffff:0:0/96", True),
    ("::ffff:10.0.0.0/104", False),
    ("::1", False),
    ("::/0", False),
    ("::127.0.0.1", False),
    ("64:ff9b::7f00:1", False),
    ("192.0.2.0/24", False),
]


@pytest.mark.parametrize(("network", "holds"), ADDRESSES)
async def test_an_address_has_one_form(
    edge: Attacked, mint: Mint, network: str, holds: bool
) -> None:
    token = mint(networks=(network,))
    with causes() as found:
        answer = await sent(edge, f"/t/{token}{INIT_PATH}")
    assert (answer.status == 200) is holds
    assert found == ([] if holds else ["address-not-covered"])


@pytest.mark.parametrize("text", ["127.0.0.1%lo", "::1%1", "0x7f000001", "127.1", "127.0.0.01", ""])
async def test_an_address_that_is_none_is_no_rule_that_holds(
    edge: Attacked, mint: Mint, text: str
) -> None:
    assert is_plain_refusal(await sent(edge, f"/t/{mint(networks=(text,))}{INIT_PATH}"))
    assert is_plain_refusal(await sent(edge, f"{INIT_PATH}?CAT={cat_token({311: [text]})}"))


async def test_nobody_whom_the_settings_do_not_trust_says_who_asks(
    edge: Attacked, mint: Mint
) -> None:
    token = mint(networks=("192.0.2.0/24",))
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP"):
        value = "for=192.0.2.1" if name == "Forwarded" else "192.0.2.1"
        with causes() as found:
            assert is_plain_refusal(await sent(edge, f"/t/{token}{INIT_PATH}", **{name: value}))
        assert found == ["address-not-covered"]
    abroad = mint(countries=("JP",))
    for name in ("CF-IPCountry", "X-Country"):
        assert is_plain_refusal(await sent(edge, f"/t/{abroad}{INIT_PATH}", **{name: "JP"}))


async def test_a_content_key_is_given_for_its_own_title_and_to_nobody_without_a_token(
    edge: Attacked, mint: Mint
) -> None:
    token = mint()
    key = await sent(edge, f"/t/{token}/vod/title/key/m1.1")
    assert (key.status, len(key.body), key.headers["Cache-Control"]) == (200, 16, "no-store")
    other = await sent(edge, f"/t/{mint('/vod/other/')}/vod/other/key/m1.1")
    assert other.body != key.body
    for target in (
        "/vod/title/key/m1.1",
        f"/t/{token}/vod/other/key/m1.1",
        f"/t/{token}/vod/title/%6bey;x/m1.1",
        f"/t/{token}/vod/title/KEY/m1.1",
        f"/t/{token}/vod/title/key./m1.1",
        f"/t/{token}/vod/title/key/key/m1.1",
        f"/t/{token}/vod/title/key/../../other/key/m1.1",
        f"/t/{token}/vod/title/v;URISigningPackage=x/../../other/key/m1.1",
        f"/t/{mint('/vod/title/v/')}/vod/title/key/m1.1",
        f"/t/{mint('/vod/titl/')}/vod/title/key/m1.1",
    ):
        assert (await sent(edge, target)).status in (400, 401, 403, 404), target
    body = '{"kids":["AAAAAAAAAAAAAAAAAAAAAA"],"type":"temporary"}'
    for target, status in (
        ("/vod/title/key/license", 401),
        (f"/t/{token}/vod/other/key/license", 403),
        (f"/t/{mint(methods=('GET',))}/vod/title/key/license", 403),
        (f"/t/{token}/vod/title/key/license;URISigningPackage=x", 405),
        (f"/t/{token}/vod/title/v/1.m4s?/key/license", 405),
        (f"/t/{token}/vod/title/key/license", 404),
    ):
        assert (await sent(edge, target, method="POST", body=body)).status == status, target


async def test_where_a_viewer_is_sent_is_always_this_edge(edge: Attacked, mint: Mint) -> None:
    """No redirect leads to another host, and nothing that was asked for breaks out of its field."""
    now = int(time.time())
    old = mint(
        issued_at=now - 700,
        expires_at=now - 100,
        renew=Renew(seconds=600, until=now + 9000),
        token_id="a",
    )
    token = mint()
    for target, fields in (
        (f"/t/{old}{MASTER_PATH}?x=//evil.example", {}),
        (f"/t/{old}{MASTER_PATH}?x=%0d%0aSet-Cookie:%20a=b", {}),
        (f"/t/{old}{MASTER_PATH}?\\evil.example", {}),
        (f"/t/{old}/f/height:..720{MASTER_PATH}", {}),
        (f"/t/{old}/f//evil.example{MASTER_PATH}", {}),
        (f"/t/{old}//evil.example/{MASTER_PATH}", {}),
        (f"/t/{old}/%0d%0aX:y{MASTER_PATH}", {}),
        (f"http://{HOST}/t/{old}{MASTER_PATH}", {}),
        (f"/f/%0d%0aX:y{SEGMENT_PATH}?token={old}", {}),
        (f"/f/\\evil.example{SEGMENT_PATH}", {"Cookie": f"kawa_token={old}"}),
        (f"/f/height:..720{MASTER_PATH}?token={token}&f.lang=%0d%0aX", {}),
        (f"{MASTER_PATH}?token={token}&x=%0d%0aX:%20y", {}),
        (f"{MASTER_PATH}?token={token}&//evil.example", {}),
        (f"//evil.example/..{MASTER_PATH}?token={token}", {}),
    ):
        answer = await sent(edge, target, **fields)
        assert answer.status in (302, 307, 400, 403, 404), target
        assert "Set-Cookie" not in answer.headers
        assert "X" not in answer.headers
        if answer.status < 400:
            assert answer.headers["Location"].startswith("/t/ey"), target
            assert answer.headers["Cache-Control"] == "no-store"


class TestPages:
    """Which pages may read what cookies open (Fetch standard, section 3.2)."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        edge = settings.edge.model_copy(
            update={"entry": "cookie", "page_origins": ("https://page.example",)}
        )
        return settings.model_copy(update={"edge": edge})

    async def test_pages_that_are_not_named_are_not_named_back(
        self, edge: Attacked, mint: Mint
    ) -> None:
        cookie = {"Cookie": f"kawa_token={mint()}"}
        for origin in (
            "null",
            "https://page.example.evil.example",
            "https://evil-page.example",
            "http://page.example",
            "https://page.example:8443",
            "https://page.example/",
            "https://PAGE.example",
            "https://page.example, https://evil.example",
            "https://sub.page.example",
            "https://page.example@evil.example",
            "",
        ):
            for target in (INIT_PATH, "/vod/other/v/1.m4s", MASTER_PATH):
                answer = await sent(edge, target, Origin=origin, **cookie)
                assert answer.headers["Access-Control-Allow-Origin"] == "*", origin
                assert "Access-Control-Allow-Credentials" not in answer.headers
                assert "Origin" in answer.headers.getall("Vary")
        answer = await sent(edge, INIT_PATH, Origin="https://page.example", **cookie)
        assert answer.headers["Access-Control-Allow-Origin"] == "https://page.example"
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert answer.headers.getall("Access-Control-Allow-Origin") == ["https://page.example"]

    async def test_a_cookie_is_nobodys_but_the_viewers(self, edge: Attacked, mint: Mint) -> None:
        assert EDGE.startswith("https:")
        answer = await sent(edge, f"{INIT_PATH}?token={mint()}")
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert "Set-Cookie" in answer.headers
        for target in ("/vod/other/v/1.m4s", "/vod/title/none.m4s"):
            refused = await sent(edge, f"{target}?token={mint()}")
            assert refused.status in (403, 404)
            assert "Set-Cookie" not in refused.headers
