"""What happens in a world, drawn from a seed or by hypothesis: a list of small steps."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from tests.manifests.ads.world.world import World

Kind = Literal[
    "goes on",
    "reload",
    "edge restarts",
    "player moves",
    "redis emptied",
    "redis away",
    "redis back",
    "origin restarts",
]
_USUAL: tuple[Kind, ...] = ("goes on", "reload", "reload")
# How often each rare thing happens, in thousandths of all steps.
CALM: dict[Kind, int] = {"player moves": 20}
RESTARTS: dict[Kind, int] = {"player moves": 40, "edge restarts": 25}
LOST: dict[Kind, int] = {"player moves": 20, "redis emptied": 10}
AWAY: dict[Kind, int] = {"player moves": 20, "redis away": 15, "redis back": 40}
ANEW: dict[Kind, int] = {"player moves": 20, "edge restarts": 10, "origin restarts": 5}
# Everything at once: more than one loss at a time leaves nothing by which some promises could be kept.
STORM: dict[Kind, int] = {**RESTARTS, **LOST, **AWAY, **ANEW}
WEATHERS: tuple[dict[Kind, int], ...] = (CALM, RESTARTS, LOST, AWAY, ANEW)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens; the numbers mean what its kind makes of them."""

    kind: Kind
    player: int = 0
    grid: int = 0
    lag: int = 0
    leader_lag: int = 0

    async def happen(self, world: World) -> None:
        match self.kind:
            case "goes on":
                world.go_on(1 + self.lag)
            case "reload":
                await world.reload(self.player, self.grid, lag=self.lag, leader_lag=self.leader_lag)
            case "edge restarts":
                await world.restart(self.player)
            case "player moves":
                world.move(self.player, self.grid % 2)
            case "redis emptied":
                world.empty()
            case "redis away":
                world.cut(self.player)
            case "redis back":
                await world.heal()
            case "origin restarts":
                await world.begin_anew()


def drawn(draw: random.Random, weather: dict[Kind, int]) -> Step:
    """The next thing that happens."""
    rare = draw.randrange(1000)
    kind: Kind = draw.choice(_USUAL)
    for known, share in weather.items():
        rare -= share
        if rare < 0:
            kind = known
            break
    return Step(
        kind,
        player=draw.randrange(2),
        grid=draw.randrange(3),
        lag=draw.choice((0, 0, 0, 0, 1, 2)),
        leader_lag=draw.choice((0, 0, 0, 1)),
    )


async def live(world: World, draw: random.Random, weather: dict[Kind, int]) -> None:
    """From the first version to the last."""
    await world.open()
    while not world.is_over:
        await drawn(draw, weather).happen(world)
    await world.heal()
    for player in range(2):
        for grid in range(3):
            await world.reload(player, grid)
