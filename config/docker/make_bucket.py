"""Makes the bucket that the settings name, if it is not there: ``python -m config.docker.make_bucket``."""

from __future__ import annotations

import asyncio
import sys

from botocore.exceptions import BotoCoreError, ClientError

from config.runtime.storage.s3 import open_s3_client
from config.settings.load import settings_or_exit
from config.settings.shared import S3Settings


async def make_bucket(settings: S3Settings) -> None:
    """Afterwards the bucket exists."""
    async with open_s3_client(settings) as client:
        try:
            await client.head_bucket(Bucket=settings.bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
                raise
            await client.create_bucket(Bucket=settings.bucket)


def main() -> int:
    """Make it; a server that refuses is one line on standard error and status 1."""
    settings = settings_or_exit()
    try:
        asyncio.run(make_bucket(settings.storage.s3))
    except (ClientError, BotoCoreError) as error:
        sys.stderr.write(f"kawa: no bucket {settings.storage.s3.bucket}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
