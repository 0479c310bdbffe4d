"""Which rendition a player should play, from what it says of itself: pure, for edges and catalog alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from config.contracts.sessions import Quality

# Why another rendition is advised: it stalled; less comes through than it plays; more has done so for a while; the edge
# is busy.
Reason = Literal["stalled", "throughput", "recovered", "server-load"]

SHARE = 0.8  # of the throughput that a rendition may take
LOW_BUFFER_MS = 4000
TIGHT = 1.1  # times the bitrate: with a low buffer, less throughput than that is not enough
STEADY_SECONDS = 10.0  # that there must be room for more before more is advised
WINDOW_SECONDS = 60.0
MOST_CHANGES = 2  # in any such window


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Rung:
    """A rendition as a player must be able to fetch it."""

    bitrate_kbps: int  # at most, over some seconds
    height: int


# The steps of transcode/ladder.py with sound, and what others have above them: for those who know no more of a title.
PRESETS = (
    Rung(height=360, bitrate_kbps=930),
    Rung(height=480, bitrate_kbps=1_730),
    Rung(height=720, bitrate_kbps=3_630),
    Rung(height=1080, bitrate_kbps=6_130),
    Rung(height=1440, bitrate_kbps=12_130),
    Rung(height=2160, bitrate_kbps=24_130),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """How it plays right now."""

    throughput_kbps: int = 0  # 0: not known
    buffer_ms: int | None = None  # None: not known
    stalls: int = 0  # since it began
    played_kbps: int = 0  # that it has played without being told to; 0: not known
    is_busy: bool = False  # the edge has more to do than it can

    @classmethod
    def of(cls, quality: Quality, *, is_busy: bool = False) -> Sample:
        """What a session's figures say; without a report nothing."""
        heard = quality.reported_at > 0
        return cls(
            throughput_kbps=quality.throughput_kbps,
            buffer_ms=quality.buffer_ms if heard else None,
            stalls=quality.stalls,
            played_kbps=quality.played_kbps,
            is_busy=is_busy,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Advised:
    """What was advised so far, to be given back with the next sample."""

    height: int | None = None  # None: nothing yet
    stalls: int = 0
    room_since: float | None = None  # from when on there has been room for more
    room_height: int = 0  # the least that there has been room for since
    changed_at: tuple[float, ...] = field(default=())  # the latest changes
    is_held: bool = False  # it was better off with less, and has not been back at the top since

    def to_json(self) -> dict[str, Any]:
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return values | {"changed_at": list(self.changed_at)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Advised:
        return cls(**{**value, "changed_at": tuple(value.get("changed_at", ()))})


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Play this now."""

    target_height: int
    bitrate_kbps: int
    reason: Reason

    def to_json(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in fields(self)}


def advise(
    state: Advised, sample: Sample, ladder: Sequence[Rung], *, now: float
) -> tuple[Advised, Advice | None]:
    """The next state, and the advice if it is a new one; ``now`` in seconds of any clock that only goes forward.

    Down at once, up only after ``STEADY_SECONDS``, and never more than ``MOST_CHANGES`` in ``WINDOW_SECONDS``.
    """
    rungs = sorted(ladder)
    if not rungs:
        return state, None
    place = _place(rungs, state.height)
    if place is None:
        return _first(state, sample, rungs)
    recent = tuple(at for at in state.changed_at if now - at < WINDOW_SECONDS)
    if recent != state.changed_at:
        state = replace(state, changed_at=recent)
    state = _room(state, sample, rungs, place, now)
    wanted = _wanted(state, sample, rungs, place, now)
    if wanted is None:
        return state, None
    if len(recent) >= MOST_CHANGES:
        return replace(state, stalls=sample.stalls), None  # later it would be no reason any more
    target, reason = wanted
    state = replace(state, stalls=sample.stalls, room_since=None, changed_at=(*recent, now))
    if target == place:
        return replace(state, changed_at=recent), None
    is_held = target < place or (state.is_held and target < len(rungs) - 1)
    state = replace(state, height=rungs[target].height, is_held=is_held)
    return state, _advice(rungs[target], reason)


def current(state: Advised, ladder: Sequence[Rung]) -> Rung | None:
    """The rung that is advised now; ``None``: nothing yet."""
    rungs = sorted(ladder)
    place = _place(rungs, state.height)
    return None if place is None else rungs[place]


def cap_of(state: Advised, ladder: Sequence[Rung]) -> int | None:
    """The greatest height that manifests should offer; ``None``: there is no reason to leave any out."""
    rung = held_at(state, ladder)
    return None if rung is None else rung.height


def held_at(state: Advised, ladder: Sequence[Rung]) -> Rung | None:
    """The most that the player should take; ``None``: whatever it likes, since more has done it no harm."""
    rung = current(state, ladder)
    return None if rung is None or not state.is_held or rung == max(ladder) else rung


def ladder_up_to(top_kbps: int) -> tuple[Rung, ...]:
    """The presets that a title probably has whose greatest bitrate is ``top_kbps``; all if that is not known."""
    if top_kbps <= 0:
        return PRESETS
    # A player names the average or the peak of the top rendition, or of its picture alone.
    most = top_kbps * 3 // 2
    return tuple(rung for rung in PRESETS if rung.bitrate_kbps <= most) or PRESETS[:1]


def _first(state: Advised, sample: Sample, rungs: list[Rung]) -> tuple[Advised, Advice | None]:
    """Something to begin with, which is no change."""
    if sample.throughput_kbps <= 0:
        # A player that measures nothing, or does not say so: what it plays is all right until it stalls.
        enough = [rung.height for rung in rungs if rung.bitrate_kbps >= sample.played_kbps > 0]
        return replace(state, height=enough[0] if enough else None, stalls=sample.stalls), None
    rung = rungs[_fitting(rungs, sample.throughput_kbps)]
    return replace(state, height=rung.height, stalls=sample.stalls), _advice(rung, "throughput")


def _room(state: Advised, sample: Sample, rungs: list[Rung], place: int, now: float) -> Advised:
    """Note for how long there has been room for more, and for how much at least."""
    fitting = _fitting(rungs, sample.throughput_kbps)
    if fitting <= place or sample.is_busy or sample.stalls > state.stalls:
        return state if state.room_since is None else replace(state, room_since=None)
    height = rungs[fitting].height
    if state.room_since is None:
        return replace(state, room_since=now, room_height=height)
    if height >= state.room_height:
        return state
    return replace(state, room_height=height)


def _wanted(
    state: Advised, sample: Sample, rungs: list[Rung], place: int, now: float
) -> tuple[int, Reason] | None:
    throughput, bitrate = sample.throughput_kbps, rungs[place].bitrate_kbps
    fitting = _fitting(rungs, throughput) if throughput > 0 else place
    if sample.stalls > state.stalls:
        return min(fitting, max(0, place - 1)), "stalled"
    is_low = sample.buffer_ms is None or sample.buffer_ms < LOW_BUFFER_MS
    if 0 < throughput < bitrate * (TIGHT if is_low else 1):
        return min(fitting, place), "throughput"
    if sample.is_busy and place > 0 and not state.changed_at:
        return place - 1, "server-load"
    if state.room_since is not None and now - state.room_since >= STEADY_SECONDS:
        found = _place(rungs, state.room_height)
        if found is not None and found > place:
            return found, "recovered"
    if throughput <= 0 and state.is_held and not (state.changed_at or sample.is_busy):
        return min(place + 1, len(rungs) - 1), "recovered"  # a minute went well; nothing else tells
    return None


def _fitting(rungs: list[Rung], throughput_kbps: int) -> int:
    """The highest that takes no more than its share; always at least the lowest."""
    allowed = SHARE * throughput_kbps
    return max((n for n, rung in enumerate(rungs) if rung.bitrate_kbps <= allowed), default=0)


def _place(rungs: list[Rung], height: int | None) -> int | None:
    """Where the rung of ``height`` is, or the next one below if the ladder has changed."""
    if height is None:
        return None
    return max((n for n, rung in enumerate(rungs) if rung.height <= height), default=0)


def _advice(rung: Rung, reason: Reason) -> Advice:
    return Advice(target_height=rung.height, bitrate_kbps=rung.bitrate_kbps, reason=reason)
