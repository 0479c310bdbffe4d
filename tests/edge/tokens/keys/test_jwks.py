from __future__ import annotations

import asyncio
import gzip
import json
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from yarl import URL

from config.runtime.metrics import render_metrics
from config.runtime.processes import WrongUse
from config.settings.tokens import TokenSettings
from edge.tokens.keys.fetch import fetch, open_session
from edge.tokens.keys.jwks import pause_seconds
from edge.tokens.keys.open import open_keys
from edge.tokens.keys.source import KeySource
from tests.edge.tokens.keys.publishing import Clock, Publisher, private_jwk, public_jwk, until
from tests.logs import logs_of

Open = Callable[..., AbstractAsyncContextManager[KeySource]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def publisher() -> AsyncIterator[Publisher]:
    publisher = Publisher()
    publisher.have("a")
    await publisher.start()
    yield publisher
    await publisher.server.close()


@pytest.fixture
def opened(publisher: Publisher, clock: Clock, tmp_path: Path) -> Open:
    def open_(*, on_gone: Any = lambda _: None, **settings: Any) -> Any:
        return open_keys(
            "partner",
            url=publisher.url,
            settings=TokenSettings.model_validate({"jwks_timeout": 1, **settings}),
            state=tmp_path / "keys",
            on_gone=on_gone,
            clock=clock,
            timer=clock.timer,
        )

    return open_


def names(source: KeySource) -> list[str]:
    return sorted(source.current().keys)


def metric(name: str) -> float:
    for line in render_metrics().decode().splitlines():
        if line.startswith(name + " "):
            return float(line.rpartition(" ")[2])
    return 0.0


async def test_keys_are_there_when_it_opens(opened: Open, publisher: Publisher) -> None:
    async with opened() as source:
        assert names(source) == ["a"]
        assert metric('edge_keys_loaded{source="partner"}') == 1

    [request] = publisher.asked
    assert request.headers["Accept"].startswith("application/jwk-set+json")
    assert request.headers["Accept-Encoding"] == "identity"
    assert "Cookie" not in request.headers


async def test_a_new_key_is_known_after_the_next_refresh(
    opened: Open, publisher: Publisher, clock: Clock
) -> None:
    gone: list[frozenset[str]] = []
    async with opened(on_gone=gone.append) as source:
        publisher.have("a", "b")
        assert await source.refresh()
        assert names(source) == ["a", "b"]
        publisher.have("b")
        assert await source.refresh()
        assert names(source) == ["b"]
        publisher.keys = [public_jwk("b")]
        assert await source.refresh()

    assert gone == [frozenset({"a"}), frozenset({"b"})]  # the same name is not the same key


async def test_what_has_not_changed_is_not_sent_again(opened: Open, publisher: Publisher) -> None:
    async with opened() as source:
        assert await source.refresh()
        assert names(source) == ["a"]

    assert "If-None-Match" in publisher.asked[1].headers


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({}, 300, id="nothing said"),
        pytest.param({"Cache-Control": "public, max-age=60"}, 60, id="max-age"),
        pytest.param({"Cache-Control": 'Max-Age="60", public'}, 60, id="another spelling"),
        pytest.param({"Cache-Control": "max-age=100", "Age": "40"}, 60, id="max-age and Age"),
        pytest.param({"Cache-Control": "max-age=100", "Age": "x"}, 100, id="Age is nonsense"),
        pytest.param({"Cache-Control": "max-age=0"}, 30, id="not more often than every 30 s"),
        pytest.param({"Cache-Control": "max-age=999999"}, 300, id="not later than we want"),
        pytest.param({"Cache-Control": "s-max-age=60, no-store"}, 300, id="no age"),
        pytest.param({"Cache-Control": "max-age=-1"}, 300, id="nonsense"),
    ],
)
async def test_the_next_refresh_is_when_the_answer_says_within_bounds(
    headers: dict[str, str], seconds: float, publisher: Publisher
) -> None:
    publisher.headers = headers
    async with open_session() as session:
        fetched = await fetch(session, URL(publisher.url), etag="", timeout_seconds=5)

    assert pause_seconds(300, fresh_seconds=fetched.fresh_seconds, failures=0) == seconds


def test_after_failures_it_is_tried_again_ever_later() -> None:
    pauses = [pause_seconds(300, fresh_seconds=None, failures=count) for count in range(1, 9)]

    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]


async def redirect(_: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("/elsewhere.json")


async def huge(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    try:
        for _ in range(64):
            await response.write(b" " * 64 * 1024)
    except ConnectionError:
        pass
    return response


async def slow(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    try:
        for _ in range(200):
            await response.write(b" ")
            await asyncio.sleep(0.05)
    except ConnectionError:
        pass
    return response


async def cut(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={"Content-Type": "application/json", "Content-Length": "100"}
    )
    await response.prepare(request)
    await response.write(b'{"keys": [')
    assert request.transport is not None
    request.transport.abort()
    return response


def text(body: str | bytes, **options: Any) -> Any:
    async def answer(_: web.Request) -> web.StreamResponse:
        raw = body.encode() if isinstance(body, str) else body
        return web.Response(body=raw, **{"content_type": "application/json", **options})

    return answer


def keys_text(*keys: object) -> str:
    return json.dumps({"keys": keys})


BAD = [
    pytest.param(redirect, "redirect", id="redirect"),
    pytest.param(huge, "too-large", id="huge"),
    pytest.param(slow, "timeout", id="slow"),
    pytest.param(cut, "unreachable", id="cut off"),
    pytest.param(text("", status=500), "status", id="500"),
    pytest.param(text("", status=204), "status", id="204"),
    pytest.param(text(keys_text(public_jwk("evil")), status=203), "status", id="203"),
    pytest.param(
        text(keys_text(public_jwk("evil")), content_type="text/html"), "type", id="wrong type"
    ),
    pytest.param(
        text(gzip.compress(b" " * 10_000_000), headers={"Content-Encoding": "gzip"}),
        "type",
        id="bomb",
    ),
    pytest.param(text("<html>"), "bad", id="no JSON"),
    pytest.param(text("[" * 100_000), "bad", id="deep"),
    pytest.param(text('{"keys": []}'), "bad", id="empty"),
    pytest.param(text("{}"), "bad", id="no keys"),
    pytest.param(text('{"keys": [{"kty": "RSA", "kid": "x"}]}'), "bad", id="no key of ours"),
    pytest.param(text(keys_text(public_jwk("evil"), private_jwk("evil2"))), "bad", id="private"),
    pytest.param(text(keys_text(public_jwk("evil"), public_jwk("evil"))), "bad", id="twins"),
]


@pytest.mark.parametrize(("answer", "reason"), BAD)
async def test_bad_answers_leave_the_keys_as_they_were(
    answer: Any, reason: str, opened: Open, publisher: Publisher
) -> None:
    name = f'edge_keys_refresh_total{{result="{reason}",source="partner"}}'
    before = metric(name)
    async with opened() as source:
        publisher.answer = answer

        assert not await source.refresh()

        assert names(source) == ["a"]
        assert metric(name) == before + 1
        publisher.answer = publisher.publish
        publisher.have("a", "b")
        assert await source.refresh()
        assert names(source) == ["a", "b"]


@pytest.mark.parametrize(("answer", "reason"), BAD)
async def test_without_keys_it_starts_and_accepts_nothing_until_there_are_some(
    answer: Any, reason: str, opened: Open, publisher: Publisher
) -> None:
    publisher.answer = answer
    async with opened() as source:
        assert names(source) == []
        assert metric('edge_keys_loaded{source="partner"}') == 0
        publisher.answer = publisher.publish
        assert await source.refresh()
        assert names(source) == ["a"]


async def test_a_server_that_is_away_does_not_stop_the_start(
    opened: Open, publisher: Publisher
) -> None:
    await publisher.server.close()

    async with opened() as source:
        assert names(source) == []
        assert not await source.wanted("a")


async def test_keys_of_a_server_that_is_away_are_good_for_a_day(
    opened: Open, publisher: Publisher, clock: Clock
) -> None:
    gone: list[frozenset[str]] = []
    async with opened(on_gone=gone.append) as source:
        publisher.answer = text("", status=503)
        clock.go_on(24 * 3600 - 1)
        assert not await source.refresh()
        assert names(source) == ["a"]
        clock.go_on(1)
        assert names(source) == []
        assert gone == [frozenset({"a"})]
        publisher.answer = publisher.publish
        assert await source.refresh()  # 304, and yet they are good again
        assert names(source) == ["a"]


async def test_flapping_costs_nobody_a_key(opened: Open, publisher: Publisher) -> None:
    gone: list[frozenset[str]] = []
    async with opened(on_gone=gone.append) as source:
        for number in range(6):
            publisher.answer = text("{}") if number % 2 else publisher.publish
            await source.refresh()
            assert names(source) == ["a"]

    assert gone == []


async def test_a_key_ends_when_it_says_so(opened: Open, publisher: Publisher, clock: Clock) -> None:
    gone: list[frozenset[str]] = []
    publisher.keys.append(public_jwk("b", exp=int(clock.epoch) + 100))
    async with opened(on_gone=gone.append) as source:
        assert names(source) == ["a", "b"]
        clock.go_on(100)
        assert names(source) == ["a"]

    assert gone == [frozenset({"b"})]


async def test_an_unknown_key_is_looked_for_at_once_and_by_all_together(
    opened: Open, publisher: Publisher, clock: Clock
) -> None:
    async with opened() as source:
        publisher.have("a", "b")
        clock.go_on(30)

        answers = await asyncio.gather(*(source.wanted("b") for _ in range(50)))

        assert answers == [True] * 50
        assert len(publisher.asked) == 2


async def test_a_flood_of_unknown_keys_is_one_fetch_in_thirty_seconds(
    opened: Open, publisher: Publisher, clock: Clock
) -> None:
    async with opened() as source:
        for step in range(24):
            clock.go_on(5)
            flood = (source.wanted(f"k{step}-{number}") for number in range(100))
            assert not any(await asyncio.gather(*flood))

    assert len(publisher.asked) == 1 + 4  # in two minutes


async def test_a_key_that_is_not_there_is_not_looked_for_again_soon(
    opened: Open, publisher: Publisher, clock: Clock
) -> None:
    async with opened() as source:
        clock.go_on(30)
        assert not await source.wanted("gone")
        assert len(publisher.asked) == 2
        clock.go_on(59)
        assert not await source.wanted("gone")
        assert len(publisher.asked) == 2
        clock.go_on(1)
        assert not await source.wanted("gone")
        assert len(publisher.asked) == 3


async def test_what_is_remembered_of_unknown_keys_is_bounded(opened: Open, clock: Clock) -> None:
    async with opened() as source:
        for _ in range(4):
            clock.go_on(30)
            await asyncio.gather(*(source.wanted(f"{clock.epoch}-{n}") for n in range(900)))

        assert len(source._absent) <= 1024  # type: ignore[attr-defined]


async def test_a_viewer_does_not_wait_for_a_slow_server(
    opened: Open, publisher: Publisher, clock: Clock
) -> None:
    async with opened(jwks_timeout=30) as source:
        released = asyncio.Event()

        async def hang(request: web.Request) -> web.StreamResponse:
            await released.wait()
            return await publisher.publish(request)

        publisher.answer = hang
        publisher.have("a", "b")
        clock.go_on(30)
        async with asyncio.timeout(4):
            assert not await source.wanted("b")
        released.set()
        await until(lambda: names(source) == ["a", "b"])


async def test_one_who_gives_up_waiting_takes_nothing_from_the_others(
    opened: Open, publisher: Publisher, clock: Clock
) -> None:
    async with opened() as source:
        released, asked = asyncio.Event(), asyncio.Event()

        async def hang(request: web.Request) -> web.StreamResponse:
            asked.set()
            await released.wait()
            return await publisher.publish(request)

        publisher.answer = hang
        publisher.have("a", "b")
        clock.go_on(30)
        first, second = (asyncio.create_task(source.wanted("b")) for _ in range(2))
        await asked.wait()
        first.cancel()
        released.set()

        assert await second


async def test_after_a_restart_without_the_server_the_last_keys_are_used(
    opened: Open, publisher: Publisher, clock: Clock, tmp_path: Path
) -> None:
    async with opened():
        pass
    path = tmp_path / "keys" / "partner.jwks.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    publisher.answer = text("", status=503)

    clock.go_on(24 * 3600 - 1)
    async with opened() as source:
        assert names(source) == ["a"]
        clock.go_on(1)
        assert names(source) == []
    async with opened() as source:
        assert names(source) == []


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.write_text("{"), id="broken"),
        pytest.param(lambda path: path.chmod(0o666), id="others may write"),
        pytest.param(lambda path: path.write_text('{"jwks": "{}"}'), id="nothing in it"),
        pytest.param(
            lambda path: path.write_text(path.read_text().replace("url_sha256", "of")),
            id="of another URL",
        ),
        pytest.param(
            lambda path: path.write_text(
                json.dumps(json.loads(path.read_text()) | {"fetched_at": 2_000_009_999})
            ),
            id="from the future",
        ),
        pytest.param(
            lambda path: path.write_text(
                json.dumps(json.loads(path.read_text()) | {"jwks": keys_text(private_jwk("x"))})
            ),
            id="a private key",
        ),
        pytest.param(lambda path: (path.unlink(), path.mkdir()), id="a folder"),
    ],
)
async def test_a_spoilt_copy_is_as_good_as_none(
    spoil: Callable[[Path], object], opened: Open, publisher: Publisher, tmp_path: Path
) -> None:
    async with opened():
        pass
    spoil(tmp_path / "keys" / "partner.jwks.json")
    publisher.answer = text("", status=503)

    async with opened() as source:
        assert names(source) == []


async def test_a_copy_that_cannot_be_written_costs_nothing_but_itself(
    opened: Open, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text("a file where the folder would be")

    async with opened() as source:
        assert names(source) == ["a"]


async def test_no_address_and_no_key_is_logged(
    opened: Open, publisher: Publisher, tmp_path: Path
) -> None:
    settings = TokenSettings()
    with logs_of("edge.tokens.keys.jwks") as logs, logs_of("edge.tokens.keys.copy") as kept:
        async with open_keys(
            "partner",
            url=publisher.url + "?secret=canary",
            settings=settings,
            state=tmp_path / "keys",
        ) as source:
            for answer in (redirect, text("", status=500), cut):
                publisher.answer = answer
                await source.refresh()

    assert {"keys fetched", "keys not fetched"} <= {line["event"] for line in logs}
    assert "canary" not in json.dumps(logs + kept, default=str)
    assert "canary" not in (tmp_path / "keys" / "partner.jwks.json").read_text()


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://keys.example/jwks.json", id="plain"),
        pytest.param("http://10.0.0.1/jwks.json", id="plain in a private network"),
        pytest.param("http://127.0.0.1.example/jwks.json", id="looks like this machine"),
        pytest.param("ftp://keys.example/jwks.json", id="ftp"),
        pytest.param("file:///etc/keys.json", id="file"),
        pytest.param("/jwks.json", id="no host"),
        pytest.param("https://user:word@keys.example/jwks.json", id="password"),
        pytest.param("https://[::1/jwks.json", id="broken"),
    ],
)
async def test_an_address_that_keys_must_not_come_from_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="partner: jwks_url") as refusal:
        async with open_keys("partner", url=url, settings=TokenSettings(), state=tmp_path):
            pass

    assert "word" not in str(refusal.value).replace("password", "")


async def test_plain_http_elsewhere_is_an_explicit_choice(tmp_path: Path) -> None:
    settings = TokenSettings.model_validate({"jwks_plain_http": True, "jwks_timeout": 0.2})

    async with open_keys(
        "partner", url="http://keys.invalid/jwks.json", settings=settings, state=tmp_path
    ) as source:
        assert names(source) == []


async def test_exactly_one_place_must_be_said(tmp_path: Path) -> None:
    for places in ({}, {"file": tmp_path / "a", "url": "https://keys.example/"}):
        with pytest.raises(WrongUse, match="either keys_file or jwks_url"):
            async with open_keys("x", settings=TokenSettings(), state=tmp_path, **places):  # type: ignore[arg-type]
                pass
