"""The values of a filter's clauses: what is wanted and what is not, in one normal form."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """An inclusive range of whole numbers; ``None`` is 'no bound'."""

    low: int | None
    high: int | None

    def holds(self, value: int, tolerance: float = 0.0) -> bool:
        """Whether ``value`` lies inside; within ``tolerance`` (a share) of a bound counts as on it."""
        return (self.low is None or value >= self.low * (1 - tolerance)) and (
            self.high is None or value <= self.high * (1 + tolerance)
        )

    def meet(self, other: Span) -> Span | None:
        """What lies in both."""
        lows = [low for low in (self.low, other.low) if low is not None]
        highs = [high for high in (self.high, other.high) if high is not None]
        low, high = max(lows, default=None), min(highs, default=None)
        return None if low is not None and high is not None and low > high else Span(low, high)


EVERYTHING = Span(None, None)


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same numbers in as few spans as possible, ascending."""
    result: list[Span] = []
    for span in sorted(spans, key=lambda span: -1 if span.low is None else span.low):
        last = result[-1] if result else None
        if last is not None and (
            last.high is None or span.low is None or span.low <= last.high + 1
        ):
            high = None if None in (last.high, span.high) else max(last.high or 0, span.high or 0)
            result[-1] = Span(last.low, high)
        else:
            result.append(span)
    return tuple(result)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Wanted and unwanted numbers; no wanted ones means any."""

    include: tuple[Span, ...] = ()
    exclude: tuple[Span, ...] = ()

    @classmethod
    def of(cls, include: Iterable[Span], exclude: Iterable[Span] = ()) -> Numbers:
        """In normal form, so that equal conditions are equal values; to want every number is to want none."""
        wanted = merged(include)
        return cls(() if wanted == (EVERYTHING,) else wanted, merged(exclude))

    def __bool__(self) -> bool:
        return bool(self.include or self.exclude)

    def accepts(self, value: int, tolerance: float = 0.0) -> bool:
        """Whether ``value`` is wanted and not unwanted."""
        if any(span.holds(value, tolerance) for span in self.exclude):
            return False
        return not self.include or any(span.holds(value, tolerance) for span in self.include)

    def nearest(self, values: Collection[int], tolerance: float = 0.0) -> int | None:
        """The largest value not above what is wanted, else the smallest; ``None`` when nothing is named as wanted."""
        if not self.include:
            return None
        allowed = [v for v in values if not any(s.holds(v, tolerance) for s in self.exclude)]
        highest = self.include[-1].high
        below = [value for value in allowed if highest is None or value <= highest]
        return max(below, default=min(allowed, default=None))

    def narrowed(self, by: Numbers) -> Numbers:
        """Both conditions at once; where they contradict each other, ``by`` counts."""
        met = [m for a in self.include for b in by.include if (m := a.meet(b)) is not None]
        include = met if self.include and by.include else (*self.include, *by.include)
        exclude = merged((*self.exclude, *by.exclude))
        return Numbers.of(
            include or by.include, by.exclude if exclude == (EVERYTHING,) else exclude
        )


@dataclass(frozen=True, slots=True)
class Words:
    """Wanted and unwanted words; no wanted ones means any."""

    include: frozenset[str] = frozenset()
    exclude: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.include or self.exclude)

    def narrowed(self, by: Words, both: frozenset[str]) -> Words:
        """Both conditions at once, ``both`` being what the two wish for in common; ``by`` counts where they differ."""
        include = both if self.include and by.include else self.include | by.include
        return Words(
            (include or by.include) - by.exclude,
            (self.exclude - by.include) | by.exclude,
        )


ANY_NUMBER = Numbers()
ANY_WORD = Words()
