from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from yarl import URL

from catalog import keys
from catalog.app import sweep
from config.contracts.jobs import TRANSCODE_QUEUE, TRANSCODE_TASK
from config.contracts.paths import source_key
from config.runtime.storage.base import ObjectInfo, StorageError, StorageFull
from config.runtime.storage.folder import FolderStorage
from config.settings.load import Settings
from config.settings.shared import HttpLimits
from tests.catalog.harness import Api, Clock, Start, log_admin_in, sha1, until

DATA = bytes(range(256)) * 40
JOBS = "select count(*) from procrastinate_jobs"


def with_catalog(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update={"catalog": settings.catalog.model_copy(update=changes)})


class Failing(FolderStorage):
    """A folder that fails after (or instead of) taking a file, as often as told."""

    def __init__(self, root: Path, error: Exception, *, after: bool) -> None:
        super().__init__(root)
        self.error: Exception | None = error
        self._after = after

    async def upload(self, key: str, source: Path, *, move: bool = False) -> ObjectInfo:
        error, self.error = self.error, None
        if error is not None and not self._after:
            raise error
        info = await super().upload(key, source, move=move)
        if error is not None:
            raise error
        return info


async def test_an_upload_in_two_pieces_becomes_a_queued_job(
    admin: Api, settings: Settings, rows: asyncpg.Connection[Any]
) -> None:
    release = await admin.new_release()
    episode = await admin.new_episode(release["id"])
    location = await admin.new_upload(
        len(DATA), filename="C:\\films\\a\u0007b.mkv", episode_id=episode["id"]
    )
    assert (await admin.head(location)).headers["Upload-Offset"] == "0"

    first = await admin.patch(location, 0, DATA[:1000], checksum=sha1(DATA[:1000]))
    between = await admin("GET", location.replace("/uploads", ""))
    last = await admin.patch(location, 1000, DATA[1000:])

    assert (first.status, first.headers["Upload-Offset"]) == (204, "1000")
    assert first.headers["Upload-Expires"].endswith(" GMT")
    assert (between.body["state"], between.body["job"]) == ("uploading", None)
    assert (last.status, last.headers["Upload-Offset"]) == (204, str(len(DATA)))
    media_id = UUID(location.rpartition("/")[2])
    media = (await admin("GET", f"/api/v1/media/{media_id}")).body
    assert media["state"] == "processing"
    assert (media["filename"], media["episode_id"]) == ("ab.mkv", episode["id"])
    assert media["job"] == {
        "state": "queued",
        "stage": None,
        "progress": 0.0,
        "attempt": 0,
        "error": None,
    }
    assert (settings.storage_folder / source_key(media_id)).read_bytes() == DATA
    job = await rows.fetchrow("select * from procrastinate_jobs")
    assert job is not None
    assert (job["queue_name"], job["task_name"]) == (TRANSCODE_QUEUE, TRANSCODE_TASK)
    assert json.loads(job["args"]) == {
        "media_id": str(media_id),
        "source_key": source_key(media_id),
    }
    ours = await rows.fetchrow("select * from transcode_jobs")
    assert ours is not None
    assert (ours["media_id"], ours["job_id"], ours["state"]) == (media_id, job["id"], "queued")
    head = await admin.head(location)
    assert (head.headers["Upload-Offset"], head.headers["Upload-Length"]) == (str(len(DATA)),) * 2
    assert head.headers["Cache-Control"] == "no-store"


async def test_an_upload_goes_on_where_its_connection_was_cut(admin: Api) -> None:
    data = os.urandom(3 * 2**20)
    location = await admin.new_upload(len(data))
    url: URL = admin.client.make_url(location)
    _, writer = await asyncio.open_connection(url.host, url.port)
    head = [
        f"PATCH {location} HTTP/1.1",
        "Host: catalog",
        f"Authorization: Bearer {admin.token}",
        "Tus-Resumable: 1.0.0",
        "Content-Type: application/offset+octet-stream",
        "Upload-Offset: 0",
        f"Content-Length: {len(data)}",
    ]
    writer.write("\r\n".join([*head, "", ""]).encode() + data[: 2 * 2**20])

    async def offset() -> int:
        return int((await admin.head(location)).headers["Upload-Offset"])

    async def something_arrived() -> bool:
        return await offset() > 0

    async def the_rest_is_taken() -> bool:  # the cut request may still be closing the file
        at = await offset()
        return (await admin.patch(location, at, data[at:])).status == 204

    await until(something_arrived)
    writer.transport.abort()
    await until(the_rest_is_taken)

    media_id = UUID(location.rpartition("/")[2])
    stored = admin.app[keys.UPLOADING].storage.read(source_key(media_id))
    assert b"".join([chunk async for chunk in stored]) == data


async def test_an_upload_survives_a_restart(start: Start, settings: Settings) -> None:
    before = await start()
    await log_admin_in(before)
    location = await before.new_upload(len(DATA))
    await before.patch(location, 0, DATA[:3000])
    await before.client.close()

    after = await start()
    after.token = before.token

    assert (await after.head(location)).headers["Upload-Offset"] == "3000"
    assert (await after.patch(location, 3000, DATA[3000:])).status == 204


async def test_a_wrong_offset_is_told_the_right_one(admin: Api) -> None:
    location = await admin.new_upload(len(DATA))
    await admin.patch(location, 0, DATA[:10])

    for offset in (0, 11):
        reply = await admin.patch(location, offset, b"x")
        assert (reply.status, reply.headers["Upload-Offset"]) == (409, "10")
    assert (await admin.head(location)).headers["Upload-Offset"] == "10"


async def test_bytes_with_a_wrong_checksum_are_dropped(admin: Api) -> None:
    location = await admin.new_upload(len(DATA))
    await admin.patch(location, 0, DATA[:10])

    wrong = await admin.patch(location, 10, DATA[10:20], checksum=sha1(b"other"))
    unknown = await admin.patch(location, 10, DATA[10:20], checksum="crc32 AAAA")
    garbled = await admin.patch(location, 10, DATA[10:20], checksum="sha1 !")

    assert (wrong.status, wrong.body["code"]) == (460, "checksum-mismatch")
    assert (unknown.status, garbled.status) == (400, 400)
    assert (await admin.head(location)).headers["Upload-Offset"] == "10"


async def test_a_body_beyond_the_end_is_refused(admin: Api) -> None:
    location = await admin.new_upload(10)

    async def chunked() -> AsyncIterator[bytes]:
        yield b"x" * 6
        yield b"x" * 6

    assert (await admin.patch(location, 0, b"x" * 11)).status == 413
    assert (await admin.patch(location, 0, chunked())).status == 413
    assert (await admin.head(location)).headers["Upload-Offset"] == "0"


async def test_only_one_request_at_a_time_writes_an_upload(admin: Api) -> None:
    location = await admin.new_upload(2**20 + 1)
    go_on = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield bytes(2**20)
        await go_on.wait()
        yield b"!"

    async def is_writing() -> bool:
        return int((await admin.head(location)).headers["Upload-Offset"]) == 2**20

    first = asyncio.create_task(admin.patch(location, 0, slow()))
    await until(is_writing)

    assert (await admin.patch(location, 2**20, b"?")).status == 423
    assert (await admin("DELETE", location, headers={"Tus-Resumable": "1.0.0"})).status == 423
    go_on.set()
    assert (await first).status == 204
    assert (await admin("GET", location.replace("/uploads", ""))).body["state"] == "processing"


async def test_a_client_that_falls_silent_loses_the_request_but_not_the_bytes(
    start: Start, settings: Settings
) -> None:
    limits = HttpLimits(header_timeout=timedelta(seconds=0.2))
    api = await start(with_catalog(settings, http=limits))
    await log_admin_in(api)
    location = await api.new_upload(len(DATA))
    over = asyncio.Event()

    async def silent() -> AsyncIterator[bytes]:
        yield DATA[:100]
        await over.wait()

    reply = await api.patch(location, 0, silent())
    over.set()

    assert reply.status == 408
    assert (await api.head(location)).headers["Upload-Offset"] == "100"


@contextlib.contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """What a full disk does: the kernel writes the part that fits, and then refuses."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


async def test_what_fits_on_a_full_disk_is_kept(admin: Api) -> None:
    location = await admin.new_upload(len(DATA))

    with files_of_at_most(4000):
        full = await admin.patch(location, 0, DATA)

    assert (full.status, full.body["code"]) == (507, "no-room")
    assert (await admin.head(location)).headers["Upload-Offset"] == "4000"
    assert (await admin.patch(location, 4000, DATA[4000:])).status == 204


@pytest.mark.parametrize("after", [True, False], ids=["after it took the file", "before"])
async def test_a_crash_while_storing_is_mended_by_the_next_request(
    start: Start, settings: Settings, rows: asyncpg.Connection[Any], after: bool
) -> None:
    storage = Failing(settings.storage_folder, StorageError("away"), after=after)
    api = await start(storage=storage)
    await log_admin_in(api)
    location = await api.new_upload(len(DATA))

    failed = await api.patch(location, 0, DATA)
    assert (failed.status, failed.headers["Retry-After"]) == (503, "2")
    assert await rows.fetchval(JOBS) == 0

    again = await api.patch(location, len(DATA), b"")
    twice = await asyncio.gather(*(api.head(location) for _ in range(3)))

    assert (again.status, again.headers["Upload-Offset"]) == (204, str(len(DATA)))
    assert {reply.headers["Upload-Offset"] for reply in twice} == {str(len(DATA))}
    assert await rows.fetchval(JOBS) == 1
    stored = settings.storage_folder / source_key(UUID(location.rpartition("/")[2]))
    assert stored.read_bytes() == DATA


async def test_heads_at_the_same_time_queue_one_job(
    start: Start, settings: Settings, rows: asyncpg.Connection[Any]
) -> None:
    api = await start(storage=Failing(settings.storage_folder, StorageFull("full"), after=False))
    await log_admin_in(api)
    location = await api.new_upload(len(DATA))
    assert (await api.patch(location, 0, DATA)).status == 507

    await asyncio.gather(*(api.head(location) for _ in range(5)))

    assert await rows.fetchval(JOBS) == 1


async def test_a_start_finishes_what_a_crash_left(
    start: Start, settings: Settings, rows: asyncpg.Connection[Any]
) -> None:
    api = await start(storage=Failing(settings.storage_folder, StorageError("away"), after=True))
    await log_admin_in(api)
    location = await api.new_upload(len(DATA))
    assert (await api.patch(location, 0, DATA)).status == 503
    await api.client.close()

    await start()

    async def queued() -> bool:
        return bool(await rows.fetchval(JOBS) == 1)

    await until(queued)


async def test_a_job_exists_only_if_its_transaction_does(
    admin: Api, rows: asyncpg.Connection[Any]
) -> None:
    media_id = uuid4()
    async with admin.app[keys.UNITS]() as uow:
        await uow.jobs.enqueue(media_id, source_key=source_key(media_id))

    assert await rows.fetchval(JOBS) == 0
    assert await rows.fetchval("select count(*) from transcode_jobs") == 0


async def test_an_unfinished_upload_expires_and_is_swept_away(
    admin: Api, settings: Settings, clock: Clock, rows: asyncpg.Connection[Any]
) -> None:
    location = await admin.new_upload(len(DATA))
    done = await admin.upload(DATA)
    await admin.patch(location, 0, DATA[:10])
    stray = settings.upload_folder / str(uuid4())
    stray.write_bytes(b"no row")
    os.utime(stray, (0, 0))

    clock.forward(days=7)

    assert (await admin.head(location)).status == 410
    assert (await admin.patch(location, 10, DATA[10:])).status == 410
    await sweep(admin.app)
    assert (await admin.head(location)).status == 404
    assert list(settings.upload_folder.iterdir()) == []
    assert await rows.fetch("select id from video_sources") == [(done,)]


async def test_an_upload_can_be_given_up_until_it_is_finished(
    admin: Api, settings: Settings
) -> None:
    tus = {"Tus-Resumable": "1.0.0"}
    location = await admin.new_upload(len(DATA))
    await admin.patch(location, 0, DATA[:10])

    assert (await admin("DELETE", location, headers=tus)).status == 204
    assert (await admin("DELETE", location, headers=tus)).status == 404
    assert (await admin("GET", location.replace("/uploads", ""))).status == 404
    assert list(settings.upload_folder.iterdir()) == []

    done = await admin.upload(DATA)
    reply = await admin("DELETE", f"/api/v1/media/uploads/{done}", headers=tus)
    assert (reply.status, reply.body["code"]) == (409, "upload-finished")


async def test_bad_upload_requests(start: Start, settings: Settings) -> None:
    api = await start(with_catalog(settings, upload_max_bytes=1000))
    await log_admin_in(api)
    tus = {"Tus-Resumable": "1.0.0", "Upload-Length": "10"}
    unknown = "episode_id=01890000-0000-7000-8000-000000000000"
    cases: list[tuple[dict[str, str], str, int]] = [
        ({}, "", 412),
        ({"Tus-Resumable": "0.2.2", "Upload-Length": "10"}, "", 412),
        ({"Tus-Resumable": "1.0.0"}, "", 400),
        (tus | {"Upload-Length": "-1"}, "", 400),
        (tus | {"Upload-Length": "1e3"}, "", 400),
        (tus | {"Upload-Length": "9" * 30}, "", 400),
        (tus | {"Upload-Length": "0"}, "", 400),
        (tus | {"Upload-Length": "1001"}, "", 413),
        (tus | {"Upload-Metadata": "filename ?"}, "", 400),
        (tus | {"Upload-Metadata": "filename YQ==,filename YQ=="}, "", 400),
        (tus | {"Upload-Metadata": "a " + "YWJj" * 2000}, "", 400),
        (tus | {"Upload-Metadata": "episode_id YQ=="}, "", 422),
        (tus, "?episode_id=1", 422),
        (tus, f"?{unknown}", 404),
        (tus, "", 201),
    ]
    for headers, query, status in cases:
        reply = await api("POST", f"/api/v1/media/uploads{query}", headers=headers)
        assert reply.status == status, (headers, query)
        assert reply.headers["Tus-Resumable"] == "1.0.0"
    assert len(list(settings.upload_folder.iterdir())) == 1

    location = reply.headers["Location"]
    plain = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "video/mp4"}
    assert (await api("PATCH", location, data=b"x", headers=plain)).status == 415
    tied = plain | {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "x"}
    assert (await api("PATCH", location, data=b"x", headers=tied)).status == 400


async def test_the_server_describes_its_tus(api: Api) -> None:
    reply = await api("OPTIONS", "/api/v1/media/uploads")

    assert reply.status == 204
    assert reply.headers["Tus-Version"] == "1.0.0"
    assert reply.headers["Tus-Extension"] == "creation,termination,checksum,expiration"
    assert int(reply.headers["Tus-Max-Size"]) == 64 * 2**30
    assert "sha1" in reply.headers["Tus-Checksum-Algorithm"].split(",")
    assert "Tus-Resumable" not in reply.headers


async def test_clients_that_can_only_post_can_upload(admin: Api) -> None:
    location = await admin.new_upload(4)
    headers = {
        "Tus-Resumable": "1.0.0",
        "X-HTTP-Method-Override": "PATCH",
        "Upload-Offset": "0",
        "Content-Type": "application/offset+octet-stream",
    }

    assert (await admin("POST", location, data=b"ab", headers=headers)).status == 204
    other = headers | {"X-HTTP-Method-Override": "GET"}
    assert (await admin("POST", location, headers=other)).status == 400
    gone = headers | {"X-HTTP-Method-Override": "delete"}
    assert (await admin("POST", location, headers=gone)).status == 204
