"""Opens the storage that the settings name."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from config.runtime.storage.base import Storage
from config.runtime.storage.folder import FolderStorage
from config.settings.load import Settings


@contextlib.asynccontextmanager
async def open_storage(settings: Settings) -> AsyncIterator[Storage]:
    """The configured storage, for the length of the block."""
    if settings.storage.kind == "folder":
        settings.storage_folder.mkdir(parents=True, exist_ok=True)
        yield FolderStorage(settings.storage_folder)
        return
    # Only where it is wanted: the client library costs 30 MB and half a second of every process.
    from config.runtime.storage.s3 import S3Storage, open_s3_client

    s3 = settings.storage.s3
    async with open_s3_client(s3) as client:
        yield S3Storage(client, bucket=s3.bucket, part_bytes=s3.part_bytes)
