from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from config.settings.load import BadSettings, Settings, read_settings
from tests.edge.place.conftest import Open
from tests.edge.processes.harness import Edge, running, until

XFF = "X-Forwarded-For"


async def logged(edge: Edge, count: int) -> list[dict[str, Any]]:
    """The requests in the log, once a thread has written them."""

    async def all_there() -> bool:
        return len(edge.events("request")) >= count

    await until(all_there)
    return edge.events("request")


async def test_whoever_is_not_trusted_is_the_client_whatever_it_says(edge_behind: Any) -> None:
    fields = ((XFF, "203.0.113.7"), ("Forwarded", "for=203.0.113.7"), ("X-Real-IP", "203.0.113.7"))
    asked = await edge_behind(*fields, source="127.0.0.2")
    assert asked.address == ip_address("127.0.0.2")


async def test_a_trusted_proxy_says_who_asks(edge_behind: Any) -> None:
    asked = await edge_behind((XFF, "6.6.6.6, 203.0.113.7, 10.1.1.1"))
    assert asked.address == ip_address("203.0.113.7")
    asked = await edge_behind((XFF, "6.6.6.6"), (XFF, "[2001:db8::7%eth0]:443"))
    assert asked.address == ip_address("2001:db8::7")
    asked = await edge_behind((XFF, "::ffff:203.0.113.7"))
    assert asked.address == ip_address("203.0.113.7")


@pytest.mark.parametrize(
    "value",
    [None, "", "unknown", "_x", "203.0.113.7, nonsense", "10.1.1.1", "," * 7000],
)
async def test_where_a_trusted_proxy_names_nobody_the_address_is_not_known(
    edge_behind: Any, value: str | None
) -> None:
    fields = [] if value is None else [(XFF, value)]
    assert (await edge_behind(*fields)).address is None


async def test_only_the_field_of_the_settings_counts(open_edge: Open) -> None:
    both = ((XFF, "203.0.113.7"), ("Forwarded", 'for="[2001:db8::7]:1";proto=https'))
    async with open_edge(trusted_proxies=["127.0.0.1/32"], forwarded_field="forwarded") as edge:
        assert (await edge.asked(*both)).address == ip_address("2001:db8::7")
        assert (await edge.asked(both[0])).address is None
    async with open_edge(trusted_proxies=["127.0.0.1/32"]) as edge:
        assert (await edge.asked(*both)).address == ip_address("203.0.113.7")


async def test_without_trusted_proxies_the_peer_is_the_client(open_edge: Open) -> None:
    async with open_edge() as edge:
        # The socket is one of IPv6: the peer is seen as ::ffff:127.0.0.1.
        assert (await edge.asked((XFF, "203.0.113.7"))).address == ip_address("127.0.0.1")
        assert (await edge.asked(source="::1")).address == ip_address("::1")


async def test_a_request_is_seen_as_rules_expect_it(open_edge: Open) -> None:
    async with open_edge() as edge:
        asked = await edge.asked(("X-A", "1"), ("x-a", "2"), ("X-B", "3"), method="HEAD")
        assert (asked.method, asked.scope) == ("HEAD", "/open/a.ts")
        assert asked.uri == "https://edge.example/open/a.ts?a=1"  # whatever Host says
        assert asked.headers["X-a"] == "1, 2"
        assert asked.headers["x-B"] == "3"
        assert asked.protocol == "http/1.1"
        assert (await edge.asked(version="1.0")).protocol == "http/1.0"


@pytest.mark.usefixtures("key_set", "title")
async def test_the_access_log_shows_the_viewers_network_behind_a_balancer(
    settings: Settings,
) -> None:
    async with (
        running(settings, KAWA_EDGE__TRUSTED_PROXIES='["127.0.0.1/32"]') as edge,
        ClientSession() as session,
    ):
        for value in ("6.6.6.6, 203.0.113.77", "2001:db8:1:2::3", "unknown"):
            async with session.get(f"{edge.url}/none/a.ts", headers={XFF: value}) as answer:
                assert answer.status == 404
        lines = await logged(edge, 3)
    assert [line["client"] for line in lines] == ["203.0.113.0/24", "2001:db8:1::/48", ""]
    assert "203.0.113.77" not in edge.log.read_text()


@pytest.mark.usefixtures("key_set", "title")
async def test_so_does_a_hit_that_is_answered_at_once(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "a.ts").write_bytes(b"a")
    origins = {"open": {"kind": "folder", "folder": str(tmp_path / "open"), "public": True}}
    edge_of = running(
        settings,
        KAWA_EDGE__TRUSTED_PROXIES='["127.0.0.1/32"]',
        KAWA_EDGE__ACCESS_LOG_HITS="1",
        KAWA_EDGE__ORIGINS=json.dumps(origins),
    )
    async with edge_of as edge, ClientSession() as session:
        for number in range(1, 6):
            field = {XFF: f"203.0.{number}.77"}
            async with session.get(f"{edge.url}/open/a.ts", headers=field) as answer:
                assert answer.status == 200
        lines = await logged(edge, 5)
    assert [line["client"] for line in lines] == [f"203.0.{n}.0/24" for n in range(1, 6)]
    # The hot lane gives no request an id.
    assert [line for line in lines if "request_id" not in line and line["cache"] == "hit"][2:]


@pytest.mark.parametrize("value", ['["10.0.0.1/8"]', '["balancer"]'])
def test_a_proxy_that_is_no_network_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("KAWA_EDGE__TRUSTED_PROXIES", value)
    with pytest.raises(BadSettings, match="KAWA_EDGE__TRUSTED_PROXIES"):
        read_settings()
