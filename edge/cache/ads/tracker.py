"""Deals with the breaks of what is served: one decision for all workers, edges and renditions, once it was seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from edge import metrics
from edge.cache.ads.agreement import Agreement, Work
from edge.cache.ads.following import follow_times
from edge.cache.ads.groups import Groups, Membership, key_of
from edge.cache.ads.kept import Kept
from edge.cache.ads.looking import Look, Looking
from edge.cache.ads.reports import reports_of
from edge.cache.ads.store import Store, StoreAway
from edge.cache.ads.treated import Ask, Behind, Rendition, Version
from edge.errors import OriginFailed
from edge.manifests.ads.hls import whole
from edge.manifests.ads.hls.deciding import Role
from edge.manifests.ads.hls.follow import can_follow, follow_whole
from edge.manifests.ads.hls.live import Step, advance
from edge.manifests.ads.hls.plan import Plan
from edge.manifests.ads.hls.record import Group
from edge.manifests.ads.hls.runs import AdRun, runs_of
from edge.manifests.ads.hls.window import Window
from edge.manifests.ads.policy import AdPolicy, Treatment
from edge.manifests.ads.rules import NO_RULES, Rules
from edge.manifests.ads.treat import DELTA, carried_out, explained, treat_dash, treatable
from edge.manifests.ads.treated import Treated
from edge.manifests.limits import DEFAULT, Limits
from edge.manifests.pipeline import Format, format_of

# How long one version of a follower waits for the leading rendition to come as far.
_LEADER_SECONDS = 2.0
_LEADER_TRIES = 4
# How long a follower's viewers wait for any version of it: beyond that its own evidence has to do.
_ANSWER_SECONDS = 5.0
# Of a segment or a discontinuity; RFC 8216 section 4.2 allows four times as much.
_MOST_NUMBER = 2**62
# An MPD of a few lines can become many Periods: beyond this size it is treated in a thread.
_LARGE_MPD_BYTES = 32 * 1024
# Of the versions that viewers were told of last: of each kind of document.
_MOST_BYTES = 64 * 2**20
# An MPD from longer ago names segments that its origin may have no more: an ad is better.
_MPD_HELD_MS = 10 * 60 * 1000


@dataclass(frozen=True, slots=True)
class _LastMpd:
    body: bytes
    told_ms: int

    @property
    def size_bytes(self) -> int:
        return len(self.body)


class _Reached(NamedTuple):
    """What everybody agrees upon about one version of one rendition."""

    step: Step
    last: Look | None  # the version that viewers here were told of before
    is_alone: bool  # nobody could be asked, and this process knows nothing


class Tracker:
    """Treats manifests, version by version.

    Call ``treat`` once for each version that a viewer needs, in any order. ``store`` is what all edges share; ``clock``
    gives milliseconds since the epoch.
    """

    def __init__(
        self,
        store: Store,
        groups: Groups,
        *,
        rules_of: Callable[[str], Rules],
        clock: Callable[[], int],
        limits: Limits = DEFAULT,
    ) -> None:
        self._agreement = Agreement(store)
        self._groups = groups
        self._rules_of = rules_of
        self._clock = clock
        self._limits = limits
        self._looking = Looking(limits)
        self._last: Kept[Look] = Kept(_MOST_BYTES)
        self._last_mpds: Kept[_LastMpd] = Kept(_MOST_BYTES)
        self._unasked: Kept[Look] = Kept(
            _MOST_BYTES
        )  # by rendition: told of while nobody could say its group, or what is known of it
        self._led: Kept[Look] = Kept(
            _MOST_BYTES
        )  # by group: the leader's version that was dealt with last

    async def adopt(self, master: Rendition, children: Sequence[Rendition]) -> None:
        """Learn which renditions a multivariant playlist has; the first one leads."""
        await self._groups.adopt(master, children)

    async def treat(self, version: Version, treatment: Treatment, *, ask: Ask) -> Treated:
        """The version as viewers with this treatment get it, still in the origin's own world.

        ``ask`` fetches the leading rendition of the group, if this one follows another. ``ManifestError`` for what is
        no manifest; ``OriginFailed`` where nothing of the version may be told and nothing else is known.
        """
        rules = self._rules_of(version.rendition.origin) if treatment.rules else NO_RULES
        match format_of(version.body):
            case Format.HLS:
                treated = await self._treat_hls(version, treatment, rules, ask)
            case Format.DASH:
                treated = await self._treat_dash(version, treatment, rules)
            case _:
                return Treated(body=version.body)
        metrics.ADS_REMOVED.labels(treatment.policy).inc(treated.removed)
        return treated

    # --- DASH: no state

    async def _treat_dash(self, version: Version, treatment: Treatment, rules: Rules) -> Treated:
        def work() -> Treated:
            return treat_dash(
                version.body, treatment, rules, base=version.base, limits=self._limits
            )

        large = len(version.body) > _LARGE_MPD_BYTES
        treated = await asyncio.to_thread(work) if large else work()
        self._looking.count_named(version, rules, treated.found)
        if treatment.policy not in (AdPolicy.STRIP, AdPolicy.GAP):
            return treated
        key = (version.rendition, treatment)
        if treated.is_all_ads:
            last = self._last_mpds.get(key)
            if last is None or self._clock() - last.told_ms > _MPD_HELD_MS:
                return treated
            metrics.ADS_STATE.labels("held").inc()
            return replace(treated, body=last.body, edits=(), is_held=True)
        # Also one without a break: it is the last that players have.
        self._last_mpds.put(key, _LastMpd(treated.body, self._clock()))
        return treated

    # --- HLS

    async def _treat_hls(
        self, version: Version, treatment: Treatment, rules: Rules, ask: Ask
    ) -> Treated:
        if not treatable(version.body):
            return Treated(body=version.body, warnings=(DELTA,))
        look = await self._looking.at(version, rules)
        if not look.segments.is_media or not len(look.segments):
            return Treated(body=version.body)
        if treatment.policy is AdPolicy.EXPLAIN:
            return explained(look.segments, look.found)
        if not rules:  # only what players would insert goes
            return carried_out(look.segments, look.found, Plan(), treatment)
        stateless = treatment.policy is AdPolicy.GAP or not self._agreement.is_possible
        if stateless or not _is_countable(look.window):
            return await self._without_state(look, treatment, rules, ask)
        return await self._with_state(look, treatment, rules, ask)

    async def _without_state(
        self, look: Look, treatment: Treatment, rules: Rules, ask: Ask
    ) -> Treated:
        """Numbers that say nothing of other versions: gaps, and what is there as a whole."""
        leader = await self._leader(look, rules, ask)
        window, runs = look.window, self._runs_like(look, leader)
        if treatment.policy is AdPolicy.STRIP and window.ended and window.whole:
            plan = whole.plan(window, runs)
        else:
            plan = whole.gap(window, runs)
            if treatment.policy is AdPolicy.STRIP:
                metrics.ADS_STATE.labels("gap").inc()
        return carried_out(look.segments, look.found, plan, treatment)

    async def _with_state(
        self, look: Look, treatment: Treatment, rules: Rules, ask: Ask
    ) -> Treated:
        try:
            membership = await self._groups.of(look.version.rendition)
            key = _key(look.version.rendition, membership, rules)
            if await self._is_closed(look, key):
                return await self._without_state(look, treatment, rules, ask)
        except StoreAway:
            look = _later(look, self._unasked.get(look.version.rendition))
            self._unasked.put(look.version.rendition, look)
            return await self._without_state(look, treatment, rules, ask)
        unasked = self._own_up(key, look.version.rendition)
        leader, role = None, _role(look.version.rendition, membership)
        if role == "follows":
            leader = await self._asked(membership.leader, None, rules, ask)
            role = "alone" if leader is None else role
        until = asyncio.get_running_loop().time() + _LEADER_SECONDS
        tries = 0
        while True:
            if leader is not None and self._led.get(key) is not leader:
                led = await self._reach(key, leader, "leads")
                if not led.is_alone:
                    self._led.put(key, leader)
            reached = await self._reach(key, look, role)
            plan, tries = reached.step.plan, tries + 1
            waits = plan is not None and reached.step.waits
            if leader is None or not waits or tries > _LEADER_TRIES:
                break
            try:
                async with asyncio.timeout_at(until):
                    further = await self._asked(membership.leader, _behind(leader), rules, ask)
            except TimeoutError:
                break
            if further is None or further.version.body == leader.version.body:
                break
            leader = further
        if reached.is_alone:  # in the origin's own numbers, in which all who know nothing agree
            look = _later(look, unasked)
            self._unasked.put(look.version.rendition, look)
            plan = whole.gap(look.window, self._runs_like(look, leader))
            return carried_out(look.segments, look.found, plan, treatment)
        return self._told(look, key, reached, treatment)

    async def _is_closed(self, look: Look, key: str) -> bool:
        """Whether a playlist has ended and nobody was told of it while it went on."""
        if not (look.window.ended and look.window.whole):
            return False
        group = await self._agreement.known(key)
        return group is None or look.version.rendition.name not in group.renditions

    def _own_up(self, key: str, rendition: Rendition) -> Look | None:
        """Before anybody is asked again: what viewers were told while nobody could be."""
        told = self._unasked.pop(rendition)
        if told is not None:
            group, _ = self._work(key, told, "alone", gap_only=True)(None)
            self._agreement.begin(key, group)
        return told

    async def _reach(self, key: str, look: Look, role: Role) -> _Reached:
        work = self._work(key, look, role)
        alone = self._work(key, look, role, gap_only=True)
        reached, is_alone = await self._agreement.reach(key, work, alone=alone)
        if reached.step.event is not None:
            metrics.ADS_STATE.labels(reached.step.event).inc()
        return reached._replace(is_alone=is_alone)

    def _work(self, key: str, look: Look, role: Role, *, gap_only: bool = False) -> Work[_Reached]:
        name, now = look.version.rendition.name, self._clock()

        def work(group: Group | None) -> tuple[Group, _Reached]:
            known = None if group is None else group.renditions.get(name)
            # What was told before the origin began anew is of no use under its new numbers.
            last = None if known is None else self._last.get((key, name, known.run))
            step = advance(
                group,
                name,
                look.window,
                runs_of(look.found),
                role=role,
                now_ms=now,
                held=None if last is None else last.window,
                gap_only=gap_only,
                ad_tail=bool(look.found.announced),
            )
            return step.group, _Reached(step, last, is_alone=gap_only)

        return work

    def _told(self, look: Look, key: str, reached: _Reached, treatment: Treatment) -> Treated:
        step, last = reached.step, reached.last
        if step.plan is None:
            raise OriginFailed("The origin lists less than viewers were told of before.")
        if step.hold and last is not None:
            metrics.ADS_STATE.labels("held").inc()
            # How far others have come by now, as far as the newest version tells.
            reports = {**reports_of(last, step.group), **reports_of(look, step.group)}
            plan = replace(step.plan, reports=reports)
            treated = carried_out(last.segments, last.found, plan, treatment)
            return replace(treated, found=look.found, edits=(), is_held=True, is_early=step.waits)
        name = look.version.rendition.name
        place = (key, name, step.group.renditions[name].run)
        if not _is_before(look.window, self._last.get(place)):
            self._last.put(place, look)
        plan = replace(step.plan, reports=reports_of(look, step.group))
        treated = carried_out(look.segments, look.found, plan, treatment)
        treated = replace(treated, is_early=step.waits)
        if treated.is_early:
            metrics.ADS_STATE.labels("early").inc()
        return treated

    # --- the rendition that leads

    async def _leader(self, look: Look, rules: Rules, ask: Ask) -> Look | None:
        """The leader's newest version, if this rendition follows another that can be had."""
        membership: Membership | None
        try:
            membership = await self._groups.of(look.version.rendition)
        except StoreAway:
            membership = self._groups.heard(look.version.rendition)
        if membership is None or _role(look.version.rendition, membership) != "follows":
            return None
        return await self._asked(membership.leader, None, rules, ask)

    async def _asked(
        self, rendition: Rendition, behind: Behind | None, rules: Rules, ask: Ask
    ) -> Look | None:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                version = await ask(rendition, behind)
        except TimeoutError:
            return None
        if version is None or not treatable(version.body):
            return None
        look = await self._looking.at(version, rules)
        return look if look.segments.is_media and len(look.window) else None

    def _runs_like(self, look: Look, leader: Look | None) -> tuple[AdRun, ...]:
        """What is an ad in a rendition, as the leading one has it where their times can be compared."""
        own = runs_of(look.found)
        if leader is None:
            return own
        runs = runs_of(leader.found)
        if leader.window.whole and look.window.whole and can_follow(leader.window, look.window):
            return follow_whole(leader.window, whole.decided(leader.window, runs), look.window)
        followed = follow_times(leader.window, runs, look.window)
        return own if followed is None else followed


def _is_countable(window: Window) -> bool:
    """Whether records have room for a window's numbers, and for what may be added to them."""
    return max(window.first, window.discontinuity_sequence) + len(window) < _MOST_NUMBER


def _is_before(window: Window, last: Look | None) -> bool:
    """Whether an origin's window is an earlier one than the last that viewers were told of."""
    if last is None:
        return False
    first, end = last.window.first, last.window.first + len(last.window)
    return first <= window.first + len(window) < end


def _later(look: Look, last: Look | None) -> Look:
    """Which of two versions is told of in the origin's own numbers, lest those go back."""
    if last is None or not _is_before(look.window, last):
        return look
    return look if _is_anew(look.window, last.window) else last


def _is_anew(window: Window, last: Window) -> bool:
    """Whether lower numbers are those of an origin that has begun again."""
    newest, known = window.starts[len(window) - 1], last.starts[len(last) - 1]
    return newest is not None and known is not None and newest > known


def _role(rendition: Rendition, membership: Membership) -> Role:
    if not membership.master:
        return "alone"
    return "leads" if membership.leader == rendition else "follows"


def _key(rendition: Rendition, membership: Membership, rules: Rules) -> str:
    return key_of("group", rendition.origin, membership.master or rendition.name, rules.digest)


def _behind(leader: Look) -> Behind:
    """What the leading rendition lists next."""
    window = leader.window
    has_parts = window.parts or b"#EXT-X-PART-INF" in leader.version.body
    return Behind(leader.version, window.first + len(window), window.parts if has_parts else None)
