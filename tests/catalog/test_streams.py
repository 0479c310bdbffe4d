from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import jwt
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from catalog import keys
from catalog.app import sweep
from catalog.media.domain import SourceState
from catalog.streams.events import store_events
from config.contracts.events import RenditionReport
from config.contracts.revocations import Revocation
from config.contracts.sessions import Counted, Quality, SessionStart
from config.runtime.revocations import KNOWN
from config.runtime.sessions.founding import settle
from config.runtime.sessions.orders import ORDERS_STREAM, Order
from config.runtime.sessions.records import Record
from config.runtime.sessions.store import SessionStore
from config.settings.load import Settings
from config.settings.sessions import DeviceLimits
from config.settings.shared import RedisSettings
from tests.catalog.edges import entries, part, stop
from tests.catalog.harness import Api, Clock, Start, until

STREAMS = "/api/v1/media/streams"
MINE = "/api/v1/accounts/users/me/streams"
TV = {"User-Agent": "Mozilla/5.0 (SMART-TV; Linux; Tizen 8.0) AppleWebKit/538.1"}

Rows: TypeAlias = "asyncpg.Connection[Any]"


@pytest.fixture
async def redis(redis_settings: RedisSettings) -> AsyncIterator[Redis]:
    """A Redis that nobody has anything to tell."""
    assert redis_settings.url is not None
    client = Redis.from_url(redis_settings.url.get_secret_value())
    await settle(client)
    yield client
    await client.aclose()


@pytest.fixture
async def media(redis: Redis, admin: Api) -> str:
    """A media that can be played."""
    return await playable(admin)


async def playable(api: Api) -> str:
    media_id = await api.upload(b"a video")
    async with api.app[keys.UNITS]() as uow:
        await uow.sources.publish(
            media_id,
            state=SourceState.READY,
            attempt=1,
            prefix=f"media/{media_id}/0123456789ab-1",
            duration_seconds=60,
            renditions=[
                RenditionReport(
                    kind="video",
                    codec="avc1.64001f",
                    bandwidth=bandwidth,
                    width=height * 16 // 9,
                    height=height,
                    frame_rate=25,
                    playlist=f"v{height}/index.m3u8",
                )
                for height, bandwidth in ((480, 1_500_000), (1080, 6_000_000))
            ],
            now=api.app[keys.CLOCK](),
        )
        await uow.commit()
    return str(media_id)


async def begin(api: Api, media: str, token: str | None = None, **more: Any) -> Any:
    reply = await api("POST", STREAMS, {"media_id": media, **more}, token=token)
    assert reply.status == 201, reply.body
    return reply.body


def claims_of(url: str) -> dict[str, Any]:
    token = url.partition("/t/")[2].partition("/")[0]
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def start_of(stream: Any) -> SessionStart:
    """The session as an edge makes it of the first request."""
    claims = claims_of(stream["hls"])
    return SessionStart(
        id=stream["id"],
        grant=claims["sid"],
        subject=claims["sub"],
        content=claims["paths"][0],
        started_at=claims["iat"],
        ends_at=claims["renew"]["until"],
        limit=claims.get("streams"),
        device="tv",
        agent="Firefox",
        country="LV",
    )


async def orders_of(redis: Redis) -> list[Order]:
    found: Any = await redis.xrange(ORDERS_STREAM)
    parsed = [Order.parse(fields) for _, fields in found]
    return [order for order in parsed if order is not None]


async def test_of_twenty_parallel_starts_as_many_play_as_may(
    start: Start, redis: Redis, admin: Api, media: str
) -> None:
    other = await start()
    anna = await admin.new_user("anna")

    replies = await asyncio.gather(
        *(
            (admin, other)[number % 2]("POST", STREAMS, {"media_id": media}, token=anna)
            for number in range(20)
        )
    )

    assert sorted(reply.status for reply in replies) == [201] * 3 + [409] * 17
    begun = {reply.body["id"] for reply in replies if reply.status == 201}
    for reply in replies:
        if reply.status == 409:
            assert reply.body["code"] == "too-many-streams"
            assert {one["id"] for one in reply.body["playing"]} == begun
            assert {one["media_id"] for one in reply.body["playing"]} == {media}


async def test_urls_can_be_had_without_taking_a_place(redis: Redis, admin: Api, media: str) -> None:
    for _ in range(5):
        stream = await begin(admin, media, reserve=False)
        assert claims_of(stream["hls"])["streams"] == 3

    assert (await admin("GET", f"{MINE}?playing=true")).body["data"] == []
    await begin(admin, media)


async def test_a_token_tells_edges_how_many_may_play(
    start: Start, settings: Settings, redis: Redis, admin: Api, media: str
) -> None:
    assert claims_of((await begin(admin, media))["hls"])["streams"] == 3
    for sessions in (
        settings.sessions.model_copy(update={"limit": None}),
        settings.sessions.model_copy(update={"enabled": False}),
    ):
        api = await start(settings.model_copy(update={"sessions": sessions}))
        for _ in range(5):
            stream = await begin(api, media, admin.token)
            assert "streams" not in claims_of(stream["hls"])


async def test_a_stream_that_is_stopped_frees_its_place_and_its_token_opens_nothing(
    redis: Redis, admin: Api, media: str, rows: Rows
) -> None:
    anna = await admin.new_user("anna")
    first, *_ = [await begin(admin, media, anna) for _ in range(3)]
    assert (await admin("POST", STREAMS, {"media_id": media}, token=anna)).status == 409

    for _ in range(2):
        stopped = await admin("DELETE", f"{STREAMS}/{first['id']}", token=anna)
        assert stopped.status == 204

    await begin(admin, media, anna)
    held: Any = await redis.hget(KNOWN, f"session:{first['id']}")
    revoked = Revocation.parse(held)
    assert (revoked.value, revoked.lifted) == (first["id"], False)
    assert revoked.until == claims_of(first["hls"])["renew"]["until"]
    assert ("kick", first["id"]) in [(o.kind, o.session) for o in await orders_of(redis)]
    again = await admin("PATCH", f"{STREAMS}/{first['id']}", {}, token=anna)
    assert (again.status, again.body["code"]) == (409, "stream-ended")
    reasons = await rows.fetch("select reason from stream_sessions where reason is not null")
    assert [row["reason"] for row in reasons] == ["stop"]


async def test_an_edge_that_carries_the_stop_out_does_not_change_who_stopped(
    redis: Redis, admin: Api, media: str, rows: Rows, clock: Clock
) -> None:
    stream = await begin(admin, media)
    await admin("DELETE", f"{STREAMS}/{stream['id']}")
    at = clock().timestamp() + 1
    last = part(start_of(stream), 5, at=at)

    await store_events(
        entries("boot", stop(last, reason="kicked")), units=admin.app[keys.UNITS], now=clock()
    )

    assert await rows.fetchval("select reason from stream_sessions") == "stop"


class Pause:
    """Says that a call has got there, and holds it until it may go on."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self) -> None:
        self.reached.set()
        async with asyncio.timeout(10):
            await self.go_on.wait()


async def test_a_heartbeat_that_a_stop_overtakes_takes_no_place_and_lets_nothing_run_again(
    redis: Redis,
    admin: Api,
    media: str,
    clock: Clock,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = await begin(admin, media)
    path, places, before = f"{STREAMS}/{stream['id']}", admin.app[keys.PLACES], Pause()
    keep = places.keep

    async def keep_late(start: SessionStart, *, paused: bool) -> None:
        await before()
        await keep(start, paused=paused)

    monkeypatch.setattr(places, "keep", keep_late)
    clock.forward(seconds=1)
    beat = asyncio.create_task(admin("PATCH", path, {"paused": True}))
    await before.reached.wait()
    clock.forward(seconds=-0.5)  # the clock of another catalog
    assert (await admin("DELETE", path)).status == 204
    before.go_on.set()
    late = await beat

    assert late.status == 409
    assert late.body["code"] == "stream-ended"
    assert (await admin("GET", f"{MINE}?playing=true")).body["data"] == []
    (row,) = await rows.fetch("select stopped_at, last_at, reason from stream_sessions")
    assert row["reason"] == "stop"
    assert row["stopped_at"] == row["last_at"]


async def test_a_heartbeat_in_the_midst_of_a_stop_takes_no_place(
    redis: Redis, admin: Api, media: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = await begin(admin, media)
    path, places, behind = f"{STREAMS}/{stream['id']}", admin.app[keys.PLACES], Pause()
    end = places.end

    async def end_slowly(start: SessionStart, *, revoke: bool) -> None:
        await end(start, revoke=revoke)
        await behind()

    monkeypatch.setattr(places, "end", end_slowly)
    stop = asyncio.create_task(admin("DELETE", path))
    await behind.reached.wait()
    await admin("PATCH", path, {})
    behind.go_on.set()

    assert (await stop).status == 204
    assert (await admin("GET", f"{MINE}?playing=true")).body["data"] == []


async def test_a_stream_of_somebody_else_is_not_there(redis: Redis, admin: Api, media: str) -> None:
    stream = await begin(admin, media)
    anna = await admin.new_user("anna")

    for method, body in (("PATCH", {}), ("DELETE", None)):
        reply = await admin(method, f"{STREAMS}/{stream['id']}", body, token=anna)
        assert (reply.status, reply.body["code"]) == (404, "stream-not-found")
    assert (await admin("GET", MINE, token=anna)).body["data"] == []


async def test_one_episode_of_a_list_can_be_stopped_without_the_others(
    redis: Redis, admin: Api, media: str, clock: Clock
) -> None:
    profile = (await admin("GET", "/api/v1/accounts/users/me/profile")).body
    one = SessionStart(
        id="list.0123456789ab",
        grant="list",
        subject=f"user:{profile['id']}",
        content=f"/vod/{media}/",
        started_at=int(clock().timestamp()),
        ends_at=int(clock().timestamp()) + 3600,
    )
    await store_events(entries("boot", part(one, 1)), units=admin.app[keys.UNITS], now=clock())

    assert (await admin("DELETE", f"{STREAMS}/{one.id}")).status == 204

    assert [(order.kind, order.session) for order in await orders_of(redis)] == [("kick", one.id)]
    assert not await redis.hlen(KNOWN)


async def test_heartbeats_bring_advice_that_does_not_flap(
    redis: Redis, admin: Api, media: str, clock: Clock, rows: Rows
) -> None:
    stream = await begin(admin, media)
    told: list[tuple[int, str]] = []
    changed_at = []

    async def beat(**said: Any) -> Any:
        clock.forward(seconds=6)
        reply = await admin("PATCH", f"{STREAMS}/{stream['id']}", said)
        assert reply.status == 200, reply.body
        if reply.body["advice"]:
            told.append((reply.body["advice"]["target_height"], reply.body["advice"]["reason"]))
            changed_at.append(clock().timestamp())
        return reply.body

    await beat(throughput_kbps=8000, buffer_ms=20_000)
    await beat(throughput_kbps=1000, buffer_ms=2000, stalls=1, stall_ms=900)
    for _ in range(4):
        last = await beat(throughput_kbps=9000, buffer_ms=20_000, stalls=1)
    assert told == [(1080, "throughput"), (480, "stalled"), (1080, "recovered")]
    assert last["target_height"] == 1080

    for number in range(30):
        await beat(throughput_kbps=(1000, 9000)[number // 3 % 2], buffer_ms=2000, stalls=1)

    changes = changed_at[1:]  # what it begins with is none
    assert all(later - at >= 60 for at, later in zip(changes, changes[2:], strict=False))
    kept = json.loads(await rows.fetchval("select beat from stream_sessions"))
    assert kept["quality"]["stalls"] == 1


async def test_heartbeats_keep_a_place_and_silence_gives_it_away(
    start: Start, settings: Settings, redis: Redis, admin: Api, media: str
) -> None:
    spans = {
        "flush": timedelta(seconds=1),
        "switch_grace": timedelta(seconds=2),
        "idle": timedelta(seconds=30),
    }
    sessions = settings.sessions.model_copy(update=spans)
    api = await start(settings.model_copy(update={"sessions": sessions}))
    api.token = admin.token
    silent, *lively = [await begin(api, media) for _ in range(3)]
    fourth: list[str] = []

    async def has_room() -> bool:
        for stream in lively:
            kept = await api("PATCH", f"{STREAMS}/{stream['id']}", {})
            assert kept.status == 200
        reply = await api("POST", STREAMS, {"media_id": media})
        if reply.status == 201:
            fourth.append(reply.body["id"])
        return reply.status == 201

    await until(has_room)

    playing = (await api("GET", f"{MINE}?playing=true")).body["data"]
    assert {one["id"] for one in playing} == {fourth[0], *(one["id"] for one in lively)}
    late = await api("PATCH", f"{STREAMS}/{silent['id']}", {})
    assert (late.status, late.body["code"]) == (409, "too-many-streams")


async def test_a_heartbeat_says_what_is_wrong_with_it(redis: Redis, admin: Api, media: str) -> None:
    stream = await begin(admin, media)
    for body, field in (
        ({"stalls": -1}, "stalls"),
        ({"buffer_ms": 10**12}, "buffer_ms"),
        ({"throughput_kbps": "fast"}, "throughput_kbps"),
        ({"played_height": 0}, "played_height"),
    ):
        reply = await admin("PATCH", f"{STREAMS}/{stream['id']}", body)
        assert reply.status == 422
        assert field in reply.body["errors"]
    assert (await admin("PATCH", f"{STREAMS}/{stream['id']}", {"new": 1})).status == 200


async def test_a_stream_whose_tokens_have_all_ended_cannot_be_kept(
    redis: Redis, admin: Api, media: str, clock: Clock
) -> None:
    stream = await begin(admin, media)
    clock.forward(hours=13)

    reply = await admin("PATCH", f"{STREAMS}/{stream['id']}", {})

    assert (reply.status, reply.body["code"]) == (409, "stream-ended")


async def test_my_streams_are_those_that_play_and_those_that_played(
    redis: Redis, admin: Api, media: str, clock: Clock
) -> None:
    anna = await admin.new_user("anna")
    streams = []
    for _ in range(3):
        clock.forward(minutes=1)
        streams.append(await begin(admin, media, anna))
    first, second, third = streams
    told = stop(part(start_of(first), 12, at=clock().timestamp()))
    await store_events(entries("boot", told), units=admin.app[keys.UNITS], now=clock())
    await admin("DELETE", f"{STREAMS}/{first['id']}", token=anna)
    await admin("DELETE", f"{STREAMS}/{second['id']}", token=anna)

    body = (await admin("GET", f"{MINE}?limit=2", token=anna)).body
    rest = (await admin("GET", body["meta"]["pagination"]["links"]["next"], token=anna)).body
    playing = (await admin("GET", f"{MINE}?playing=true", token=anna)).body

    assert [one["id"] for one in body["data"]] == [third["id"], second["id"]]
    assert [one["is_playing"] for one in body["data"]] == [True, False]
    assert [one["reason"] for one in body["data"]] == [None, "stop"]
    (oldest,) = rest["data"]
    assert oldest["id"] == first["id"]
    assert (oldest["bytes"], oldest["requests"], oldest["seconds"]) == (12_000, 12, 12)
    assert (oldest["stalls"], oldest["stall_seconds"], oldest["startup_seconds"]) == (4, 1.2, 0.4)
    assert (oldest["reason"], oldest["device"], oldest["country"]) == ("timeout", "tv", "LV")
    assert [one["id"] for one in playing["data"]] == [third["id"]]
    assert playing["meta"]["pagination"]["total"] == 1


async def test_what_an_edge_has_not_told_of_yet_plays_too(
    redis: Redis, settings: Settings, admin: Api, media: str, clock: Clock
) -> None:
    profile = (await admin("GET", "/api/v1/accounts/users/me/profile")).body
    started = int(clock().timestamp())
    one = SessionStart(
        id="elsewhere",
        grant="elsewhere",
        subject=f"user:{profile['id']}",
        content=f"/vod/{media}/",
        started_at=started,
        ends_at=started + 3600,
        device="phone",
    )
    store = SessionStore(redis, settings.sessions, edge="edge-1", clock=lambda: float(started))
    await store.admit(one, Record.of(one, Counted(), Quality(), seen_at=started))

    (found,) = (await admin("GET", f"{MINE}?playing=true")).body["data"]

    assert (found["id"], found["device"], found["is_playing"]) == ("elsewhere", "phone", True)
    assert UUID(found["media_id"]) == UUID(media)


async def test_a_class_of_devices_has_its_own_limit(
    start: Start, settings: Settings, redis: Redis, admin: Api, media: str
) -> None:
    sessions = settings.sessions.model_copy(update={"device_limits": DeviceLimits(tv=1)})
    api = await start(settings.model_copy(update={"sessions": sessions}))
    api.token = admin.token
    await begin(api, media, device="tv")

    by_agent = await api("POST", STREAMS, {"media_id": media}, headers=TV)
    wrong = await api("POST", STREAMS, {"media_id": media, "device": "toaster"})

    assert (by_agent.status, by_agent.body["playing"][0]["device"]) == (409, "tv")
    assert wrong.status == 422
    await begin(api, media, device="phone")


async def test_the_oldest_gives_its_place_if_that_is_the_policy(
    start: Start, settings: Settings, redis: Redis, admin: Api, media: str, clock: Clock
) -> None:
    sessions = settings.sessions.model_copy(update={"policy": "evict-oldest"})
    api = await start(settings.model_copy(update={"sessions": sessions}))
    api.token = admin.token
    streams = []
    for _ in range(4):
        clock.forward(seconds=1)
        streams.append(await begin(api, media))
    for stream in streams:  # the one that had to go must not drive another out
        await api("PATCH", f"{STREAMS}/{stream['id']}", {})

    playing = (await api("GET", f"{MINE}?playing=true")).body["data"]

    assert {one["id"] for one in playing} == {one["id"] for one in streams[1:]}
    assert [(order.kind, order.session) for order in await orders_of(redis)] == [
        ("evict", streams[0]["id"])
    ]


@pytest.mark.parametrize(("policy", "status"), [("allow", 201), ("deny", 503)])
async def test_while_redis_is_away_streams_begin_if_that_is_the_policy(
    start: Start, settings: Settings, redis: Redis, admin: Api, media: str, policy: str, status: int
) -> None:
    away = RedisSettings(url=SecretStr("redis://127.0.0.1:1"))
    sessions = settings.sessions.model_copy(update={"without_redis": policy})
    api = await start(settings.model_copy(update={"sessions": sessions, "redis": away}))
    api.token = admin.token

    begun = await api("POST", STREAMS, {"media_id": media})

    assert begun.status == status
    assert (await api("GET", f"{MINE}?playing=true")).status == 200
    if status == 503:
        assert begun.body["code"] == "streams-unavailable"
        return
    path = f"{STREAMS}/{begun.body['id']}"
    assert (await api("PATCH", path, {"throughput_kbps": 5000})).status == 200
    stopped = await api("DELETE", path)
    assert (stopped.status, stopped.body["code"]) == (503, "streams-unavailable")
    listed = (await api("GET", MINE)).body["data"]
    assert [one["is_playing"] for one in listed] == [True]


async def test_without_a_redis_at_all_streams_begin_and_end(
    start: Start, settings: Settings, redis: Redis, admin: Api, media: str
) -> None:
    api = await start(settings.model_copy(update={"redis": RedisSettings()}))
    api.token = admin.token
    stream = await begin(api, media)

    assert (await api("GET", f"{MINE}?playing=true")).body["data"][0]["id"] == stream["id"]
    assert (await api("DELETE", f"{STREAMS}/{stream['id']}")).status == 204
    assert (await api("GET", f"{MINE}?playing=true")).body["data"] == []


async def test_a_redis_that_comes_back_empty_refuses_nobody_by_mistake(
    settings: Settings, redis: Redis, admin: Api, media: str
) -> None:
    for _ in range(3):
        await begin(admin, media)
    await redis.flushall()

    await begin(admin, media)  # nobody can say how many play: the policy is to allow it


async def test_operators_see_how_well_streams_play(
    redis: Redis, admin: Api, media: str, clock: Clock
) -> None:
    one, two = [start_of(await begin(admin, media)) for _ in range(2)]
    events = [
        part(one, 30, at=clock().timestamp()),
        replace(part(two, 10, at=clock().timestamp()), edge="edge-2"),
        replace(part(one, 20, at=clock().timestamp()), edge="edge-2", part="again"),
        part(replace(one, id="old", started_at=one.started_at - 90_000), 1),
    ]
    await store_events(entries("boot", *events), units=admin.app[keys.UNITS], now=clock())

    by_edge = (await admin("GET", f"{STREAMS}/quality?hours=1")).body
    by_media = (await admin("GET", f"{STREAMS}/quality?by=media&media_id={media}")).body
    by_device = (await admin("GET", f"{STREAMS}/quality?by=device&limit=1&hours=48")).body

    assert [(item["value"], item["streams"]) for item in by_edge] == [("edge-2", 2), ("edge-1", 1)]
    assert by_edge[0]["renditions"] == {"v480": 30}
    (item,) = by_media
    assert (item["streams"], item["viewers"], item["bytes"]) == (2, 1, 60_000)
    assert (item["seconds"], item["stalls"], item["stall_seconds"]) == (60, 19, 6.0)
    assert (item["stall_ratio"], item["startup_seconds"]) == (0.1, 0.4)
    assert [(item["value"], item["streams"]) for item in by_device] == [("tv", 3)]
    anna = await admin.new_user("anna")
    assert (await admin("GET", f"{STREAMS}/quality", token=anna)).status == 403
    assert (await admin("GET", f"{STREAMS}/quality?by=subject")).status == 422


async def test_viewers_can_have_it_forgotten_what_they_watched(
    redis: Redis, admin: Api, media: str, rows: Rows, clock: Clock
) -> None:
    anna, boris = await admin.new_user("anna"), await admin.new_user("boris")
    streams = [await begin(admin, media, token) for token in (anna, anna, boris)]
    events = entries("boot", *(part(start_of(stream), 3) for stream in streams))
    await store_events(events, units=admin.app[keys.UNITS], now=clock())

    forgotten = await admin("DELETE", MINE, token=anna)

    assert (forgotten.status, forgotten.body) == (200, {"streams": 2})
    assert (await admin("GET", f"{MINE}", token=anna)).body["data"] == []
    assert (await admin("GET", f"{MINE}?playing=true", token=anna)).body["data"] == []
    assert len((await admin("GET", MINE, token=boris)).body["data"]) == 1
    assert [order.kind for order in await orders_of(redis)] == ["forget"]
    await store_events(
        entries("boot", part(start_of(streams[0]), 4), first=4),
        units=admin.app[keys.UNITS],
        now=clock(),
    )
    assert await rows.fetchval("select count(*) from stream_sessions") == 1


async def test_administrators_can_have_any_subject_forgotten(
    redis: Redis, admin: Api, clock: Clock, rows: Rows
) -> None:
    started = int(clock().timestamp()) - 10
    foreign = SessionStart(
        id="x",
        grant="x",
        subject="partner/viewer 7",
        content="/cdn/film/",
        started_at=started,
        ends_at=started + 60,
    )
    await store_events(entries("boot", part(foreign, 1)), units=admin.app[keys.UNITS], now=clock())
    anna = await admin.new_user("anna")
    path = f"{STREAMS}?subject=partner/viewer%207"

    assert (await admin("DELETE", path, token=anna)).status == 403
    assert (await admin("DELETE", STREAMS)).status == 422
    assert (await admin("DELETE", path)).body == {"streams": 1}
    assert await rows.fetchval("select count(*) from stream_sessions") == 0


async def test_an_account_that_is_deleted_takes_its_streams_with_it(
    redis: Redis, admin: Api, media: str, rows: Rows
) -> None:
    anna = await admin.new_user("anna")
    await begin(admin, media, anna)

    await rows.execute("delete from users where login = 'anna'")

    assert await rows.fetchval("select count(*) from stream_sessions") == 0


async def test_what_was_watched_is_removed_after_its_time(
    redis: Redis, admin: Api, media: str, clock: Clock, settings: Settings, rows: Rows
) -> None:
    await begin(admin, media)
    await sweep(admin.app)
    assert await rows.fetchval("select count(*) from stream_sessions") == 1

    clock.now += settings.sessions.retention + timedelta(seconds=1)
    await sweep(admin.app)

    assert await rows.fetchval("select count(*) from stream_sessions") == 0
