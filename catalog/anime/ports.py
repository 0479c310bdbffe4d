"""What the use cases of anime need from outside."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self
from uuid import UUID

from catalog.anime.domain import (
    AgeRating,
    Episode,
    ProductionStatus,
    PublishStatus,
    Release,
    ReleaseType,
    Season,
    Sorting,
)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFilter:
    """Which releases are wanted; what is empty does not filter."""

    ids: Sequence[int] = ()
    aliases: Sequence[str] = ()
    types: Sequence[ReleaseType] = ()
    seasons: Sequence[Season] = ()
    from_year: int | None = None
    to_year: int | None = None
    age_ratings: Sequence[AgeRating] = ()
    publish_statuses: Sequence[PublishStatus] = ()
    production_statuses: Sequence[ProductionStatus] = ()
    search: str = ""
    sorting: Sorting = Sorting.FRESH_AT_DESC


class Releases(Protocol):
    async def add(self, release: Release) -> int | None:
        """Store a release under the first of its aliases that is free; its public id, ``None`` if none is."""
        ...

    async def freshen(self, release_id: UUID, *, at: datetime) -> None:
        """Move ``fresh_at`` forward, never back."""
        ...


class Episodes(Protocol):
    async def add(self, episode: Episode, *, release_public_id: int) -> bool:
        """Store an episode, or raise ``OrdinalTaken``; false if there is no such release."""
        ...

    async def exists(self, episode_id: UUID) -> bool: ...

    async def lock(self, episode_id: UUID) -> UUID | None:
        """Keep others from changing this episode until the commit; its release, ``None`` if it is gone."""
        ...

    async def became_playable(self, episode_id: UUID, *, duration: int, at: datetime) -> datetime:
        """Write down the duration; the instant when the episode was released, which is the first one."""
        ...


class Catalogue(Protocol):
    """Reads for answers: rows that hold the asked columns."""

    async def page(
        self, columns: Collection[str], *, wanted: ReleaseFilter, limit: int, offset: int
    ) -> list[Row]: ...

    async def count(self, wanted: ReleaseFilter) -> int: ...

    async def one(self, columns: Collection[str], *, id_or_alias: int | str) -> Row | None: ...

    async def by_key(self, columns: Collection[str], *, release_id: UUID) -> Row | None: ...

    async def episodes_of(
        self, release_ids: Collection[UUID], columns: Collection[str]
    ) -> list[Row]: ...

    async def latest_episode_of(
        self, release_ids: Collection[UUID], columns: Collection[str]
    ) -> list[Row]: ...

    async def episode(self, episode_id: UUID, columns: Collection[str]) -> Row | None: ...


class Writes(Protocol):
    """A transaction of another room, as far as releases and episodes are concerned."""

    releases: Releases
    episodes: Episodes


class UnitOfWork(Writes, Protocol):
    """One transaction: leave the block without ``commit`` and nothing happened."""

    catalogue: Catalogue

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    async def commit(self) -> None: ...


class Playlists(Protocol):
    """Where an episode's renditions can be played by the caller of this request."""

    async def __call__(self, episode_ids: Collection[UUID], /) -> Mapping[UUID, Mapping[int, str]]:
        """URLs of media playlists by episode and quality."""
        ...
