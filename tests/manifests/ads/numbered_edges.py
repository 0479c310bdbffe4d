"""Edges that treat the worlds of numbers as the real ones treat playlists, and a viewer who checks everything."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

from edge.manifests.ads.hls.islands import reconcile
from edge.manifests.ads.hls.live import Step, advance, listing
from edge.manifests.ads.hls.plan import Plan
from edge.manifests.ads.hls.record import Group, decode, encode
from edge.manifests.ads.hls.window import Window
from tests.manifests.ads.numbered_worlds import EPOCH_MS, Segment, World


class Listed(NamedTuple):
    """One segment of an output, as a player counts it (RFC 8216 section 6.2.1)."""

    number: int
    discontinuity: int
    segment: Segment
    is_gap: bool


def carried_out(plan: Plan, window: Window, segments: list[Segment]) -> list[Listed]:
    """The output of a plan, by its definition."""
    number = window.first if plan.media_sequence is None else plan.media_sequence
    count = (
        window.discontinuity_sequence
        if plan.discontinuity_sequence is None
        else plan.discontinuity_sequence
    )
    assert all(one.last + 1 < other.first for one, other in pairwise(plan.holes))
    gone = {at: hole for hole in plan.holes for at in range(hole.first, hole.last + 1)}
    gaps = {at for run in plan.gaps for at in range(run.first, run.last + 1)}
    assert not gaps & gone.keys()
    made: list[Listed] = []
    for at, segment in enumerate(segments[: len(segments) - plan.held]):
        if at in gone:
            continue
        before = gone.get(at - 1)
        tagged = at in window.discontinuities and not (plan.bare and at == 0)
        count += before.joined if before is not None else tagged
        made.append(Listed(number, count, segment, at in gaps))
        number += 1
    return made


@dataclass
class Store:
    data: bytes | None = None
    away: bool = False
    now_ms: int = EPOCH_MS


@dataclass
class Memory:
    """What one process keeps."""

    group: Group | None = None
    island: bool = False
    held: dict[int, tuple[World, int]] = field(default_factory=dict)
    newest: dict[int, int] = field(default_factory=dict)


@dataclass
class Seen:
    """What those were given whose edges agree with one another."""

    names: dict[tuple[object, ...], str] = field(default_factory=dict)
    counts: dict[tuple[object, ...], tuple[int, int]] = field(default_factory=dict)
    in_step: dict[tuple[object, ...], int] = field(default_factory=dict)
    last: dict[int, tuple[int, int]] = field(default_factory=dict)

    def copy(self) -> Seen:
        return Seen(dict(self.names), dict(self.counts), dict(self.in_step), dict(self.last))

    def join(self, other: Seen, *, agrees: bool) -> None:
        """Those who were given ``other`` come back; unless the era is another one they were told the same."""
        for rendition, last in other.last.items():
            known = self.last.get(rendition, (0, 0))
            self.last[rendition] = (max(last[0], known[0]), max(last[1], known[1]))
        for key, name in other.names.items():
            assert not agrees or self.names.setdefault(key, name) == name, f"{key}: {name}"


@dataclass
class Viewers:
    """Everything that anybody was ever given."""

    shared: Seen = field(default_factory=Seen)
    islands: dict[int, Seen] = field(default_factory=dict)
    reloads: int = 0
    gaps: int = 0

    def cut_off(self, edge: int, *, forgets: bool) -> None:
        """An edge is by itself; what others gave out since it last asked the store it cannot know."""
        if edge not in self.islands:
            self.islands[edge] = self.shared.copy()
            if forgets:
                self.islands[edge] = Seen()

    def come_back(self, edge: int, *, agrees: bool) -> None:
        island = self.islands.pop(edge, None)
        if island is not None:
            self.shared.join(island, agrees=agrees)

    def see(
        self,
        group: Group,
        rendition: int,
        output: list[Listed],
        header: tuple[int, int],
        world: World,
        *,
        edge: int,
        strict: bool,
    ) -> None:
        """Check one output against all before it; ``strict``: renditions must count alike."""
        self.reloads += 1
        seen, run = self.islands.get(edge, self.shared), world.run_number
        assert output, "an empty playlist"
        known = seen.last.get(rendition, (0, 0))
        assert header[0] >= known[0], f"MEDIA-SEQUENCE went from {known[0]} to {header[0]}"
        assert header[1] >= known[1], f"DISCONTINUITY-SEQUENCE went from {known[1]} to {header[1]}"
        seen.last[rendition] = header
        for item in output:
            name = seen.names.setdefault((group.era, rendition, item.number), item.segment.name)
            assert name == item.segment.name, f"{item.number} was {name}, is {item.segment.name}"
            given = (item.number, item.discontinuity)
            counted = seen.counts.setdefault((group.era, rendition, item.segment.name), given)
            assert counted == given, f"{item.segment.name} was {counted}, is {given}"
            self.gaps += item.is_gap
            if strict and not item.is_gap and not world.stretches[item.segment.stretch].is_ad:
                place = (group.era, run, item.segment.stretch)
                same = seen.in_step.setdefault(place, item.discontinuity)
                assert same == item.discontinuity, f"rendition {rendition} is out of step"


@dataclass
class Edges:
    """Processes around one store."""

    world: World
    store: Store = field(default_factory=Store)
    memories: list[Memory] = field(default_factory=lambda: [Memory(), Memory()])
    viewers: Viewers = field(default_factory=Viewers)
    published: int = 12
    strict: bool = True
    refused: int = 0
    events: list[str] = field(default_factory=list)
    written: int = 0  # how far the record is that was stored last
    lost: int | None = None  # how far the record was that was lost

    def publish(self) -> None:
        self.published = min(self.published + 1, self.world.versions())
        self.store.now_ms += self.world.scheme.grids[0]

    def suffer(self, event: str, edge: int) -> None:
        """What happens to edges and stores."""
        if event == "restart":
            self.memories[edge] = Memory()
            # Those whom an edge served that then forgot everything are with nobody any more.
            self.viewers.islands.pop(edge, None)
        elif event == "lose":
            known = decode(self.store.data)
            self.store.data, self.lost = None, 2**63 if known is None else known.serial
            self.written = 2**63  # nobody can know whether others were further
        else:
            self.store.away = event == "cut"

    def reload(
        self, edge: int, rendition: int, behind: int, *, ended: bool = False
    ) -> list[Listed] | None:
        """What a viewer gets who asks this edge, which sees a version that is ``behind``."""
        version = max(1, self.published - behind)
        if rendition:
            self.step(edge, 0, max(version, self.published - behind), ended=ended)
        return self.step(edge, rendition, version, ended=ended, serve=True)

    def step(
        self, edge: int, rendition: int, version: int, *, ended: bool = False, serve: bool = False
    ) -> list[Listed] | None:
        world, memory = self.world, self.memories[edge]
        window = world.window(rendition, version, ended=ended)
        held = memory.held.get(rendition)
        held_window = None if held is None else held[0].window(rendition, held[1])
        stored = None if self.store.away else decode(self.store.data)
        mine = memory.group
        if self.lost is not None and not self.store.away:
            if mine is None or mine.serial < self.lost:
                # Nobody who could be asked remembers what was given out last.
                self.viewers.shared.last.clear()
            self.lost = None
        group = mine if self.store.away else reconcile(stored, mine, island=memory.island)
        made: Step = advance(
            group,
            str(rendition),
            window,
            world.runs(rendition, version),
            role="follows" if rendition else "leads",
            now_ms=self.store.now_ms,
            held=held_window,
            gap_only=group is None and self.store.away,
        )
        memory.group = made.group
        if made.event:
            self.events.append(made.event)
        if self.store.away:
            memory.island = True
            self.viewers.cut_off(edge, forgets=mine is None or mine.serial < self.written)
        else:
            agrees = mine is not None and made.group.era == mine.era
            self.viewers.come_back(edge, agrees=agrees)
            memory.island = False
            if made.group != stored:
                assert stored is None or made.group.serial > stored.serial
                self.store.data = encode(made.group)
                self.written = made.group.serial
                assert decode(self.store.data) == made.group
                assert len(self.store.data) < 8000
        if made.plan is None:
            self.refused += 1
            return None
        if made.hold:
            assert held is not None
            assert not ended
            shown_world, shown_version = held
        else:
            self._check_again(made, rendition, version, window, ended=ended)
            memory.held[rendition] = shown_world, shown_version = world, version
        shown_window = shown_world.window(rendition, shown_version, ended=ended)
        segments = shown_world.listed(rendition, shown_version)
        output = carried_out(made.plan, shown_window, segments)
        self._check_fates(made.group, rendition)
        if serve:
            header = (
                _or(made.plan.media_sequence, shown_window.first),
                _or(made.plan.discontinuity_sequence, shown_window.discontinuity_sequence),
            )
            self.viewers.see(
                made.group, rendition, output, header, shown_world, edge=edge, strict=self.strict
            )
        return output

    def _check_fates(self, group: Group, rendition: int) -> None:
        """What goes was said to be an ad, by somebody, at some time."""
        # What is left of an origin that has started anew is not of this world.
        grid = self.world.grids[rendition][: self.published]
        for span in group.renditions[str(rendition)].spans[-2:]:
            for number in (span.first, span.last):
                if 0 <= number - self.world.base < len(grid):
                    segment = grid[number - self.world.base]
                    middle = segment.start + segment.length // 2
                    assert any(
                        told is not None and told[0] - 6000 <= middle < told[1] + 6000
                        for told in self.world.told_near(segment)
                    ), f"{segment.name} is gone"

    def _check_again(
        self, made: Step, rendition: int, version: int, window: Window, *, ended: bool
    ) -> None:
        """The same version once more changes nothing, and its plan can be had from the record alone."""
        shown = listing(made.group, str(rendition), window)
        assert shown is not None
        assert made.plan is not None
        if not window.parts:  # a hint for what follows is not sealed by anything
            shown = replace(shown, ad_tail=made.plan.ad_tail)
        assert shown == made.plan, f"{shown}\n{made.plan}"
        if self.viewers.reloads % 8:
            return
        again = advance(
            made.group,
            str(rendition),
            window,
            self.world.runs(rendition, version),
            role="follows" if rendition else "leads",
            now_ms=self.store.now_ms,
        )
        assert again.group == made.group, "the same version again changed something"
        assert again.plan == made.plan


def _or(value: int | None, other: int) -> int:
    return other if value is None else value
