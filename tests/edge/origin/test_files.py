from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict

from config.runtime.storage.folder import FolderStorage
from edge.errors import BadPath, OriginFailed
from edge.origin.files import FileOrigin
from edge.origin.upstream import Question
from tests.edge.origin.scripted import metric

BODY = bytes(range(256)) * 4000


@pytest.fixture
def origin(tmp_path: Path) -> FileOrigin:
    (tmp_path / "media" / "v").mkdir(parents=True)
    (tmp_path / "media" / "v" / "1.m4s").write_bytes(BODY)
    (tmp_path / "media" / "empty.ts").write_bytes(b"")
    name = f"files-{secrets.token_hex(4)}"
    return FileOrigin(name=name, storage=FolderStorage(tmp_path), prefix="media/", public=True)


async def fetch(
    origin: FileOrigin, path: str = "v/1.m4s", *, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    fields = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    async with origin.ask(Question(method=method, path=path, headers=fields)) as reply:
        assert reply.framed
        assert reply.url == origin.base + path
        body = b"".join([chunk async for chunk in reply.chunks()])
        return reply.status, dict(reply.headers), body


async def test_a_file_is_answered_like_a_server_of_files_would(origin: FileOrigin) -> None:
    status, headers, body = await fetch(origin)
    assert (status, body) == (200, BODY)
    assert headers["Content-Length"] == str(len(BODY))
    assert headers["Content-Type"] == "video/iso.segment"
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["ETag"].startswith('"')
    assert headers["Last-Modified"].endswith("GMT")
    assert "Cache-Control" not in headers
    assert metric("edge_bytes_from_origin_total", origin=origin.name) == len(BODY)


async def test_head_says_the_same_without_the_bytes(origin: FileOrigin) -> None:
    _, headers, _ = await fetch(origin)
    assert await fetch(origin, method="HEAD") == (200, headers, b"")
    assert await fetch(origin, method="HEAD", Range="bytes=0-1") == (200, headers, b"")


@pytest.mark.parametrize(
    ("asked", "content_range", "part"),
    [
        ("bytes=0-0", "bytes 0-0/1024000", BODY[:1]),
        ("bytes=1000000-", "bytes 1000000-1023999/1024000", BODY[1000000:]),
        ("bytes=-5", "bytes 1023995-1023999/1024000", BODY[-5:]),
    ],
)
async def test_a_part_is_a_206(
    origin: FileOrigin, asked: str, content_range: str, part: bytes
) -> None:
    status, headers, body = await fetch(origin, Range=asked)
    assert (status, headers["Content-Range"], body) == (206, content_range, part)
    assert headers["Content-Length"] == str(len(part))


async def test_a_part_past_the_end_is_a_416(origin: FileOrigin) -> None:
    status, headers, body = await fetch(origin, Range="bytes=9999999-")
    assert (status, headers["Content-Range"], body) == (416, "bytes */1024000", b"")
    assert headers["Content-Length"] == "0"


async def test_conditions_are_decided_here(origin: FileOrigin) -> None:
    _, headers, _ = await fetch(origin)
    etag, modified = headers["ETag"], headers["Last-Modified"]
    status, unchanged, body = await fetch(origin, If_None_Match=etag)
    assert (status, unchanged["ETag"], body) == (304, etag, b"")
    assert "Content-Length" not in unchanged
    assert (await fetch(origin, If_Modified_Since=modified))[0] == 304
    assert (await fetch(origin, If_Match='"other"'))[0] == 412
    assert (await fetch(origin, Range="bytes=0-0", If_Range=etag))[0] == 206
    assert (await fetch(origin, Range="bytes=0-0", If_Range='"other"'))[0] == 200


async def test_what_is_not_there_is_a_404_and_what_is_no_path_is_refused(
    origin: FileOrigin,
) -> None:
    assert await fetch(origin, "v/2.m4s") == (404, {"Content-Length": "0"}, b"")
    assert await fetch(origin, "v") == (404, {"Content-Length": "0"}, b"")
    assert metric("edge_origin_requests_total", origin=origin.name, result="4xx") == 2
    with pytest.raises(BadPath):
        await fetch(origin, "../secret")


async def test_an_empty_file_is_an_empty_body(origin: FileOrigin) -> None:
    status, headers, body = await fetch(origin, "empty.ts")
    assert (status, headers["Content-Length"], body) == (200, "0", b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_files_can_only_be_read(origin: FileOrigin, method: str) -> None:
    status, headers, _ = await fetch(origin, method=method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


async def test_a_file_that_changes_after_its_head_is_an_error_and_never_a_mixture(
    origin: FileOrigin, tmp_path: Path
) -> None:
    async with origin.ask(Question(path="v/1.m4s")) as reply:
        (tmp_path / "media" / "v" / "1.m4s").write_bytes(b"new")
        with pytest.raises(OriginFailed):
            async for _ in reply.chunks():
                pass
    assert metric("edge_origin_requests_total", origin=origin.name, result="truncated") == 1


async def test_leaving_in_mid_body_closes_the_file(origin: FileOrigin) -> None:
    opened: list[Any] = []
    async with origin.ask(Question(path="v/1.m4s")) as reply:
        opened.append(await anext(reply.chunks()))
    assert len(opened[0]) < len(BODY)  # a file left open would be a warning, and so an error
