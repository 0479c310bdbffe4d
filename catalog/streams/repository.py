"""The SQL of stream sessions."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Row,
    Select,
    cast,
    delete,
    func,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog.streams.domain import Aspect, Experience, StreamSession, Totals, subject_hash
from catalog.streams.experience import experience
from catalog.streams.ports import Unstorable
from catalog.streams.storing import (
    STORE_PARTS,
    STORE_REJECTIONS,
    STORE_SESSIONS,
    part_json,
    rejection_json,
    session_json,
)
from catalog.streams.told import Batch, SessionRow
from catalog.tables import (
    stream_boots,
    stream_forgotten,
    stream_parts,
    stream_rejections,
    stream_sessions,
)
from config.contracts.sessions import SessionStart

# Any constants of our own. Whoever stores holds it shared, whoever forgets alone: or what is being stored while a
# subject is forgotten would stay.
_FORGETTING = 0x6B617766

_MOST_RUNNING = 100
_RUNNING = or_(
    stream_sessions.c.stopped_at.is_(None),
    stream_sessions.c.stopped_at < stream_sessions.c.last_at,
)

_SESSION = (
    stream_sessions.c.session_id,
    stream_sessions.c.grant_id,
    stream_sessions.c.subject,
    stream_sessions.c.user_id,
    stream_sessions.c.media_id,
    stream_sessions.c.episode_id,
    stream_sessions.c.content,
    stream_sessions.c.device,
    stream_sessions.c.country,
    stream_sessions.c.started_at,
    stream_sessions.c.ends_at,
    stream_sessions.c.last_at,
    stream_sessions.c.stopped_at,
    stream_sessions.c.reason,
)


class SqlStreams:
    """Stream sessions in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def lock_boots(self, boots: Sequence[str], *, now: datetime) -> dict[str, int]:
        await self._connection.execute(
            text("select pg_advisory_xact_lock_shared(:key)"), {"key": _FORGETTING}
        )
        await self._connection.execute(
            upsert(stream_boots)
            .values([{"boot": boot, "number": 0, "seen_at": now} for boot in sorted(boots)])
            .on_conflict_do_nothing()
        )
        # Two catalogs that read the same events store them one after the other, and the second finds them stored.
        rows = await self._connection.execute(
            select(stream_boots.c.boot, stream_boots.c.number)
            .where(stream_boots.c.boot.in_(boots))
            .order_by(stream_boots.c.boot)
            .with_for_update()
        )
        return {row.boot: row.number for row in rows}

    async def set_boots(self, numbers: Mapping[str, int], *, now: datetime) -> None:
        for boot, number in sorted(numbers.items()):
            await self._connection.execute(
                update(stream_boots)
                .where(stream_boots.c.boot == boot)
                .values(number=number, seen_at=func.greatest(stream_boots.c.seen_at, now))
            )

    async def recent_boots(self, *, since: datetime) -> dict[str, int]:
        rows = await self._connection.execute(
            select(stream_boots.c.boot, stream_boots.c.number).where(
                stream_boots.c.seen_at >= since
            )
        )
        return {row.boot: row.number for row in rows}

    async def forgotten(self, hashes: Collection[bytes]) -> dict[bytes, datetime]:
        rows = await self._connection.execute(
            select(stream_forgotten.c.subject_hash, stream_forgotten.c.at).where(
                stream_forgotten.c.subject_hash.in_(hashes)
            )
        )
        return {row.subject_hash: row.at for row in rows}

    async def store(self, batch: Batch) -> None:
        # In the order of their keys, so that two writers of the same rows cannot wait for each other.
        rows: list[tuple[Any, list[dict[str, Any]]]] = [
            (STORE_SESSIONS, [session_json(row) for _, row in sorted(batch.sessions.items())]),
            (STORE_PARTS, [part_json(row) for _, row in sorted(batch.parts.items())]),
            (
                STORE_REJECTIONS,
                [rejection_json(row) for _, row in sorted(batch.rejections.items())],
            ),
        ]
        for statement, values in rows:
            if values:
                await self._write(statement, values)

    async def _write(self, statement: Any, values: list[dict[str, Any]]) -> None:
        try:
            await self._connection.execute(statement, {"rows": json.dumps(values)})
        except DBAPIError as error:
            # Values and constraints, PostgreSQL appendix A: another try would end the same.
            if (getattr(error.orig, "sqlstate", None) or "")[:2] in ("22", "23"):
                raise Unstorable from error
            raise

    async def open(self, start: SessionStart, *, now: datetime) -> None:
        row = SessionRow(start=start, edge="", last_at=now.timestamp())
        await self.store(Batch(sessions={start.id: row}))

    async def get(self, session: str, *, user_id: UUID) -> StreamSession | None:
        found = await self.by_ids([session], user_id=user_id)
        return found[0] if found else None

    async def beat(self, session: str, *, lock: bool = False) -> dict[str, Any] | None:
        statement = select(stream_sessions.c.beat).where(stream_sessions.c.session_id == session)
        if lock:
            # Two beats of one player: the second builds upon the first one's advice.
            statement = statement.with_for_update()
        found: dict[str, Any] | None = await self._connection.scalar(statement)
        return found

    async def set_beat(self, session: str, beat: Mapping[str, Any], *, now: datetime) -> None:
        await self._connection.execute(
            update(stream_sessions)
            .where(stream_sessions.c.session_id == session)
            .values(beat=dict(beat), last_at=func.greatest(stream_sessions.c.last_at, now))
        )

    async def stop(self, session: str, *, reason: str, now: datetime) -> None:
        await self._connection.execute(
            update(stream_sessions)
            .where(
                stream_sessions.c.session_id == session,
                _RUNNING,
            )
            .values(
                stopped_at=func.greatest(stream_sessions.c.last_at, now),
                last_at=func.greatest(stream_sessions.c.last_at, now),
                reason=reason,
            )
        )

    async def of_user(self, user_id: UUID, *, limit: int, offset: int) -> list[StreamSession]:
        newest = (
            stream_sessions.c.started_at.desc(),
            stream_sessions.c.session_id,
        )
        return await self._sessions(
            select(*_SESSION)
            .where(stream_sessions.c.user_id == user_id)
            .order_by(*newest)
            .limit(limit)
            .offset(offset)
        )

    async def count_of_user(self, user_id: UUID) -> int:
        found = await self._connection.scalar(
            select(func.count())
            .select_from(stream_sessions)
            .where(stream_sessions.c.user_id == user_id)
        )
        return found or 0

    async def running_of_user(self, user_id: UUID, *, since: datetime) -> list[StreamSession]:
        return await self._sessions(
            select(*_SESSION)
            .where(
                stream_sessions.c.user_id == user_id,
                stream_sessions.c.last_at >= since,
                _RUNNING,
            )
            .order_by(stream_sessions.c.started_at.desc(), stream_sessions.c.session_id)
            .limit(_MOST_RUNNING)
        )

    async def by_ids(self, sessions: Collection[str], *, user_id: UUID) -> list[StreamSession]:
        return await self._sessions(
            select(*_SESSION).where(
                stream_sessions.c.session_id.in_(sessions), stream_sessions.c.user_id == user_id
            )
        )

    async def _sessions(self, statement: Select[Any]) -> list[StreamSession]:
        rows = (await self._connection.execute(statement)).all()
        totals = await self._totals([row.session_id for row in rows])
        return [_session(row, totals.get(row.session_id, Totals())) for row in rows]

    async def _totals(self, sessions: Sequence[str]) -> dict[str, Totals]:
        part = stream_parts.c
        summed = ("requests", "bytes", "manifests", "segments", "active_ms")
        rows = await self._connection.execute(
            select(
                part.session_id,
                *(
                    cast(func.sum(part[name]), BigInteger).label(name)
                    for name in (*summed, "stalls", "stall_ms", "errors")
                ),
                func.coalesce(func.min(part.startup_ms).filter(part.startup_ms > 0), 0).label(
                    "startup_ms"
                ),
                func.max(part.played_kbps).label("played_kbps"),
                func.max(part.top_kbps).label("top_kbps"),
            )
            .where(part.session_id.in_(sessions))
            .group_by(part.session_id)
        )
        return {
            row.session_id: Totals(
                **{name: value for name, value in row._mapping.items() if name != "session_id"}
            )
            for row in rows
        }

    async def experience(
        self, by: Aspect, *, since: datetime, media_id: UUID | None, limit: int
    ) -> list[Experience]:
        return await experience(self._connection, by, since=since, media_id=media_id, limit=limit)

    async def forget(self, subject: str, *, now: datetime) -> int:
        await self._connection.execute(
            text("select pg_advisory_xact_lock(:key)"), {"key": _FORGETTING}
        )
        hashed = subject_hash(subject)
        await self._connection.execute(
            upsert(stream_forgotten)
            .values(subject_hash=hashed, at=now)
            .on_conflict_do_update(
                index_elements=[stream_forgotten.c.subject_hash], set_={"at": now}
            )
        )
        await self._connection.execute(
            delete(stream_rejections).where(stream_rejections.c.subject == subject)
        )
        result = await self._connection.execute(
            delete(stream_sessions).where(stream_sessions.c.subject == subject)
        )
        return result.rowcount

    async def close_silent(self, *, before: datetime, limit: int) -> int:
        silent = (
            select(stream_sessions.c.session_id)
            .where(stream_sessions.c.last_at < before, _RUNNING)
            .limit(limit)
        )
        result = await self._connection.execute(
            update(stream_sessions)
            .where(stream_sessions.c.session_id.in_(silent))
            .values(stopped_at=stream_sessions.c.last_at, reason="timeout")
        )
        return result.rowcount

    async def remove_old(self, *, before: datetime, limit: int) -> int:
        old = (
            select(stream_sessions.c.session_id)
            .where(stream_sessions.c.last_at < before)
            .order_by(stream_sessions.c.last_at)
            .limit(limit)
        )
        result = await self._connection.execute(
            delete(stream_sessions).where(stream_sessions.c.session_id.in_(old))
        )
        return result.rowcount

    async def remove_old_rejections(self, *, before: datetime, limit: int) -> int:
        key = tuple_(stream_rejections.c.boot, stream_rejections.c.number)
        old = (
            select(stream_rejections.c.boot, stream_rejections.c.number)
            .where(stream_rejections.c.at < before)
            .limit(limit)
        )
        result = await self._connection.execute(delete(stream_rejections).where(key.in_(old)))
        return result.rowcount

    async def remove_old_boots(self, *, before: datetime) -> list[str]:
        rows = await self._connection.execute(
            delete(stream_boots)
            .where(stream_boots.c.seen_at < before)
            .returning(stream_boots.c.boot)
        )
        return [row.boot for row in rows]

    async def remove_old_forgotten(self, *, before: datetime) -> int:
        result = await self._connection.execute(
            delete(stream_forgotten).where(stream_forgotten.c.at < before)
        )
        return result.rowcount


def _session(row: Row[*tuple[Any, ...]], totals: Totals) -> StreamSession:
    return StreamSession(
        id=row.session_id,
        grant=row.grant_id,
        subject=row.subject,
        user_id=row.user_id,
        media_id=row.media_id,
        episode_id=row.episode_id,
        content=row.content,
        device=row.device,
        country=row.country,
        started_at=row.started_at.astimezone(UTC),
        ends_at=row.ends_at.astimezone(UTC),
        last_at=row.last_at.astimezone(UTC),
        stopped_at=None if row.stopped_at is None else row.stopped_at.astimezone(UTC),
        reason=row.reason,
        totals=totals,
    )
