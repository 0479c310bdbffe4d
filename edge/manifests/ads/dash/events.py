"""SCTE-35 in the EventStreams of a Period: breaks as ranges on the Period's own time line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache, partial

from edge.manifests.ads import scte35
from edge.manifests.ads.dash.times import ZERO, Span, exact, integer, shown
from edge.manifests.ads.dash.tracks import extent
from edge.manifests.ads.evidence import Evidence
from edge.manifests.ads.rules import Rule, Rules, Splice, SpliceTag
from edge.manifests.dash.scan import Element

SIGNAL: SpliceTag = "event"
CLOSE = Decimal("0.1")  # two moments that are meant to be one
_CONFLICT = Decimal(1)  # between what the Event and what its payload say of the length
_MOST = 4096  # cues of one Period


@dataclass(frozen=True, slots=True)
class Cued:
    """One Event that carries a cue."""

    at: Decimal  # seconds from the start of the Period
    seconds: Decimal | None  # as the Event says
    cue: scte35.Cue


@dataclass(slots=True)
class _Opened:
    key: str
    start: Decimal
    seconds: Decimal | None
    what: str
    doubt: str = ""
    end: Decimal | None = None  # where a closing mark put it

    @property
    def declared_end(self) -> Decimal | None:
        return None if self.seconds is None else exact(self.start + self.seconds)

    def runs_at(self, moment: Decimal) -> bool:
        """Whether nothing has ended it before this moment."""
        end = self.declared_end
        return self.end is None and (end is None or moment < end)


def read(spans: Iterable[Span], rules: Rules) -> list[Evidence]:
    """What the Events of each Period say to each rule that reads them."""
    readers = [(rule, rule.splice) for rule in rules.items if rule.splice is not None]
    readers = [(rule, splice) for rule, splice in readers if splice.weight_of(SIGNAL)]
    found: list[Evidence] = []
    if not readers:
        return found
    for span in spans:
        cues = cued(span.period)
        known_length = cache(partial(lasts, span))
        for rule, splice in readers if cues else ():
            found += _of_rule(span, cues, rule, splice, known_length)
    return found


def cued(period: Element) -> list[Cued]:
    """The cues of a Period in the order of their times; of more than anybody sends the first ones."""
    found: list[Cued] = []
    for stream in streams(period):
        clock = clock_of(stream)
        if clock is None:
            continue
        for event in stream.children:
            at = moment_of(event, clock)
            if at is None or len(found) >= _MOST:
                continue
            cue = scte35.of_xml(event)
            if cue is not None:
                length = event.get("duration")
                seconds = None if length is None else Fraction(integer(length, 0), clock[0])
                found.append(Cued(exact(at), None if seconds is None else exact(seconds), cue))
    return sorted(found, key=lambda one: one.at)


def streams(period: Element) -> Iterator[Element]:
    """The EventStreams of a Period that carry SCTE-35 in any of its schemes."""
    for child in period.outline:
        scheme = child.get("schemeIdUri") if child.name.lower() == "eventstream" else None
        if scheme is not None and "scte35" in scheme.lower():
            yield child


def clock_of(stream: Element) -> tuple[int, int] | None:
    """Ticks in a second and the tick at which the Period starts; ``None`` if the stream has no usable clock."""
    timescale = integer(stream.get("timescale"), 1)
    return (timescale, integer(stream.get("presentationTimeOffset"), 0)) if timescale else None


def moment_of(event: Element, clock: tuple[int, int]) -> Fraction | None:
    """When an Event begins, in seconds of its Period; ``None`` for what is none or has no readable time."""
    if event.name.lower() != "event":
        return None
    time = event.get("presentationTime")
    ticks = 0 if time is None else integer(time, -1)
    return None if ticks < 0 else Fraction(ticks - clock[1], clock[0])


def _of_rule(
    span: Span, cues: list[Cued], rule: Rule, splice: Splice, lasts: Callable[[], Decimal]
) -> Iterator[Evidence]:
    for one in _opened(cues, splice):
        end = one.end
        declared = one.declared_end
        if declared is not None and (end is None or declared < end):
            end = declared
        if end is not None and end <= one.start:
            continue  # a place where something may be put in, no break
        base = Evidence(
            first=span.index,
            last=span.index,
            rule=rule.label,
            signal=SIGNAL,
            family="splice",
            weight=splice.weight_of(SIGNAL),
            sentence=f"{span.name}: {one.what} at {shown(one.start)}",
            key=f"{span.period.get('id') or span.index}/{one.key}",
            seconds=one.seconds,
        )
        yield from _placed(span, one, end, base, splice.max_seconds, lasts)


def _placed(
    span: Span,
    one: _Opened,
    end: Decimal | None,
    base: Evidence,
    most: Decimal,
    lasts: Callable[[], Decimal],
) -> Iterator[Evidence]:
    length = span.seconds
    if end is None:
        if one.start > CLOSE:
            # Nobody says how long: what nobody measured is not cut out of a Period.
            stop = one.start + most if length is None else max(length, one.start)
            yield base._replace(
                time_range=(one.start, stop),
                ambiguous=True,
                open_end=True,
                sentence=f"{base.sentence}, without a length or an end",
            )
        elif lasts() <= most:
            yield base._replace(open_end=True, sentence=f"{base.sentence}, for the whole Period")
        else:
            yield base._replace(time_range=(ZERO, most), open_end=True)
        return
    doubt = one.doubt
    if length is not None and one.start >= length:
        doubt = "it begins behind the end of the Period"
    elif end <= ZERO:
        doubt = "it ends before the Period begins"
    said = f"{base.sentence} for {shown(end - one.start)}"
    if doubt:
        yield base._replace(
            time_range=(one.start, end), ambiguous=True, sentence=f"{said}; {doubt}"
        )
    elif length is not None and one.start <= CLOSE and end >= length - CLOSE:
        yield base._replace(sentence=f"{said}, the whole Period")
    else:
        yield base._replace(time_range=(one.start, end), sentence=said)


def lasts(span: Span) -> Decimal:
    """How long a Period is, or how far its segments go as yet."""
    if span.seconds is not None:
        return span.seconds
    end = extent(span.period)
    return ZERO if end is None else exact(end)


def _opened(cues: list[Cued], splice: Splice) -> list[_Opened]:
    """Every opening with its end, by the keys of the events; ends of what never began mean nothing."""
    done: list[_Opened] = []
    running: dict[str, _Opened] = {}
    for one in cues:
        # Closings go first: a cue may end one break and begin the next.
        said = scte35.marks(one.cue, splice.types, inserts=splice.inserts)
        for mark in sorted(said, key=lambda mark: mark.kind != "closes"):
            if mark.kind == "opens":
                _close(running.pop(mark.key, None), one.at)
                opened = _Opened(
                    mark.key, one.at, mark.seconds, mark.what, doubt=_doubt(one.seconds, mark)
                )
                opened.seconds = one.seconds if mark.seconds is None else mark.seconds
                done.append(opened)
                running[mark.key] = opened
            elif mark.kind == "closes" and mark.key in running:
                _close(running.pop(mark.key), one.at)
            else:
                # A programme, or the end of another event: what nobody has measured ends here at the latest.
                for key in [key for key, it in running.items() if it.seconds is None]:
                    _close(running.pop(key), one.at)
    return done


def _close(opened: _Opened | None, at: Decimal) -> None:
    if opened is not None and opened.runs_at(at):
        opened.end = at


def _doubt(seconds: Decimal | None, mark: scte35.Mark) -> str:
    if seconds is None or mark.seconds is None or abs(seconds - mark.seconds) <= _CONFLICT:
        return ""
    return f"the Event says {shown(seconds)}, its cue {shown(mark.seconds)}"
