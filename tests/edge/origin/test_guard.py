from __future__ import annotations

import ipaddress

import pytest
from aiohttp import ClientConnectorError

from config.settings.origins import DnsSettings, HttpOrigin
from edge.errors import OriginFailed, OriginForbidden
from edge.origin.connector import open_session
from edge.origin.guard import AddressRefused, Guard, guard_of, host_of, is_global
from edge.origin.resolver import GuardedResolver, Resolver
from tests.edge.origin.scripted import fetch, good, origin_over, results, scripted


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "172.15.0.1",
        "172.32.0.1",
        "198.20.0.1",
        "2606:4700::1111",
        "2a00:1450:4001::8a",
        "64:ff9b::8.8.8.8",
        "::ffff:8.8.8.8",
        "2001:200::1",
    ],
)
def test_addresses_of_the_internet_pass(address: str) -> None:
    assert Guard().allows(address)


_TRICKS = [
    pytest.param("127.0.0.1", id="loopback"),
    pytest.param("127.255.255.254", id="all of loopback"),
    pytest.param("::1", id="loopback v6"),
    pytest.param("10.1.2.3", id="private"),
    pytest.param("172.16.0.1", id="private 172"),
    pytest.param("192.168.1.1", id="private 192"),
    pytest.param("100.64.0.1", id="carrier NAT"),
    pytest.param("0.0.0.0", id="this host"),
    pytest.param("::", id="unspecified v6"),
    pytest.param("169.254.169.254", id="metadata service"),
    pytest.param("fd00:ec2::254", id="metadata service v6"),
    pytest.param("192.0.0.8", id="protocol assignments"),
    pytest.param("192.0.0.170", id="NAT64 discovery"),
    pytest.param("192.0.2.1", id="documentation"),
    pytest.param("198.18.0.1", id="benchmarking"),
    pytest.param("192.88.99.1", id="6to4 relay"),
    pytest.param("224.0.0.1", id="multicast"),
    pytest.param("239.255.255.250", id="local multicast"),
    pytest.param("240.0.0.1", id="reserved"),
    pytest.param("255.255.255.255", id="broadcast"),
    pytest.param("::ffff:127.0.0.1", id="v4-mapped"),
    pytest.param("::ffff:a9fe:a9fe", id="v4-mapped metadata"),
    pytest.param("::127.0.0.1", id="v4-compatible"),
    pytest.param("::ffff:0:127.0.0.1", id="v4-translated"),
    pytest.param("64:ff9b::7f00:1", id="NAT64 of loopback"),
    pytest.param("64:ff9b::a9fe:a9fe", id="NAT64 of metadata"),
    pytest.param("64:ff9b:1::7f00:1", id="local NAT64"),
    pytest.param("2002:7f00:1::", id="6to4 of loopback"),
    pytest.param("2002:0808:0808::1", id="6to4 of anyone"),
    pytest.param("2001:0:4136:e378:8000:63bf:80ff:fffe", id="Teredo"),
    pytest.param("2001:db8::1", id="documentation v6"),
    pytest.param("3fff::1", id="documentation v6, new"),
    pytest.param("2001:10::1", id="ORCHID"),
    pytest.param("fe80::1", id="link-local"),
    pytest.param("fe80::1%eth0", id="link-local with its zone"),
    pytest.param("fec0::1", id="site-local"),
    pytest.param("fc00::1", id="unique local"),
    pytest.param("ff02::1", id="multicast v6"),
    pytest.param("5f00::1", id="segment routing"),
    pytest.param("100::1", id="discard"),
    pytest.param("2607:f8b0::5efe:7f00:1", id="ISATAP of loopback"),
    pytest.param("4000::1", id="not assigned"),
    pytest.param("2130706433", id="no address at all"),
    pytest.param("0x7f.1", id="hexadecimal"),
    pytest.param("0177.0.0.1", id="octal"),
    pytest.param("127.0.0.1.", id="trailing dot"),
    pytest.param("１２７.0.0.1", id="fullwidth digits"),
    pytest.param("", id="nothing"),
]


@pytest.mark.parametrize("address", _TRICKS)
def test_everything_else_is_refused(address: str) -> None:
    guard = guard_of(["cdn.example"], private=False)
    assert not guard.allows(address)
    assert not guard.allows(address, name="cdn.example")
    with pytest.raises(AddressRefused):
        guard.check(address)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.0.0.1", True),
        ("192.168.0.1", True),
        ("100.64.0.1", True),
        ("127.0.0.1", True),
        ("::ffff:10.0.0.1", True),
        ("fd00::1", True),
        ("169.254.169.254", False),
        ("fe80::1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::10.0.0.1", False),
        ("64:ff9b::10.0.0.1", False),
    ],
)
def test_private_lets_private_addresses_pass_but_no_metadata_service(
    address: str, allowed: bool
) -> None:
    assert guard_of(["packager"], private=True).allows(address, name="packager") is allowed


def test_an_address_in_the_settings_is_leave_for_itself_alone() -> None:
    guard = guard_of(["10.0.0.1", "cdn.example"], private=False)
    assert guard.allows("10.0.0.1")
    assert guard.allows("::ffff:10.0.0.1")
    assert not guard.allows("10.0.0.2")
    assert not guard.allows("10.0.0.1", name="cdn.example")


def test_a_link_local_address_needs_both_to_be_written_and_private() -> None:
    assert not guard_of(["169.254.169.254"], private=False).allows("169.254.169.254")
    assert guard_of(["169.254.169.254"], private=True).allows("169.254.169.254")
    assert not guard_of(["169.254.169.254"], private=True).allows("169.254.169.254", name="a.b")


def test_localhost_is_leave_for_loopback_under_that_name() -> None:
    guard = guard_of(["localhost"], private=False)
    assert guard.allows("127.0.0.1", name="localhost")
    assert guard.allows("::1", name="localhost")
    assert not guard.allows("10.0.0.1", name="localhost")
    assert not guard.allows("127.0.0.1", name="evil.example")


def test_the_host_is_read_from_a_url_as_it_is_written() -> None:
    assert host_of("http://[::1]:80/a") == "::1"
    assert host_of("https://CDN.example:443/") == "cdn.example"


def test_every_v4_address_hidden_in_nat64_is_judged_as_itself() -> None:
    for hidden in ("8.8.8.8", "10.0.0.1", "127.0.0.1", "169.254.0.1"):
        v4 = ipaddress.IPv4Address(hidden)
        nat64 = ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) + int(v4))
        assert is_global(nat64) == is_global(v4)


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "127.0.0.1.", "0x7f000001"]
)
async def test_a_number_in_another_spelling_reaches_nobody(host: str) -> None:
    async with scripted(good) as server:
        async with origin_over(f"http://{host}:{server.port}") as origin:
            with pytest.raises((OriginForbidden, OriginFailed)):
                await fetch(origin)
        assert server.connections == 0


async def test_a_name_that_leads_inside_reaches_nobody() -> None:
    async with scripted(good) as server:
        url = f"http://cdn.example:{server.port}"
        async with origin_over(url, lookup=lambda _host: ["127.0.0.1"]) as origin:
            with pytest.raises(OriginForbidden) as caught:
                await fetch(origin)
            assert caught.value.code == "origin-forbidden"
            assert results(origin) == {"guard": 1}
        assert server.connections == 0


async def test_a_name_that_leads_elsewhere_the_second_time_is_looked_at_again() -> None:
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])
    asked = []

    def rebinding(host: str) -> list[str]:
        asked.append(host)
        return next(answers)

    dns = DnsSettings.model_validate({"ttl": 0, "stale": 0})
    resolver = Resolver(dns, lookup=rebinding)
    guarded = GuardedResolver(resolver, guard_of(["cdn.example"], private=False))
    assert [item["host"] for item in await guarded.resolve("cdn.example")] == ["93.184.216.34"]
    with pytest.raises(AddressRefused):
        await guarded.resolve("cdn.example")
    await resolver.close()


async def test_one_look_up_serves_one_connection_so_that_nothing_can_change_between() -> None:
    answers = iter([["127.0.0.1"], ["10.255.255.1"]])
    asked = []

    def rebinding(host: str) -> list[str]:
        asked.append(host)
        return next(answers)

    dns = DnsSettings.model_validate({"ttl": 0, "stale": 0})
    async with scripted(good) as server:
        url = f"http://cdn.example:{server.port}"
        async with origin_over(url, lookup=rebinding, dns=dns, private=True) as origin:
            assert (await fetch(origin))[2] == b"good"
    assert asked == ["cdn.example"]


async def test_the_last_look_is_at_the_address_that_is_dialled() -> None:
    class Blind(Guard):
        """A guard whose answers about names are wrong."""

        def allows(self, text: str, *, name: str = "") -> bool:
            return bool(name) or super().allows(text)

    resolver = Resolver(DnsSettings(), lookup=lambda _host: ["127.0.0.1"])
    async with scripted(good) as server:
        settings = HttpOrigin.model_validate({"kind": "http", "url": "http://cdn.example"})
        async with open_session(settings, guard=Blind(), resolver=resolver) as session:
            with pytest.raises(ClientConnectorError) as caught:
                await session.get(f"http://cdn.example:{server.port}/")
            assert isinstance(caught.value.os_error, AddressRefused)
        assert server.connections == 0
    await resolver.close()
