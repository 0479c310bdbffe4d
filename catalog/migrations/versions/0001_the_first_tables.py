"""The first tables, the trigram extension and Procrastinate's schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager
from sqlalchemy.dialects import postgresql

from catalog.database import TRIGRAM_PROBE, TRIGRAM_PROBLEM, UnusableDatabase

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


# Everything that Procrastinate made; its own way back does not exist.
_DROP_PROCRASTINATE = """
do $$
declare name text;
begin
    drop table if exists procrastinate_events, procrastinate_periodic_defers,
        procrastinate_jobs, procrastinate_workers cascade;
    for name in select oid::regprocedure from pg_proc where proname like 'procrastinate\\_%' loop
        execute 'drop function ' || name || ' cascade';
    end loop;
    for name in
        select oid::regtype from pg_type where typname like 'procrastinate\\_%' and typtype in ('e', 'c')
    loop
        execute 'drop type ' || name || ' cascade';
    end loop;
end $$
"""


def _make_trigram_extension() -> None:
    op.execute("create extension if not exists pg_trgm")
    found = op.get_bind().scalar(
        sa.text("select cardinality(show_trgm(:word))"), {"word": TRIGRAM_PROBE}
    )
    if not found:
        raise UnusableDatabase(TRIGRAM_PROBLEM)


def _make_procrastinate() -> None:
    # Many statements in one text: the driver takes them only without parameters, through its own method.
    schema = SchemaManager.get_schema()
    op.get_bind().connection.dbapi_connection.run_async(lambda driver: driver.execute(schema))


def upgrade() -> None:
    _make_trigram_extension()
    _make_procrastinate()
    op.create_table(
        "releases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("public_id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("alias", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("season", sa.Text(), nullable=True),
        sa.Column("name_main", sa.Text(), nullable=False),
        sa.Column("name_english", sa.Text(), server_default="", nullable=False),
        sa.Column("name_alternative", sa.Text(), nullable=True),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("notification", sa.Text(), nullable=True),
        sa.Column("poster", sa.Text(), nullable=True),
        sa.Column("age_rating", sa.Text(), nullable=False),
        sa.Column("publish_day", sa.SmallInteger(), nullable=False),
        sa.Column("episodes_total", sa.Integer(), nullable=True),
        sa.Column("average_duration", sa.Integer(), nullable=True),
        sa.Column("external_player", sa.Text(), nullable=True),
        sa.Column("is_ongoing", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "is_in_production", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column(
            "fresh_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("publish_day between 1 and 7", name=op.f("releases_publish_day_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("releases_pkey")),
        sa.UniqueConstraint("alias", name=op.f("releases_alias_key")),
        sa.UniqueConstraint("public_id", name=op.f("releases_public_id_key")),
    )
    op.create_index(
        "releases_fresh_at_public_id_idx", "releases", ["fresh_at", "public_id"], unique=False
    )
    op.create_index(
        "releases_search_text_idx",
        "releases",
        ["search_text"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
    )
    op.create_table(
        "transcode_jobs",
        sa.Column("media_id", sa.Uuid(), nullable=False),
        sa.Column("source_key", sa.Text(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("progress", sa.REAL(), server_default="0", nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("prefix", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "state in ('queued','running','done','failed','cancelled')",
            name=op.f("transcode_jobs_state_check"),
        ),
        sa.CheckConstraint("progress between 0 and 1", name=op.f("transcode_jobs_progress_check")),
        sa.PrimaryKeyConstraint("media_id", name=op.f("transcode_jobs_pkey")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("public_id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("login_key", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("email_key", sa.Text(), nullable=False),
        sa.Column("nickname", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("is_banned", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("users_pkey")),
        sa.UniqueConstraint("email_key", name=op.f("users_email_key_key")),
        sa.UniqueConstraint("login_key", name=op.f("users_login_key_key")),
        sa.UniqueConstraint("public_id", name=op.f("users_public_id_key")),
    )
    op.create_table(
        "worker_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("consumed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("worker_events_pkey")),
    )
    op.create_index(
        "worker_events_waiting_idx",
        "worker_events",
        ["created_at", "id"],
        unique=False,
        postgresql_where=sa.text("consumed_at is null"),
    )
    op.create_table(
        "episodes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("release_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Numeric(precision=6, scale=2), nullable=False),
        sa.Column("sort_order", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("name_english", sa.Text(), nullable=True),
        sa.Column("opening_start", sa.Integer(), nullable=True),
        sa.Column("opening_stop", sa.Integer(), nullable=True),
        sa.Column("ending_start", sa.Integer(), nullable=True),
        sa.Column("ending_stop", sa.Integer(), nullable=True),
        sa.Column("duration", sa.Integer(), server_default="0", nullable=False),
        sa.Column("preview", sa.Text(), nullable=True),
        sa.Column("rutube_id", sa.Text(), nullable=True),
        sa.Column("youtube_id", sa.Text(), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["release_id"],
            ["releases.id"],
            name=op.f("episodes_release_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("episodes_pkey")),
        sa.UniqueConstraint("release_id", "ordinal", name=op.f("episodes_release_id_ordinal_key")),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("ip", postgresql.INET(), nullable=True),
        sa.Column("user_agent", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "last_active_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("sessions_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("sessions_pkey")),
        sa.UniqueConstraint("token_hash", name=op.f("sessions_token_hash_key")),
    )
    op.create_index("sessions_expires_at_idx", "sessions", ["expires_at"], unique=False)
    op.create_index(op.f("sessions_user_id_idx"), "sessions", ["user_id"], unique=False)
    op.create_table(
        "video_sources",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("episode_id", sa.Uuid(), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("filename", sa.Text(), server_default="", nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("prefix", sa.Text(), nullable=True),
        sa.Column("duration_seconds", sa.Double(), nullable=True),
        sa.Column(
            "renditions",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "state in ('uploading','processing','ready','failed','cancelled','retired')",
            name=op.f("video_sources_state_check"),
        ),
        sa.ForeignKeyConstraint(
            ["episode_id"],
            ["episodes.id"],
            name=op.f("video_sources_episode_id_fkey"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"],
            ["users.id"],
            name=op.f("video_sources_owner_id_fkey"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("video_sources_pkey")),
    )
    op.create_index(
        op.f("video_sources_episode_id_idx"), "video_sources", ["episode_id"], unique=False
    )
    op.create_index(op.f("video_sources_owner_id_idx"), "video_sources", ["owner_id"], unique=False)
    op.create_index(
        "video_sources_ready_key",
        "video_sources",
        ["episode_id"],
        unique=True,
        postgresql_where=sa.text("state = 'ready'"),
    )
    op.create_table(
        "uploads",
        sa.Column("media_id", sa.Uuid(), nullable=False),
        sa.Column("length_bytes", sa.BigInteger(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["media_id"],
            ["video_sources.id"],
            name=op.f("uploads_media_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("media_id", name=op.f("uploads_pkey")),
    )
    op.create_index("uploads_expires_at_idx", "uploads", ["expires_at"], unique=False)


def downgrade() -> None:
    op.execute(_DROP_PROCRASTINATE)
    op.drop_index("uploads_expires_at_idx", table_name="uploads")
    op.drop_table("uploads")
    op.drop_index(
        "video_sources_ready_key",
        table_name="video_sources",
        postgresql_where=sa.text("state = 'ready'"),
    )
    op.drop_index(op.f("video_sources_owner_id_idx"), table_name="video_sources")
    op.drop_index(op.f("video_sources_episode_id_idx"), table_name="video_sources")
    op.drop_table("video_sources")
    op.drop_index(op.f("sessions_user_id_idx"), table_name="sessions")
    op.drop_index("sessions_expires_at_idx", table_name="sessions")
    op.drop_table("sessions")
    op.drop_table("episodes")
    op.drop_index(
        "worker_events_waiting_idx",
        table_name="worker_events",
        postgresql_where=sa.text("consumed_at is null"),
    )
    op.drop_table("worker_events")
    op.drop_table("users")
    op.drop_table("transcode_jobs")
    op.drop_index(
        "releases_search_text_idx",
        table_name="releases",
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
    )
    op.drop_index("releases_fresh_at_public_id_idx", table_name="releases")
    op.drop_table("releases")
