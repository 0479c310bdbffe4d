"""What the edge must know of an MPD to keep it fresh: how it changes, since when, and what it spans."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from edge.manifests.dash.scan import Document, Element, root_of

# XML Schema part 2 section 3.2.6, and the weeks that some packagers write.
_DURATION = re.compile(
    r"(-)?P(?=.)(?:(\d{1,6})Y)?(?:(\d{1,6})M)?(?:(\d{1,6})W)?(?:(\d{1,8})D)?"
    r"(?:T(?=.)(?:(\d{1,9}(?:\.\d{1,12})?)H)?(?:(\d{1,11}(?:\.\d{1,12})?)M)?(?:(\d{1,12}(?:\.\d{1,20})?)S)?)?\Z"
)
_DAYS = {"Y": 365, "M": 30, "W": 7, "D": 1}
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,20})?)?(?:Z|[+-]\d\d:\d\d)?\Z")
_INTEGER = re.compile(r"-?[0-9]{1,20}\Z")
_LONGEST = timedelta(days=365_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodView:
    """One Period on the time line of the presentation; ``None`` where the MPD does not say."""

    id: str | None
    start: timedelta | None
    duration: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveView:
    """One state of a presentation; what cannot be read is as if it were not there."""

    dynamic: bool
    id: str | None
    publish_time: datetime | None
    availability_start_time: datetime | None
    availability_end_time: datetime | None
    minimum_update_period: (
        timedelta | None
    )  # None: it will not change any more; zero: only events say when
    time_shift_buffer_depth: timedelta | None
    suggested_presentation_delay: timedelta | None
    media_presentation_duration: timedelta | None
    periods: tuple[PeriodView, ...]
    window: (
        tuple[timedelta, timedelta] | None
    )  # what SegmentTimelines list, from the start of the presentation
    locations: tuple[str, ...]
    patch_locations: tuple[str, ...]

    @property
    def updates(self) -> bool:
        """Whether players ask again for this document."""
        return self.dynamic and self.minimum_update_period is not None


def live_view(document: Document) -> LiveView:
    """The state of a scanned MPD."""
    root = document.root
    periods = [child for child in root.named("Period") if document.is_dash(child)]
    views = tuple(_periods(periods))
    return LiveView(
        dynamic=(root.get("type") or "").strip().lower() == "dynamic",
        id=root.get("id"),
        publish_time=parse_date(root.get("publishTime")),
        availability_start_time=parse_date(root.get("availabilityStartTime")),
        availability_end_time=parse_date(root.get("availabilityEndTime")),
        minimum_update_period=parse_duration(root.get("minimumUpdatePeriod")),
        time_shift_buffer_depth=parse_duration(root.get("timeShiftBufferDepth")),
        suggested_presentation_delay=parse_duration(root.get("suggestedPresentationDelay")),
        media_presentation_duration=parse_duration(root.get("mediaPresentationDuration")),
        periods=views,
        window=_window(periods, views),
        locations=tuple(child.text.strip() for child in root.named("Location")),
        patch_locations=tuple(child.text.strip() for child in root.named("PatchLocation")),
    )


def publish_time(data: bytes) -> str:
    """The publishTime of an MPD, encoded to stand in a query; '' when it has none. Only its start tag is read."""
    root = root_of(data)
    return "" if root is None else quote((root.get("publishTime") or "").strip(), safe="")


def parse_duration(text: str | None) -> timedelta | None:
    """An xs:duration, ``None`` when it is none or beyond any presentation."""
    match = _DURATION.match((text or "").strip())
    if match is None:
        return None
    sign, years, months, weeks, days, hours, minutes, seconds = match.groups()
    whole = sum(
        int(number or 0) * _DAYS[unit]
        for number, unit in zip((years, months, weeks, days), "YMWD", strict=True)
    )
    if whole > _LONGEST.days:
        return None
    length = timedelta(
        days=whole,
        hours=float(hours or 0),
        minutes=float(minutes or 0),
        seconds=float(seconds or 0),
    )
    if length > _LONGEST:
        return None
    return -length if sign else length


def parse_date(text: str | None) -> datetime | None:
    """An xs:dateTime, in UTC when it names no zone; ``None`` when it is none."""
    text = (text or "").strip()
    if not _DATE.match(text):
        return None
    try:
        date = datetime.fromisoformat(text)
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _periods(periods: list[Element]) -> Iterator[PeriodView]:
    """Starts as ISO/IEC 23009-1 section 5.3.2.1 derives them."""
    end: timedelta | None = timedelta(0)
    for period in periods:
        start = parse_duration(period.get("start"))
        if start is None:
            start = end
        duration = parse_duration(period.get("duration"))
        end = None if start is None or duration is None else start + duration
        yield PeriodView(id=period.get("id"), start=start, duration=duration)


def _window(
    periods: list[Element], views: tuple[PeriodView, ...]
) -> tuple[timedelta, timedelta] | None:
    first: timedelta | None = None
    last: timedelta | None = None
    for period, view in zip(periods, views, strict=True):
        for info in _segment_infos(period):
            span = _span(info)
            if span is None or view.start is None:
                continue
            start, stop = view.start + span[0], view.start + span[1]
            first = start if first is None else min(first, start)
            last = stop if last is None else max(last, stop)
    return None if first is None or last is None else (first, last)


def _segment_infos(element: Element) -> Iterator[Element]:
    for child in element.children:
        if child.name in ("SegmentTemplate", "SegmentList"):
            yield child
        elif child.name in ("AdaptationSet", "Representation"):
            yield from _segment_infos(child)


def _span(info: Element) -> tuple[timedelta, timedelta] | None:
    """From the first to the last segment of a SegmentTimeline, from the start of its Period."""
    timescale = _integer(info.get("timescale"), 1)
    offset = _integer(info.get("presentationTimeOffset"), 0)
    first: int | None = None
    time = 0
    for timeline in info.named("SegmentTimeline"):
        for run in timeline.named("S"):
            time = _integer(run.get("t"), time)
            first = time if first is None else first
            # What repeats until the next one is counted by that one; at the end nobody knows how often.
            time += _integer(run.get("d"), 0) * (max(_integer(run.get("r"), 0), 0) + 1)
    if first is None or timescale <= 0:
        return None
    begin, end = (first - offset) // timescale, (time - offset) // timescale
    if max(abs(begin), abs(end)) > _LONGEST.total_seconds():
        return None
    return (
        timedelta(seconds=(first - offset) / timescale),
        timedelta(seconds=(time - offset) / timescale),
    )


def _integer(text: str | None, default: int) -> int:
    text = (text or "").strip()
    return int(text) if _INTEGER.match(text) else default
