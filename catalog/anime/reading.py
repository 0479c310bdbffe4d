"""Reads of the contract: only the columns and tables that the asked fields need are touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from catalog.anime.domain import MAX_PUBLIC_ID
from catalog.anime.ports import Playlists, ReleaseFilter, Row, UnitOfWork
from catalog.anime.shapes import (
    COVERS,
    EPISODE,
    FULL,
    GENRES,
    RELEASE,
    Field,
    all_of,
    columns_of,
    episode_of,
    shaped,
    wanted_qualities,
)
from catalog.errors import EpisodeNotFound, ReleaseNotFound
from catalog.listing import Selection

CARD = all_of([RELEASE, GENRES])
WHOLE = all_of([RELEASE, FULL])
WHOLE_WITH_COVERS = all_of([RELEASE, FULL, COVERS])


@dataclass(frozen=True, slots=True)
class Reader:
    """One caller's view of the catalog; ``playlists`` is ``None`` for those who may not play."""

    uow: UnitOfWork
    selection: Selection
    playlists: Playlists | None = None

    async def cards(
        self, wanted: ReleaseFilter, *, limit: int, offset: int
    ) -> tuple[list[dict[str, Any]], int]:
        """A page of releases with genres, and how many there are in all."""
        return await self._page(wanted, CARD, limit=limit, offset=offset, episodes=False)

    async def details(
        self, wanted: ReleaseFilter, *, limit: int, offset: int
    ) -> tuple[list[dict[str, Any]], int]:
        """A page of releases with everything that belongs to them."""
        return await self._page(wanted, WHOLE, limit=limit, offset=offset, episodes=True)

    async def latest(self, *, limit: int) -> list[dict[str, Any]]:
        """The freshest releases with their newest episode."""
        async with self.uow:
            columns = self._columns(CARD, "latest_episode")
            rows = await self.uow.catalogue.page(
                columns, wanted=ReleaseFilter(), limit=limit, offset=0
            )
            releases = [shaped(row, CARD, self.selection) for row in rows]
            if self.selection.wants("latest_episode"):
                selection = self.selection.below("latest_episode")
                found = await self.uow.catalogue.latest_episode_of(
                    [row["id"] for row in rows], _episode_columns(selection)
                )
                newest = {
                    row["release_id"]: item
                    for row, item in zip(found, await self._episodes(found, selection), strict=True)
                }
                for row, release in zip(rows, releases, strict=True):
                    release["latest_episode"] = newest.get(row["id"])
        return releases

    async def release(self, id_or_alias: str) -> dict[str, Any]:
        """One release with everything, or ``ReleaseNotFound``."""
        async with self.uow:
            columns = self._columns(WHOLE_WITH_COVERS, "episodes")
            row = await self.uow.catalogue.one(columns, id_or_alias=_key_of(id_or_alias))
            if row is None:
                raise ReleaseNotFound
            (release,) = await self._releases([row], WHOLE_WITH_COVERS, episodes=True)
        return release

    async def episode(self, episode_id: UUID) -> dict[str, Any]:
        """One episode with its release and all episodes of that, or ``EpisodeNotFound``."""
        async with self.uow:
            columns = _episode_columns(self.selection)
            row = await self.uow.catalogue.episode(episode_id, columns)
            if row is None:
                raise EpisodeNotFound
            (episode,) = await self._episodes([row], self.selection)
            if self.selection.wants("release"):
                inner = Reader(self.uow, self.selection.below("release"), self.playlists)
                episode["release"] = await inner._release_of(row["release_id"])
        return episode

    async def _release_of(self, release_id: UUID) -> dict[str, Any]:
        columns = self._columns(RELEASE, "episodes")
        row = await self.uow.catalogue.by_key(columns, release_id=release_id)
        if row is None:
            raise ReleaseNotFound
        (release,) = await self._releases([row], RELEASE, episodes=True)
        return release

    async def _page(
        self,
        wanted: ReleaseFilter,
        fields: Mapping[str, Field],
        *,
        limit: int,
        offset: int,
        episodes: bool,
    ) -> tuple[list[dict[str, Any]], int]:
        async with self.uow:
            total = await self.uow.catalogue.count(wanted)
            rows = await self.uow.catalogue.page(
                self._columns(fields, "episodes" if episodes else None),
                wanted=wanted,
                limit=limit,
                offset=offset,
            )
            return await self._releases(rows, fields, episodes=episodes), total

    def _columns(self, fields: Mapping[str, Field], related: str | None) -> set[str]:
        columns = columns_of(fields, self.selection)
        if related is not None and self.selection.wants(related):
            columns.add("id")
        return columns

    async def _releases(
        self, rows: Sequence[Row], fields: Mapping[str, Field], *, episodes: bool
    ) -> list[dict[str, Any]]:
        releases = [shaped(row, fields, self.selection) for row in rows]
        if not episodes or not self.selection.wants("episodes"):
            return releases
        selection = self.selection.below("episodes")
        found = await self.uow.catalogue.episodes_of(
            [row["id"] for row in rows], _episode_columns(selection)
        )
        by_release: dict[UUID, list[dict[str, Any]]] = {}
        for row, item in zip(found, await self._episodes(found, selection), strict=True):
            by_release.setdefault(row["release_id"], []).append(item)
        for row, release in zip(rows, releases, strict=True):
            release["episodes"] = by_release.get(row["id"], [])
        return releases

    async def _episodes(self, rows: Sequence[Row], selection: Selection) -> list[dict[str, Any]]:
        playlists: Mapping[UUID, Mapping[int, str]] = {}
        if self.playlists is not None and rows and wanted_qualities(selection):
            playlists = await self.playlists([row["id"] for row in rows])
        return [episode_of(row, selection, playlists.get(row["id"])) for row in rows]


def _episode_columns(selection: Selection) -> set[str]:
    return columns_of(EPISODE, selection) | {"id", "release_id"}


def _key_of(id_or_alias: str) -> int | str:
    if not (id_or_alias.isascii() and id_or_alias.isdecimal()):
        return id_or_alias
    if len(id_or_alias) > 10 or int(id_or_alias) > MAX_PUBLIC_ID:
        raise ReleaseNotFound
    return int(id_or_alias)
