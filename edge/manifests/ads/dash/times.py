"""Exact times of Periods: what an MPD writes is added and subtracted without losing a digit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from edge.manifests.dash.scan import Document, Element

# XML Schema part 2 section 3.2.6, and the weeks that some packagers write; without a sign, a Period has no use for one.
_DURATION = re.compile(
    r"P(?=.)(?:([0-9]{1,4})Y)?(?:([0-9]{1,5})M)?(?:([0-9]{1,5})W)?(?:([0-9]{1,6})D)?"
    r"(?:T(?=.)(?:([0-9]{1,9}(?:\.[0-9]{1,12})?)H)?(?:([0-9]{1,11}(?:\.[0-9]{1,12})?)M)?"
    r"(?:([0-9]{1,12}(?:\.[0-9]{1,12})?)S)?)?\Z"
)
_SECONDS = (365 * 86400, 30 * 86400, 7 * 86400, 86400, 3600, 60, 1)
_INTEGER = re.compile(r"\+?[0-9]{1,20}\Z")
_DIGITS = Decimal("1e-9")  # behind the point, of what we compute ourselves
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One Period on the time line of the presentation, in seconds; ``None`` where the MPD does not say."""

    index: int  # from 0
    period: Element
    start: Decimal | None
    end: Decimal | None

    @property
    def seconds(self) -> Decimal | None:
        """How long the Period lasts; what ends before it begins says nothing."""
        if self.start is None or self.end is None or self.end < self.start:
            return None
        return self.end - self.start

    @property
    def name(self) -> str:
        """What a person calls this Period."""
        identifier = self.period.get("id")
        return f"Period {self.index + 1}" + (f" ('{identifier[:80]}')" if identifier else "")


def spans(document: Document) -> tuple[Span, ...]:
    """Every Period with its start and end as ISO/IEC 23009-1 section 5.3.2.1 derives them."""
    periods = [child for child in document.root.named("Period") if document.is_dash(child)]
    starts: list[Decimal | None] = []
    ends: list[Decimal | None] = []
    end: Decimal | None = ZERO
    for period in periods:
        start = parse(period.get("start"))
        start = end if start is None else start
        length = parse(period.get("duration"))
        end = None if start is None or length is None else start + length
        starts.append(start)
        ends.append(end)
    total = parse(document.root.get("mediaPresentationDuration"))
    # The next start goes before a duration.
    for index in range(len(periods)):
        if index + 1 < len(periods):
            follower = starts[index + 1]
            ends[index] = ends[index] if follower is None else follower
        elif ends[index] is None and total is not None:
            ends[index] = total
    return tuple(
        Span(index=index, period=period, start=starts[index], end=ends[index])
        for index, period in enumerate(periods)
    )


def parse(text: str | None) -> Decimal | None:
    """An xs:duration in seconds, ``None`` when it is none."""
    match = _DURATION.match((text or "").strip())
    if match is None:
        return None
    return sum(
        (
            Decimal(number) * unit
            for number, unit in zip(match.groups(), _SECONDS, strict=True)
            if number
        ),
        ZERO,
    )


def written(seconds: Decimal) -> str:
    """Seconds as an xs:duration."""
    text = format(max(seconds, ZERO), "f")
    return f"PT{text.rstrip('0').rstrip('.') if '.' in text else text}S"


def exact(value: Fraction | Decimal) -> Decimal:
    """A number of seconds as it can be written: to the nanosecond."""
    return (Decimal(round(Fraction(value) * 10**9)) * _DIGITS).normalize()


def shown(seconds: Decimal) -> str:
    """A number of seconds for a person."""
    text = f"{seconds:.3f}"
    return f"{text.rstrip('0').rstrip('.')} s"


def integer(text: str | None, default: int) -> int:
    """An unsigned integer of an attribute, ``default`` when there is none."""
    text = (text or "").strip()
    return int(text) if _INTEGER.match(text) else default
