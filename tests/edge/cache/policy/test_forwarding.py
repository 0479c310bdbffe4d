from __future__ import annotations

import time

import pytest
from multidict import CIMultiDict

from edge.cache.policy.forwarding import is_loop, kept, onward

HOP_BY_HOP = [
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authentication-Info",
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
]


@pytest.mark.parametrize("name", HOP_BY_HOP)
def test_a_field_of_one_hop_stays_there(name: str) -> None:
    fields = CIMultiDict({name.lower(): "x", "A": "1"})
    assert list(kept(fields).items()) == [("A", "1")]
    assert list(onward(fields, via="kawa", peer=True).items()) == [("A", "1")]


def test_fields_that_connection_names_stay_there_too() -> None:
    fields = CIMultiDict(
        [("Connection", "A, close"), ("connection", "b"), ("a", "1"), ("B", "2"), ("c", "3")]
    )
    assert list(kept(fields).items()) == [("c", "3")]


@pytest.mark.parametrize(
    "name", ["Cache-Control", "Authorization", "Content-Encoding", "Content-Length", "Vary", "Via"]
)
def test_connection_cannot_take_away_what_is_meant_for_all(name: str) -> None:
    fields = CIMultiDict({"Connection": name, name: "x"})
    assert kept(fields)[name] == "x"


def test_a_request_goes_on_without_its_host_and_with_another_hop() -> None:
    request = CIMultiDict(
        [("Host", "edge"), ("Expect", "100-continue"), ("Via", "1.1 a"), ("X", "1"), ("X", "2")]
    )
    assert list(onward(request, via="kawa").items()) == [
        ("Via", "1.1 a"),
        ("X", "1"),
        ("X", "2"),
        ("Via", "1.1 kawa"),
    ]
    assert onward(request, via="kawa", peer=True).getall("Via") == ["1.1 a"]


@pytest.mark.parametrize(
    ("lines", "loop"),
    [
        ([], False),
        (["1.1 kawa"], True),
        (["1.0 fred, 1.1 KAWA (Kawa/1)"], True),
        (["1.0 fred", "HTTP/2.0 kawa"], True),
        (["1.1 other (1.1 kawa)"], False),
        (["1.1 other (a, 1.1 kawa)"], False),
        (["1.1 kawa2"], False),
        (["kawa"], False),
        (["1.1 a, " * 1000], True),
    ],
)
def test_a_request_that_was_here_before_is_known(lines: list[str], loop: bool) -> None:
    assert is_loop(CIMultiDict(("Via", line) for line in lines), "kawa") is loop


def test_what_goes_on_is_known_when_it_comes_back() -> None:
    assert is_loop(onward(CIMultiDict(), via="kawa-7"), "kawa-7")


@pytest.mark.parametrize("part", ["(", "()", "((", " ", "a ", ","])
def test_hostile_repetition_takes_no_time(part: str) -> None:
    started = time.process_time()
    is_loop(CIMultiDict({"Via": (part * 4096)[:4096]}), "kawa")
    assert time.process_time() - started < 1.0
