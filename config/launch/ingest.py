"""From a file to a playback URL: release, episode, upload, transcode."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from config.launch.catalog_client import CatalogClient, Playback, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """A published file."""

    media_id: str
    renditions: int
    playback: Playback


async def ingest_file(client: CatalogClient, path: Path, *, title: str | None = None) -> Ingested:
    """Publish a video file as a release of its own, with progress bars on a terminal."""
    name = title or path.stem.replace("_", " ").replace("-", " ").strip() or path.name
    release = await client.create_release(name, year=datetime.now(UTC).year)
    episode = await client.create_episode(release["id"], ordinal=1, name=name)
    with progress_bar(f"upload {path.name}") as progress:
        media_id = await client.upload(path, episode_id=episode["id"], progress=progress)
    with progress_bar("transcode") as progress:
        media = await client.until_published(media_id, progress)
    return Ingested(
        media_id=media_id,
        renditions=sum(item["kind"] == "video" for item in media["renditions"]),
        playback=await client.stream(media_id),
    )


@contextmanager
def progress_bar(label: str) -> Iterator[Progress]:
    """A bar with the time left on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _share, _stage: None
        return
    with click.progressbar(
        length=1000, label=label, show_eta=True, file=sys.stderr, item_show_func=lambda item: item
    ) as bar:

        def show(share: float, stage: str) -> None:
            bar.update(max(0, int(share * 1000) - bar.pos), stage)

        yield show
