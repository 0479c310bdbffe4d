"""The choice itself: conditions are applied from the most important to the least, and none may leave nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Literal

from edge.manifests.filters import conditions
from edge.manifests.filters.arrange import arranged
from edge.manifests.filters.conditions import Measure
from edge.manifests.filters.filter import Filter
from edge.manifests.filters.keys import printed
from edge.manifests.filters.remaining import Remaining
from edge.manifests.filters.values import Numbers, Span, Words
from edge.manifests.filters.view import Drop, Rendition, Selection, Type

_ROUNDS = 4  # the second nearly always changes nothing

Verdicts = Mapping[int, bool | None]
Test = Callable[[Rendition], bool]


def select(
    renditions: Sequence[Rendition], wanted: Filter, *, may_empty: bool = False
) -> Selection:
    """What stays, in output order; never nothing where there was something to play.

    The ids of the renditions are their places in the sequence. With ``may_empty`` the content types asked for may
    leave nothing: one of several parts of a presentation can then go as a whole.
    """
    left: Sequence[Rendition] = renditions
    gone: dict[int, str] = {}
    clauses = list(wanted.clauses())
    for _ in range(_ROUNDS):
        sieve = _Sieve(left, wanted, may_empty=may_empty)
        for field, clause in clauses:
            sieve.apply(field, clause)
        gone |= sieve.left.gone
        left = tuple(sieve.left.alive.values())
        # What could not be met at first may be met by what the later conditions left.
        if not sieve.given_up or not sieve.left.gone:
            break
    kept, unmet = arranged(left, wanted)
    return Selection(
        kept=kept,
        dropped=tuple(Drop(number, why) for number, why in sorted(gone.items())),
        given_up=(*dict.fromkeys(sieve.given_up), *unmet),
    )


class _Sieve:
    def __init__(self, renditions: Sequence[Rendition], wanted: Filter, *, may_empty: bool) -> None:
        self.left = Remaining(renditions)
        self.given_up: list[str] = []
        self._wanted = wanted
        self._may_empty = may_empty

    def apply(self, field: str, clause: str) -> None:
        wanted = self._wanted
        match field:
            case "limit_lang":
                self._limit_languages(clause)
            case "limit_bandwidth":
                self._bandwidth(clause, _at_most(wanted.limit_bandwidth), hard=True)
            case "limit_height":
                limit = _at_most(wanted.limit_height)
                self._number(clause, limit, conditions.HEIGHT, hard=True)
            case "type":
                self._types(clause)
            case "vcodec":
                verdicts = conditions.with_codec(
                    self._judged(conditions.PICTURE), "video", wanted.vcodec
                )
                self._keep(clause, verdicts, protect=(_is_video, self._main()))
            case "acodec":
                verdicts = conditions.with_codec(
                    self._judged(("video", "audio")), "audio", wanted.acodec
                )
                self._keep(
                    clause, verdicts, protect=(_is_video, conditions.own_audio, self._main())
                )
            case "alang":
                self._languages(clause, wanted.alang, "audio")
            case "tlang":
                self._languages(clause, wanted.tlang, "text")
            case "range":
                verdicts = {
                    r.id: conditions.in_range(r, wanted.range)
                    for r in self._judged(conditions.PICTURE)
                }
                self._keep(clause, verdicts, protect=(_is_video, self._main()))
            case "bandwidth":
                self._bandwidth(clause, wanted.bandwidth)
            case "height":
                self._number(clause, wanted.height, conditions.HEIGHT)
            case "width":
                self._number(clause, wanted.width, conditions.WIDTH)
            case "fps":
                self._number(clause, wanted.fps, conditions.FRAME_RATE)
            case "channels":
                self._number(clause, wanted.channels, conditions.CHANNELS)

    def _keep(
        self,
        clause: str,
        verdicts: Verdicts,
        *,
        protect: Sequence[Test],
        else_: Callable[[], tuple[Verdicts, str]] | None = None,
        needs: bool = True,
    ) -> bool:
        """Drop what fails, unless it would take the last of what is protected; then try ``else_``, or give up."""
        if self._drop(clause, verdicts, protect, needs=needs):
            return True
        if else_ is not None:
            verdicts, instead = else_()
            if self._drop(f"{clause} ({instead})", verdicts, protect, needs=needs):
                clause = f"{clause} ({instead})"
        self.given_up.append(clause)
        return False

    def _drop(
        self, clause: str, verdicts: Verdicts, protect: Sequence[Test], *, needs: bool
    ) -> bool:
        failing = {number: clause for number, passes in verdicts.items() if passes is False}
        if not failing:
            return True
        gone = self.left.consequences(failing, needs=needs)
        alive = self.left.alive.values()
        for test in protect:
            if not any(r.id not in gone and test(r) for r in alive) and any(map(test, alive)):
                return False
        self.left.drop(gone)
        return True

    def _judged(self, types: Iterable[Type]) -> list[Rendition]:
        return [r for r in self.left.alive.values() if r.judged and r.type in types]

    def _types(self, clause: str) -> None:
        verdicts = {r.id: r.type in self._wanted.type.include for r in self.left.alive.values()}
        # A reference to a group that goes as a whole goes with it; its variant stays.
        protect = () if self._may_empty else (self._main(),)
        self._keep(clause, verdicts, protect=protect, needs=False)
        limit = self._wanted.limit_bandwidth
        if limit is not None:  # without pictures it holds for the sound
            self._bandwidth(f"limit-bandwidth:{limit}", _at_most(limit), hard=True)

    def _main(self) -> Test:
        """What must not vanish altogether: something to watch or hear; without that, anything."""
        playable = any(map(_is_playable, self.left.alive.values()))
        return _is_playable if playable else _is_anything

    def _languages(self, clause: str, wanted: Words, kind: Literal["audio", "text"]) -> None:
        judged = self._spoken(kind)
        available = {conditions.tag_of(r) for r in judged}
        tags = conditions.wanted_languages(wanted, available)
        verdicts = {r.id: conditions.tag_of(r) in tags for r in judged}
        protect = (self._main(), _is_video, conditions.own_audio)
        if self._keep(clause, verdicts, protect=protect):
            instead = conditions.substitutes(wanted, tags)
            if instead:
                self.given_up.append(f"{clause} ({instead})")

    def _spoken(self, kind: Literal["audio", "text"]) -> list[Rendition]:
        """A variant of HLS has no language of its own; the renditions of its groups have."""
        return [r for r in self._judged((kind,)) if not r.total]

    def _limit_languages(self, clause: str) -> None:
        allowed = self._wanted.limit_lang
        for kind in _SPOKEN:
            judged = self._spoken(kind)
            verdicts = {r.id: conditions.covered(conditions.tag_of(r), allowed) for r in judged}
            protect = (self._main(), _is_video, conditions.own_audio)
            self._keep(
                clause, verdicts, protect=protect, else_=partial(_only_defaults, judged, allowed)
            )

    def _bandwidth(self, clause: str, wanted: Numbers, *, hard: bool = False) -> None:
        judged = self._presentations()
        audio = [r.bandwidth for r in self._judged(("audio",)) if r.bandwidth and not r.total]
        beside = min(audio, default=0)
        values = {
            r.id: None
            if r.bandwidth is None
            else r.bandwidth + (0 if r.total or r.type == "audio" else beside)
            for r in judged
        }
        shown = {r.id for r in judged}
        protect = (lambda r: r.id in shown,)
        self._measure(clause, wanted, values, protect, by=conditions.BANDWIDTH, hard=hard)

    def _presentations(self) -> list[Rendition]:
        """What stands for all that is played: variants; in DASH pictures, and sound where there is no picture."""
        judged = self._judged(("video", "audio"))
        found = [r for r in judged if r.type == "video" or r.total]
        return found or judged

    def _number(self, clause: str, wanted: Numbers, by: Measure, *, hard: bool = False) -> None:
        values = {r.id: by.value(r) for r in self._judged(by.types)}
        own_audio = () if "video" in by.types else (conditions.own_audio,)
        protect: tuple[Test, ...] = (_is_video, *own_audio, self._main())
        self._measure(clause, wanted, values, protect, by=by, hard=hard)

    def _measure(
        self,
        clause: str,
        wanted: Numbers,
        values: Mapping[int, int | None],
        protect: Sequence[Test],
        *,
        by: Measure,
        hard: bool,
    ) -> None:
        """What is not stated passes a wish and fails a limit."""
        known = {v: wanted.accepts(v, by.tolerance) for v in set(values.values()) if v is not None}
        unknown = False if hard else None
        verdicts = {n: unknown if v is None else known[v] for n, v in values.items()}
        self._keep(
            clause,
            verdicts,
            protect=protect,
            else_=lambda: self._nearest(wanted, values, by, hard=hard),
        )

    def _nearest(
        self, wanted: Numbers, values: Mapping[int, int | None], by: Measure, *, hard: bool
    ) -> tuple[Verdicts, str]:
        """Only the nearest value there is; where nothing states one and a limit stands, the lowest bandwidth."""
        main = {n: v for n, v in values.items() if self.left.alive[n].type != "trick"}
        stated = [value for value in main.values() if value is not None]
        nearest = wanted.nearest(stated, by.tolerance)
        unknown = False if hard else None
        if nearest is not None:
            only, most = Span(nearest, nearest), Span(None, nearest)
            verdicts = {
                n: unknown if v is None else (only if n in main else most).holds(v, by.tolerance)
                for n, v in values.items()
            }
            return verdicts, f"{printed(nearest, by.scale)} instead"
        if not hard:
            return {}, "any instead"
        bandwidths = {n: self.left.alive[n].bandwidth or 0 for n in main}
        lowest = min(bandwidths.values(), default=0)
        return {n: bandwidths.get(n) == lowest for n in values}, "the lowest instead"


_SPOKEN: tuple[Literal["audio", "text"], ...] = ("audio", "text")


def _at_most(limit: int | None) -> Numbers:
    return Numbers((Span(None, limit),))


def _only_defaults(judged: Sequence[Rendition], allowed: Sequence[str]) -> tuple[Verdicts, str]:
    """In each group what is allowed; where that is nothing, the language that plays when the viewer chooses none."""
    groups: dict[tuple[str, ...], list[Rendition]] = {}
    for r in judged:
        groups.setdefault(r.badges if r.part else (), []).append(r)
    verdicts: dict[int, bool | None] = {}
    instead: set[str] = set()
    for members in groups.values():
        spoken = {conditions.tag_of(r) for r in members}
        tags = {tag for tag in spoken if conditions.covered(tag, allowed)}
        if not tags:
            spare = next((r for r in members if r.default), members[0])
            tags = {conditions.tag_of(spare)}
            instead |= tags
        verdicts |= {r.id: conditions.tag_of(r) in tags for r in members}
    return verdicts, f"{', '.join(sorted(instead))} instead"


def _is_video(r: Rendition) -> bool:
    return r.type == "video" and not r.part


def _is_playable(r: Rendition) -> bool:
    return r.type in ("video", "audio") and not r.part


def _is_anything(r: Rendition) -> bool:
    return r is not None
