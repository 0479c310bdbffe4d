"""One transaction with every room's repositories bound to it."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from catalog.accounts import ports as accounts
from catalog.accounts.repository import SqlSessions, SqlUsers
from catalog.anime import ports as anime
from catalog.anime.repository import SqlCatalogue, SqlEpisodes, SqlReleases
from catalog.database import as_unavailable
from catalog.media import ports as media
from catalog.media.repository import SqlEvents, SqlJobs, SqlSources, SqlUploads
from catalog.streams import ports as streams
from catalog.streams.repository import SqlStreams


class SqlUnitOfWork:
    """Leave the block without ``commit`` and nothing happened; a lost database is ``DatabaseUnavailable``."""

    _connection: AsyncConnection

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def __aenter__(self) -> Self:
        try:
            self._connection = await self._engine.connect()
        except Exception as error:
            if unavailable := as_unavailable(error):
                raise unavailable from error
            raise
        connection = self._connection
        self.users: accounts.Users = SqlUsers(connection)
        self.sessions: accounts.Sessions = SqlSessions(connection)
        self.releases: anime.Releases = SqlReleases(connection)
        self.episodes: anime.Episodes = SqlEpisodes(connection)
        self.catalogue: anime.Catalogue = SqlCatalogue(connection)
        self.sources: media.Sources = SqlSources(connection)
        self.uploads: media.Uploads = SqlUploads(connection)
        self.jobs: media.Jobs = SqlJobs(connection)
        self.events: media.Events = SqlEvents(connection)
        self.streams: streams.Streams = SqlStreams(connection)
        return self

    async def commit(self) -> None:
        """Make everything so far last."""
        await self._connection.commit()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # SQLAlchemy shields this: a cancelled request still gives its connection back clean.
        await self._connection.__aexit__(kind, error, trace)
        if isinstance(error, Exception) and (unavailable := as_unavailable(error)):
            raise unavailable from error
