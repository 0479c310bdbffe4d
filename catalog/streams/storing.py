"""The statements that store events: many rows at once, and the same rows any number of times.

Counts only grow, so that the greater of two is the later; what is said of the quality goes with its time.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from catalog.streams.domain import user_of
from catalog.streams.told import PartRow, RejectionRow, SessionRow
from config.contracts.paths import media_of

STORE_SESSIONS = text("""
    insert into stream_sessions as kept (
        session_id, grant_id, subject, user_id, media_id, episode_id, content, device, agent, country, network,
        edge, started_at, ends_at, last_at, stopped_at, reason, revision
    )
    select r.session_id, r.grant_id, r.subject, u.id, r.media_id, v.episode_id, r.content, r.device, r.agent,
        r.country, r.network, r.edge, to_timestamp(r.started_at), to_timestamp(r.ends_at), to_timestamp(r.last_at),
        to_timestamp(r.stopped_at), r.reason, r.revision
    from jsonb_to_recordset(cast(:rows as jsonb)) as r (
        session_id text, grant_id text, subject text, public_id integer, media_id uuid, content text, device text,
        agent text, country text, network text, edge text, started_at double precision, ends_at double precision,
        last_at double precision, stopped_at double precision, reason text, revision integer
    )
    left join users u on u.public_id = r.public_id
    left join video_sources v on v.id = r.media_id
    on conflict (session_id) do update set
        device = case when kept.edge = '' then excluded.device else kept.device end,
        agent = case when kept.edge = '' then excluded.agent else kept.agent end,
        country = case when kept.country = '' then excluded.country else kept.country end,
        network = case when kept.network = '' then excluded.network else kept.network end,
        edge = case when kept.edge = '' or excluded.last_at >= kept.last_at
            then excluded.edge else kept.edge end,
        started_at = least(kept.started_at, excluded.started_at),
        ends_at = greatest(kept.ends_at, excluded.ends_at),
        last_at = greatest(kept.last_at, excluded.last_at),
        stopped_at = greatest(kept.stopped_at, excluded.stopped_at),
        reason = case when kept.stopped_at is null or excluded.stopped_at >= kept.stopped_at
            then (case when kept.reason = 'stop' and excluded.reason = 'kicked' then 'stop' else excluded.reason end)
            else kept.reason end,
        revision = greatest(kept.revision, excluded.revision)
""")

_COUNTS = ("requests", "bytes", "manifests", "segments", "active_ms")
_QUALITY = (
    *("stalls", "stall_ms", "startup_ms", "errors", "lost"),
    *("buffer_ms", "throughput_kbps", "played_kbps", "top_kbps"),
)
_NAMES = ", ".join((*_COUNTS, *_QUALITY))
_TYPES = ", ".join(f"{name} bigint" for name in (*_COUNTS, *_QUALITY))
_NEWER = "(excluded.requests, excluded.at, excluded.reported_at) >= (kept.requests, kept.at, kept.reported_at)"
_SET = ",\n        ".join(
    [f"{name} = greatest(kept.{name}, excluded.{name})" for name in ("at", *_COUNTS)]
    + [
        f"{name} = case when {_NEWER} then excluded.{name} else kept.{name} end"
        for name in ("renditions", "reported_at", "is_estimate", *_QUALITY)
    ]
)

STORE_PARTS = text(f"""
    insert into stream_parts as kept (
        session_id, part, edge, at, renditions, reported_at, is_estimate, {_NAMES}
    )
    select session_id, part, edge, to_timestamp(at), renditions, reported_at, is_estimate, {_NAMES}
    from jsonb_to_recordset(cast(:rows as jsonb)) as r (
        session_id text, part text, edge text, at double precision, renditions jsonb,
        reported_at double precision, is_estimate boolean, {_TYPES}
    )
    on conflict (session_id, part) do update set
        {_SET}
""")  # noqa: S608 - the names are those above

STORE_REJECTIONS = text("""
    insert into stream_rejections (boot, number, session_id, subject, content, device, edge, playing, at)
    select r.boot, r.number, r.session_id, r.subject, r.content, r.device, r.edge, r.playing, to_timestamp(r.at)
    from jsonb_to_recordset(cast(:rows as jsonb)) as r (
        boot text, number bigint, session_id text, subject text, content text, device text, edge text,
        playing integer, at double precision
    )
    on conflict do nothing
""")


def session_json(row: SessionRow) -> dict[str, Any]:
    """What ``STORE_SESSIONS`` reads."""
    start, media_id = row.start, media_of(row.start.content)
    return {
        "session_id": start.id,
        "grant_id": start.grant,
        "subject": start.subject,
        "public_id": user_of(start.subject),
        "media_id": None if media_id is None else str(media_id),
        "content": start.content,
        "device": start.device,
        "agent": start.agent,
        "country": start.country,
        "network": start.network,
        "edge": row.edge,
        "started_at": start.started_at,
        "ends_at": start.ends_at,
        "last_at": row.last_at,
        "stopped_at": row.stopped_at,
        "reason": row.reason,
        "revision": row.revision,
    }


def part_json(row: PartRow) -> dict[str, Any]:
    """What ``STORE_PARTS`` reads."""
    return {
        **row.counted.to_json(),
        **row.quality.to_json(),
        "session_id": row.session,
        "part": row.part,
        "edge": row.edge,
        "at": row.at,
    }


def rejection_json(row: RejectionRow) -> dict[str, Any]:
    """What ``STORE_REJECTIONS`` reads."""
    return {
        "boot": row.boot,
        "number": row.number,
        "session_id": row.start.id,
        "subject": row.start.subject,
        "content": row.start.content,
        "device": row.start.device,
        "edge": row.edge,
        "playing": row.playing,
        "at": row.start.started_at,
    }
