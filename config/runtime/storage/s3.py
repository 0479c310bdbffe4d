"""Storage in an S3 bucket, signed with SigV4 by aiobotocore."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from aiohttp import ClientError as HttpClientError
from botocore.exceptions import BotoCoreError, ClientError

from config.contracts.content_types import content_type_of
from config.contracts.paths import BadPath, checked_path
from config.runtime.storage.base import (
    CHUNK_BYTES,
    ObjectChanged,
    ObjectInfo,
    ObjectNotFound,
    StorageError,
    StorageFull,
)
from config.runtime.threads import Checkpoint, in_thread
from config.settings.shared import S3Settings

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_s3.type_defs import GetObjectOutputTypeDef

# A missing bucket is no missing object but a mistake in the settings.
_MISSING = {"404", "NoSuchKey", "NotFound"}
_CHANGED = {"412", "PreconditionFailed"}
_PAST_END = {"416", "InvalidRange"}
_FULL = {"507", "InsufficientStorage", "QuotaExceeded", "XMinioStorageFull"}


class S3Storage:
    """Objects of one bucket; large files go up in parts."""

    def __init__(self, client: S3Client, *, bucket: str, part_bytes: int) -> None:
        self._client = client
        self._bucket = bucket
        self._part_bytes = part_bytes

    async def stat(self, key: str) -> ObjectInfo:
        with _translated(key):
            answer = await self._client.head_object(Bucket=self._bucket, Key=_checked(key))
            return ObjectInfo(
                key=key,
                size_bytes=answer["ContentLength"],
                etag=answer["ETag"],
                modified_at=answer["LastModified"].timestamp(),
            )

    async def read(
        self, key: str, *, start: int = 0, stop: int | None = None, etag: str | None = None
    ) -> AsyncIterator[bytes]:
        if stop is not None and stop <= start:  # no Range header can say this
            if etag not in (None, (await self.stat(key)).etag):
                raise ObjectChanged(key)
            return
        options: dict[str, Any] = {}
        if start or stop is not None:
            options["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
        if etag is not None:
            options["IfMatch"] = etag
        with _translated(key):
            try:
                answer = await self._client.get_object(
                    Bucket=self._bucket, Key=_checked(key), **options
                )
            except ClientError as error:
                if _code(error) in _PAST_END:
                    return
                raise
            async with answer["Body"] as body:
                # Some servers ignore ranges, and some misread 'bytes=0-0'.
                if options.get("Range") and not _starts_at(start, answer):
                    raise StorageError(f"{key}: the server ignored a range")
                left = answer["ContentLength"] if stop is None else stop - start
                while left and (chunk := await body.read(min(left, CHUNK_BYTES))):
                    left -= len(chunk)
                    yield chunk

    async def write(self, key: str, body: bytes) -> ObjectInfo:
        with _translated(key):
            await self._client.put_object(
                Bucket=self._bucket, Key=_checked(key), Body=body, ContentType=content_type_of(key)
            )
        return await self.stat(key)

    async def upload(self, key: str, source: Path, *, move: bool = False) -> ObjectInfo:
        size_bytes = (await asyncio.to_thread(source.stat)).st_size
        if size_bytes <= self._part_bytes:
            info = await self.write(key, await asyncio.to_thread(source.read_bytes))
        else:
            with _translated(key):
                await self._upload_parts(_checked(key), source, size_bytes)
            info = await self.stat(key)
        if move:
            await asyncio.to_thread(source.unlink, missing_ok=True)
        return info

    async def download(self, key: str, target: Path) -> ObjectInfo:
        info = await self.stat(key)
        file = await asyncio.to_thread(target.open, "wb")
        try:
            with file:
                async for chunk in self.read(key, etag=info.etag):
                    await in_thread(partial(_append, file, chunk))
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        return info

    async def delete(self, key: str) -> None:
        with _translated(key):
            await self._client.delete_object(Bucket=self._bucket, Key=_checked(key))

    async def keys(self, prefix: str) -> AsyncIterator[str]:
        with _translated(prefix):
            pages = self._client.get_paginator("list_objects_v2")
            async for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
                for item in page.get("Contents", []):
                    yield item["Key"]

    async def _upload_parts(self, key: str, source: Path, size_bytes: int) -> None:
        # S3 allows 10 000 parts.
        part_bytes = max(self._part_bytes, -(-size_bytes // 10_000))
        created = await self._client.create_multipart_upload(
            Bucket=self._bucket, Key=key, ContentType=content_type_of(key)
        )
        upload = created["UploadId"]
        try:
            parts: list[Any] = []
            file = await asyncio.to_thread(source.open, "rb")
            with file:
                while chunk := await asyncio.to_thread(file.read, part_bytes):
                    number = len(parts) + 1
                    answer = await self._client.upload_part(
                        Bucket=self._bucket,
                        Key=key,
                        UploadId=upload,
                        PartNumber=number,
                        Body=chunk,
                    )
                    parts.append({"PartNumber": number, "ETag": answer["ETag"]})
            await self._client.complete_multipart_upload(
                Bucket=self._bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
            )
        except BaseException:
            # Parts of an unfinished upload cost money for ever.
            with contextlib.suppress(ClientError, BotoCoreError, HttpClientError, OSError):
                await asyncio.shield(
                    self._client.abort_multipart_upload(
                        Bucket=self._bucket, Key=key, UploadId=upload
                    )
                )
            raise


@contextlib.asynccontextmanager
async def open_s3_client(settings: S3Settings) -> AsyncIterator[S3Client]:
    """An S3 client with every wait bounded."""
    config = AioConfig(
        region_name=settings.region,
        signature_version="s3v4",
        s3={"addressing_style": "path" if settings.path_style else "virtual"},
        connect_timeout=3,
        read_timeout=30,
        max_pool_connections=32,
        retries={"total_max_attempts": 3, "mode": "standard"},
        # Servers that are not AWS often know no other checksum than Content-MD5.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    credentials: dict[str, Any] = {}
    if settings.access_key and settings.secret_key:
        credentials = {
            "aws_access_key_id": settings.access_key.get_secret_value(),
            "aws_secret_access_key": settings.secret_key.get_secret_value(),
        }
    client = get_session().create_client(
        "s3", endpoint_url=settings.endpoint, config=config, **credentials
    )
    async with client as opened:
        yield opened


def _append(file: BinaryIO, chunk: bytes, _checkpoint: Checkpoint) -> None:
    file.write(chunk)


def _starts_at(start: int, answer: GetObjectOutputTypeDef) -> bool:
    return answer.get("ContentRange", "").startswith(f"bytes {start}-")


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


def _checked(key: str) -> str:
    try:
        return checked_path(key)
    except BadPath as error:
        raise ObjectNotFound(key) from error


@contextlib.contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = _code(error)
        if code in _MISSING:
            raise ObjectNotFound(key) from error
        if code in _CHANGED:
            raise ObjectChanged(key) from error
        if code in _FULL:
            raise StorageFull(f"no room left for {key}") from error
        raise StorageError(f"{key}: {code}") from error
    except (BotoCoreError, HttpClientError, ConnectionError, TimeoutError) as error:
        raise StorageError(f"{key}: {type(error).__name__}") from error
