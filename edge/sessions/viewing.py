"""One session in one worker: plain integers that a hit adds to, told to the registry by a timer."""

from __future__ import annotations

from config.contracts.sessions import Counted, Quality, SessionStart, StopReason


class Viewing:
    """What this process has given to a session."""

    __slots__ = (
        "active_ms",
        "bytes",
        "cap",
        "ended",
        "heard_at",
        "manifests",
        "quality",
        "renditions",
        "requests",
        "said",
        "seen_at",
        "segments",
        "start",
        "told_at",
    )

    def __init__(self, start: SessionStart, *, now: float) -> None:
        self.start = start
        self.requests = 0
        self.bytes = 0
        self.manifests = 0
        self.segments = 0
        self.renditions: dict[str, int] = {}  # segments by rendition
        self.seen_at = now  # seconds since the epoch: the last request
        self.heard_at = now  # up to which active_ms counts
        self.told_at = 0.0  # seen_at when the registry was told last
        self.active_ms = 0
        self.ended: StopReason | None = None  # the lane leaves it to the ordinary way then
        self.cap: int | None = None  # greatest height that it is to be offered
        self.said: list[str] | None = None  # raw CMCD that has not been read yet, bounded
        self.quality: Quality | None = None

    def counted(self) -> Counted:
        """A copy of the figures."""
        return Counted(
            requests=self.requests,
            bytes=self.bytes,
            manifests=self.manifests,
            segments=self.segments,
            active_ms=self.active_ms,
            renditions=dict(self.renditions),
        )
