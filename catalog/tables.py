"""Every table of the catalog; the migrations in ``migrations/versions`` make exactly these."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import INET, JSONB, REAL

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


def _instant(name: str, *, nullable: bool = False, default: bool = False) -> Column[Any]:
    return Column(
        name,
        DateTime(timezone=True),
        nullable=nullable,
        server_default=text("now()") if default else None,
    )


def _public_id() -> Column[Any]:
    # An integer, not a bigint: contract clients parse a 32-bit number.
    return Column("public_id", Integer, Identity(always=True), nullable=False, unique=True)


users = Table(
    "users",
    metadata,
    Column("id", Uuid, primary_key=True),
    _public_id(),
    Column("login", Text, nullable=False),
    # Keys are NFKC casefolded by accounts.domain: the unique indexes settle races between look-alikes.
    Column("login_key", Text, nullable=False, unique=True),
    Column("email", Text, nullable=False),
    Column("email_key", Text, nullable=False, unique=True),
    Column("nickname", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("is_banned", Boolean, nullable=False, server_default=text("false")),
    _instant("created_at", default=True),
    _instant("updated_at", default=True),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("ip", INET, nullable=True),
    Column("user_agent", Text, nullable=False, server_default=""),
    _instant("created_at", default=True),
    _instant("last_active_at", default=True),
    _instant("expires_at"),
    Index("sessions_expires_at_idx", "expires_at"),
)

releases = Table(
    "releases",
    metadata,
    Column("id", Uuid, primary_key=True),
    _public_id(),
    Column("alias", Text, nullable=False, unique=True),
    Column("type", Text, nullable=False),
    Column("year", SmallInteger, nullable=False),
    Column("season", Text, nullable=True),
    Column("name_main", Text, nullable=False),
    Column("name_english", Text, nullable=False, server_default=""),
    Column("name_alternative", Text, nullable=True),
    Column("search_text", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("notification", Text, nullable=True),
    Column("poster", Text, nullable=True),
    Column("age_rating", Text, nullable=False),
    Column("publish_day", SmallInteger, nullable=False),
    Column("episodes_total", Integer, nullable=True),
    Column("average_duration", Integer, nullable=True),  # minutes
    Column("external_player", Text, nullable=True),
    Column("is_ongoing", Boolean, nullable=False, server_default=text("false")),
    Column("is_in_production", Boolean, nullable=False, server_default=text("false")),
    _instant("fresh_at", default=True),
    _instant("created_at", default=True),
    _instant("updated_at", default=True),
    CheckConstraint("publish_day between 1 and 7", name="publish_day"),
    Index("releases_fresh_at_public_id_idx", "fresh_at", "public_id"),
    Index(
        "releases_search_text_idx",
        "search_text",
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
    ),
)

episodes = Table(
    "episodes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("release_id", ForeignKey("releases.id", ondelete="CASCADE"), nullable=False),
    Column("ordinal", Numeric(6, 2), nullable=False),
    Column("sort_order", Integer, nullable=False),
    Column("name", Text, nullable=True),
    Column("name_english", Text, nullable=True),
    Column("opening_start", Integer, nullable=True),  # seconds, like the next three
    Column("opening_stop", Integer, nullable=True),
    Column("ending_start", Integer, nullable=True),
    Column("ending_stop", Integer, nullable=True),
    Column("duration", Integer, nullable=False, server_default="0"),  # seconds
    Column("preview", Text, nullable=True),
    Column("rutube_id", Text, nullable=True),
    Column("youtube_id", Text, nullable=True),
    _instant("released_at", nullable=True),
    _instant("created_at", default=True),
    _instant("updated_at", default=True),
    # Its index also leads with release_id, so that the foreign key needs none of its own.
    UniqueConstraint("release_id", "ordinal"),
)

video_sources = Table(
    "video_sources",
    metadata,
    Column("id", Uuid, primary_key=True),  # the media id of contracts, jobs and paths
    Column("episode_id", ForeignKey("episodes.id", ondelete="SET NULL"), nullable=True, index=True),
    Column("owner_id", ForeignKey("users.id", ondelete="SET NULL"), nullable=True, index=True),
    Column("filename", Text, nullable=False, server_default=""),
    Column("size_bytes", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempt", Integer, nullable=False, server_default="0"),  # the one that is published
    Column("prefix", Text, nullable=True),
    Column("duration_seconds", Double, nullable=True),
    Column("renditions", JSONB, nullable=False, server_default=text("'[]'")),
    _instant("ready_at", nullable=True),
    _instant("created_at", default=True),
    _instant("updated_at", default=True),
    CheckConstraint(
        "state in ('uploading','processing','ready','failed','cancelled','retired')", name="state"
    ),
    Index(
        "video_sources_ready_key",
        "episode_id",
        unique=True,
        postgresql_where=text("state = 'ready'"),
    ),
)

uploads = Table(
    "uploads",
    metadata,
    Column("media_id", ForeignKey("video_sources.id", ondelete="CASCADE"), primary_key=True),
    Column("length_bytes", BigInteger, nullable=False),
    _instant("created_at", default=True),
    _instant("expires_at"),
    _instant("completed_at", nullable=True),
    Index("uploads_expires_at_idx", "expires_at"),
)

# Shared with the workers, who write what a running job does.
transcode_jobs = Table(
    "transcode_jobs",
    metadata,
    Column("media_id", Uuid, primary_key=True),
    Column("source_key", Text, nullable=False),
    Column("job_id", BigInteger, nullable=True),  # procrastinate_jobs.id
    Column("state", Text, nullable=False, server_default="queued"),
    Column("stage", Text, nullable=True),
    Column("progress", REAL, nullable=False, server_default="0"),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("prefix", Text, nullable=True),
    Column("error_code", Text, nullable=True),
    Column("error_message", Text, nullable=True),
    _instant("created_at", default=True),
    _instant("started_at", nullable=True),
    _instant("finished_at", nullable=True),
    _instant("updated_at", default=True),
    CheckConstraint("state in ('queued','running','done','failed','cancelled')", name="state"),
    CheckConstraint("progress between 0 and 1", name="progress"),
)

# Written by the workers in the commit that made the event true; read once by the catalog.
worker_events = Table(
    "worker_events",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    _instant("created_at", default=True),
    _instant("consumed_at", nullable=True),
    Index(
        "worker_events_waiting_idx",
        "created_at",
        "id",
        postgresql_where=text("consumed_at is null"),
    ),
)

# What edges tell of stream sessions ("sessions" are logins). A session runs as long as nothing is later than its last
# stop: so it makes no difference in which order edges are heard.
stream_sessions = Table(
    "stream_sessions",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("grant_id", Text, nullable=False),  # the session that tokens and revocations name
    Column("subject", Text, nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=True),
    Column("media_id", Uuid, nullable=True),  # no foreign key: what was watched outlives the media
    Column("episode_id", Uuid, nullable=True),
    Column("content", Text, nullable=False),  # '/{origin}/{path}/'
    Column("device", Text, nullable=False),
    Column("agent", Text, nullable=False, server_default=""),
    Column("country", Text, nullable=False, server_default=""),
    Column("network", Text, nullable=False, server_default=""),
    Column("edge", Text, nullable=False, server_default=""),  # the one heard of last
    _instant("started_at"),
    _instant("ends_at"),  # no token holds any longer
    _instant("last_at"),  # of everything that is known of it
    _instant("stopped_at", nullable=True),
    Column("reason", Text, nullable=True),  # of that stop
    Column("revision", Integer, nullable=False, server_default="1"),  # how often it began
    Column("beat", JSONB, nullable=True),  # what its player told the catalog last, and the advice
    Index("stream_sessions_user_id_started_at_idx", "user_id", "started_at"),
    Index("stream_sessions_subject_started_at_idx", "subject", "started_at"),
    Index("stream_sessions_media_id_started_at_idx", "media_id", "started_at"),
    Index("stream_sessions_last_at_idx", "last_at"),
    Index(
        "stream_sessions_running_idx",
        "last_at",
        postgresql_where=text("stopped_at is null or stopped_at < last_at"),
    ),
)

# What one process of one edge gave to a session. The counts only grow, and a session's are the sums over its parts.
stream_parts = Table(
    "stream_parts",
    metadata,
    Column(
        "session_id", ForeignKey("stream_sessions.session_id", ondelete="CASCADE"), primary_key=True
    ),
    Column("part", Text, primary_key=True),
    Column("edge", Text, nullable=False),
    _instant("at"),
    *(
        Column(name, BigInteger, nullable=False)
        for name in (
            *("requests", "bytes", "manifests", "segments", "active_ms"),
            *("stalls", "stall_ms", "startup_ms", "errors", "lost"),
            *("buffer_ms", "throughput_kbps", "played_kbps", "top_kbps"),
        )
    ),
    Column("renditions", JSONB, nullable=False),  # segments by rendition
    Column("reported_at", Double, nullable=False),  # seconds since the epoch; 0: never
    Column("is_estimate", Boolean, nullable=False),
)

# How far the events of each boot of an edge are stored: written in the commit that stored them.
stream_boots = Table(
    "stream_boots",
    metadata,
    Column("boot", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),  # this one and all before it
    _instant("seen_at"),
    Index("stream_boots_seen_at_idx", "seen_at"),
)

stream_rejections = Table(
    "stream_rejections",
    metadata,
    Column("boot", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True),  # of the boot's event
    Column("session_id", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("edge", Text, nullable=False),
    Column("playing", Integer, nullable=False),  # how many there were already
    _instant("at"),
    Index("stream_rejections_subject_idx", "subject"),
    Index("stream_rejections_at_idx", "at"),
)

# Whose sessions of before are to be forgotten: edges may still tell of them.
stream_forgotten = Table(
    "stream_forgotten",
    metadata,
    Column("subject_hash", LargeBinary, primary_key=True),
    _instant("at"),
)
