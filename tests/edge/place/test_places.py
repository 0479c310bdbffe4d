from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import maxminddb
import pytest
from prometheus_client import REGISTRY

from config.contracts.grants import NOWHERE, Place
from config.runtime.processes import WrongUse
from config.settings.geo import GeoSettings
from config.settings.load import Settings
from edge.geo.places import Places
from tests.edge.place.asking import LIMIT_SECONDS, city, write_places
from tests.edge.place.conftest import Open
from tests.edge.processes.harness import free_port

HERE = ip_address("203.0.113.7")
VIEWER = ("X-Forwarded-For", "203.0.113.7")
BAVARIA = Place(country="DE", subdivision="DE-BY", latitude=48.1, longitude=11.6)


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def places_of(*paths: Path, remembered: int = 8) -> Places:
    return await Places.open(GeoSettings(databases=paths, remembered=remembered))


async def test_a_token_about_places_can_be_held_against_what_files_know(
    open_edge: Open, tmp_path: Path
) -> None:
    where = write_places(
        tmp_path / "City.mmdb",
        {"203.0.113.0/24": city("DE", "BY", 48.1, 11.6), "2001:db8::/32": city("FR")},
    )
    networks = write_places(
        tmp_path / "ASN.mmdb",
        {"203.0.0.0/16": {"autonomous_system_number": 64500}},
        kind="GeoLite2-ASN",
    )
    files = {"databases": [str(where), str(networks)]}
    async with open_edge(trusted_proxies=["127.0.0.1/32"], geo=files) as edge:
        assert (await edge.asked(VIEWER)).place == Place(
            country="DE", subdivision="DE-BY", latitude=48.1, longitude=11.6, network=64500
        )
        v6 = (await edge.asked(("X-Forwarded-For", "2001:db8::9"))).place
        assert (v6.country, v6.subdivision, v6.network) == ("FR", "", None)
        only_network = (await edge.asked(("X-Forwarded-For", "203.0.9.9"))).place
        assert only_network == Place(network=64500)
        assert (await edge.asked(("X-Forwarded-For", "198.51.100.1"))).place == NOWHERE
        assert (await edge.asked()).place == NOWHERE


async def test_without_files_nobody_is_anywhere(open_edge: Open) -> None:
    async with open_edge() as edge:
        assert (await edge.asked(("CF-IPCountry", "DE"))).place == NOWHERE


async def test_a_country_that_a_trusted_proxy_names_counts_before_the_files(
    open_edge: Open, tmp_path: Path
) -> None:
    path = write_places(tmp_path / "c.mmdb", {"203.0.113.0/24": city("DE", "BY", 48.1, 11.6)})
    geo = {"databases": [str(path)], "country_header": "CF-IPCountry"}
    async with open_edge(trusted_proxies=["127.0.0.1/32"], geo=geo) as edge:
        assert (await edge.asked(VIEWER, ("CF-IPCountry", "at"))).place == Place(country="AT")
        # They agree: the file knows more.
        assert (await edge.asked(VIEWER, ("CF-IPCountry", "DE"))).place == BAVARIA
        for value in ("XX", "T1", "", "DEU", "D", "DE, AT", "ДЕ"):
            assert (await edge.asked(VIEWER, ("CF-IPCountry", value))).place == BAVARIA
        twice = (("CF-IPCountry", "AT"), ("CF-IPCountry", "AT"))
        assert (await edge.asked(VIEWER, *twice)).place == BAVARIA
        forged = await edge.asked(VIEWER, ("CF-IPCountry", "AT"), source="127.0.0.2")
        assert forged.place == NOWHERE


async def test_a_file_that_is_replaced_while_the_edge_serves_is_used_from_then_on(
    open_edge: Open, tmp_path: Path
) -> None:
    path = write_places(tmp_path / "c.mmdb", {"203.0.113.0/24": city("DE")})
    geo = {"databases": [str(path)], "poll": 0.02}
    async with open_edge(trusted_proxies=["127.0.0.1/32"], geo=geo) as edge:
        assert (await edge.asked(VIEWER)).place.country == "DE"
        write_places(path, {"203.0.113.0/24": city("AT")})
        async with asyncio.timeout(LIMIT_SECONDS):
            while (await edge.asked(VIEWER)).place.country == "DE":
                pass
        assert (await edge.asked(VIEWER)).place.country == "AT"


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


BROKEN = [
    pytest.param(lambda path: path.write_bytes(b""), id="empty"),
    pytest.param(lambda path: path.write_bytes(b"<html>" * 1000), id="something else"),
    pytest.param(half, id="half written"),
    pytest.param(lambda path: path.unlink(), id="away"),
    pytest.param(folder, id="a folder"),
    pytest.param(pipe, id="a pipe"),
]


@pytest.mark.parametrize("breaking", BROKEN)
async def test_a_broken_file_is_counted_and_the_one_before_is_used_on(
    tmp_path: Path, breaking: Callable[[Path], object]
) -> None:
    path = write_places(tmp_path / "c.mmdb", {"203.0.113.0/24": city("DE")})
    places = await places_of(path)
    broken = counted("edge_geo_files_total", result="broken")

    breaking(path)  # written over in place, as no maker advises
    async with asyncio.timeout(LIMIT_SECONDS):
        await places.renew()
        await places.renew()

    assert counted("edge_geo_files_total", result="broken") == broken + 1
    assert places.of(HERE).country == "DE"
    assert places.of(ip_address("203.0.113.8")).country == "DE"  # not remembered: read

    if path.is_dir():
        path.rmdir()
    write_places(path, {"203.0.113.0/24": city("AT")})
    await places.renew()
    assert places.of(HERE).country == "AT"


@pytest.mark.parametrize("breaking", BROKEN)
async def test_an_edge_does_not_start_with_a_broken_file(
    open_edge: Open, tmp_path: Path, breaking: Callable[[Path], object]
) -> None:
    path = write_places(tmp_path / "c.mmdb", {"203.0.113.0/24": city("DE")})
    breaking(path)
    with pytest.raises(WrongUse, match=r"edge\.geo\.databases: .*c\.mmdb: "):
        async with asyncio.timeout(LIMIT_SECONDS), open_edge(geo={"databases": [str(path)]}):
            pass


@pytest.mark.usefixtures("key_set", "title")
async def test_the_operator_is_told_in_one_sentence(settings: Settings, tmp_path: Path) -> None:
    settings.var_dir.mkdir(parents=True, exist_ok=True)
    env = {
        **os.environ,
        "KAWA_VAR_DIR": str(settings.var_dir),
        "KAWA_EDGE__LISTEN__PORT": str(free_port()),
        "KAWA_EDGE__ADMIN__PORT": str(free_port()),
        "KAWA_EDGE__GEO__DATABASES": f'["{tmp_path}/none.mmdb"]',
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "edge", env=env, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        _, errors = await process.communicate()
    assert process.returncode == 2
    assert f"edge.geo.databases: {tmp_path}/none.mmdb: No such file" in errors.decode()
    assert "Traceback" not in errors.decode()


async def test_damage_inside_a_file_is_nowhere_and_counted(tmp_path: Path) -> None:
    path = write_places(
        tmp_path / "c.mmdb", {f"{n}.0.0.0/8": city("DE", f"{n:03}") for n in range(1, 200)}
    )
    data = bytearray(path.read_bytes())
    # A string of the last record, made longer than the file.
    place = data.rindex(b"\x43" + b"199")
    data[place : place + 4] = b"\x5f\xff\xff\xff"
    path.write_bytes(data)
    places = await places_of(path)
    before = counted("edge_geo_lookups_total", result="broken")
    assert places.of(ip_address("1.2.3.4")).subdivision == "DE-001"
    assert places.of(ip_address("199.2.3.4")) == NOWHERE
    assert counted("edge_geo_lookups_total", result="broken") == before + 1


@pytest.mark.parametrize(
    "record",
    [
        pytest.param({"country": {"iso_code": "de"}}, id="small letters"),
        pytest.param({"country": {"iso_code": "DEU"}}, id="three letters"),
        pytest.param({"country": {"iso_code": 1}}, id="a number"),
        pytest.param({"country": "DE"}, id="another layout"),
        pytest.param({"country": ["DE"]}, id="a list"),
        pytest.param({"registered_country": {"iso_code": "DE"}}, id="registered elsewhere"),
        pytest.param({"subdivisions": [{"iso_code": "BY"}]}, id="a part of nothing"),
        pytest.param({"location": {"latitude": 1.0}}, id="half a place"),
        pytest.param({"location": {"latitude": 91.0, "longitude": 0.0}}, id="beyond the pole"),
        pytest.param({"location": {"latitude": float("nan"), "longitude": 0.0}}, id="nan"),
        pytest.param({"location": {"latitude": True, "longitude": True}}, id="no number"),
        pytest.param({"autonomous_system_number": "AS1"}, id="a name"),
        pytest.param({"autonomous_system_number": True}, id="a truth"),
        pytest.param("DE", id="text"),
        pytest.param([], id="a bare list"),
    ],
)
async def test_what_is_not_as_it_should_be_is_not_known(tmp_path: Path, record: Any) -> None:
    path = write_places(tmp_path / "c.mmdb", {"203.0.113.0/24": record})
    assert (await places_of(path)).of(HERE) == NOWHERE


async def test_files_that_name_two_countries_are_not_mixed(tmp_path: Path) -> None:
    first = write_places(tmp_path / "a.mmdb", {"203.0.113.0/24": {"country": {"iso_code": "AT"}}})
    second = write_places(
        tmp_path / "b.mmdb",
        {"203.0.113.0/24": city("DE", "BY", 1.0, 2.0) | {"autonomous_system_number": 7}},
    )
    assert (await places_of(first, second)).of(HERE) == Place(country="AT", network=7)
    both = (await places_of(second, first)).of(HERE)
    assert both == Place(country="DE", subdivision="DE-BY", latitude=1.0, longitude=2.0, network=7)


async def test_an_address_of_ipv6_is_nowhere_in_a_file_of_ipv4(tmp_path: Path) -> None:
    path = write_places(tmp_path / "4.mmdb", {"203.0.113.0/24": city("DE")}, ip_version=4)
    places = await places_of(path)
    assert places.of(HERE).country == "DE"
    assert places.of(ip_address("2001:db8::1")) == NOWHERE


async def test_what_is_remembered_is_bounded_and_not_looked_up_again(tmp_path: Path) -> None:
    path = write_places(tmp_path / "c.mmdb", {"0.0.0.0/1": city("DE")})
    places = await places_of(path, remembered=2)

    def looked_up(*addresses: str) -> float:
        before = counted("edge_geo_lookups_total", result="found")
        for address in addresses:
            assert places.of(ip_address(address)).country == "DE"
        return counted("edge_geo_lookups_total", result="found") - before

    assert looked_up("1.1.1.1", "1.1.1.1", "2.2.2.2", "1.1.1.1") == 2
    assert looked_up("3.3.3.3", "2.2.2.2", "3.3.3.3") == 2


async def test_both_readers_of_the_library_say_the_same(tmp_path: Path) -> None:
    path = write_places(tmp_path / "c.mmdb", {"203.0.113.0/24": city("DE", "BY", 48.1, 11.6)})
    places = await places_of(path)
    plain = maxminddb.open_database(path, maxminddb.MODE_MMAP)
    for address in (HERE, IPv4Address("198.51.100.1"), IPv6Address("2001:db8::1")):
        assert (plain.get(address) is None) == (places.of(address) == NOWHERE)
    plain.close()
