"""Where the segments of a Period end, said by itself, so that nobody looks for more in the hole behind it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from edge.manifests.ads.dash.times import Span
from edge.manifests.ads.dash.tracks import Unreadable, tracks
from edge.manifests.dash.removal import set_attribute
from edge.manifests.edits import Edit

_WHY = "there is a hole behind the Period"


def ended(span: Span) -> Iterator[Edit]:
    """Edits that count what repeats to the end of the Period, or is counted by length alone."""
    if span.seconds is None:
        return
    length = Fraction(span.seconds)
    done: set[int] = set()
    try:
        found = list(tracks(span.period, length))
    except Unreadable:
        return
    for track in found:
        if track.rows:
            last = track.rows[-1]
            repeats = (last.element.get("r") or "").strip().startswith("-")
            if repeats and last.element.start not in done:
                done.add(last.element.start)
                text = str(last.count - 1)
                yield set_attribute(last.element, "r", text, where=span.name, why=_WHY)
        elif not track.urls and track.end_number is None and track.info.start not in done:
            done.add(track.info.start)
            text = str(track.first_number + track.total(length) - 1)
            yield set_attribute(track.info, "endNumber", text, where=span.name, why=_WHY)
