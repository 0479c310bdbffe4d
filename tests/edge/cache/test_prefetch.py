from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import pytest
from aiohttp import ClientSession, TCPConnector, web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDict

from config.runtime.keys import KeySet
from config.settings.load import Settings
from config.settings.shared import HttpLimits
from edge import keys, metrics
from edge.admin.purges import Purges
from edge.admin.workers import Workers
from edge.app import build_app
from edge.cache.tiers.purge import Purge
from edge.origin.upstream import Question
from edge.peers.app import peer_app, serving_peers
from edge.peers.keys import PEERS, PURGEABLE
from edge.peers.peers import Peers
from tests.edge.client import Client

Mint = Callable[..., str]

SIZE = 2000
SLICE = 64 * 1024
PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7\n" + b"".join(
    b"#EXTINF:4,\nseg-%d.ts\n" % number for number in range(7, 31)
)
MPD = b"""<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT20S">
<BaseURL>dash/</BaseURL><Period><AdaptationSet mimeType="video/mp4">
<SegmentTemplate timescale="10" media="$RepresentationID$/$Time$.m4s" initialization="$RepresentationID$/i.mp4">
<SegmentTimeline><S t="100" d="40" r="2"/><S d="30"/></SegmentTimeline></SegmentTemplate>
<Representation id="v1" bandwidth="1"/><Representation id="v2" bandwidth="2"/>
</AdaptationSet></Period></MPD>"""


@dataclass
class Origin:
    """Serves ranges of files, tells who waits for what it was asked, and holds back what it is told to."""

    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=lambda: {"Cache-Control": "max-age=60"})
    asked: list[str] = field(default_factory=list)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    url: str = ""
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        range_ = request.headers.get("Range")
        async with self._news:
            self.asked.append(request.raw_path + (f" {range_}" if range_ else ""))
            self._news.notify_all()
        if request.path in self.gates:
            await self.gates[request.path].wait()
        body = self.files.get(request.path)
        if body is None:
            return web.Response(status=404)
        headers = self.headers | {"ETag": f'"{hash(body)}"'}
        if range_ is None:
            return web.Response(body=body, headers=headers)
        first, last = (int(part) for part in range_.removeprefix("bytes=").split("-"))
        last = min(last, len(body) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
        return web.Response(status=206, body=body[first : last + 1], headers=headers)

    async def saw(self, *asked: str) -> None:
        async with asyncio.timeout(10), self._news:
            await self._news.wait_for(lambda: all(one in self.asked for one in asked))

    def segments(self) -> list[str]:
        return [asked.rpartition("/")[2] for asked in self.asked if "seg-" in asked]


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    origin = Origin()
    app = web.Application()
    app.router.add_get("/{path:.*}", origin.serve)
    async with TestServer(app) as server:
        origin.url = f"http://127.0.0.1:{server.port}"
        origin.files["/show/a.m3u8"] = PLAYLIST
        origin.files |= {f"/show/seg-{n}.ts": b"%03d." % n * (SIZE // 4) for n in range(7, 31)}
        yield origin


@dataclass
class Edge:
    client: Client
    app: web.Application
    token: str

    async def get(self, path: str, **headers: str) -> str:
        """Ask for a file; where it came from."""
        status, fields, _ = await self.client.ask(f"/t/{self.token}/cdn/show/{path}", **headers)
        assert status in (200, 206), path
        return fields.get("Cache-Status", "")


Start = Callable[..., Any]


@pytest.fixture
def start(settings: Settings, key_set: KeySet, mint: Mint, origin: Origin) -> Start:
    @asynccontextmanager
    async def started(
        *paths: str, connections: int = 64, cache: dict[str, Any] | None = None, **prefetch: Any
    ) -> AsyncIterator[Edge]:
        changed = Settings.model_validate(
            {
                "var_dir": settings.var_dir,
                "edge": {
                    "origins": {
                        "cdn": {"kind": "http", "url": origin.url, "connections": connections},
                        "two": {"kind": "http", "url": origin.url + "/deep"},
                    },
                    "cache": {"prefetch": prefetch} | (cache or {}),
                },
            }
        )
        app = build_app(changed, key_set=key_set)
        server = TestServer(app)
        async with (
            server,
            ClientSession(connector=TCPConnector(force_close=True)) as session,
        ):
            yield Edge(Client(session, server), app, mint(*(paths or ("/cdn/show/",))))

    return started


def running() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if task.get_name().startswith("prefetch ")]


async def settled() -> None:
    while tasks := running():
        await asyncio.wait(tasks, timeout=10)
        await asyncio.sleep(0)  # what their ends begin


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not check():
            await asyncio.sleep(0)


@dataclass
class Counted:
    """How much a counter has grown."""

    counter: Any
    label: str
    before: float = 0.0

    def __post_init__(self) -> None:
        self.before = self.counter.labels(self.label)._value.get()

    @property
    def more(self) -> float:
        return float(self.counter.labels(self.label)._value.get() - self.before)


def counted(result: str) -> Counted:
    return Counted(metrics.PREFETCH, result)


async def test_the_next_segment_is_there_before_its_viewer(start: Start, origin: Origin) -> None:
    used = Counted(metrics.PREFETCHED, "used")
    fetched = counted("fetched")
    async with start() as edge:
        await edge.get("a.m3u8")
        assert "hit" not in await edge.get("seg-7.ts")
        await origin.saw("/show/seg-8.ts")
        await settled()
        assert origin.segments() == ["seg-7.ts", "seg-8.ts"]
        assert "hit" in await edge.get("seg-8.ts")
        await settled()
        assert origin.segments() == ["seg-7.ts", "seg-8.ts", "seg-9.ts"]
    assert used.more == 1
    assert fetched.more == 2


async def test_many_viewers_of_one_segment_cost_one_fetch_ahead(
    start: Start, origin: Origin
) -> None:
    async with start() as edge:
        await edge.get("a.m3u8")
        await asyncio.gather(*(edge.get(f"seg-7.ts?CMCD=bl%3D{n}") for n in range(20)))
        await settled()
        assert origin.segments() == ["seg-7.ts", "seg-8.ts"]


async def test_what_is_fetched_ahead_leads_no_further_by_itself(
    start: Start, origin: Origin
) -> None:
    async with start(ahead=3) as edge:
        await edge.get("a.m3u8")
        await edge.get("seg-7.ts")
        await settled()
        assert sorted(origin.segments()) == sorted(f"seg-{n}.ts" for n in (7, 8, 9, 10))
        await edge.get("seg-8.ts")
        await settled()
        assert origin.segments()[4:] == ["seg-11.ts"]


async def test_nothing_is_fetched_ahead_when_it_is_turned_off(start: Start, origin: Origin) -> None:
    async with start(ahead=0) as edge:
        await edge.get("a.m3u8")
        await edge.get(f"seg-7.ts?CMCD={quote(dictionary('seg-8.ts'))}")
        assert running() == []
        assert origin.segments() == ["seg-7.ts"]


async def test_the_end_of_a_playlist_and_a_gap_are_not_asked_for(
    start: Start, origin: Origin
) -> None:
    origin.files["/show/a.m3u8"] = PLAYLIST.replace(
        b"#EXTINF:4,\nseg-8.ts", b"#EXT-X-GAP\n#EXTINF:4,\nseg-8.ts"
    )
    async with start() as edge:
        await edge.get("a.m3u8")
        await edge.get("seg-30.ts")
        await settled()
        await edge.get("seg-7.ts")
        await settled()
        assert origin.segments() == ["seg-30.ts", "seg-7.ts", "seg-9.ts"]


async def test_the_initialization_of_the_next_segment_comes_with_it_when_it_is_another_one(
    start: Start, origin: Origin
) -> None:
    origin.files["/show/a.m3u8"] = (
        b'#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI="seg-i1.mp4"\n#EXTINF:4,\nseg-7.ts\n'
        b"#EXTINF:4,\nseg-8.ts\n#EXT-X-DISCONTINUITY\n"
        b'#EXT-X-MAP:URI="seg-i2.mp4"\n#EXTINF:4,\nseg-9.ts\n'
    )
    origin.files |= {"/show/seg-i1.mp4": b"1", "/show/seg-i2.mp4": b"2"}
    async with start() as edge:
        await edge.get("a.m3u8")
        await edge.get("seg-7.ts")
        await settled()
        assert origin.segments() == ["seg-7.ts", "seg-8.ts"]
        await edge.get("seg-8.ts")
        await settled()
        assert sorted(origin.segments()[2:]) == ["seg-9.ts", "seg-i2.mp4"]


async def test_byte_ranges_of_one_file_are_fetched_one_after_the_other(
    start: Start, origin: Origin
) -> None:
    origin.files["/show/all.ts"] = bytes(4 * SLICE)
    origin.files["/show/a.m3u8"] = b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n" + b"".join(
        b"#EXTINF:4,\n#EXT-X-BYTERANGE:%d%s\nall.ts\n" % (SLICE, b"" if number else b"@0")
        for number in range(4)
    )
    async with start(cache={"slice_bytes": SLICE}) as edge:
        await edge.get("a.m3u8")
        await edge.get("all.ts", Range=f"bytes=0-{SLICE - 1}")
        await settled()
        assert origin.asked[1:] == [
            f"/show/all.ts bytes=0-{SLICE - 1}",
            f"/show/all.ts bytes={SLICE}-{2 * SLICE - 1}",
        ]
        used = Counted(metrics.PREFETCHED, "used")
        assert "hit" in await edge.get("all.ts", Range=f"bytes={SLICE}-{2 * SLICE - 1}")
        await settled()
        assert len(origin.asked) == 4
    assert used.more == 1


async def test_the_segments_of_an_mpd_follow_its_timeline(start: Start, origin: Origin) -> None:
    origin.files["/show/m.mpd"] = MPD
    origin.files |= {f"/show/dash/v2/{time}.m4s": b"x" * 50 for time in (100, 140, 180, 220)}
    async with start() as edge:
        await edge.get("m.mpd")
        for time in (100, 180, 220):
            await edge.get(f"dash/v2/{time}.m4s")
            await settled()
        assert origin.asked[1:] == [f"/show/dash/v2/{time}.m4s" for time in (100, 140, 180, 220)]


async def test_a_new_version_of_a_playlist_takes_the_place_of_the_old_one(
    start: Start, origin: Origin
) -> None:
    origin.headers = {"Cache-Control": "max-age=0"}
    origin.files["/show/a.m3u8"] = PLAYLIST.partition(b"#EXTINF:4,\nseg-9.ts")[0]
    async with start() as edge:
        await edge.get("a.m3u8")
        origin.files["/show/a.m3u8"] = PLAYLIST
        origin.headers = {"Cache-Control": "max-age=60"}
        await edge.get("seg-8.ts")
        await settled()
        assert origin.segments() == ["seg-8.ts"]
        await edge.get("a.m3u8")
        await edge.get("seg-8.ts?CMCD=su")
        await settled()
        assert origin.segments() == ["seg-8.ts", "seg-9.ts"]


# What players say.


def dictionary(nor: str) -> str:
    return f'bl=2000,nor="{quote(nor, safe="")}",ot=v,sid="a,b"'


def inner_list(nor: str) -> str:
    return f'bl=(2000),nor=("{quote(nor, safe="")}"),v=2'


def in_query(said: str) -> str:
    return "seg-7.ts?CMCD=" + quote(said, safe="")


Saying = Callable[[Edge, str], Awaitable[str]]

SAID: dict[str, Saying] = {
    "query": lambda edge, nor: edge.get(in_query(dictionary(nor))),
    "header": lambda edge, nor: edge.get("seg-7.ts", CMCD_Request=dictionary(nor)),
    "v2 query": lambda edge, nor: edge.get(in_query(inner_list(nor))),
    "v2 header": lambda edge, nor: edge.get("seg-7.ts", CMCD_Request=inner_list(nor)),
    "json": lambda edge, nor: edge.get(in_query(json.dumps({"nor": nor, "bl": 2000}))),
    "damaged": lambda edge, nor: edge.get("seg-7.ts", CMCD_Request=dictionary(nor) + ",BAD =="),
}


@pytest.mark.parametrize("way", SAID)
@pytest.mark.parametrize("nor", ["seg-20.ts", "../show/./seg-20.ts"])
async def test_what_the_player_says_goes_before_what_the_playlist_says(
    start: Start, origin: Origin, way: str, nor: str
) -> None:
    async with start() as edge:
        await edge.get("a.m3u8")
        await SAID[way](edge, nor)
        await settled()
        assert origin.segments() == ["seg-7.ts", "seg-20.ts"]
        assert "hit" in await edge.get("seg-20.ts")


async def test_the_playlist_goes_on_where_the_players_word_ends(
    start: Start, origin: Origin
) -> None:
    async with start(ahead=2) as edge:
        await edge.get("a.m3u8")
        await SAID["query"](edge, "seg-20.ts")
        await settled()
        assert sorted(origin.segments()) == ["seg-20.ts", "seg-21.ts", "seg-7.ts"]


@pytest.mark.parametrize(
    "said",
    [
        f'nrr="{SLICE}-{SLICE + 99}"',
        f'nor="all.ts",nrr="{SLICE}-{SLICE + 99}"',
        f'v=2,nor=("all.ts";r="{SLICE}-{SLICE + 99}")',
    ],
)
async def test_a_player_may_say_a_range(start: Start, origin: Origin, said: str) -> None:
    origin.files["/show/all.ts"] = bytes(4 * SLICE)
    async with start(cache={"slice_bytes": SLICE}) as edge:
        await edge.get("all.ts", Range="bytes=0-99", CMCD_Request=said)
        await settled()
        assert origin.asked[1:] == [f"/show/all.ts bytes={SLICE}-{2 * SLICE - 1}"]


@pytest.mark.parametrize(
    "nor",
    [
        "../../secret/seg-1.ts",
        "../other/seg-1.ts",
        "../../../two/seg-1.ts",
        "/two/seg-1.ts",
        "/cdn/show/seg-20.ts",
        "http://127.0.0.1:1/seg-1.ts",
        "//127.0.0.1:1/seg-1.ts",
        "file:///etc/passwd",
        "..%2fother%2fseg-1.ts",
        "..%252fseg-1.ts",
        "%2e%2e/other/seg-1.ts",
        "..\\other\\seg-1.ts",
        "seg-1\0.ts",
        "seg-1.ts\r\nX: y",
        "seg-1.ts?x=1\r\nX: y",
        "seg-1.ts?x HTTP/1.0",
        "seg-1.ts?x\ty",
        "seg-1.ts?é",
        "seg-1.ts#x",
        "a.m3u8",
        "..;/other/seg-1.ts",
        "",
    ],
)
@pytest.mark.parametrize("way", ["query", "header"])
async def test_what_a_player_says_leads_nowhere_else(
    start: Start, origin: Origin, way: str, nor: str
) -> None:
    async with start() as edge:
        outside = counted("outside")
        await SAID[way](edge, nor)
        assert running() == []
        assert origin.asked == ["/show/seg-7.ts"]
    assert outside.more == 1


@pytest.mark.parametrize(
    "said", ["nor=" + "(" * 1000, 'nor="' + "a" * 5000 + '"', "nor", "{", '{"nor":3}']
)
async def test_nonsense_in_cmcd_does_no_harm(start: Start, origin: Origin, said: str) -> None:
    async with start() as edge:
        await edge.get(f"seg-7.ts?CMCD={quote(said, safe='')}")
        await edge.get("seg-9.ts", CMCD_Request=said)
        assert running() == []
        assert origin.asked == ["/show/seg-7.ts", "/show/seg-9.ts"]


async def test_what_the_grant_does_not_cover_is_not_fetched(start: Start, origin: Origin) -> None:
    origin.files["/show/a.m3u8"] = PLAYLIST.replace(b"seg-8.ts", b"../other/seg-8.ts").replace(
        b"seg-10.ts", origin.url.encode() + b"/deep/seg-10.ts"
    )
    origin.files["/deep/seg-10.ts"] = b"x" * 100
    async with start() as edge:
        await edge.get("a.m3u8")
        outside = counted("outside")
        for number in (7, 9):
            await edge.get(f"seg-{number}.ts")
            assert running() == []
        assert outside.more == 2
    async with start("/cdn/show/", "/two/") as edge:
        await edge.get("a.m3u8")
        await edge.get("seg-9.ts")
        await settled()
        assert origin.asked[-1] == "/deep/seg-10.ts"


async def test_what_is_not_there_yet_is_not_asked_for_again_at_once(
    start: Start, origin: Origin
) -> None:
    async with start() as edge:
        for _ in range(3):
            await SAID["query"](edge, "seg-99.ts")
            await settled()
        assert origin.segments() == ["seg-7.ts", "seg-99.ts"]


async def test_nothing_is_fetched_ahead_of_an_origin_whose_files_may_not_be_kept(
    start: Start, origin: Origin
) -> None:
    async with start() as edge:
        await edge.get("a.m3u8")
        origin.headers = {"Cache-Control": "private"}
        await edge.get("seg-7.ts")
        assert running() == []
        assert origin.segments() == ["seg-7.ts"]


async def test_what_may_not_be_kept_is_not_tried_again_at_once(
    start: Start, origin: Origin
) -> None:
    async with start() as edge:
        unkept = counted("unkept")
        await edge.get("a.m3u8")
        await edge.get("seg-7.ts")
        await settled()
        origin.headers = {"Cache-Control": "private"}
        for n in range(3):
            await edge.get(f"seg-8.ts?CMCD=bl%3D{n}")
            await settled()
        assert unkept.more == 1
        assert origin.segments() == ["seg-7.ts", "seg-8.ts", "seg-9.ts"]


# Never in the way.


async def test_no_more_is_fetched_ahead_than_the_budget_has(start: Start, origin: Origin) -> None:
    async with start(max_bytes=SIZE + 1, share=0) as edge:
        refused = counted("refused_budget")
        await edge.get("a.m3u8")
        await edge.get("seg-7.ts")
        await settled()
        await edge.get("seg-20.ts")
        assert running() == []
        assert origin.segments() == ["seg-7.ts", "seg-8.ts", "seg-20.ts"]
        assert refused.more == 1
        await edge.get("seg-8.ts")  # was wanted after all
        await settled()
        assert origin.segments()[3:] == ["seg-9.ts"]


async def test_what_viewers_fetch_earns_a_share(start: Start, origin: Origin) -> None:
    async with start(max_bytes=SIZE, share=0.5) as edge:
        await edge.get("a.m3u8")
        for number in (7, 12, 17):
            await edge.get(f"seg-{number}.ts")
            await settled()
        assert origin.segments() == ["seg-7.ts", "seg-8.ts", "seg-12.ts", "seg-17.ts", "seg-18.ts"]


async def test_a_file_that_turns_out_too_large_is_given_up(start: Start, origin: Origin) -> None:
    origin.files["/show/seg-8.ts"] = bytes(100 * SIZE)
    async with start(max_bytes=2 * SIZE) as edge:
        refused = counted("refused_budget")
        await edge.get("a.m3u8")
        await edge.get("seg-7.ts")
        await settled()
        assert refused.more == 1


async def test_it_waits_while_viewers_requests_take_the_connections(
    start: Start, origin: Origin
) -> None:
    gate = origin.gates["/show/seg-20.ts"] = asyncio.Event()
    async with start(connections=2) as edge:
        await edge.get("a.m3u8")
        await edge.get("seg-7.ts")
        await settled()
        real = asyncio.create_task(edge.get("seg-20.ts"))
        await origin.saw("/show/seg-20.ts")
        await edge.get("seg-8.ts")
        assert running() == []
        assert origin.segments() == ["seg-7.ts", "seg-8.ts", "seg-20.ts"]
        gate.set()
        await real
        await origin.saw("/show/seg-9.ts", "/show/seg-21.ts")
        await settled()


async def test_it_gives_its_connection_to_a_viewer_who_waits_for_one(
    start: Start, origin: Origin
) -> None:
    origin.gates["/show/seg-8.ts"] = asyncio.Event()
    async with start(connections=1) as edge:
        gave_way = counted("gave_way")
        await edge.get("a.m3u8")
        await edge.get("seg-7.ts")
        await origin.saw("/show/seg-8.ts")
        assert len(running()) == 1
        await edge.get("seg-20.ts")  # would wait for ever
        assert gave_way.more == 1


async def test_a_viewer_joins_what_is_being_fetched_ahead_and_keeps_it(
    start: Start, origin: Origin
) -> None:
    gate = origin.gates["/show/seg-8.ts"] = asyncio.Event()
    async with start(connections=1) as edge:
        used = Counted(metrics.PREFETCHED, "used")
        await edge.get("a.m3u8")
        await edge.get("seg-7.ts")
        await origin.saw("/show/seg-8.ts")
        joined = asyncio.create_task(edge.get("seg-8.ts"))
        await until(lambda: metrics.REQUESTS_RUNNING._value.get() == 1)
        waiting = asyncio.create_task(edge.get("seg-20.ts"))
        await until(lambda: not running())  # it gave way, but the fetch goes on for the viewer
        assert origin.segments() == ["seg-7.ts", "seg-8.ts"]
        gate.set()
        assert "collapsed" in await joined
        await waiting
        assert origin.segments().count("seg-8.ts") == 1
    assert used.more == 0


async def test_at_most_so_many_run_at_a_time(start: Start, origin: Origin) -> None:
    gates = [asyncio.Event() for _ in range(4)]
    for number, gate in enumerate(gates, start=8):
        origin.gates[f"/show/seg-{number}.ts"] = gate
    async with start(ahead=4, concurrency=2) as edge:
        await edge.get("a.m3u8")
        await edge.get("seg-7.ts")
        await origin.saw("/show/seg-8.ts", "/show/seg-9.ts")
        assert len(running()) == 2
        gates[0].set()
        await origin.saw("/show/seg-10.ts")
        assert len(running()) == 2
        for gate in gates:
            gate.set()
        await settled()
        assert len(origin.segments()) == 5


@pytest.mark.parametrize("said", ["su", "bl=0,bs", "v=2,su,sta=s"])
async def test_whoever_has_nothing_left_to_play_goes_first(
    start: Start, origin: Origin, said: str
) -> None:
    gate = origin.gates["/show/seg-8.ts"] = asyncio.Event()
    async with start(ahead=3, concurrency=1) as edge:
        await edge.get("a.m3u8")
        await edge.get("seg-7.ts?CMCD=bl%3D20000")
        await origin.saw("/show/seg-8.ts")
        await edge.get(f"seg-20.ts?CMCD={quote(said)}")
        gate.set()
        await settled()
        behind = [f"seg-{number}.ts" for number in (21, 22, 23, 9, 10)]
        assert origin.segments() == ["seg-7.ts", "seg-8.ts", "seg-20.ts", *behind]


async def test_too_many_that_are_in_a_hurry_push_out_those_that_are_not(
    start: Start, origin: Origin
) -> None:
    gate = origin.gates["/show/seg-8.ts"] = asyncio.Event()
    origin.files["/show/a.m3u8"] = PLAYLIST + b"".join(
        b"#EXTINF:4,\nseg-%d.ts\n" % number for number in range(31, 200)
    )
    origin.files |= {f"/show/seg-{n}.ts": b"%03d." % n * (SIZE // 4) for n in range(31, 200)}
    busy = counted("busy")
    async with start(ahead=16, concurrency=1) as edge:
        await edge.get("a.m3u8")
        await edge.get("seg-7.ts")
        await origin.saw("/show/seg-8.ts")
        for number in range(30, 110, 16):
            await edge.get(f"seg-{number}.ts?CMCD=su")
        gate.set()
        await settled()
        fetched = set(origin.segments())
    assert not fetched & {f"seg-{number}.ts" for number in range(9, 24)}
    assert "seg-109.ts" in fetched
    assert busy.more > 15


async def test_the_end_of_the_edge_ends_what_is_being_fetched(start: Start, origin: Origin) -> None:
    origin.gates["/show/seg-8.ts"] = asyncio.Event()
    async with start() as edge:
        await edge.get("a.m3u8")
        await edge.get("seg-7.ts")
        await origin.saw("/show/seg-8.ts")
        assert len(running()) == 1
    assert running() == []


async def test_files_of_this_machine_are_not_fetched_ahead(
    client: Client, title: Path, mint: Mint
) -> None:
    (title / "v" / "media.m3u8").write_bytes(
        b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n1.m4s\n#EXTINF:4,\n2.m4s\n"
    )
    token = mint()
    for path in ("media.m3u8", "1.m4s"):
        status, _, _ = await client.ask(f"/t/{token}/vod/title/v/{path}")
        assert status == 200
    assert running() == []


@asynccontextmanager
async def two_workers(
    settings: Settings, key_set: KeySet, mint: Mint, folder: Path, **edge: Any
) -> AsyncIterator[list[Edge]]:
    changed = Settings.model_validate({"var_dir": settings.var_dir, "edge": edge})
    async with AsyncExitStack() as stack:
        workers = [Peers(slot, 2) for slot in range(2)]
        paths = [folder / f"{slot}.sock" for slot in range(2)]
        session = await stack.enter_async_context(
            ClientSession(connector=TCPConnector(force_close=True))
        )
        edges = []
        for peers, path in zip(workers, paths, strict=True):
            stack.push_async_callback(peers.close)
            app = build_app(changed, key_set=key_set)
            app[PEERS] = peers
            await stack.enter_async_context(serving_peers(peer_app(app), path, HttpLimits()))
            server = TestServer(app)
            await stack.enter_async_context(server)
            edges.append(Edge(Client(session, server), app, mint("/cdn/show/")))
        for peers in workers:
            peers.learn(tuple(paths))
        yield edges


async def test_the_worker_that_owns_a_segment_fetches_it_for_all(
    settings: Settings, key_set: KeySet, mint: Mint, origin: Origin, tmp_path: Path
) -> None:
    told, fetched = counted("told"), counted("fetched")
    used = Counted(metrics.PREFETCHED, "used")
    origins = {"cdn": {"kind": "http", "url": origin.url}}
    async with two_workers(settings, key_set, mint, tmp_path, origins=origins) as edges:
        await edges[0].get("a.m3u8")
        for number in range(7, 15):
            await edges[0].get(f"seg-{number}.ts")
            await origin.saw(f"/show/seg-{number + 1}.ts")
            await settled()
        assert sorted(origin.segments()) == sorted(f"seg-{number}.ts" for number in range(7, 16))
    assert fetched.more == 8
    assert 0 < told.more < 8
    assert used.more == 7


async def test_the_worker_that_owns_a_segment_hears_that_its_viewer_has_nothing_left_to_play(
    settings: Settings, key_set: KeySet, mint: Mint, origin: Origin, tmp_path: Path
) -> None:
    gate = asyncio.Event()
    origin.gates = {f"/show/seg-{number}.ts": gate for number in range(8, 31) if number != 20}
    origins = {"cdn": {"kind": "http", "url": origin.url}}
    cache = {"prefetch": {"ahead": 8, "concurrency": 1}}
    folder = {"origins": origins, "cache": cache}
    async with two_workers(settings, key_set, mint, tmp_path, **folder) as edges:
        owned = [segments_of(edge) for edge in edges]
        assert owned[0] | owned[1] == set(range(7, 31))
        assert not owned[0] & owned[1]
        await edges[0].get("a.m3u8")
        await edges[0].get("seg-7.ts")
        await hints_given()
        await edges[0].get("seg-20.ts?CMCD=su")
        await hints_given()
        gate.set()
        await settled()
        asked = [int(name[4:-3]) for name in origin.segments()]
        for mine in owned:
            # The first was being fetched already when somebody came who was in a hurry.
            waited = [number for number in asked if number in mine and number not in (7, 20)][1:]
            assert {number > 20 for number in waited} == {True, False}
            assert [number > 20 for number in waited] == sorted(
                (number > 20 for number in waited), reverse=True
            )


def segments_of(edge: Edge) -> set[int]:
    """Those that this worker fetches by itself."""
    origin = edge.app[keys.ORIGINS].named("cdn")
    headers = CIMultiDict({"Accept-Encoding": "identity"})
    upstreams = edge.app[keys.CALLS].upstreams
    return {
        number
        for number in range(7, 31)
        if upstreams.owner(
            origin, Question(path=f"show/seg-{number}.ts", query="", headers=headers)
        )
        is None
    }


async def hints_given() -> None:
    await until(lambda: not any(task.get_name() == "prefetch hint" for task in running()))


@dataclass
class OneAfterTheOther:
    """Tells workers of a purge; between two of them somebody asks the first."""

    edges: list[Edge]
    ask: Callable[[], Awaitable[bytes]]

    async def ask_all(self, _method: str, _path: str, data: bytes) -> dict[int, dict[str, int]]:
        answers = {}
        for number, edge in enumerate(self.edges):
            purge = Purge.parse(data)
            answers[number] = {"purged": sum(one.purge(purge) for one in edge.app[PURGEABLE])}
            await self.ask()
        return answers


async def test_what_a_worker_has_from_one_that_heard_of_a_purge_later_does_not_stay(
    settings: Settings, key_set: KeySet, mint: Mint, origin: Origin, tmp_path: Path
) -> None:
    origins = {"cdn": {"kind": "http", "url": origin.url}}
    async with two_workers(settings, key_set, mint, tmp_path, origins=origins) as edges:
        first, second = edges
        name = f"seg-{min(segments_of(second))}.ts"

        async def ask() -> bytes:
            target = f"/t/{first.token}/cdn/show/{name}"
            return (await first.client.ask(target))[2]

        old = await ask()
        origin.files[f"/show/{name}"] = b"new"
        purges = Purges(cast(Workers, OneAfterTheOther(edges, ask)))
        assert (await purges.do(Purge("url", f"cdn/show/{name}"))).everywhere
        assert (old == b"new", await ask()) == (False, b"new")
