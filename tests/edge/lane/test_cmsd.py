"""What answers tell players (CMSD), on the hot lane and on the ordinary way."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from ipaddress import ip_network

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from config.runtime.keys import KeySet
from config.settings.load import Settings
from edge import keys
from edge.app import build_app
from edge.structured_fields import Item, parse_list
from tests.edge.client import Client
from tests.edge.lane.conftest import HOT, SMALL
from tests.edge.lane.lanes import Edge
from tests.edge.lane.test_alike import get

Mint = Callable[..., str]
Ask = Callable[..., bytes]

_DYNAMIC = re.compile(rb"\r\nCMSD-Dynamic: ([^\r]*)\r\n")
FIELD = "CMCD-Request: bl=2100"


@pytest.fixture
def token(edge: Edge, mint: Mint, request: pytest.FixtureRequest) -> str:
    """A token for which everything lies ready."""
    token = mint(subject=request.node.name, session=request.node.name)
    for path in ("small.m4s", "media.m3u8"):
        edge.ask(*[get(f"/t/{token}/vod/title/{path}")] * 2, hot=False)
    return token


@pytest.fixture(params=[True, False], ids=["hot", "ordinary"])
def ask(edge: Edge, token: str, request: pytest.FixtureRequest) -> Iterator[Ask]:
    """Asks for a file again and again, on the hot lane or on the ordinary way."""
    hot: bool = request.param
    before, asked = HOT[token], 0

    def send(path: str, *fields: str) -> bytes:
        nonlocal asked
        asked += 1
        [answer] = edge.ask(get(f"/t/{token}/vod/title/{path}", *fields), hot=hot)
        assert answer.startswith(b"HTTP/1.1 200")
        return answer

    yield send
    assert HOT[token] - before == (asked if hot else 0)


def told(answer: bytes) -> Item | None:
    found = _DYNAMIC.search(answer)
    if found is None:
        return None
    [item] = parse_list(found[1].decode())
    assert isinstance(item, Item)
    return item


def figure(item: Item, name: str) -> int:
    value = item.parameters[name]
    assert isinstance(value, int)
    return value


@pytest.mark.parametrize("path", ["small.m4s", "media.m3u8"])
def test_whoever_tells_of_itself_is_told_of_the_way(edge: Edge, ask: Ask, path: str) -> None:
    for answer in (ask(f"{path}?CMCD=bl%3D2100"), ask(path, FIELD)):
        item = told(answer)
        assert item is not None
        assert item.value == edge.app[keys.NODE]
        assert figure(item, "etp") > 0
        assert 0 < figure(item, "rtt") < 1000
        assert b"\r\nCMSD-Static: n=" in answer
        assert b"CMSD-Dynamic, CMSD-Static" in answer  # for scripts of other sites


def test_nobody_else_is(ask: Ask) -> None:
    assert told(ask("small.m4s")) is None
    assert told(ask("small.m4s", "CMCD-Custom: a")) is None


def test_everybody_is_if_the_settings_want_it(
    edge: Edge, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge.lane, "tells_all", True)
    assert told(ask("small.m4s")) is not None


def test_nobody_is_if_the_settings_want_that(
    edge: Edge, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge.lane, "tells_those_who_ask", False)
    assert told(ask("small.m4s?CMCD=bs")) is None


def test_the_way_to_a_proxy_is_nobodys_business(
    edge: Edge, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge.lane, "_trusted", (ip_network("127.0.0.0/8"),))
    item = told(ask("small.m4s?CMCD=bs"))
    assert item is not None
    assert item.parameters.keys() <= {"rd", "du"}


def test_advice_goes_with_it(edge: Edge, ask: Ask, token: str) -> None:
    def advise(kbps: int | None) -> None:
        held = edge.app[keys.TOKENS].remembered(token, now=time.time())
        assert held.session is not None
        held.session.suggested_kbps = kbps

    edge.run(lambda: advise(5000))
    item = told(ask("small.m4s?CMCD=bs"))
    assert item is not None
    assert figure(item, "mb") == 5000
    edge.run(lambda: advise(None))
    item = told(ask("small.m4s?CMCD=bs"))
    assert item is not None
    assert "mb" not in item.parameters


def test_what_lies_ready_tells_nobody_of_anothers_way(edge: Edge, token: str) -> None:
    target = f"/t/{token}/vod/title/small.m4s"
    edge.run(lambda: edge.lane.answers.drop_dead(time.monotonic() + 60))
    edge.ask(*[get(target + "?CMCD=bs")] * 2, hot=False)  # this is what is kept

    [answer] = edge.ask(get(target), hot=True)

    assert HOT[token] == 1
    assert told(answer) is None
    assert answer.endswith(SMALL)


@pytest.fixture
async def over_another(settings: Settings, key_set: KeySet) -> AsyncIterator[Client]:
    """An edge over a server that speaks CMSD itself."""

    async def answer(request: web.Request) -> web.Response:
        fields = {
            "Cache-Control": "max-age=100",
            "CMSD-Static": 'ot=v,d=4000,br=3200,n="origin"',
            "CMSD-Dynamic": '"origin";rd=7',
        }
        return web.Response(body=b"x" * 100, headers=fields)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as origin:
        cdn = {"kind": "http", "url": str(origin.make_url("/")), "public": True, "private": True}
        changed = Settings.model_validate(
            {"var_dir": settings.var_dir, "edge": {"node": "edge-1", "origins": {"cdn": cdn}}}
        )
        server = TestServer(build_app(changed, key_set=key_set))
        async with server, ClientSession() as session:
            yield Client(session, server)


async def test_of_another_servers_object_is_told_what_it_says_and_of_its_way_only_what_is_new(
    over_another: Client,
) -> None:
    fields = [(await over_another.ask("/cdn/1.m4s", CMCD_Request="bl=1"))[1] for _ in range(2)]

    assert [each["CMSD-Static"] for each in fields] == ['ot=v,d=4000,br=3200,n="origin"'] * 2
    names = [
        [item.value for item in parse_list(each["CMSD-Dynamic"]) if isinstance(item, Item)]
        for each in fields
    ]
    assert names == [["origin", "edge-1"], ["edge-1"]]
    _, silent, _ = await over_another.ask("/cdn/1.m4s")
    assert "CMSD-Dynamic" not in silent
