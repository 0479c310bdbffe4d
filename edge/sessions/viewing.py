"""One session in one worker: plain integers that a hit adds to, told to the registry by a timer."""

from __future__ import annotations

from config.contracts.sessions import Counted, Quality, SessionStart, StopReason
from edge.sessions.cmcd.said import kept_with
from edge.sessions.hearing import Hearing

MOST_RENDITIONS = 32


class Viewing:
    """What this process has given to a session."""

    __slots__ = (
        "active_ms",
        "admitted",
        "bytes",
        "cap",
        "ended",
        "heard_at",
        "hearing",
        "life",
        "manifests",
        "paused",
        "quality",
        "renditions",
        "requests",
        "said",
        "said_at",
        "seen_at",
        "segments",
        "skipped",
        "start",
        "suggested_kbps",
        "told_at",
        "told_bytes",
    )

    def __init__(self, start: SessionStart, *, now: float, life: int = 0) -> None:
        self.start = start
        self.life = life  # which one of this session in this process
        self.admitted = False  # counted against its limit: its manifests may be given as they lie
        self.requests = 0
        self.bytes = 0
        self.manifests = 0
        self.segments = 0
        self.renditions: dict[str, int] = {}  # segments by rendition
        self.seen_at = now  # seconds since the epoch: the last request
        self.heard_at = now  # up to which active_ms counts
        self.told_at = 0.0  # seen_at when the registry was told last
        self.told_bytes = 0  # bytes then
        self.paused = False  # its player says so
        self.active_ms = 0
        self.ended: StopReason | None = None  # the lane leaves it to the ordinary way then
        self.cap: int | None = None  # greatest height that it is to be offered
        self.said: list[str] | None = None  # raw CMCD that has not been read yet, bounded
        self.said_at = 0.0  # when the first of it came, in seconds since the epoch
        self.skipped = 0  # texts of it that had to go unread since the others were taken
        self.suggested_kbps: int | None = (
            None  # greatest bit rate that its player is advised to take
        )
        self.quality: Quality | None = None
        self.hearing: Hearing | None = None  # what the quality is concluded from

    def sent(self, body_bytes: int) -> None:
        """So many bytes of a body were handed to the kernel."""
        self.bytes += body_bytes

    def asked(self, now: float, *, manifest: bool, rendition: str = "") -> None:
        """A request at ``now`` (seconds since the epoch), of the class that its path's name says."""
        self.requests += 1
        self.seen_at = now
        if manifest:
            self.manifests += 1
            return
        self.segments += 1
        renditions = self.renditions
        if rendition not in renditions and len(renditions) >= MOST_RENDITIONS:
            rendition = ""  # no viewer makes names up without end
        renditions[rendition] = renditions.get(rendition, 0) + 1

    def say(self, text: str) -> None:
        """Keep what the player said of itself, as it was sent, until somebody reads it."""
        if self.said is None:
            self.said = [text]
            self.said_at = self.seen_at
        else:
            self.skipped += kept_with(self.said, text)

    def heard(self, idle_seconds: float) -> None:
        """Count the time up to the last request, unless the viewer was away in between."""
        gap = self.seen_at - self.heard_at
        if 0 < gap < idle_seconds:
            self.active_ms += round(gap * 1000)
        self.heard_at = self.seen_at

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
