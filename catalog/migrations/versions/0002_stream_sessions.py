"""What edges tell of stream sessions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COUNTED = (
    *("requests", "bytes", "manifests", "segments", "active_ms"),
    *("stalls", "stall_ms", "startup_ms", "errors", "lost"),
    *("buffer_ms", "throughput_kbps", "played_kbps", "top_kbps"),
)


def upgrade() -> None:
    op.create_table(
        "stream_sessions",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("grant_id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("media_id", sa.Uuid(), nullable=True),
        sa.Column("episode_id", sa.Uuid(), nullable=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), server_default="", nullable=False),
        sa.Column("country", sa.Text(), server_default="", nullable=False),
        sa.Column("network", sa.Text(), server_default="", nullable=False),
        sa.Column("edge", sa.Text(), server_default="", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("beat", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("stream_sessions_user_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("session_id", name=op.f("stream_sessions_pkey")),
    )
    for name in ("user_id", "subject", "media_id"):
        op.create_index(
            f"stream_sessions_{name}_started_at_idx", "stream_sessions", [name, "started_at"]
        )
    op.create_index("stream_sessions_last_at_idx", "stream_sessions", ["last_at"])
    op.create_index(
        "stream_sessions_running_idx",
        "stream_sessions",
        ["last_at"],
        postgresql_where=sa.text("stopped_at is null or stopped_at < last_at"),
    )
    op.create_table(
        "stream_parts",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("edge", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _COUNTED),
        sa.Column("renditions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reported_at", sa.Double(), nullable=False),
        sa.Column("is_estimate", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["stream_sessions.session_id"],
            name=op.f("stream_parts_session_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("session_id", "part", name=op.f("stream_parts_pkey")),
    )
    op.create_table(
        "stream_boots",
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("boot", name=op.f("stream_boots_pkey")),
    )
    op.create_index("stream_boots_seen_at_idx", "stream_boots", ["seen_at"])
    op.create_table(
        "stream_rejections",
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("edge", sa.Text(), nullable=False),
        sa.Column("playing", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("boot", "number", name=op.f("stream_rejections_pkey")),
    )
    op.create_index("stream_rejections_subject_idx", "stream_rejections", ["subject"])
    op.create_index("stream_rejections_at_idx", "stream_rejections", ["at"])
    op.create_table(
        "stream_forgotten",
        sa.Column("subject_hash", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subject_hash", name=op.f("stream_forgotten_pkey")),
    )


def downgrade() -> None:
    for table in (
        "stream_forgotten",
        "stream_rejections",
        "stream_boots",
        "stream_parts",
        "stream_sessions",
    ):
        op.drop_table(table)
