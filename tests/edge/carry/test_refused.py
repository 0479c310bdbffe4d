from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from config.settings.edge import EdgeSettings
from config.settings.load import Settings
from config.settings.origins import DnsSettings, HttpOrigin
from edge.errors import OriginForbidden
from edge.handlers.proxy import is_proxied
from edge.origin.carried.hosts import open_carried
from edge.origin.carried.names import Host, Signer
from edge.origin.resolver import Resolver
from edge.origin.upstream import Question
from tests.edge.carry.conftest import OpenStage
from tests.edge.carry.hosts import SECRET, Stage, carried
from tests.edge.refusals import NOT_ALLOWED, causes, told

Mint = Callable[..., str]
Change = Callable[[str], str]


def other_mac(path: str) -> str:
    pieces = path.split("/")
    pieces[3] = ("B" if pieces[3][0] == "A" else "A") + pieces[3][1:]
    return "/".join(pieces)


CHANGES = [
    pytest.param(other_mac, id="another mac"),
    pytest.param(lambda path: path.replace("/cdn/", "/twin/"), id="the mac of another origin"),
    pytest.param(lambda path: path.replace("127.0.0.1", "127.0.0.2"), id="another host"),
    pytest.param(lambda path: re.sub(r":\d+", ":81", path), id="another port"),
    pytest.param(lambda path: path.replace("/http/", "/https/"), id="another scheme"),
]


@pytest.mark.parametrize("change", CHANGES)
async def test_an_address_that_no_manifest_had_is_refused(
    stage: Stage, mint: Mint, change: Change
) -> None:
    stage.far.files["/a.ts"] = b"a"
    path = carried(f"{stage.far.url}/a.ts")
    with causes() as found:
        status, _, body = await stage.play(f"/t/{mint('/')}{change(path)}")
    assert (status, json.loads(body), found) == (403, NOT_ALLOWED, ["not-carried"])
    assert stage.far.asked == []
    assert (await stage.play(f"/t/{mint('/')}{path}"))[0] == 200


async def test_a_mac_of_another_secret_is_refused(stage: Stage, mint: Mint) -> None:
    path = carried(f"{stage.far.url}/a.ts", secret="another" * 8)
    with causes() as found:
        status, _, body = await stage.play(f"/t/{mint('/')}{path}")
    assert (status, json.loads(body), found) == (403, NOT_ALLOWED, ["not-carried"])


async def test_an_origin_that_does_not_carry_and_one_that_is_not_there_are_told_apart(
    stage: Stage, mint: Mint
) -> None:
    for via, expected, code in (("plain", 403, "not-carried"), ("nobody", 404, "unknown-origin")):
        path = carried(f"{stage.far.url}/a.ts", via=via)
        with causes() as found:
            status, _, body = await stage.play(f"/t/{mint('/')}{path}")
        assert (status, found, told(body, code)) == (expected, [code], code)
    assert stage.far.asked == []


async def test_a_token_must_cover_something_of_the_origin_that_leads_there(
    stage: Stage, mint: Mint
) -> None:
    stage.far.files["/a.ts"] = b"a"
    path = carried(f"{stage.far.url}/a.ts")
    for prefixes, expected in (
        (("/cdn/show/",), 200),
        (("/two/", "/cdn/"), 200),
        (("/",), 200),
        (("/two/",), 403),
        (("/cdn-2/",), 403),
        (("/x/",), 403),
        (("/x/cdn/",), 403),
    ):
        with causes() as found:
            status, _, _ = await stage.play(f"/t/{mint(*prefixes)}{path}")
        assert status == expected, prefixes
        assert found == ([] if status == 200 else ["path-not-covered"])
    assert (await stage.play(path))[0] == 401


async def test_no_other_grant_gets_what_lies_ready_for_one(stage: Stage, mint: Mint) -> None:
    stage.far.files["/a.ts"] = b"a"
    path = carried(f"{stage.far.url}/a.ts")
    for _ in range(4):
        assert (await stage.play(f"/t/{mint('/')}{path}"))[0] == 200
    assert (await stage.play(f"/t/{mint('/x/')}{path}"))[0] == 403
    assert (await stage.play(path))[0] == 401


@pytest.mark.parametrize(
    "rest",
    [
        "x/cdn",
        "x/cdn/http",
        "x/cdn/{mac}/http/h.example",
        "x/cdn/{mac}/ftp/h.example/a",
        "x/cdn/{mac}/http/a@h.example/a",
        "x/cdn/{mac}/http/h.example:99999/a",
        "x/cdn/{mac}/http//a",
        "x/cdn/{mac}/http/%5Bh.example/a",
        "x/cdn/short/http/h.example/a",
    ],
)
async def test_an_address_without_all_its_parts_is_no_address(
    stage: Stage, mint: Mint, rest: str
) -> None:
    status, _, body = await stage.play(f"/t/{mint('/')}/{rest.format(mac='A' * 22)}")
    assert (status, b"bad-path" in body) == (400, True)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::1]", "127.0.0.1."])
async def test_a_host_inside_is_not_asked_for_an_origin_that_is_not_private(
    open_stage: OpenStage, mint: Mint, host: str
) -> None:
    async with open_stage(private=False) as stage:
        stage.via.files["/m.m3u8"] = b"#EXTM3U\n#EXT-X-ENDLIST\n"
        stage.far.files["/a.ts"] = b"a"
        token = mint("/cdn/")
        assert (await stage.play(f"/t/{token}/cdn/m.m3u8"))[0] == 200  # its own address is written
        port = stage.far.url.rpartition(":")[2]
        status, _, body = await stage.play(f"/t/{token}" + carried(f"http://{host}:{port}/a.ts"))
        assert status == 502
        assert b"origin-forbidden" in body or b"origin-failed" in body
        assert stage.far.asked == []


async def test_the_address_of_the_origin_itself_counts_for_nothing_when_it_is_carried(
    open_stage: OpenStage, mint: Mint
) -> None:
    async with open_stage(private=False, edge={"carry_key": SECRET}) as stage:
        path = carried(f"{stage.via.url.replace('http:', 'https:')}/a.ts")
        status, _, body = await stage.play(f"/t/{mint('/cdn/')}{path}")
        assert (status, b"origin-forbidden" in body) == (502, True)


async def test_a_redirect_to_another_host_is_not_followed(
    open_stage: OpenStage, mint: Mint
) -> None:
    async with open_stage(redirects=2) as stage:
        stage.far.moved["/a.ts"] = f"{stage.other.url}/a.ts"
        stage.other.files["/a.ts"] = b"a"
        path = carried(f"{stage.far.url}/a.ts")
        status, _, body = await stage.play(f"/t/{mint('/cdn/')}{path}")
        assert (status, b"origin-forbidden" in body) == (502, True)
        assert stage.other.asked == []


async def test_a_name_that_leads_inside_later_is_looked_at_for_each_connection(
    settings: Settings, stage: Stage
) -> None:
    port = stage.far.url.rpartition(":")[2]
    stage.far.files["/a.ts"] = b"a"
    asked: list[str] = []

    def rebinding(host: str) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    dns = DnsSettings.model_validate({"ttl": 0, "stale": 0})
    for private in (False, True):
        via = HttpOrigin.model_validate(
            {"kind": "http", "url": "http://8.8.8.8", "unlisted": "carry", "private": private}
        )
        async with AsyncExitStack() as stack:
            resolver = Resolver(dns, lookup=rebinding)
            stack.push_async_callback(resolver.close)
            hosts = await stack.enter_async_context(
                open_carried({"cdn": via}, resolver=resolver, secret=SECRET)
            )
            origin = hosts.at(Host("cdn", "http", f"far.example:{port}"))
            question = Question(path="a.ts")
            if private:
                async with origin.ask(question) as reply:
                    assert b"".join([chunk async for chunk in reply.chunks()]) == b"a"
            else:
                with pytest.raises(OriginForbidden):
                    await stack.enter_async_context(origin.ask(question))
    assert set(asked) == {"far.example"}
    assert stage.far.asked == ["/a.ts"]


async def test_hosts_in_use_are_bounded_and_share_their_metrics() -> None:
    via = HttpOrigin.model_validate({"kind": "http", "url": "http://8.8.8.8", "unlisted": "carry"})
    resolver = Resolver(DnsSettings())
    async with open_carried({"cdn": via}, resolver=resolver, secret=SECRET) as hosts:
        first = hosts.at(Host("cdn", "http", "0.example"))
        assert hosts.at(Host("cdn", "http", "0.example")) is first
        for number in range(1000):
            hosts.at(Host("cdn", "http", f"{number}.example"))
        assert hosts.at(Host("cdn", "http", "999.example")).mount.endswith("/999.example")
        assert hosts.at(Host("cdn", "http", "0.example")) is not first
    await resolver.close()


def test_two_edges_with_one_secret_sign_alike_and_others_do_not() -> None:
    host = Host("cdn", "https", "far.example")
    assert Signer(SECRET).mac(host) == Signer(SECRET).mac(host)
    assert Signer(SECRET).mac(host) != Signer(SECRET + "x").mac(host)


async def test_an_address_that_leads_back_to_the_edge_is_followed_once(
    open_stage: OpenStage,
) -> None:
    async with open_stage(public=True) as stage:
        stage.far.files["/a.ts"] = b"a"
        edge = stage.client.base
        inner = carried(f"{stage.far.url}/a.ts")
        assert (await stage.play(inner))[::2] == (200, b"a")
        status, _, body = await stage.play(carried(edge + inner))
        assert (status, b"508" in body) == (502, True)
        plain = carried(f"{edge}/cdn/a.ts")
        stage.via.files["/a.ts"] = b"via"
        assert (await stage.play(plain))[::2] == (200, b"via")


async def test_a_page_of_a_carried_host_is_none_of_the_edge(open_stage: OpenStage) -> None:
    async with open_stage(public=True) as stage:
        stage.far.files["/page.html"] = b"<script>alert(1)</script>"
        for _ in range(3):
            status, headers, _ = await stage.play(carried(f"{stage.far.url}/page.html"))
            assert (status, headers["Content-Security-Policy"][:7]) == (200, "sandbox")


@pytest.mark.parametrize(("unlisted", "proxied"), [("refuse", True), ("carry", False)])
def test_a_root_origin_keeps_its_own_x_unless_hosts_are_carried(
    unlisted: str, proxied: bool
) -> None:
    origins = {
        "root": {"kind": "http", "url": "http://a.example", "public": True},
        "cdn": {"kind": "http", "url": "http://b.example", "unlisted": unlisted},
    }
    settings = EdgeSettings.model_validate({"root_origin": "root", "origins": origins})
    assert is_proxied(settings, "/x/page") is proxied
    assert is_proxied(settings, "/y/page")
