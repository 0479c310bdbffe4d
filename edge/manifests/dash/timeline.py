"""What has to be said about the Periods that stay when others go, so that each plays at its old time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta

from edge.manifests.dash.live import parse_duration
from edge.manifests.dash.removal import set_attribute
from edge.manifests.dash.scan import Document, Element
from edge.manifests.edits import Edit

_WHY = "a Period beside it went"


def kept_in_time(
    document: Document, periods: Sequence[Element], gone: Collection[int]
) -> Iterator[Edit]:
    """Starts and durations that followed from a neighbour that goes (ISO/IEC 23009-1 section 5.3.2.1).

    ``gone`` are places in ``periods``. The hole stays a hole: nothing else moves.
    """
    starts = list(_starts(periods))
    for number, period in enumerate(periods):
        if number in gone:
            continue
        where = f"Period {number + 1}"
        start = starts[number]
        if number - 1 in gone and period.get("start") is None and start is not None:
            yield set_attribute(period, "start", _written(start), where=where, why=_WHY)
        end = starts[number + 1] if number + 1 in gone else None
        if period.get("duration") is None and start is not None and end is not None:
            yield set_attribute(period, "duration", _written(end - start), where=where, why=_WHY)
    last = max((n for n in range(len(periods)) if n not in gone), default=None)
    total = document.root.get("mediaPresentationDuration")
    if last is None or last + 1 == len(periods) or total is None:
        return
    end = starts[last + 1]
    if end is not None:
        text = _written(end)
        name = "mediaPresentationDuration"
        yield set_attribute(document.root, name, text, where="MPD", why=_WHY)


def _starts(periods: Sequence[Element]) -> Iterator[timedelta | None]:
    end: timedelta | None = timedelta(0)
    for period in periods:
        start = parse_duration(period.get("start"))
        if start is None:
            start = end
        duration = parse_duration(period.get("duration"))
        end = None if start is None or duration is None else start + duration
        yield start


def _written(length: timedelta) -> str:
    seconds, part = divmod(length // timedelta(microseconds=1), 1_000_000)
    return f"PT{seconds}.{part:06d}".rstrip("0").rstrip(".") + "S"
