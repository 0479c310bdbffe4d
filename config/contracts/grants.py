"""What a verified token allows, whatever scheme it came from."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One viewer's permission, for as long as ``expires_at`` is in the future."""

    subject: str
    session: str
    path_prefixes: tuple[str, ...]  # each starts and ends with '/', so '/a/' never covers '/ab'
    not_before: int  # seconds since the epoch, UTC
    expires_at: int  # seconds since the epoch, UTC
    key_id: str
    max_height: int | None = None
    max_bitrate: int | None = None  # bits per second
    languages: tuple[str, ...] = field(default=())

    def covers(self, path: str) -> bool:
        """Whether ``path`` (``/{origin}/{path}``, already checked to be plain) is allowed."""
        return path.startswith(self.path_prefixes)
