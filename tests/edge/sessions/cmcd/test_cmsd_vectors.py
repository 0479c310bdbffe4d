from __future__ import annotations

import itertools
from typing import Any

import pytest

from edge.sessions.cmsd import Hop, Link
from tests.edge.sessions.cmcd.reference import asked

NODES = ["kawa-1", "edge.example:8443", 'a"b\\c', "a;b,c=d"]


def test_the_package_reads_what_we_say_of_the_way_to_a_client() -> None:
    said: list[tuple[str, dict[str, Any]]] = []
    tasks = []
    links: list[Link | None] = [None, (0, 12), (76_000, 32)]
    for node, link, mb, delay, pressed in itertools.product(
        NODES, links, (None, 5000), (None, 0, 3), (False, True)
    ):
        text = Hop(node).dynamic(link, suggested_kbps=mb, delay_ms=delay, is_pressed=pressed)
        wanted: dict[str, Any] = {} if link is None else {"rtt": link[1]}
        if link is not None and link[0]:
            wanted["etp"] = link[0]
        wanted |= {} if mb is None else {"mb": mb}
        wanted |= {} if delay is None else {"rd": delay}
        wanted |= {"du": True} if pressed else {}
        said.append((node, wanted))
        tasks.append({"do": "dynamic", "text": text})
    for (node, wanted), [item] in zip(said, asked(tasks), strict=True):
        name, found = item if isinstance(item, list) else (item, {})
        assert (name, found) == (node, wanted)


def test_an_item_behind_those_of_other_hops_is_one_of_a_list() -> None:
    text = '"origin-1";rtt=12, "shield-2";etp=80,' + Hop("kawa-1").dynamic((76, 32))
    [items] = asked([{"do": "dynamic", "text": text}])
    assert [name for name, _ in items] == ["origin-1", "shield-2", "kawa-1"]
    assert items[-1][1] == {"etp": 76, "rtt": 32}


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("films/1/v720/00001.m4s", {"ot": "v", "st": "v"}),
        ("films/1/v720/init.mp4", {"ot": "i", "st": "v"}),
        ("films/1/a-ja/00001.m4s", {"ot": "a", "st": "v"}),
        ("films/1/master.m3u8", {"ot": "m", "sf": "h"}),
        ("films/1/manifest.mpd", {"ot": "m", "sf": "d"}),
        ("films/1/notes.bin", {}),
    ],
)
def test_the_package_reads_what_we_say_of_an_object(path: str, wanted: dict[str, Any]) -> None:
    found = asked([{"do": "static", "text": Hop(node).static(path)} for node in NODES])
    assert found == [{"n": node} | wanted for node in NODES]


def test_what_the_package_writes_for_the_same_figures_says_the_same() -> None:
    figures = {"etp": 76, "rtt": 32, "mb": 5000, "rd": 3, "du": True}
    [theirs] = asked([{"do": "encodeDynamic", "name": "kawa-1", "data": figures}])
    ours = Hop("kawa-1").dynamic((76, 32), suggested_kbps=5000, delay_ms=3, is_pressed=True)
    assert ours == theirs
