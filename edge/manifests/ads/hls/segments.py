"""A media playlist's segments by position, found by a few regular expressions over its bytes.

It says what ``hls.scan`` says, and makes no object of any line that nobody asks for: most playlists have no ads.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from operator import lt

from edge.manifests.ads.hls.lazy import Lazy
from edge.manifests.ads.hls.lines import Lines, Tag
from edge.manifests.ads.hls.moments import Moments
from edge.manifests.ads.hls.seams import Seams
from edge.manifests.ads.hls.window import Sides, Window
from edge.manifests.ads.rules import Contiguous
from edge.manifests.errors import NotAManifest
from edge.manifests.hls.blocking import seconds_of, whole_of
from edge.manifests.hls.carry import PLAYLIST_TAGS
from edge.manifests.hls.scan import MASTER_TAGS, check_size, decode
from edge.manifests.limits import DEFAULT, Limits

__all__ = ["Segments", "Tag", "index"]

# All of them read the bytes with every CR as LF: a line ends at either, and positions stay the same.
_EXTINF = re.compile(rb"\n[ \t]*#EXTINF(?![A-Za-z0-9_-]):?([^\n,]*)(,?[^\n]*)")
_TITLE = re.compile(rb"\n[ \t]*#EXTINF(?![A-Za-z0-9_-])[^\n,]*+,[ \t]*+([^\n]+)")
_FIRST_EXTINF = re.compile(_EXTINF.pattern.removeprefix(b"\\n"))
_EXTINF_BEFORE_URI = re.compile(rb"\n#EXTINF:([^\n,]*)[^\n]*\n(?=[^#\n \t])")
_NEAR = 8  # segments
_TAG = re.compile(rb"(?:\A(?:\xef\xbb\xbf)?|[\r\n])[ \t]*#EXT")
# Tags of the whole playlist: the lines of the first segment begin behind the last of them that stand together.
_HEAD_LINE = re.compile(
    rb"[ \t]*(?:#(?!EXT|[A-Z][A-Z0-9_-]*:)[^\n]*|#(?:%s)(?![A-Za-z0-9_-])[^\n]*)?(?:\n|\Z)"
    % "|".join(sorted({*PLAYLIST_TAGS, "EXT-X-SKIP"})).encode()
)
_HEADERS = (
    "EXT-X-TARGETDURATION",
    "EXT-X-MEDIA-SEQUENCE",
    "EXT-X-DISCONTINUITY-SEQUENCE",
    "EXT-X-PLAYLIST-TYPE",
    "EXT-X-SKIP",
    "EXT-X-ENDLIST",
)


class Segments(Lines):
    """The URIs of one media playlist and what stands with each; everything is found when it is asked for."""

    __slots__ = (
        "_discontinuities",
        "_head_end",
        "_known_seconds",
        "_moments",
        "_starts",
        "is_media",
    )

    def __init__(self, data: bytes, limits: Limits) -> None:
        super().__init__(data, limits)
        self._known_seconds: dict[int, Decimal] = {}
        self._starts: dict[int, int] = {}
        self._moments: Moments | None = None
        self._discontinuities: frozenset[int] | None = None
        self._head_end = -1
        # What has segments or a target duration is a media playlist, as ``scan`` has it.
        self.is_media = self.has("EXTINF", "EXT-X-TARGETDURATION") or not self.has(*MASTER_TAGS)

    def __len__(self) -> int:
        return len(self.uri_starts)

    @property
    def head_end(self) -> int:
        """Where the first segment's lines begin: its first tag that is not about the whole playlist, or its URI."""
        if self._head_end < 0:
            position = self.begin
            while position < len(self.data):
                line = _HEAD_LINE.match(self.view, position)
                if line is None:
                    break
                position = line.end()
            self._head_end = position
        return self._head_end

    @property
    def tail(self) -> tuple[int, int]:
        """The bytes behind the last segment."""
        return self.start(len(self)), len(self.data)

    def block(self, position: int) -> tuple[int, int]:
        """The bytes of one segment: from behind the line of the URI before to the end of its own URI's line."""
        return self.start(position), self.start(position + 1)

    def uri_span(self, position: int) -> tuple[int, int]:
        """Where a URI stands, without blanks around it."""
        start = self.uri_starts[position]
        return start, start + len(self.view[start : self.stop_of(start)].rstrip(b" \t"))

    def uri(self, position: int) -> str:
        """A URI as it stands."""
        start, stop = self.uri_span(position)
        return decode(self.data[start:stop])

    def seconds(self, position: int) -> Decimal:
        """A segment's EXTINF; 0 without one."""
        known = self._known_seconds.get(position)
        if known is None:
            known = self._near_seconds(position)
        return known

    def all_seconds(self) -> list[Decimal]:
        """The same of all, cheaper than one by one."""
        uris = self.uri_starts
        found = [(match.start(), match[1]) for match in _EXTINF.finditer(self.view, self.begin)]
        starts = [start for start, _ in found]
        if (
            len(found) == len(uris)
            and all(map(lt, starts, uris))
            and all(map(lt, uris, starts[1:]))
        ):
            return [_seconds(value) for _, value in found]
        return [self.seconds(position) for position in range(len(uris))]

    def title(self, position: int) -> str:
        """What stands behind a segment's EXTINF and its comma, without blanks around."""
        match = self._extinf(position)
        return "" if match is None else decode(match[2][1:].strip(b" \t"))

    def titles(self) -> bytes:
        """All titles that are not empty, a line each: not one for each segment."""
        found = _TITLE.findall(self.view, self.begin)
        first = _FIRST_EXTINF.match(self.view, self.begin)
        return b"\n".join([*found, first[2][1:]] if first is not None else found)

    @property
    def moments(self) -> Moments:
        """When each segment begins, as far as PROGRAM-DATE-TIMEs tell."""
        if self._moments is None:
            dates = [(tag.at, self.value(tag)) for tag in self.tags("EXT-X-PROGRAM-DATE-TIME")]
            self._moments = Moments(len(self), self.seconds, dates, sorted(self.discontinuities))
        return self._moments

    @property
    def discontinuities(self) -> frozenset[int]:
        """The positions with a DISCONTINUITY between the URI before and the segment's own."""
        if self._discontinuities is None:
            tags = self.tags("EXT-X-DISCONTINUITY")
            self._discontinuities = frozenset(tag.at for tag in tags if tag.at < len(self))
        return self._discontinuities

    @property
    def skipped(self) -> int:
        """How many segments a delta update does not list."""
        return sum(
            whole_of(self.attributes(tag)["SKIPPED-SEGMENTS"].value)
            for tag in self.tags("EXT-X-SKIP")
            if "SKIPPED-SEGMENTS" in self.attributes(tag)
        )

    def sides(self, contiguous_by: Contiguous) -> Sides:
        """Of the window only what has to be known to cut a playlist by itself."""
        return Sides(len(self), Seams(self, contiguous_by))

    def window(self, contiguous_by: Contiguous) -> Window:
        """The playlist in numbers; those of single segments are found when they are asked for."""
        headers: dict[str, str] = {}
        discontinuities: set[int] = set()
        for tag in self.tags(*_HEADERS, "EXT-X-DISCONTINUITY"):
            if tag.name != "EXT-X-DISCONTINUITY":
                headers[tag.name] = self.value(tag).strip()
            elif tag.at < len(self):
                discontinuities.add(tag.at)
        self._discontinuities = frozenset(discontinuities)
        number = whole_of(headers.get("EXT-X-MEDIA-SEQUENCE", ""))
        ended = "EXT-X-ENDLIST" in headers
        kind = headers.get("EXT-X-PLAYLIST-TYPE")
        return Window(
            first=number + (self.skipped if "EXT-X-SKIP" in headers else 0),
            discontinuity_sequence=whole_of(headers.get("EXT-X-DISCONTINUITY-SEQUENCE", "")),
            seconds=Lazy(len(self), self.seconds, self.all_seconds),
            discontinuities=self._discontinuities,
            starts=Lazy(len(self), lambda position: self.moments.start(position)),
            ended=ended,
            whole=(ended and number == 0) or kind in ("VOD", "EVENT"),
            parts=sum(1 for _ in self.tags_between(*self.tail, "EXT-X-PART")),
            target_seconds=seconds_of(headers.get("EXT-X-TARGETDURATION", "")),
            contiguous=Seams(self, contiguous_by),
            is_firm=lambda position: self.moments.is_firm(position),
        )

    def start(self, position: int) -> int:
        """Where the lines of a segment begin, or those behind the last one."""
        known = self._starts.get(position)
        if known is None:
            known = self._starts[position] = self._start(position)
        return known

    def _start(self, position: int) -> int:
        if position == 0:
            return self.head_end
        stop = self.view.find(b"\n", self.uri_starts[position - 1])
        if stop < 0:
            return len(self.data)
        if self.view is self.data:
            return stop + 1
        return stop + 1 + (self.data[stop : stop + 2] == b"\r\n")

    def _near_seconds(self, position: int) -> Decimal:
        """A segment's EXTINF, read together with those that follow: who asks for one asks for the next."""
        uris, known = self.uri_starts, self._known_seconds
        last = min(position + _NEAR, len(uris)) - 1
        start = uris[position - 1] if position else self.begin
        found = _EXTINF_BEFORE_URI.findall(self.view, start, uris[last] + 1)
        if len(found) == last + 1 - position:
            known.update(zip(range(position, last + 1), map(_seconds, found), strict=True))
            return known[position]
        match = self._extinf(position)
        value = known[position] = _NONE if match is None else _seconds(match[1])
        return value

    def _extinf(self, position: int) -> re.Match[bytes] | None:
        """The last EXTINF of a segment, which is the one that counts."""
        uris = self.uri_starts
        stop = uris[position]
        found = None
        if position == 0:
            start = self.head_end
            found = _FIRST_EXTINF.match(self.view, start, stop)
        else:
            start = uris[position - 1]
        following = _EXTINF.search(self.view, start, stop)
        while following is not None:
            found = following
            if found.end() + 1 == stop:  # no line between
                break
            following = _EXTINF.search(self.view, found.end(), stop)
        return found


def index(data: bytes, limits: Limits = DEFAULT) -> Segments:
    """The segments of a playlist; what ``scan`` refuses is refused."""
    check_size(data, limits)
    if not _TAG.search(data):
        raise NotAManifest("no line of it is an HLS tag")
    return Segments(data, limits)


_NONE = Decimal(0)


@lru_cache(maxsize=1024)
def _seconds(value: bytes) -> Decimal:
    return seconds_of(decode(value))
