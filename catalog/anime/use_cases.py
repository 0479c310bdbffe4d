"""What can be done with releases and episodes."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from catalog.anime.domain import Episode, Release
from catalog.anime.ports import UnitOfWork, Writes
from catalog.errors import AliasTaken, ReleaseNotFound


async def create_release(release: Release, uow: UnitOfWork) -> int:
    """The public id of the new release, or ``AliasTaken``."""
    async with uow:
        public_id = await uow.releases.add(release)
        if public_id is None:
            raise AliasTaken
        await uow.commit()
    return public_id


async def add_episode(episode: Episode, *, release_public_id: int, uow: UnitOfWork) -> None:
    """Add an episode to its release, or raise ``ReleaseNotFound`` or ``OrdinalTaken``."""
    async with uow:
        if not await uow.episodes.add(episode, release_public_id=release_public_id):
            raise ReleaseNotFound
        await uow.commit()


async def episode_became_playable(
    episode_id: UUID, *, duration_seconds: float, at: datetime, uow: Writes
) -> None:
    """Within the caller's transaction: the episode has a source, and its release is as fresh as that.

    A better encode of an episode that was out already does not make the release fresh again.
    """
    release_id = await uow.episodes.lock(episode_id)
    if release_id is None:
        return
    released_at = await uow.episodes.became_playable(
        episode_id, duration=round(duration_seconds), at=at
    )
    await uow.releases.freshen(release_id, at=released_at)
