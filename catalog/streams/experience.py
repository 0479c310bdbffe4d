"""The SQL of how well streams played: sums over many of them, by something that they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Text, cast, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog.streams.domain import Aspect, Experience
from catalog.tables import stream_parts, stream_sessions

_session, _part = stream_sessions.c, stream_parts.c
_JOINED = stream_parts.join(stream_sessions, _session.session_id == _part.session_id)

_VALUES: dict[Aspect, ColumnElement[str]] = {
    "edge": _part.edge,
    "media": func.coalesce(cast(_session.media_id, Text), ""),
    "device": _session.device,
    "country": _session.country,
    "agent": _session.agent,
}
_SUMS = ("bytes", "active_ms", "stalls", "stall_ms", "errors")


async def experience(
    connection: AsyncConnection,
    by: Aspect,
    *,
    since: datetime,
    media_id: UUID | None,
    limit: int,
) -> list[Experience]:
    """How streams played that were heard of since then, most of them first."""
    value = _VALUES[by]
    where = [_session.last_at >= since]
    if media_id is not None:
        where.append(_session.media_id == media_id)
    streams = func.count(_session.session_id.distinct())
    rows = await connection.execute(
        select(
            value.label("value"),
            streams.label("streams"),
            func.count(_session.subject.distinct()).label("viewers"),
            *(cast(func.sum(_part[name]), BigInteger).label(name) for name in _SUMS),
            func.percentile_cont(0.5)
            .within_group(_part.startup_ms)
            .filter(_part.startup_ms > 0)
            .label("startup_ms"),
        )
        .select_from(_JOINED)
        .where(*where)
        .group_by(value)
        .order_by(streams.desc(), value)
        .limit(limit)
    )
    found = rows.all()
    renditions = await _renditions(connection, value, where, [row.value for row in found])
    return [Experience(**row._mapping, renditions=renditions.get(row.value, {})) for row in found]


async def _renditions(
    connection: AsyncConnection,
    value: ColumnElement[str],
    where: Sequence[ColumnElement[bool]],
    values: Sequence[str],
) -> dict[str, dict[str, int]]:
    """Segments by rendition, of each of these values."""
    each: Any = func.jsonb_each_text(_part.renditions).table_valued("key", "value").lateral()
    segments = cast(func.sum(cast(each.c.value, BigInteger)), BigInteger)
    rows = await connection.execute(
        select(value.label("value"), each.c.key, segments.label("segments"))
        .select_from(_JOINED.join(each, true()))
        .where(*where, value.in_(values))
        .group_by(value, each.c.key)
        .order_by(segments.desc(), each.c.key)
    )
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row.value, {})[row.key] = row.segments
    return found
