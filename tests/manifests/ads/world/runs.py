"""Many worlds of one spelling, until players have asked often enough."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.manifests.ads.world.lives import WEATHERS, live
from tests.manifests.ads.world.markers import SPELLINGS
from tests.manifests.ads.world.player import Violation
from tests.manifests.ads.world.traits import drawn
from tests.manifests.ads.world.world import World


@dataclass
class Count:
    """What was seen of one spelling."""

    name: str
    worlds: int = 0
    reloads: int = 0
    breaks: int = 0
    segments: int = 0
    events: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def row(self) -> str:
        """One line of the table."""
        events = ", ".join(
            f"{name} {count}" for name, count in sorted(self.events.items()) if count
        )
        return (
            f"| {self.name} | {self.worlds} | {self.reloads} | {self.breaks} | {self.segments} "
            f"| {events} | {len(self.violations)} |"
        )


HEAD = (
    "| scheme | streams | reloads | breaks | segments | events | violations |\n"
    "|---|---:|---:|---:|---:|---|---:|"
)


def _nobody(_violation: str) -> None:
    """For those who read the count."""


def run(
    name: str,
    reloads: int,
    *,
    seed: int = 0,
    most: int = 3,
    tell: Callable[[str], None] = _nobody,
) -> Count:
    """Worlds with one seed after the other; no more after so many violations, each of which is told at once."""
    count = Count(name)
    while count.reloads < reloads and len(count.violations) < most:
        draw = random.Random(f"{name}/{seed}")
        spelling = SPELLINGS[name]
        world = World(spelling, drawn(draw, spelling), seed)
        weather = WEATHERS[seed % len(WEATHERS)]
        try:
            asyncio.run(live(world, draw, weather))
        except Violation as fault:
            count.violations.append(f"{fault}\n\n{world.account()}")
            tell(count.violations[-1])
        count.worlds += 1
        count.reloads += world.reloads
        count.events.update(world.events)
        place = world.tick // world.traits.parts
        count.breaks += sum(
            stretch.is_ad and stretch.start < place for stretch in world.packager.show.stretches
        )
        count.segments += place * len(world.packager.grids)
        seed += 1
    return count
