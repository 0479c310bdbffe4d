"""Two records of one group: which one goes on when the store was away, emptied or behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from edge.manifests.ads.hls.record import (
    MAX_RENDITIONS,
    MAX_SPANS,
    Group,
    Interval,
    Rendition,
    Span,
)
from edge.manifests.ads.hls.timeline import Timeline


def reconcile(stored: Group | None, mine: Group | None, *, island: bool = False) -> Group | None:
    """The record to advance from.

    ``stored``: what the store says, None if it holds nothing (when it cannot be reached, go on from ``mine`` alone);
    ``mine``: the last record that this process used; ``island``: it advanced while the store could not be reached.
    The stored one wins; what only ``mine`` decided is kept; nothing that was given out is taken back: where ``mine``
    was further, all numbers move forward. ``Group.era`` is another one if segments may have got other names by that.
    """
    if mine is None:
        return stored
    if stored is None:
        # Others may have known more than this process; they will find another era and add what they know.
        return replace(mine, jumps=mine.serial + 1, serial=mine.serial + 1)
    if stored == mine or not (island or stored.era != mine.era or mine.serial > stored.serial):
        return stored
    serial = max(stored.serial, mine.serial) + 1
    before, (stored, mine, moved) = stored, _of_one_run(stored, mine)
    common = stored.renditions.keys() & mine.renditions.keys()
    gaps = {path: _gap(stored.renditions[path], mine.renditions[path]) for path in common}
    shifts = [gap.shift for gap in gaps.values() if gap.is_exact]
    # One rise for all renditions, so that they stay in step: of what is stored, or of what only this process decided.
    ahead = max(shifts, default=0 if common else mine.shift - stored.shift)
    rise, behind = max(ahead, 0), max(-ahead, 0)
    moved |= rise > 0 or any(gap.number > 0 for gap in gaps.values())
    if stored.era == mine.era:
        # Two that share an era have told the same names for different things.
        moved |= any(gap.is_exact and (gap.number, gap.shift) != (0, 0) for gap in gaps.values())
    leader, renditions = stored.leader or mine.leader, _renditions(stored, mine, gaps, rise, behind)
    made = replace(
        stored,
        shift=stored.shift + rise,
        leader=leader,
        until=_until(stored, mine),
        intervals=_intervals(stored, mine, rise, _moved(leader, mine, renditions, behind)),
        renditions=renditions,
    )
    lower = max(_lower(made, stored), _lower(made, mine))
    if lower > 0:
        moved, made = True, raised(made, lower)
    made = replace(made, jumps=serial if moved else stored.jumps)
    return before if made == before else replace(made, serial=serial)


def _of_one_run(stored: Group, mine: Group) -> tuple[Group, Group, bool]:
    """Both with what one of them has of an origin that has begun anew; whether numbers moved forward by that."""
    moved = False
    ones, others = dict(stored.renditions), dict(mine.renditions)
    for path in ones.keys() & others.keys():
        if ones[path].run == others[path].run:
            continue
        older, newer = sorted((ones[path], others[path]), key=lambda record: record.run)
        # What was told of the run before may be more than was known when this one began.
        lack = max(older.floor[0], older.next_given) - newer.floor[0]
        floor = max(older.floor[0], newer.floor[0]), max(older.floor[1], newer.floor[1])
        moved |= lack > 0
        ones[path] = others[path] = replace(
            newer, removed=newer.removed - max(lack, 0), floor=floor
        )
    leader = stored.leader or mine.leader or ""
    known = [group.renditions.get(leader) for group in (stored, mine)]
    runs = [-1 if record is None else record.run for record in known]
    if runs[0] != runs[1]:
        newest = stored if runs[0] > runs[1] else mine
        stored, mine = _timed_like(stored, newest), _timed_like(mine, newest)
    return replace(stored, renditions=ones), replace(mine, renditions=others), moved


def _timed_like(group: Group, newest: Group) -> Group:
    """Breaks of another run of the leader are nothing to the others any more."""
    return replace(
        group,
        epoch_ms=newest.epoch_ms,
        shift=newest.shift,
        axis=newest.axis,
        until=newest.until,
        intervals=newest.intervals,
    )


def _lower(made: Group, before: Group) -> int:
    """By how much discontinuity numbers would go back somewhere where players may be."""
    return max(
        (
            _shift(old, old.head[0] - 1) - _shift(made.renditions[path], old.head[0] - 1)
            for path, old in before.renditions.items()
            if path in made.renditions and old.head[0] >= made.renditions[path].head[0]
        ),
        default=0,
    )


def raised(group: Group, rise: int, *, but: str | None = None) -> Group:
    """All discontinuity numbers moved forward, in step; ``but`` those of one rendition, which is as far already."""
    return replace(
        group,
        jumps=group.serial + 1,
        serial=group.serial + 1,
        shift=group.shift + rise,
        intervals=tuple(item._replace(shift=_plus(item.shift, rise)) for item in group.intervals),
        renditions={
            path: record if path == but else _raised(record, rise)
            for path, record in group.renditions.items()
        },
    )


class _Gap(NamedTuple):
    """How far a second record is ahead of a first one, where the one that knows less ends."""

    number: int
    shift: int
    is_exact: bool  # the one that knows more still knows how it was there


def _gap(one: Rendition, other: Rendition) -> _Gap:
    end = min(one.decided, other.decided)
    if end + 1 >= max(one.head[0], other.head[0]):
        # Behind a join of which only parts were there the shift is not known yet.
        told = all(
            span.shift is not None or span.last >= end for span in (*one.spans, *other.spans)
        )
        shift = _shift(other, end) - _shift(one, end) if told else 0
        return _Gap(_gone(one, end) - _gone(other, end), shift, True)
    if one.decided >= other.decided:
        return _Gap(other.next_given - (one.head[0] - _gone(one, one.head[0] - 1)), 0, False)
    return _Gap(0, 0, False)


def _renditions(
    stored: Group, mine: Group, gaps: Mapping[str, _Gap], rise: int, behind: int
) -> dict[str, Rendition]:
    renditions = {path: _raised(record, rise) for path, record in stored.renditions.items()}
    for path, record in mine.renditions.items():
        if path in gaps:
            renditions[path] = _joined(renditions[path], _raised(record, behind), gaps[path])
        elif len(renditions) < MAX_RENDITIONS:
            renditions[path] = _raised(record, behind)
    return renditions


def _until(stored: Group, mine: Group) -> int | None:
    if stored.axis != mine.axis or stored.until is None or mine.until is None:
        return stored.until
    return max(stored.until, mine.until)


def _moved(
    leader: str | None, mine: Group, renditions: Mapping[str, Rendition], behind: int
) -> int:
    """How far what only ``mine`` has of the leader was moved forward, and so what it has of the group's breaks."""
    before, after = mine.renditions.get(leader or ""), renditions.get(leader or "")
    if before is None or after is None or after.decided != before.decided:
        return behind
    return _shift(after, after.decided) - _shift(before, before.decided)


def _intervals(stored: Group, mine: Group, rise: int, moved: int) -> tuple[Interval, ...]:
    made = [item._replace(shift=_plus(item.shift, rise)) for item in stored.intervals]
    fence = stored.until
    if stored.axis != mine.axis or fence is None or mine.until is None or mine.until <= fence:
        return tuple(made)
    if (
        made
        and made[-1].joined is None
        and any(item.start == made[-1].start for item in mine.intervals)
    ):
        # A break that was going on where the stored record ends is in the other one, whole.
        fence = made.pop().start
    here = Timeline(stored.shift + rise, tuple(made)).latest_shift
    there = Timeline(mine.shift, mine.intervals).shift_at(fence) + moved
    if there != here:
        # From there on all count as the other one did: a break without any length says so.
        made.append(Interval(fence, fence, True, None, there, "", ""))
    made += [
        item._replace(shift=_plus(item.shift, moved))
        for item in mine.intervals
        if item.start >= fence
    ]
    return tuple(made[-MAX_SPANS:])


def _joined(stored: Rendition, mine: Rendition, gap: _Gap) -> Rendition:
    """The stored record, with what only the other decided, and no number lower than the other gave out."""
    floor = (max(stored.floor[0], mine.floor[0]), max(stored.floor[1], mine.floor[1]))
    seen_ms = max(stored.seen_ms, mine.seen_ms)
    if mine.decided > stored.decided and not gap.is_exact:
        # The other one is so far ahead that nothing of the stored one can be listed any more.
        first = mine.head[0]
        higher = max(stored.next_given - (first - _gone(mine, first - 1)), 0)
        lower = max(stored.given - (mine.head[1] + _shift(mine, first - 1)), 0)
        mine = _raised(mine, lower)
        return replace(mine, removed=mine.removed - higher, floor=floor, seen_ms=seen_ms)
    forward = max(gap.number, 0)
    lifted = replace(
        stored,
        removed=stored.removed - forward,
        # What was removed before the first that is listed is not known any more: the floor keeps it hidden.
        floor=(max(stored.floor[0] + forward, floor[0]), floor[1]),
        seen_ms=seen_ms,
    )
    if mine.decided <= stored.decided:
        return lifted
    end = stored.decided
    later = [span for span in mine.spans if span.last > end]
    spans = list(lifted.spans)
    if spans and spans[-1].shift is None:
        spans[-1], later = _continued(spans[-1], later, mine)
    # This rendition alone may be elsewhere than the one that all were measured by.
    rise = _shift(replace(lifted, spans=tuple(spans)), end) - _shift(mine, end)
    for span in later:
        first = max(span.first, end + 1)
        # What the other removed from before the end on was listed up to there.
        before = span.before + rise if first == span.first else lifted.given
        spans.append(Span(first, span.last, before, span.joined, _plus(span.shift, rise)))
    gaps = list(lifted.gaps)
    gaps += [(max(begin, end + 1), last) for begin, last in mine.gaps if last > end]
    return _bounded(
        replace(
            lifted,
            spans=tuple(spans),
            gaps=tuple(gaps[-MAX_SPANS:]),
            decided=mine.decided,
            mark=max(stored.mark, mine.mark),
            drift=mine.drift,
            given=max(lifted.given, mine.given + rise),
            at=mine.at,
        )
    )


def _continued(last: Span, later: list[Span], mine: Rendition) -> tuple[Span, list[Span]]:
    """The run that the stored record was in, with the end that the other knows, and the runs behind it."""
    if last.joined is None and later and later[0].first <= last.last + 1:
        known, later = later[0], later[1:]
        last = last._replace(last=known.last, joined=known.joined)
    else:
        known = next((span for span in mine.spans if span.last == last.last), last)
        last = last._replace(joined=last.joined is None or last.joined)
    if last.joined is not None and known.joined is not None and known.shift is not None:
        # Both see the same number of the origin behind the join.
        shift = known.shift + last.before - known.before + last.joined - known.joined
        return last._replace(shift=shift), later
    if mine.head[0] > last.last:
        # The other one has forgotten the run, and counts from behind it.
        return last._replace(shift=mine.shift), later
    if later:
        # What the origin counts there is in neither record; it is at most what it is at the end.
        joined = last.joined is not False
        shift = last.before + joined - mine.mark[1]
        return last._replace(joined=joined, shift=shift), later
    return last, later


def _bounded(record: Rendition) -> Rendition:
    """Within the bound, by never listing again what is before the oldest runs."""
    while len(record.spans) > MAX_SPANS:
        first = record.spans[0]
        record = replace(
            record,
            spans=record.spans[1:],
            removed=record.removed + first.size,
            shift=record.shift if first.shift is None else first.shift,
            start=first.last + 1,
        )
    return record


def _raised(record: Rendition, rise: int) -> Rendition:
    spans = [
        span._replace(before=span.before + rise, shift=_plus(span.shift, rise))
        for span in record.spans
    ]
    return replace(record, shift=record.shift + rise, spans=tuple(spans), given=record.given + rise)


def _gone(record: Rendition, end: int) -> int:
    return record.removed + sum(
        min(span.last, end) - span.first + 1 for span in record.spans if span.first <= end
    )


def _shift(record: Rendition, end: int) -> int:
    shift = record.shift
    for span in record.spans:
        if span.last <= end and span.shift is not None:
            shift = span.shift
    return shift


def _plus(shift: int | None, rise: int) -> int | None:
    return None if shift is None else shift + rise
