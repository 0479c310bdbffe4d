from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from edge.sessions.cmsd import Hop, Link, link_of
from edge.structured_fields import Item, Token, parse_dictionary, parse_list

HOP = Hop("edge-1")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        pytest.param("title/master.m3u8", 'n="edge-1",ot=m,sf=h', id="HLS playlist"),
        pytest.param("title/manifest.mpd", 'n="edge-1",ot=m,sf=d', id="MPD"),
        pytest.param("1/v720/init.mp4", 'n="edge-1",ot=i,st=v', id="our init segment"),
        pytest.param("1/v720/3.m4s", 'n="edge-1",ot=v,st=v', id="our picture"),
        pytest.param("1/a-ja/3.m4s", 'n="edge-1",ot=a,st=v', id="our sound"),
        pytest.param("1/v720/media.m3u8", 'n="edge-1",ot=m,sf=h,st=v', id="our media playlist"),
        pytest.param("x/3.m4s", 'n="edge-1"', id="some segment"),
        pytest.param("x/3.TS", 'n="edge-1",sf=h', id="transport stream"),
        pytest.param("x/3.aac", 'n="edge-1",ot=a', id="packed sound"),
        pytest.param("x/de.vtt", 'n="edge-1",ot=c', id="subtitles"),
        pytest.param("x/1.key", 'n="edge-1",ot=k', id="key"),
        pytest.param("", 'n="edge-1"', id="no name"),
    ],
)
def test_what_a_name_tells_of_an_object(path: str, said: str) -> None:
    assert HOP.static(path) == said
    members = parse_dictionary(said)
    assert members.pop("n") == Item("edge-1")
    assert all(
        isinstance(member, Item) and isinstance(member.value, Token) for member in members.values()
    )


@pytest.mark.parametrize(
    ("link", "suggested", "delay", "is_pressed", "said"),
    [
        pytest.param(None, None, None, False, '"edge-1"', id="nothing known"),
        pytest.param((76, 32), None, None, False, '"edge-1";etp=76;rtt=32', id="the way"),
        pytest.param((0, 32), None, None, False, '"edge-1";rtt=32', id="nothing sent yet"),
        pytest.param(
            (76, 32), 5000, 3, True, '"edge-1";etp=76;rtt=32;mb=5000;rd=3;du', id="everything"
        ),
        pytest.param(None, None, 0, True, '"edge-1";rd=0;du', id="behind a proxy, pressed"),
    ],
)
def test_what_an_answer_tells_of_its_way(
    link: Link | None, suggested: int | None, delay: int | None, is_pressed: bool, said: str
) -> None:
    assert HOP.dynamic(link, suggested, delay, is_pressed) == said
    [item] = parse_list(said)
    assert isinstance(item, Item)
    assert item.value == "edge-1"
    figures = {"etp": link and link[0], "rtt": link and link[1], "mb": suggested, "rd": delay}
    for name, value in figures.items():
        assert item.parameters.get(name) == (value or None if name == "etp" else value)
    assert item.parameters.get("du", False) is is_pressed


def test_a_name_is_written_as_it_is() -> None:
    [item] = parse_list(Hop("100%-a_b.c").dynamic((1, 2)))
    assert isinstance(item, Item)
    assert item.value == "100%-a_b.c"


@pytest.fixture
def both_ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as ours,
        server.accept()[0] as theirs,
    ):
        yield ours, theirs


def test_the_kernel_tells_of_a_connection(both_ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = both_ends
    for _ in range(20):
        ours.sendall(b"x" * 64 * 1024)
        left = 64 * 1024
        while left:
            left -= len(theirs.recv(left))

    link = link_of(ours)

    assert link is not None
    throughput_kbps, rtt_ms = link
    assert throughput_kbps > 1000
    assert 0 < rtt_ms < 1000


def test_nothing_is_told_of_what_is_no_tcp_connection() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert link_of(ours) is None
