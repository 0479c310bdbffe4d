"""A manifest with its breaks dealt with, still in its origin's own world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.manifests.ads.evidence import Found
from edge.manifests.edits import Edit

_NOTHING_FOUND = Found()


@dataclass(frozen=True, slots=True, kw_only=True)
class Treated:
    """What everything later is made of, and an account of it."""

    body: bytes
    found: Found = _NOTHING_FOUND
    removed: int = 0  # segments or Periods that are not in it, or only marked
    edits: Sequence[Edit] = ()  # of the source; none for the bytes of an earlier version
    warnings: tuple[str, ...] = ()
    is_all_ads: bool = False  # an MPD of which nothing else would be left
    # Bytes of an earlier version, because the origin's live edge is inside a break: what comes next is not listed yet.
    is_held: bool = False
    # Not all of it is decided (the leading rendition has not come so far): to be made again soon.
    is_early: bool = False
