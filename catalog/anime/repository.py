"""The SQL of releases and episodes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog.anime.domain import (
    Episode,
    ProductionStatus,
    PublishStatus,
    Release,
    Sorting,
    folded,
    search_text,
)
from catalog.anime.ports import ReleaseFilter, Row
from catalog.errors import OrdinalTaken
from catalog.tables import episodes, releases

_ORDERS = {
    Sorting.FRESH_AT_DESC: (releases.c.fresh_at.desc(), releases.c.public_id.desc()),
    Sorting.FRESH_AT_ASC: (releases.c.fresh_at, releases.c.public_id),
    Sorting.YEAR_DESC: (releases.c.year.desc(), releases.c.public_id.desc()),
    Sorting.YEAR_ASC: (releases.c.year, releases.c.public_id),
}


class SqlReleases:
    """Releases in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, release: Release) -> int | None:
        values = asdict(release)
        values |= {
            "search_text": search_text(
                release.name_main, release.name_english, release.name_alternative
            ),
            "fresh_at": release.created_at,
            "updated_at": release.created_at,
        }
        for alias in release.aliases():
            # The unique index decides between two releases that want one alias at the same time.
            statement = (
                insert(releases)
                .values({**values, "alias": alias})
                .on_conflict_do_nothing(index_elements=[releases.c.alias])
                .returning(releases.c.public_id)
            )
            public_id: int | None = await self._connection.scalar(statement)
            if public_id is not None:
                return public_id
        return None

    async def freshen(self, release_id: UUID, *, at: datetime) -> None:
        await self._connection.execute(
            update(releases)
            .where(releases.c.id == release_id)
            .values(fresh_at=func.greatest(releases.c.fresh_at, at))
        )


class SqlEpisodes:
    """Episodes in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, episode: Episode, *, release_public_id: int) -> bool:
        release_id = await self._connection.scalar(
            select(releases.c.id).where(releases.c.public_id == release_public_id)
        )
        if release_id is None:
            return False
        values = {
            "id": episode.id,
            "release_id": release_id,
            "ordinal": episode.ordinal,
            "sort_order": episode.sort_order,
            "name": episode.name,
            "name_english": episode.name_english,
            "opening_start": episode.opening.start,
            "opening_stop": episode.opening.stop,
            "ending_start": episode.ending.start,
            "ending_stop": episode.ending.stop,
            "preview": episode.preview,
            "rutube_id": episode.rutube_id,
            "youtube_id": episode.youtube_id,
            "created_at": episode.created_at,
            "updated_at": episode.created_at,
        }
        statement = (
            insert(episodes)
            .values(values)
            .on_conflict_do_nothing(index_elements=[episodes.c.release_id, episodes.c.ordinal])
            .returning(episodes.c.id)
        )
        if await self._connection.scalar(statement) is None:
            raise OrdinalTaken
        return True

    async def exists(self, episode_id: UUID) -> bool:
        found = await self._connection.scalar(
            select(episodes.c.id).where(episodes.c.id == episode_id)
        )
        return found is not None

    async def lock(self, episode_id: UUID) -> UUID | None:
        # Serializes events about sources of one episode: at most one of them is the ready one.
        found: UUID | None = await self._connection.scalar(
            select(episodes.c.release_id).where(episodes.c.id == episode_id).with_for_update()
        )
        return found

    async def became_playable(self, episode_id: UUID, *, duration: int, at: datetime) -> datetime:
        released_at: datetime = await self._connection.scalar(
            update(episodes)
            .where(episodes.c.id == episode_id)
            .values(
                duration=duration,
                updated_at=at,
                released_at=func.coalesce(episodes.c.released_at, at),
            )
            .returning(episodes.c.released_at)
        )
        return released_at


class SqlCatalogue:
    """Reads for answers, with no more columns and tables than asked for."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def page(
        self, columns: Collection[str], *, wanted: ReleaseFilter, limit: int, offset: int
    ) -> list[Row]:
        statement = _filtered(select(*_release_columns(columns)), wanted)
        ordered = statement.order_by(*_ORDERS[wanted.sorting]).limit(limit).offset(offset)
        return await self._rows(ordered)

    async def count(self, wanted: ReleaseFilter) -> int:
        statement = _filtered(select(func.count()).select_from(releases), wanted)
        return await self._connection.scalar(statement) or 0

    async def one(self, columns: Collection[str], *, id_or_alias: int | str) -> Row | None:
        key = releases.c.public_id if isinstance(id_or_alias, int) else releases.c.alias
        rows = await self._rows(select(*_release_columns(columns)).where(key == id_or_alias))
        return rows[0] if rows else None

    async def by_key(self, columns: Collection[str], *, release_id: UUID) -> Row | None:
        rows = await self._rows(
            select(*_release_columns(columns)).where(releases.c.id == release_id)
        )
        return rows[0] if rows else None

    async def episodes_of(
        self, release_ids: Collection[UUID], columns: Collection[str]
    ) -> list[Row]:
        statement = _episodes(columns).where(episodes.c.release_id.in_(release_ids))
        return await self._rows(
            statement.order_by(episodes.c.release_id, episodes.c.sort_order, episodes.c.ordinal)
        )

    async def latest_episode_of(
        self, release_ids: Collection[UUID], columns: Collection[str]
    ) -> list[Row]:
        statement = (
            _episodes(columns)
            .where(episodes.c.release_id.in_(release_ids))
            .ext(distinct_on(episodes.c.release_id))
            .order_by(
                episodes.c.release_id,
                episodes.c.released_at.is_(None),  # one that can be played goes first
                episodes.c.sort_order.desc(),
                episodes.c.ordinal.desc(),
            )
        )
        return await self._rows(statement)

    async def episode(self, episode_id: UUID, columns: Collection[str]) -> Row | None:
        rows = await self._rows(_episodes(columns).where(episodes.c.id == episode_id))
        return rows[0] if rows else None

    async def _rows(self, statement: Select[Any]) -> list[Row]:
        return [row._mapping for row in await self._connection.execute(statement)]


def _release_columns(names: Collection[str]) -> list[Any]:
    return [releases.c[name] for name in sorted(names)] or [releases.c.public_id]


def _episodes(names: Collection[str]) -> Select[Any]:
    own: Sequence[Any] = [episodes.c[name] for name in sorted(names) if name in episodes.c]
    if "release_public_id" not in names:
        return select(*own)
    return select(*own, releases.c.public_id.label("release_public_id")).join(
        releases, releases.c.id == episodes.c.release_id
    )


def _filtered(statement: Select[Any], wanted: ReleaseFilter) -> Select[Any]:
    conditions: list[Any] = []
    if wanted.ids:
        conditions.append(releases.c.public_id.in_(wanted.ids))
    if wanted.aliases:
        conditions.append(releases.c.alias.in_(wanted.aliases))
    if wanted.types:
        conditions.append(releases.c.type.in_(wanted.types))
    if wanted.seasons:
        conditions.append(releases.c.season.in_(wanted.seasons))
    if wanted.from_year is not None:
        conditions.append(releases.c.year >= wanted.from_year)
    if wanted.to_year is not None:
        conditions.append(releases.c.year <= wanted.to_year)
    if wanted.age_ratings:
        conditions.append(releases.c.age_rating.in_(wanted.age_ratings))
    if len(set(wanted.publish_statuses)) == 1:
        ongoing = wanted.publish_statuses[0] is PublishStatus.IS_ONGOING
        conditions.append(releases.c.is_ongoing == ongoing)
    if len(set(wanted.production_statuses)) == 1:
        producing = wanted.production_statuses[0] is ProductionStatus.IS_IN_PRODUCTION
        conditions.append(releases.c.is_in_production == producing)
    if wanted.search:
        conditions.append(releases.c.search_text.contains(folded(wanted.search), autoescape=True))
    return statement.where(*conditions)
