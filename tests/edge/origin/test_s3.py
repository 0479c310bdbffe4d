from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from botocore.credentials import ReadOnlyCredentials
from multidict import CIMultiDict

from config.runtime.storage.s3 import S3Storage, open_s3_client
from config.settings.origins import DnsSettings
from config.settings.origins import S3Origin as S3OriginSettings
from edge.errors import OriginFailed
from edge.origin.resolver import Resolver
from edge.origin.s3 import MachineCredentials, S3Origin, bucket_url, open_s3_origin, signed
from edge.origin.upstream import Question
from tests.config.s3 import S3Server, running_s3
from tests.edge.origin.scripted import Scripted, metric, results, scripted

BODY = bytes(range(256)) * 8000
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@asynccontextmanager
async def bucket(**settings: Any) -> AsyncIterator[S3Origin]:
    values = {"kind": "s3", "bucket": "kawa", "access_key": "S3RVER", "secret_key": "S3RVER"}
    resolver = Resolver(DnsSettings())
    async with open_s3_origin(
        f"s3-{secrets.token_hex(4)}",
        S3OriginSettings.model_validate({**values, **settings}),
        resolver=resolver,
    ) as origin:
        yield origin
        assert metric("edge_origin_connections", origin=origin.name, state="busy") == 0
    await resolver.close()


async def fetch(
    origin: S3Origin, path: str, *, method: str = "GET", query: str = "", **headers: str
) -> tuple[int, CIMultiDict[str], bytes]:
    fields = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    question = Question(method=method, path=path, query=query, headers=fields)
    async with origin.ask(question) as reply:
        body = b"".join([chunk async for chunk in reply.chunks()])
        return reply.status, CIMultiDict(reply.headers), body


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[S3Server]:
    async with running_s3(tmp_path_factory.mktemp("s3")) as running:
        yield running


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def objects(server: S3Server) -> dict[str, bytes]:
    written = {"media/v/1.m4s": BODY, "media/a+b (1)~'!=@,&$:.ts": b"odd", "media/empty.ts": b""}
    async with open_s3_client(server.settings) as client:
        storage = S3Storage(client, bucket="kawa", part_bytes=5 * 2**20)
        for key, body in written.items():
            await client.put_object(Bucket="kawa", Key=key, Body=body, ContentType="video/mp4")
        assert (await storage.stat("media/v/1.m4s")).size_bytes == len(BODY)
    return written


@pytest_asyncio.fixture(loop_scope="module")
async def origin(server: S3Server, objects: dict[str, bytes]) -> AsyncIterator[S3Origin]:
    assert objects
    async with bucket(
        endpoint=server.settings.endpoint, prefix="/media/", path_style=True
    ) as opened:
        yield opened


async def test_an_object_is_streamed(origin: S3Origin) -> None:
    status, headers, body = await fetch(origin, "v/1.m4s")
    assert (status, body) == (200, BODY)
    assert headers["Content-Length"] == str(len(BODY))
    assert headers["ETag"].startswith('"')
    assert headers["Content-Type"] == "video/mp4"
    assert not [name for name in headers if name.lower().startswith("x-amz")]
    assert results(origin) == {"ok": 1}


async def test_parts_heads_and_conditions_are_decided_by_the_bucket(origin: S3Origin) -> None:
    status, headers, body = await fetch(origin, "v/1.m4s", Range="bytes=10-19")
    assert (status, body) == (206, BODY[10:20])
    assert headers["Content-Range"] == f"bytes 10-19/{len(BODY)}"
    etag = headers["ETag"]
    assert (await fetch(origin, "v/1.m4s", If_None_Match=etag))[0] == 304
    assert (await fetch(origin, "v/1.m4s", If_Match='"other"'))[0] == 412
    status, headers, body = await fetch(origin, "v/1.m4s", method="HEAD")
    assert (status, headers["Content-Length"], body) == (200, str(len(BODY)), b"")


async def test_every_spelling_of_a_key_is_signed_as_it_is_sent(origin: S3Origin) -> None:
    for path in ("a%2Bb%20(1)~'!=@,&$:.ts", "a+b%20%281%29~%27%21%3D%40%2C%26%24%3A.ts"):
        assert (await fetch(origin, path))[2] == b"odd"


async def test_a_viewers_query_never_reaches_the_bucket(origin: S3Origin, server: S3Server) -> None:
    server.seen.clear()
    assert (await fetch(origin, "empty.ts", query="acl&uploads&versionId=1"))[2] == b""
    assert server.seen == ["GET /kawa/media/empty.ts"]


async def test_nothing_but_conditions_and_ranges_reaches_the_bucket() -> None:
    async def script(_server: Scripted, head: bytes, writer: asyncio.StreamWriter) -> None:
        names = {line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:] if line}
        assert names == {
            b"host",
            b"user-agent",
            b"range",
            b"authorization",
            b"x-amz-date",
            b"x-amz-content-sha256",
        }
        writer.write(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")

    async with scripted(script) as fake, bucket(endpoint=fake.url, path_style=True) as origin:
        status, _, _ = await fetch(
            origin, "a", Range="bytes=0-", Cookie="a=b", X_Amz_Acl="public-read", Accept="*/*"
        )
    assert status == 404


async def test_a_missing_object_is_a_404_without_the_buckets_words(origin: S3Origin) -> None:
    for method in ("GET", "HEAD"):
        assert await fetch(origin, "v/none.m4s", method=method) == (
            404,
            CIMultiDict({"Content-Length": "0"}),
            b"",
        )
    assert results(origin) == {"4xx": 2}


async def test_a_bucket_can_only_be_read(origin: S3Origin, server: S3Server) -> None:
    server.seen.clear()
    status, headers, _ = await fetch(origin, "v/1.m4s", method="DELETE")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert server.seen == []


async def test_a_wrong_key_is_said_so_and_is_no_missing_file(
    server: S3Server, objects: dict[str, bytes]
) -> None:
    assert objects
    endpoint = server.settings.endpoint
    async with bucket(endpoint=endpoint, path_style=True, secret_key="wrong") as origin:
        with pytest.raises(OriginFailed, match="SignatureDoesNotMatch"):
            await fetch(origin, "media/v/1.m4s")
    async with bucket(endpoint=endpoint, path_style=True, access_key="wrong") as origin:
        with pytest.raises(OriginFailed, match="InvalidAccessKeyId"):
            await fetch(origin, "media/v/1.m4s")


def error(status: int, code: str, more: str = "", **headers: str) -> bytes:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code>{more}</Error>".encode()
    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{fields}\r\n".encode() + body


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (error(301, "PermanentRedirect", x_amz_bucket_region="eu-west-1"), "region eu-west-1"),
        (
            error(400, "AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"),
            "region eu-west-1",
        ),
        (error(404, "NoSuchBucket"), "NoSuchBucket"),
        (error(403, "RequestTimeTooSkewed"), "RequestTimeTooSkewed"),
        (error(403, "ExpiredToken"), "ExpiredToken"),
        (error(500, "InternalError"), "InternalError"),
    ],
    ids=["301", "400 region", "bucket", "clock", "expired", "500"],
)
async def test_what_is_wrong_with_a_bucket_is_said_plainly(answer: bytes, message: str) -> None:
    async def script(_server: Scripted, _head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    async with scripted(script) as fake, bucket(endpoint=fake.url, path_style=True) as origin:
        with pytest.raises(OriginFailed, match=message):
            await fetch(origin, "a")


async def test_an_object_that_must_not_be_listed_is_a_404() -> None:
    async def script(_server: Scripted, _head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(error(403, "AccessDenied"))

    async with scripted(script) as fake, bucket(endpoint=fake.url, path_style=True) as origin:
        assert (await fetch(origin, "a"))[0] == 404


async def test_a_bucket_that_asks_for_patience_is_asked_once_more_within_the_budget() -> None:
    async def script(server: Scripted, _head: bytes, writer: asyncio.StreamWriter) -> None:
        slow = len(server.heads) != 2
        good = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
        writer.write(error(503, "SlowDown") if slow else good)

    async with scripted(script) as fake:
        async with bucket(endpoint=fake.url, path_style=True) as origin:
            assert (await fetch(origin, "a"))[2] == b"good"
            assert metric("edge_retry_total", origin=origin.name, reason="slow_down") == 1
            with pytest.raises(OriginFailed, match="SlowDown"):
                await fetch(origin, "a")
            assert len(fake.heads) == 4
        async with bucket(endpoint=fake.url, path_style=True, retry_ratio=0) as origin:
            with pytest.raises(OriginFailed, match="SlowDown"):
                await fetch(origin, "a")
            assert len(fake.heads) == 5


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "https://media.s3.eu-west-1.amazonaws.com"),
        ({"path_style": True}, "https://s3.eu-west-1.amazonaws.com/media"),
        ({"region": "cn-north-1"}, "https://media.s3.cn-north-1.amazonaws.com.cn"),
        ({"endpoint": "https://minio:9000/"}, "https://media.minio:9000"),
        ({"endpoint": "http://minio:9000", "path_style": True}, "http://minio:9000/media"),
    ],
)
async def test_where_a_bucket_is(settings: dict[str, Any], url: str) -> None:
    values = {"kind": "s3", "bucket": "media", "region": "eu-west-1", **settings}
    assert bucket_url(S3OriginSettings.model_validate(values)) == url


async def test_requests_are_signed_as_in_amazons_example(monkeypatch: pytest.MonkeyPatch) -> None:
    # "Authenticating Requests: Using the Authorization Header", example GET Bucket Lifecycle.
    monkeypatch.setattr(
        "botocore.auth.get_current_datetime", lambda *_: datetime(2013, 5, 24, tzinfo=UTC)
    )
    key = ReadOnlyCredentials(
        "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None
    )
    fields = signed(
        "GET", "https://examplebucket.s3.amazonaws.com/?lifecycle", region="us-east-1", key=key
    )
    assert fields == {
        "X-Amz-Date": "20130524T000000Z",
        "X-Amz-Content-SHA256": EMPTY,
        "Authorization": "AWS4-HMAC-SHA256 "
        "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
        "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    }


async def test_a_session_token_is_signed_too() -> None:
    key = ReadOnlyCredentials("key", "secret", "token")
    fields = signed("GET", "https://a.example/b", region="eu-west-1", key=key)
    assert fields["X-Amz-Security-Token"] == "token"
    assert "x-amz-security-token" in fields["Authorization"]


async def test_the_machines_own_credentials_are_used_and_renewed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = 0

    async def role(_request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.json_response(
            {
                "AccessKeyId": f"key-{asked}",
                "SecretAccessKey": "secret",
                "Token": "token",
                # Within the time before the end in which a key is renewed.
                "Expiration": (datetime.now(UTC) + timedelta(minutes=5)).isoformat(),
            }
        )

    app = web.Application()
    app.router.add_get("/role", role)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{port}/role")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    try:
        credentials = MachineCredentials()
        first = await credentials.get_frozen_credentials()
        assert (first.access_key or "").startswith("key-")
        assert (first.secret_key, first.token) == ("secret", "token")
        again = await credentials.get_frozen_credentials()
        assert again.access_key != first.access_key
    finally:
        await runner.cleanup()


async def test_a_machine_without_credentials_is_said_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    async with bucket(
        access_key=None, secret_key=None, endpoint="http://127.0.0.1:1", path_style=True
    ) as origin:
        with pytest.raises(OriginFailed, match="no credentials"):
            await fetch(origin, "a")
