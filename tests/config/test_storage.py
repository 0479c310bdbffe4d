from __future__ import annotations

import asyncio
import errno
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from pydantic import SecretStr
from types_aiobotocore_s3 import S3Client

from config.runtime.storage.base import (
    CHUNK_BYTES,
    ObjectChanged,
    ObjectNotFound,
    Storage,
    StorageError,
    StorageFull,
)
from config.runtime.storage.folder import FolderStorage
from config.runtime.storage.open import open_storage
from config.runtime.storage.s3 import S3Storage, open_s3_client
from config.settings.load import Settings
from config.settings.shared import S3Settings, StorageSettings
from tests.config.s3 import S3Server, no_fault, running_s3, s3_server
from tests.lacking import lacking

# One loop for all, so that one server does for all.
pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY = bytes(range(256)) * 2000  # 512 000 bytes: two chunks
PART_BYTES = 5 * 2**20


@dataclass(frozen=True)
class Bucket:
    """A storage in an empty bucket of its own, and the server behind it."""

    name: str
    storage: S3Storage
    server: S3Server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[S3Server]:
    async with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(server: S3Server) -> AsyncIterator[S3Client]:
    async with open_s3_client(server.settings) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def bucket(server: S3Server, client: S3Client) -> Bucket:
    name = f"test-{uuid.uuid4().hex}"
    server.fails, server.error_code = no_fault, "InjectedFault"
    server.seen.clear()
    await client.create_bucket(Bucket=name)
    return Bucket(name, S3Storage(client, bucket=name, part_bytes=PART_BYTES), server)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "storage"
    folder.mkdir()
    return folder


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest) -> Storage:
    """Each form of storage in turn: one contract for both."""
    if request.param == "folder":
        return FolderStorage(request.getfixturevalue("root"))
    bucket: Bucket = request.getfixturevalue("bucket")
    return bucket.storage


async def read(
    storage: Storage, key: str, *, start: int = 0, stop: int | None = None, etag: str | None = None
) -> bytes:
    chunks = storage.read(key, start=start, stop=stop, etag=etag)
    return b"".join([chunk async for chunk in chunks])


async def keys(storage: Storage, prefix: str) -> list[str]:
    return sorted([key async for key in storage.keys(prefix)])


def left_behind(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


async def test_what_was_written_can_be_described_and_read(storage: Storage) -> None:
    info = await storage.write("media/a/seg-1.m4s", BODY)

    assert (info.key, info.size_bytes) == ("media/a/seg-1.m4s", len(BODY))
    assert info.etag.startswith('"')
    assert info.etag.endswith('"')
    assert await storage.stat("media/a/seg-1.m4s") == info
    assert await read(storage, "media/a/seg-1.m4s") == BODY


async def test_an_object_may_be_empty(storage: Storage) -> None:
    assert (await storage.write("empty", b"")).size_bytes == 0
    assert await read(storage, "empty") == b""


async def test_a_read_comes_in_pieces_of_bounded_size(storage: Storage) -> None:
    await storage.write("a", BODY)

    pieces = [len(chunk) async for chunk in storage.read("a")]

    assert sum(pieces) == len(BODY)
    assert 0 < min(pieces) <= max(pieces) <= CHUNK_BYTES


@pytest.mark.parametrize(
    ("start", "stop"),
    [
        pytest.param(0, 1, id="first byte"),
        pytest.param(100, 300, id="middle"),
        pytest.param(300_000, None, id="to the end"),
        pytest.param(len(BODY) - 1, len(BODY), id="last byte"),
        pytest.param(len(BODY) - 1, len(BODY) + 100, id="end past the object is clamped"),
        pytest.param(7, 7, id="nothing"),
        pytest.param(len(BODY), None, id="past the end is nothing"),
        pytest.param(len(BODY) + 7, len(BODY) + 9, id="far past the end is nothing"),
    ],
)
async def test_a_part_of_an_object_is_read(start: int, stop: int | None, storage: Storage) -> None:
    info = await storage.write("a", BODY)

    assert await read(storage, "a", start=start, stop=stop) == BODY[start:stop]
    assert await read(storage, "a", start=start, stop=stop, etag=info.etag) == BODY[start:stop]


async def test_a_reader_may_leave_in_the_middle(storage: Storage) -> None:
    await storage.write("a", BODY)

    async with aclosing(storage.read("a")) as chunks:  # type: ignore[type-var]
        async for chunk in chunks:
            assert BODY.startswith(chunk)
            break

    assert await read(storage, "a") == BODY


@pytest.mark.parametrize(
    ("start", "stop"),
    [
        (0, None),
        (5, 9),
        pytest.param(3, 3, id="nothing"),
        pytest.param(99, None, id="past the end"),
    ],
)
async def test_a_read_of_a_replaced_object_says_so(
    start: int, stop: int | None, storage: Storage
) -> None:
    before = await storage.write("a", b"the first version")
    after = await storage.write("a", b"the second version, which is longer")

    assert before.etag != after.etag
    with pytest.raises(ObjectChanged):
        await read(storage, "a", start=start, stop=stop, etag=before.etag)
    assert await read(storage, "a", etag=after.etag) == b"the second version, which is longer"


async def test_what_is_not_there_is_not_found(storage: Storage, tmp_path: Path) -> None:
    await storage.write("media/a/b", b"x")

    for key in ("nothing", "media", "media/a", "media/a/b/c"):
        with pytest.raises(ObjectNotFound):
            await storage.stat(key)
        with pytest.raises(ObjectNotFound):
            await read(storage, key)
        with pytest.raises(ObjectNotFound):
            await read(storage, key, start=3, stop=3)
        with pytest.raises(ObjectNotFound):
            await storage.download(key, tmp_path / "copy")
        assert not (tmp_path / "copy").exists()


async def test_a_name_that_no_file_can_have_is_not_found(storage: Storage) -> None:
    with pytest.raises(ObjectNotFound):
        await storage.stat("a/" + "b" * 300)


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("", id="empty"),
        pytest.param("../outside", id="parent"),
        pytest.param("a/../../outside", id="parent inside"),
        pytest.param("/outside", id="absolute"),
        pytest.param("a//b", id="empty segment"),
        pytest.param("a/", id="trailing slash"),
        pytest.param("a\0b", id="NUL"),
        pytest.param("a\nb", id="line feed"),
        pytest.param(".hidden", id="leading dot"),
        pytest.param("a" * 2000, id="too long"),
    ],
)
async def test_a_key_that_is_no_plain_path_names_nothing(
    key: str, storage: Storage, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    (tmp_path / "outside").write_bytes(b"private")

    for attempt in (
        lambda: storage.stat(key),
        lambda: read(storage, key),
        lambda: storage.write(key, b"x"),
        lambda: storage.upload(key, source),
        lambda: storage.upload(key, source, move=True),
        lambda: storage.download(key, tmp_path / "copy"),
        lambda: storage.delete(key),
    ):
        with pytest.raises(ObjectNotFound):
            await attempt()
    assert source.read_bytes() == b"x"
    assert (tmp_path / "outside").read_bytes() == b"private"
    assert await keys(storage, "") == []


@pytest.mark.parametrize("move", [False, True])
async def test_a_file_is_uploaded(move: bool, storage: Storage, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(BODY)
    await storage.write("media/a", b"to be replaced")

    info = await storage.upload("media/a", source, move=move)

    assert info == await storage.stat("media/a")
    assert await read(storage, "media/a") == BODY
    assert source.exists() is not move


async def test_a_file_from_another_file_system_is_moved_too(storage: Storage) -> None:
    source = Path("/dev/shm") / f"kawa-test-{uuid.uuid4().hex}"
    source.write_bytes(BODY)

    await storage.upload("media/a", source, move=True)

    assert await read(storage, "media/a") == BODY
    assert not source.exists()


async def test_a_file_that_is_not_there_cannot_be_uploaded(
    storage: Storage, tmp_path: Path
) -> None:
    for move in (False, True):
        with pytest.raises(FileNotFoundError):
            await storage.upload("a", tmp_path / "nothing", move=move)
    assert await keys(storage, "") == []


async def test_an_object_is_downloaded(storage: Storage, tmp_path: Path) -> None:
    info = await storage.write("sources/a", BODY)
    (tmp_path / "copy").write_bytes(b"of yesterday, and longer" * len(BODY))

    assert await storage.download("sources/a", tmp_path / "copy") == info
    assert (tmp_path / "copy").read_bytes() == BODY


async def test_a_download_that_cannot_be_written_fails_and_leaves_no_file(
    storage: Storage, tmp_path: Path
) -> None:
    await storage.write("a", BODY * 4)
    target = tmp_path / "copy"
    os.mkfifo(target)  # a reader that leaves early stands for a disk that is full

    def read_a_little() -> None:
        with target.open("rb", buffering=0) as file:
            file.read(10)

    reader = threading.Thread(target=read_a_little)
    reader.start()
    with pytest.raises(BrokenPipeError):
        await storage.download("a", target)
    await asyncio.to_thread(reader.join)

    assert not target.exists()


async def test_deleting_twice_is_fine(storage: Storage) -> None:
    await storage.write("a/b", b"x")
    await storage.write("a/c", b"x")

    await storage.delete("a/b")
    await storage.delete("a/b")
    await storage.delete("a")
    await storage.delete("a/c/d")

    assert await keys(storage, "") == ["a/c"]


async def test_keys_are_listed_by_prefix(storage: Storage) -> None:
    for key in ("media/a/1", "media/a/2", "media/ab/1", "media/b", "sources/a"):
        await storage.write(key, b"x")

    assert await keys(storage, "media/a/") == ["media/a/1", "media/a/2"]
    assert await keys(storage, "media/a") == ["media/a/1", "media/a/2", "media/ab/1"]
    assert await keys(storage, "media/b") == ["media/b"]
    assert await keys(storage, "nothing/") == []
    assert len(await keys(storage, "")) == 5


async def test_a_prefix_never_leads_outside(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"private")
    await storage.write("a", b"x")

    for prefix in ("../", "../o", "/", "//", "a/../../", "./"):
        assert await keys(storage, prefix) == []


async def test_a_large_file_goes_up_and_comes_back_whole(storage: Storage, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(2**20) * 11)

    info = await storage.upload("sources/large", source)
    await storage.download("sources/large", tmp_path / "copy")

    assert info.size_bytes == 11 * 2**20
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()
    assert (
        await read(storage, "sources/large", start=PART_BYTES - 1, stop=PART_BYTES + 1)
        == (source.read_bytes()[PART_BYTES - 1 : PART_BYTES + 1])
    )


async def test_many_write_and_read_at_once(storage: Storage) -> None:
    async def one(number: int) -> None:
        key, body = f"media/{number}", bytes([number]) * 50_000
        await storage.write(key, body)
        assert await read(storage, key) == body

    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(one(number))


# ---- folder


async def test_a_file_in_the_way_of_a_folder_is_an_error_and_not_a_missing_object(
    root: Path, tmp_path: Path
) -> None:
    storage = FolderStorage(root)
    source = tmp_path / "source"
    source.write_bytes(b"x")
    await storage.write("a/b", b"x")

    for key in ("a", "a/b/c"):
        with pytest.raises(StorageError) as error:
            await storage.write(key, b"x")
        assert not isinstance(error.value, ObjectNotFound)
        with pytest.raises(StorageError) as error:
            await storage.upload(key, source, move=True)
        assert not isinstance(error.value, ObjectNotFound)
    assert left_behind(root) == [root / "a" / "b"]
    assert source.exists()


async def test_a_reader_of_a_file_that_is_replaced_gets_one_version_whole(root: Path) -> None:
    storage = FolderStorage(root)
    size = CHUNK_BYTES * 3
    await storage.write("a", b"0" * size)
    reads = 0
    done = asyncio.Event()

    async def replace() -> None:
        for number in range(1, 30):
            await storage.write("a", str(number % 10).encode() * size)
        done.set()

    async def read_all() -> None:
        nonlocal reads
        while not done.is_set():
            body = await read(storage, "a")
            assert len(body) == size
            assert len(set(body)) == 1
            reads += 1

    async with asyncio.TaskGroup() as group:
        group.create_task(replace())
        for _ in range(3):
            group.create_task(read_all())
    assert reads > 3


async def test_a_file_that_shrinks_under_a_reader_ends_the_read(root: Path) -> None:
    storage = FolderStorage(root)
    await storage.write("a", b"0" * CHUNK_BYTES * 3)

    async with aclosing(storage.read("a")) as chunks:  # type: ignore[type-var]
        assert len(await anext(chunks)) == CHUNK_BYTES
        os.truncate(root / "a", CHUNK_BYTES)
        with pytest.raises(ObjectChanged):
            await anext(chunks)


async def test_a_cancelled_upload_leaves_nothing(root: Path, tmp_path: Path) -> None:
    storage = FolderStorage(root)
    pipe = tmp_path / "pipe"  # a source that gives no more than it is told to
    os.mkfifo(pipe)

    upload = asyncio.create_task(storage.upload("media/a", pipe))
    descriptor = await asyncio.to_thread(os.open, pipe, os.O_WRONLY)
    await asyncio.to_thread(os.write, descriptor, b"x" * 2**20)
    upload.cancel()
    await asyncio.sleep(0)
    feeder = threading.Thread(target=feed, args=(descriptor,))
    feeder.start()
    with pytest.raises(asyncio.CancelledError):
        await upload
    await asyncio.to_thread(feeder.join)

    assert left_behind(root) == []


def feed(descriptor: int) -> None:
    """Write until the reader has gone."""
    try:
        while True:
            os.write(descriptor, b"x" * 2**16)
    except BrokenPipeError:
        os.close(descriptor)


async def test_a_disk_that_is_found_full_at_the_end_leaves_nothing(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.write_bytes(BODY)
    storage = FolderStorage(root)

    def full(_descriptor: int) -> None:  # as kernels do that allocate late
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(StorageFull):
        await storage.write("a", BODY)
    with pytest.raises(StorageFull):
        await storage.upload("a", source)
    assert left_behind(root) == []


async def test_a_full_disk_is_named_and_leaves_nothing(root: Path, tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import asyncio, os, pathlib, subprocess, sys
        from config.runtime.storage.base import StorageFull
        from config.runtime.storage.folder import FolderStorage

        root, source = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(root)]
        if subprocess.run(mount, capture_output=True).returncode:
            sys.exit(77)

        async def main():
            storage = FolderStorage(root)
            await storage.write("before", b"x" * 500_000)
            for attempt in (
                lambda: storage.write("a", b"x" * 2_000_000),
                lambda: storage.upload("a", source),
                lambda: storage.upload("a", source, move=True),
            ):
                try:
                    await attempt()
                except StorageFull:
                    print("full")
            await storage.write("after", b"x" * 400_000)
            print(sorted([key async for key in storage.keys("")]), len(list(root.iterdir())))

        asyncio.run(main())
    """)
    source = tmp_path / "source"
    source.write_bytes(b"x" * 2_000_000)
    unshare = shutil.which("unshare")
    if unshare is None:
        lacking("no unshare(1) to mount a small disk with: install util-linux")
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]

    done = await asyncio.to_thread(
        subprocess.run,
        [unshare, *user, "--mount", sys.executable, "-c", script, str(root), str(source)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    if done.returncode == 77 or done.stderr.startswith("unshare:"):
        lacking("nobody may mount a small disk here: run as root with CAP_SYS_ADMIN")
    assert done.stdout == "full\nfull\nfull\n['after', 'before'] 2\n", done.stderr


# ---- S3


async def test_a_file_larger_than_one_part_goes_up_in_parts(bucket: Bucket, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(11 * 2**20))

    await bucket.storage.upload("sources/a", source)

    assert sum("partNumber=" in line for line in bucket.server.seen) == 3
    assert bucket.server.unfinished_uploads() == []


async def test_an_upload_that_fails_in_the_middle_leaves_no_object_and_no_parts(
    bucket: Bucket, tmp_path: Path
) -> None:
    async def second_part(request: web.Request) -> bool:
        return request.query.get("partNumber") == "2"

    source = tmp_path / "source"
    source.write_bytes(bytes(11 * 2**20))
    bucket.server.fails = second_part

    with pytest.raises(StorageError, match="InjectedFault"):
        await bucket.storage.upload("sources/a", source, move=True)

    assert source.exists()
    assert bucket.server.unfinished_uploads() == []
    assert await keys(bucket.storage, "") == []


async def test_a_cancelled_upload_leaves_no_object_and_no_parts(
    bucket: Bucket, tmp_path: Path
) -> None:
    reached, released = asyncio.Event(), asyncio.Event()

    async def hang(request: web.Request) -> bool:
        if request.query.get("partNumber") == "2":
            reached.set()
            await released.wait()
        return False

    source = tmp_path / "source"
    source.write_bytes(bytes(11 * 2**20))
    bucket.server.fails = hang

    upload = asyncio.create_task(bucket.storage.upload("sources/a", source))
    await reached.wait()
    assert len(bucket.server.unfinished_uploads()) == 1
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload

    assert bucket.server.unfinished_uploads() == []
    assert await keys(bucket.storage, "") == []
    bucket.server.fails = no_fault
    released.set()


@pytest.mark.parametrize("code", ["InsufficientStorage", "QuotaExceeded", "XMinioStorageFull"])
async def test_a_server_without_room_is_named(code: str, bucket: Bucket) -> None:
    bucket.server.error_code = code

    async def puts(request: web.Request) -> bool:
        return request.method == "PUT"

    bucket.server.fails = puts

    with pytest.raises(StorageFull):
        await bucket.storage.write("a", b"x")


async def test_objects_carry_their_content_type(client: S3Client, bucket: Bucket) -> None:
    await bucket.storage.write("media/a/master.m3u8", b"#EXTM3U\n")

    head = await client.head_object(Bucket=bucket.name, Key="media/a/master.m3u8")
    assert head["ContentType"] == "application/vnd.apple.mpegurl"


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"secret_key": SecretStr("wrong")}, id="secret"),
        pytest.param({"access_key": SecretStr("wrong")}, id="access key"),
    ],
)
async def test_wrong_keys_are_refused_by_the_server(
    changed: dict[str, SecretStr], bucket: Bucket, tmp_path: Path
) -> None:
    settings = bucket.server.settings.model_copy(update=changed)
    await bucket.storage.write("a", b"x")
    source = tmp_path / "source"
    source.write_bytes(bytes(6 * 2**20))

    async with open_s3_client(settings) as client:
        stranger = S3Storage(client, bucket=bucket.name, part_bytes=PART_BYTES)
        for attempt in (
            lambda: stranger.stat("a"),
            lambda: read(stranger, "a"),
            lambda: stranger.write("b", b"x"),
            lambda: stranger.upload("b", source),
            lambda: stranger.delete("a"),
            lambda: keys(stranger, ""),
        ):
            with pytest.raises(StorageError) as refusal:
                await attempt()
            assert type(refusal.value) is StorageError
            assert "wrong" not in str(refusal.value)
    assert await keys(bucket.storage, "") == ["a"]


async def test_a_missing_bucket_is_a_fault_and_no_missing_object(client: S3Client) -> None:
    storage = S3Storage(client, bucket="no-such-bucket", part_bytes=PART_BYTES)

    with pytest.raises(StorageError) as fault:
        await storage.write("a", b"x")
    assert not isinstance(fault.value, ObjectNotFound)


async def test_a_server_that_is_not_there_is_a_storage_error() -> None:
    nobody = S3Settings(
        endpoint="http://127.0.0.1:9", access_key=SecretStr("a"), secret_key=SecretStr("b")
    )
    async with open_s3_client(nobody) as client:
        storage = S3Storage(client, bucket="kawa", part_bytes=PART_BYTES)
        with pytest.raises(StorageError, match="EndpointConnectionError"):
            await storage.stat("a")


# ---- opened by the settings


async def test_the_settings_choose_the_folder(tmp_path: Path) -> None:
    settings = Settings(var_dir=tmp_path)

    async with open_storage(settings) as storage:
        await storage.write("a", b"x")

    assert (tmp_path / "storage" / "a").read_bytes() == b"x"


async def test_the_settings_choose_the_bucket(tmp_path: Path) -> None:
    async with s3_server(tmp_path) as s3:
        settings = Settings(storage=StorageSettings(kind="s3", s3=s3))
        async with open_storage(settings) as storage:
            await storage.write("a", b"x")
            assert await keys(storage, "") == ["a"]
