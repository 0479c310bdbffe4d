from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from multidict import CIMultiDictProxy
from prometheus_client import REGISTRY
from yarl import URL

from config.contracts.sessions import SessionStart
from config.runtime.keys import KeySet
from config.settings.load import Settings
from edge.app import build_app
from edge.keys import CLOCK
from edge.lane.lane import LANE
from edge.sessions.control import SessionControl
from edge.sessions.open import alone

Mint = Callable[..., str]
HERE = "vod/title"
EVENT = 'e=ps,sta=p,sid="a",ts=1795000000000,v=2'


class Post:
    """Sends exactly what it is told to."""

    def __init__(self, session: ClientSession, base: str) -> None:
        self._session = session
        self._base = base

    async def __call__(
        self, path: str, body: bytes = b"", *, method: str = "POST", **headers: str
    ) -> tuple[int, CIMultiDictProxy[str], bytes]:
        url = URL(self._base + path, encoded=True)
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._session.request(
            method, url, data=body or None, headers=fields, allow_redirects=False
        ) as answer:
            return answer.status, answer.headers, await answer.read()


class Now:
    seconds = 1_795_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def control(settings: Settings, now: Now) -> SessionControl:
    return alone(settings.sessions, clock=now)


@pytest.fixture
async def post(
    settings: Settings, key_set: KeySet, title: object, control: SessionControl, now: Now
) -> AsyncIterator[Post]:
    app = build_app(settings, key_set=key_set, registry=control)
    app[CLOCK] = app[LANE].clock = now.__call__
    async with TestServer(app) as server, ClientSession() as session:
        yield Post(session, f"http://{server.host}:{server.port}")


@pytest.fixture
def token(mint: Mint, now: Now) -> str:
    at = int(now.seconds)
    return mint(issued_at=at - 10, expires_at=at + 3600)


def posted(result: str) -> float:
    return REGISTRY.get_sample_value("edge_cmcd_posts_total", {"result": result}) or 0.0


async def test_a_heartbeat_opens_and_shows_the_session(
    post: Post, token: str, control: SessionControl
) -> None:
    for method in ("GET", "POST"):
        status, headers, body = await post(f"/t/{token}/{HERE}/_kawa_session", method=method)
        found = json.loads(body)
        assert status == 200
        assert found["session"] == "session-1"
        assert found["state"] == "open"
        assert found["advice"] is None
        assert headers["Cache-Control"] == "no-store"
        assert headers["Access-Control-Allow-Origin"] == "*"
    assert control.counts().sessions == 1
    seen = control.shown("session-1")
    assert seen is not None
    assert seen.counted.requests == 0  # a sign of life is not something given


async def test_what_the_player_posts_is_its_quality(post: Post, token: str, now: Now) -> None:
    start = int(now.seconds * 1000)
    lines = [
        f'e=ps,sta=s,sid="a",ts={start},v=2',
        f'e=ps,sta=p,sid="a",ts={start + 700},v=2',
        f'e=ps,sta=r,sid="a",ts={start + 9_000},v=2',
        f'e=ps,sta=p,sid="a",ts={start + 12_000},v=2',
        f'bl=(2000),e=t,mtp=(3000),sid="a",sta=p,ts={start + 12_100},v=2',
    ]
    status, _, _ = await post(
        f"/t/{token}/{HERE}/v/_kawa_cmcd",
        "\n".join(lines).encode(),
        Content_Type="application/cmcd",
    )
    assert status == 204
    _, _, body = await post(f"/t/{token}/{HERE}/_kawa_session", method="GET")
    advice = json.loads(body)["advice"]
    assert advice == {"target_height": 480, "reason": "throughput"}


async def test_a_stopped_session_is_over_and_may_begin_again(
    post: Post, token: str, control: SessionControl
) -> None:
    await post(f"/t/{token}/{HERE}/master.m3u8", method="GET")
    assert control.counts().sessions == 1
    for _ in range(2):
        status, _, body = await post(f"/t/{token}/{HERE}/_kawa_session?stop", b"any words")
        assert (status, body) == (204, b"")
        assert control.counts().sessions == 0
    status, _, _ = await post(f"/t/{token}/{HERE}/master.m3u8", method="GET")
    assert status == 200
    assert control.counts().sessions == 1


async def test_a_stop_at_an_edge_process_that_gave_nothing_of_the_session_ends_it(
    post: Post, token: str, control: SessionControl, now: Now
) -> None:
    at = int(now.seconds)
    start = SessionStart(
        id="session-1",
        grant="session-1",
        subject="user:1",
        content=f"/{HERE}/",
        started_at=at,
        ends_at=at + 3600,
    )
    await control.open(start, joins=False)  # as another process does
    status, _, body = await post(f"/t/{token}/{HERE}/_kawa_session?stop")
    assert (status, body) == (204, b"")
    assert control.counts().sessions == 0


async def test_one_who_reports_too_often_is_told_to_wait(post: Post, token: str, now: Now) -> None:
    before = posted("too_many")
    statuses = [(await post(f"/t/{token}/{HERE}/_kawa_cmcd", EVENT.encode()))[0] for _ in range(61)]
    assert statuses == [204] * 60 + [429]  # thirty seconds' worth of two a second
    assert posted("too_many") == before + 1
    now.seconds += 0.5
    assert (await post(f"/t/{token}/{HERE}/_kawa_cmcd", EVENT.encode()))[0] == 204


async def test_a_report_that_is_too_large_is_not_read(post: Post, token: str) -> None:
    status, _, body = await post(f"/t/{token}/{HERE}/_kawa_cmcd", b"x" * (65536 + 1))
    assert (status, json.loads(body)["error"]) == (413, "body-too-large")


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"e=", b"(" * 60_000, b'{"e":' * 9_000, b"\n" * 60_000]
)
async def test_nothing_that_a_player_may_post_is_an_error(
    post: Post, token: str, body: bytes
) -> None:
    assert (await post(f"/t/{token}/{HERE}/_kawa_cmcd", body))[0] == 204


async def test_a_kicked_player_is_told_to_report_no_more(
    post: Post, token: str, control: SessionControl
) -> None:
    assert (await post(f"/t/{token}/{HERE}/_kawa_cmcd", EVENT.encode()))[0] == 204
    await control.kick("session-1")
    # The worker learns of it with its next look; here, with the next opening.
    status, _, body = await post(f"/t/{token}/{HERE}/master.m3u8", method="GET")
    assert (status, json.loads(body)["error"]) == (403, "stream-ended")
    assert (await post(f"/t/{token}/{HERE}/_kawa_cmcd", EVENT.encode()))[0] == 410


async def test_without_a_token_there_is_no_session(post: Post) -> None:
    for name in ("_kawa_session", "_kawa_cmcd"):
        assert (await post(f"/{HERE}/{name}"))[0] == 401
        assert (await post(f"/open/{name}"))[0] == 404


async def test_another_titles_token_reaches_no_session_here(post: Post, token: str) -> None:
    status, _, body = await post(f"/t/{token}/vod/other/_kawa_session")
    assert (status, json.loads(body)["error"]) == (403, "not-allowed")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_are_refused(post: Post, token: str, method: str) -> None:
    assert (await post(f"/t/{token}/{HERE}/_kawa_session", method=method))[0] == 405
    assert (await post(f"/t/{token}/{HERE}/_kawa_cmcd", method=method))[0] == 405


async def test_a_page_of_another_site_may_post(post: Post, token: str) -> None:
    for name in ("_kawa_session", "_kawa_cmcd"):
        status, headers, _ = await post(f"/t/{token}/{HERE}/{name}", method="OPTIONS")
        assert status == 204
        assert "POST" in headers["Access-Control-Allow-Methods"].split(", ")
        assert "Content-Type" in headers["Access-Control-Allow-Headers"].split(", ")


class TestOff:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(
            update={"sessions": settings.sessions.model_copy(update={"enabled": False})}
        )

    async def test_nothing_is_there(self, post: Post, token: str) -> None:
        for name in ("_kawa_session", "_kawa_cmcd"):
            status, _, body = await post(f"/t/{token}/{HERE}/{name}")
            assert (status, json.loads(body)["error"]) == (404, "not-found")


class TestDeaf:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        cmcd = settings.sessions.cmcd.model_copy(update={"accept": False})
        return settings.model_copy(
            update={"sessions": settings.sessions.model_copy(update={"cmcd": cmcd})}
        )

    async def test_reports_are_wanted_no_more(self, post: Post, token: str) -> None:
        assert (await post(f"/t/{token}/{HERE}/_kawa_cmcd", EVENT.encode()))[0] == 410
        assert (await post(f"/t/{token}/{HERE}/_kawa_session"))[0] == 200
