"""One version of one rendition's playlist in numbers only: all that the live window's arithmetic looks at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Sides:
    """How many segments there are, and which of them could stand side by side."""

    total: int
    contiguous: Callable[[int, int], bool]

    def __len__(self) -> int:
        return self.total


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What the origin lists; positions are indices among the playlist's URIs, from 0."""

    first: int  # EXT-X-MEDIA-SEQUENCE; 0 without it
    discontinuity_sequence: int  # EXT-X-DISCONTINUITY-SEQUENCE; 0 without it
    seconds: Sequence[Decimal]  # of each segment; 0 for a URI without EXTINF
    discontinuities: frozenset[
        int
    ]  # positions with a DISCONTINUITY between the URI before and this one
    # Milliseconds since the epoch at which each segment begins, as given or derived from its neighbours up to the next
    # DISCONTINUITY; None where nothing tells.
    starts: Sequence[int | None]
    ended: bool  # EXT-X-ENDLIST
    whole: bool  # nothing has left it nor ever will: ENDLIST with number 0, or PLAYLIST-TYPE VOD or EVENT
    parts: int  # parts of the segment behind the last one
    target_seconds: Decimal
    # Whether the media of two positions follow one another without a seam though what is between them goes:
    # by explicit PROGRAM-DATE-TIMEs, or where a rule says so by template, MAP and KEY.
    contiguous: Callable[[int, int], bool]
    # Whether a segment's date is given, or follows from one before it: reckoned back it may be another in each version.
    is_firm: Callable[[int], bool] = lambda _: True

    def __len__(self) -> int:
        return len(self.seconds)
