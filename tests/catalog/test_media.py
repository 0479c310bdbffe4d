from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import jwt
import pytest

from catalog import keys
from catalog.media.domain import quality_of
from catalog.media.use_cases import consume_events
from config.contracts.events import MediaFailed, MediaTranscoded, RenditionReport
from config.contracts.jobs import EVENTS_CHANNEL
from config.contracts.paths import output_prefix, playback_path
from config.contracts.tokens import ISSUER, PlaybackClaims, Renew
from config.runtime.keys import KeySet
from config.settings.load import Settings
from tests.catalog.harness import Api, Clock, until

DATA = b"a video" * 100


def transcoded(media_id: UUID, *, attempt: int = 1, duration: float = 1420.4) -> MediaTranscoded:
    return MediaTranscoded(
        media_id=media_id,
        attempt=attempt,
        prefix=output_prefix(media_id, source_digest="0123456789abcdef", attempt=attempt),
        duration_seconds=duration,
        renditions=(
            video(1920, 1072, "v1080/index.m3u8"),
            video(854, 480, "v480/index.m3u8"),
            RenditionReport(kind="audio", codec="mp4a.40.2", bandwidth=128_000, language="ja"),
        ),
    )


def video(width: int, height: int, playlist: str) -> RenditionReport:
    return RenditionReport(
        kind="video",
        codec="avc1.64001f",
        bandwidth=height * 3000,
        width=width,
        height=height,
        frame_rate=23.976,
        playlist=playlist,
    )


async def report(
    rows: asyncpg.Connection[Any], event: MediaTranscoded | MediaFailed, *, notify: bool = False
) -> None:
    """What a worker commits: the state of its job, the event, and a notification."""
    done = isinstance(event, MediaTranscoded)
    async with rows.transaction():
        await rows.execute(
            "update transcode_jobs set state = $2, attempt = $3, progress = 1, error_code = $4,"
            " error_message = $5 where media_id = $1",
            event.media_id,
            "done" if done else "failed",
            event.attempt,
            None if isinstance(event, MediaTranscoded) else event.code,
            None if isinstance(event, MediaTranscoded) else event.message,
        )
        await write_event(rows, event.NAME, event.to_json())
        if notify:
            await rows.execute(f"notify {EVENTS_CHANNEL}")


async def write_event(rows: asyncpg.Connection[Any], name: str, payload: Any) -> None:
    await rows.execute(
        "insert into worker_events (id, name, payload) values ($1, $2, $3)",
        uuid4(),
        name,
        json.dumps(payload),
    )


WAITING = "select count(*) from worker_events where consumed_at is null"


async def consume_here(api: Api) -> int:
    return await consume_events(api.app[keys.UNITS], now=api.app[keys.CLOCK]())


async def consume(api: Api, rows: asyncpg.Connection[Any]) -> None:
    """Apply every event; the application does the same in the background, so some may be its."""

    async def nothing_waits() -> bool:
        await consume_here(api)
        return bool(await rows.fetchval(WAITING) == 0)

    await until(nothing_waits)


async def new_media(api: Api, rows: asyncpg.Connection[Any], episode: Any = None) -> UUID:
    metadata = {} if episode is None else {"episode_id": episode["id"]}
    return await api.upload(DATA, **metadata)


async def state_of(api: Api, media_id: UUID) -> str:
    state: str = (await api("GET", f"/api/v1/media/{media_id}")).body["state"]
    return state


async def test_a_transcoded_media_makes_its_episode_playable(
    admin: Api, rows: asyncpg.Connection[Any], clock: Clock, settings: Settings
) -> None:
    release = await admin.new_release()
    episode = await admin.new_episode(release["id"])
    media_id = await new_media(admin, rows, episode)
    clock.forward(days=1)

    await report(rows, transcoded(media_id))
    await consume(admin, rows)

    media = (await admin("GET", f"/api/v1/media/{media_id}")).body
    assert (media["state"], media["duration"]) == ("ready", 1420.4)
    assert [item["quality"] for item in media["renditions"]] == [1080, 480, None]
    path = f"/api/v1/anime/releases/episodes/{episode['id']}"
    mine = (await admin("GET", path)).body
    assert mine["duration"] == 1420
    assert mine["release"]["fresh_at"] > release["fresh_at"]
    folder = playback_path(transcoded(media_id).prefix)
    assert mine["hls_480"].startswith("https://edge.example/t/")
    assert mine["hls_480"].endswith(f"{folder}/v480/index.m3u8")
    assert mine["hls_1080"].endswith(f"{folder}/v1080/index.m3u8")
    assert mine["hls_720"] is None
    claims_of(mine["hls_480"], settings)
    admin.token = None
    theirs = (await admin("GET", path)).body
    assert (theirs["hls_480"], theirs["release"]["episodes"][0]["hls_1080"]) == (None, None)


def claims_of(url: str, settings: Settings) -> PlaybackClaims:
    """The claims of a URL's token, its signature checked with the key file."""
    token = url.partition("/t/")[2].partition("/")[0]
    key = KeySet.read(settings.keys_file).keys[jwt.get_unverified_header(token)["kid"]]
    payload = jwt.decode(
        token,
        key.verifying,
        algorithms=[key.algorithm],
        issuer=ISSUER,
        options={"verify_iat": False},  # the tests' clock runs ahead
    )
    return PlaybackClaims.from_json(payload)


async def test_a_stream_is_a_url_that_the_edge_can_verify(
    admin: Api, rows: asyncpg.Connection[Any], clock: Clock, settings: Settings
) -> None:
    episode = await admin.new_episode((await admin.new_release())["id"])
    media_id = await new_media(admin, rows, episode)
    await report(rows, transcoded(media_id))
    await consume(admin, rows)
    anna = await admin.new_user("anna")
    profile = (await admin("GET", "/api/v1/accounts/users/me/profile", token=anna)).body

    for body in ({"episode_id": episode["id"]}, {"media_id": str(media_id)}):
        reply = await admin("POST", "/api/v1/media/streams", body, token=anna)

        assert reply.status == 201
        stream = reply.body
        assert (stream["media_id"], stream["episode_id"]) == (str(media_id), episode["id"])
        claims = claims_of(stream["hls"], settings)
        token = stream["hls"].partition("/t/")[2].partition("/")[0]
        folder = playback_path(transcoded(media_id).prefix)
        assert stream["hls"] == f"https://edge.example/t/{token}{folder}/master.m3u8"
        assert stream["dash"] == f"https://edge.example/t/{token}{folder}/manifest.mpd"
        assert stream["player"] == f"https://edge.example/player/#/t/{token}{folder}"
        assert claims.subject == f"user:{profile['id']}"
        assert claims.session == stream["id"]
        assert claims.path_prefixes == (f"/vod/{media_id}/",)
        now = int(clock().timestamp())
        assert claims.expires_at - now == 600
        assert claims.renew == Renew(seconds=600, until=now + 12 * 3600)
        assert claims.token_id


async def test_what_cannot_be_played(admin: Api, rows: asyncpg.Connection[Any]) -> None:
    episode = await admin.new_episode((await admin.new_release())["id"])
    media_id = str(await new_media(admin, rows, episode))
    nobody = "01890000-0000-7000-8000-000000000000"
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({"episode_id": episode["id"]}, 409, "no-ready-source"),
        ({"media_id": media_id}, 409, "no-ready-source"),
        ({"episode_id": nobody}, 404, "episode-not-found"),
        ({"media_id": nobody}, 404, "media-not-found"),
        ({"media_id": media_id, "episode_id": nobody}, 422, "body"),
        ({"media_id": "x"}, 422, "media_id"),
        ({}, 422, "body"),
    ]
    for body, status, told in cases:
        reply = await admin("POST", "/api/v1/media/streams", body)
        assert reply.status == status, body
        assert told in (reply.body.get("code"), *reply.body.get("errors", ())), body
    admin.token = None
    reply = await admin("POST", "/api/v1/media/streams", {"media_id": media_id})
    assert reply.status == 401


async def test_an_event_is_applied_by_one_of_two_catalogs(
    admin: Api, rows: asyncpg.Connection[Any]
) -> None:
    media_id = await new_media(admin, rows)
    await report(rows, transcoded(media_id))

    assert sum(await asyncio.gather(*(consume_here(admin) for _ in range(4)))) <= 1
    await consume(admin, rows)
    assert await state_of(admin, media_id) == "ready"
    before = await rows.fetchval("select xmin from video_sources")
    assert await consume_here(admin) == 0
    assert await rows.fetchval("select xmin from video_sources") == before


async def test_an_older_attempt_changes_nothing(admin: Api, rows: asyncpg.Connection[Any]) -> None:
    media_id = await new_media(admin, rows)
    await report(rows, transcoded(media_id, attempt=3))
    await report(rows, transcoded(media_id, attempt=2, duration=5))
    await write_event(
        rows,
        MediaFailed.NAME,
        MediaFailed(media_id=media_id, attempt=2, code="lost", message="x").to_json(),
    )
    await consume(admin, rows)

    media = (await admin("GET", f"/api/v1/media/{media_id}")).body

    assert (media["state"], media["duration"]) == ("ready", 1420.4)
    assert await rows.fetchval(WAITING) == 0


async def test_a_failed_media_leaves_the_older_one_in_place(
    admin: Api, rows: asyncpg.Connection[Any]
) -> None:
    episode = await admin.new_episode((await admin.new_release())["id"])
    older = await new_media(admin, rows, episode)
    await report(rows, transcoded(older))
    newer = await new_media(admin, rows, episode)
    await report(
        rows, MediaFailed(media_id=newer, attempt=1, code="no-video", message="no video inside")
    )
    await consume(admin, rows)

    failed = (await admin("GET", f"/api/v1/media/{newer}")).body

    assert failed["state"] == "failed"
    assert failed["job"]["error"] == {"code": "no-video", "message": "no video inside"}
    stream = await admin("POST", "/api/v1/media/streams", {"episode_id": episode["id"]})
    assert (stream.status, stream.body["media_id"]) == (201, str(older))


async def test_the_newest_upload_of_an_episode_is_the_one_that_plays(
    admin: Api, rows: asyncpg.Connection[Any], clock: Clock
) -> None:
    release = await admin.new_release()
    episode = await admin.new_episode(release["id"])
    media = []
    for _ in range(3):
        clock.forward(hours=1)
        media.append(await new_media(admin, rows, episode))
    fresh = set()

    for finished in (0, 2, 1):  # the second one is done last, and must not come back
        clock.forward(hours=1)
        await report(rows, transcoded(media[finished]))
        await consume(admin, rows)
        fresh.add((await admin("GET", f"/api/v1/anime/releases/{release['id']}")).body["fresh_at"])

    assert [await state_of(admin, media_id) for media_id in media] == [
        "retired",
        "retired",
        "ready",
    ]
    stream = await admin("POST", "/api/v1/media/streams", {"episode_id": episode["id"]})
    assert stream.body["media_id"] == str(media[2])
    assert len(fresh) == 1  # a better encode is no new episode


async def test_two_sources_of_one_episode_that_are_ready_at_once_make_one_ready(
    admin: Api, rows: asyncpg.Connection[Any], clock: Clock
) -> None:
    episode = await admin.new_episode((await admin.new_release())["id"])
    media = []
    for _ in range(4):
        clock.forward(hours=1)
        media.append(await new_media(admin, rows, episode))
    async with rows.transaction():
        for media_id in media:
            await write_event(rows, MediaTranscoded.NAME, transcoded(media_id).to_json())

    await asyncio.gather(*(consume_here(admin) for _ in range(4)))
    await consume(admin, rows)

    states = [await state_of(admin, media_id) for media_id in media]
    assert states == ["retired", "retired", "retired", "ready"]


async def test_an_event_that_cannot_be_read_holds_up_nobody(
    admin: Api, rows: asyncpg.Connection[Any]
) -> None:
    media_id = await new_media(admin, rows)
    good = transcoded(media_id).to_json()
    for name, payload in (
        ("Unknown", {}),
        (MediaTranscoded.NAME, []),
        (MediaTranscoded.NAME, {}),
        (MediaTranscoded.NAME, good | {"prefix": "../../etc"}),
        (MediaTranscoded.NAME, good | {"prefix": f"media/{uuid4()}/x-1"}),
        (MediaTranscoded.NAME, good | {"duration_seconds": "long"}),
        (MediaTranscoded.NAME, good | {"duration_seconds": 1e300}),
        (MediaTranscoded.NAME, good | {"attempt": 2**40}),
        (MediaTranscoded.NAME, good | {"renditions": [{"kind": "video"}]}),
        (MediaTranscoded.NAME, good | {"media_id": "x"}),
        (MediaFailed.NAME, {"media_id": str(media_id)}),
        (MediaTranscoded.NAME, transcoded(uuid4()).to_json()),
    ):
        await write_event(rows, name, payload)
    await report(rows, transcoded(media_id))

    await consume(admin, rows)

    assert await state_of(admin, media_id) == "ready"
    assert await rows.fetchval(WAITING) == 0


async def test_the_catalog_hears_of_an_event_by_itself(
    admin: Api, rows: asyncpg.Connection[Any]
) -> None:
    media_id = await new_media(admin, rows)

    await report(rows, transcoded(media_id), notify=True)

    async def ready() -> bool:
        return await state_of(admin, media_id) == "ready"

    async with asyncio.timeout(4):  # sooner than the next look at the table
        await until(ready)


@pytest.mark.parametrize(
    ("status", "expected"), [("todo", ("cancelled", True)), ("doing", ("doing", True))]
)
async def test_a_cancelled_job_stops_and_can_be_tried_again(
    admin: Api, rows: asyncpg.Connection[Any], status: str, expected: tuple[str, bool]
) -> None:
    media_id = await new_media(admin, rows)
    await rows.execute(
        f"update procrastinate_jobs set status = '{status}'"  # noqa: S608
    )
    if status == "doing":
        await rows.execute("update transcode_jobs set state = 'running', attempt = 1")

    cancelled = await admin("POST", f"/api/v1/media/{media_id}/cancel")

    assert cancelled.status == 200
    assert (cancelled.body["state"], cancelled.body["job"]["state"]) == ("cancelled", "cancelled")
    assert await rows.fetchrow("select status, abort_requested from procrastinate_jobs") == expected
    again = await admin("POST", f"/api/v1/media/{media_id}/cancel")
    assert (again.status, again.body["code"]) == (409, "job-finished")

    retried = await asyncio.gather(
        *(admin("POST", f"/api/v1/media/{media_id}/retry") for _ in range(2))
    )

    assert sorted(reply.status for reply in retried) == [200, 409]
    assert await state_of(admin, media_id) == "processing"
    jobs = await rows.fetch("select id, status::text from procrastinate_jobs order by id")
    assert [job["status"] for job in jobs] == [expected[0], "todo"]
    assert await rows.fetchval("select job_id from transcode_jobs") == jobs[1]["id"]
    # What the first job says when it is gone no longer counts.
    late = MediaFailed(media_id=media_id, attempt=1, code="cancelled", message="x")
    await write_event(rows, MediaFailed.NAME, late.to_json())
    await consume(admin, rows)
    assert await state_of(admin, media_id) == "processing"


async def test_only_what_exists_can_be_managed(admin: Api) -> None:
    nobody = "/api/v1/media/01890000-0000-7000-8000-000000000000"
    for method, path in (
        ("GET", nobody),
        ("POST", f"{nobody}/cancel"),
        ("POST", f"{nobody}/retry"),
        ("GET", "/api/v1/media/uploads"),
    ):
        assert (await admin(method, path)).status == 404, path
    location = await admin.new_upload(10)
    unfinished = location.replace("/uploads", "")
    assert (await admin("POST", f"{unfinished}/cancel")).status == 409
    assert (await admin("POST", f"{unfinished}/retry")).status == 409


async def test_many_episodes_share_few_tokens(
    admin: Api, rows: asyncpg.Connection[Any], settings: Settings
) -> None:
    release = await admin.new_release()
    for ordinal in range(1, 19):
        episode = await admin.new_episode(release["id"], ordinal)
        await report(rows, transcoded(await new_media(admin, rows, episode)))
    await consume(admin, rows)

    body = (await admin("GET", f"/api/v1/anime/releases/{release['id']}")).body

    urls = [episode["hls_480"] for episode in body["episodes"]]
    tokens = {url.partition("/t/")[2].partition("/")[0] for url in urls}
    assert len(tokens) == 2
    for url in urls:
        path = "/" + url.partition("/t/")[2].partition("/")[2]
        assert path.startswith(claims_of(url, settings).path_prefixes)


@pytest.mark.parametrize(
    ("width", "height", "quality"),
    [
        (1920, 1080, 1080),
        (1920, 1072, 1080),
        (1920, 800, 720),
        (1080, 1920, 1080),
        (640, 360, 360),
        (320, 180, 360),
        (3840, 2160, 2160),
        (720, 576, 480),
    ],
)
def test_a_picture_size_has_a_name(width: int, height: int, quality: int) -> None:
    assert quality_of(width, height) == quality
