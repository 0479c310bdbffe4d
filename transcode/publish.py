"""Puts a set into storage, in the order in which a player would need it, and takes it back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from config.contracts.events import MediaTranscoded, RenditionReport
from config.contracts.paths import DASH_MANIFEST, MASTER_PLAYLIST
from config.runtime.logging import get_logger
from config.runtime.storage.base import ObjectNotFound, Storage, StorageError, StorageFull
from transcode.errors import ScratchFull, SourceMissing, StorageDown, StorageNoRoom
from transcode.metrics import PUBLISHED_BYTES
from transcode.packaging.hls import MEDIA_PLAYLIST
from transcode.packaging.renditions import Presentation

log = get_logger(__name__)

_UPLOADS_AT_ONCE = 8
_WITHDRAW_TIMEOUT = timedelta(seconds=30)


async def fetch(storage: Storage, key: str, target: Path) -> None:
    """Copy the source to this worker."""
    try:
        async with _translated():
            await storage.download(key, target)
    except ObjectNotFound as error:
        raise SourceMissing(f"the source {key} is not in storage") from error
    except StorageNoRoom as error:  # nothing is written there when it is read
        raise ScratchFull("the worker's scratch folder has no room left for the source") from error


async def upload(
    storage: Storage, folder: Path, prefix: str, *, report: Callable[[float], None]
) -> None:
    """Upload the whole set: media first, then playlists, then the MPD, the master last of all."""
    stages = in_order(path for path in folder.rglob("*") if path.is_file())
    total = sum(path.stat().st_size for stage in stages for path in stage) or 1
    done = 0
    for stage in stages:
        queue = iter(stage)

        async def work() -> None:
            nonlocal done
            for path in queue:  # noqa: B023 - all workers of this stage share its iterator
                key = f"{prefix}/{path.relative_to(folder).as_posix()}"
                async with _translated():
                    info = await storage.upload(key, path, move=True)
                done += info.size_bytes
                PUBLISHED_BYTES.inc(info.size_bytes)
                report(done / total)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(_UPLOADS_AT_ONCE, len(stage))):
                    group.create_task(work())
        except* (StorageDown, StorageNoRoom) as errors:
            raise errors.exceptions[0] from None


def in_order(paths: Iterable[Path]) -> list[list[Path]]:
    """The set in stages: nothing names an object that is not there yet."""
    stages: list[list[Path]] = [[], [], [], []]
    for path in sorted(paths):
        if path.name == MASTER_PLAYLIST:
            stages[3].append(path)
        elif path.name == DASH_MANIFEST:
            stages[2].append(path)
        else:
            stages[1 if path.suffix == ".m3u8" else 0].append(path)
    return stages


async def withdraw(storage: Storage, prefix: str) -> None:
    """Delete what an attempt uploaded; what cannot be deleted now is logged and left."""
    try:
        async with asyncio.timeout(_WITHDRAW_TIMEOUT.total_seconds()):
            # The master first: nobody should find a set that is being taken away.
            await storage.delete(f"{prefix}/{MASTER_PLAYLIST}")
            for key in [key async for key in storage.keys(f"{prefix}/")]:
                await storage.delete(key)
    except (StorageError, TimeoutError) as error:
        log.warning("attempt not withdrawn", prefix=prefix, error=str(error))


def transcoded_event(
    presentation: Presentation, *, media_id: UUID, attempt: int, prefix: str
) -> MediaTranscoded:
    """What the catalog learns of a published set."""
    video = tuple(
        RenditionReport(
            kind="video",
            codec=rung.codec,
            bandwidth=rung.peak,
            width=rung.size.width,
            height=rung.size.height,
            frame_rate=round(float(rung.rate), 3),
            playlist=f"{rung.name}/{MEDIA_PLAYLIST}",
        )
        for rung in presentation.video
    )
    audio = tuple(
        RenditionReport(
            kind="audio",
            codec=sound.codec,
            bandwidth=sound.peak,
            language=sound.language,
            playlist=f"{sound.name}/{MEDIA_PLAYLIST}",
        )
        for sound in presentation.audio
    )
    return MediaTranscoded(
        media_id=media_id,
        attempt=attempt,
        prefix=prefix,
        duration_seconds=round(float(presentation.duration), 6),
        renditions=video + audio,
    )


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except ObjectNotFound:
        raise
    except StorageFull as error:
        raise StorageNoRoom from error
    except StorageError as error:
        raise StorageDown(f"storage failed: {error}") from error
