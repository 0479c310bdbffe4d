"""A viewer: one page with one player, and what that page saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Page

from tests.live.sessions.stage import COLLECTOR, Stage

WAIT_MS = 20_000
GOAL = 30  # seconds to load ahead: more than the film has


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One request by the browser's account."""

    url: str
    bytes: int
    status: int
    at: float

    @property
    def name(self) -> str:
        return urlsplit(self.url).path.rpartition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the page saw at one moment, every 50 ms."""

    at: float
    ahead: float  # ms
    kbps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the page saw of its player; times in ms."""

    startup: float
    stalls: tuple[float, ...]
    samples: tuple[Sample, ...]
    rates: tuple[float, ...]  # kbit/s of the renditions that were played
    errors: tuple[str, ...]
    loads: tuple[Load, ...]
    own: dict[str, Any]  # what the player counts itself

    @property
    def media(self) -> tuple[Load, ...]:
        """Requests that a session counts."""
        return tuple(one for one in self.loads if one.name != COLLECTOR)

    @property
    def left(self) -> tuple[Load, ...]:
        """Requests that the player gave up."""
        return tuple(one for one in self.media if one.bytes == 0)

    @property
    def posts(self) -> tuple[Load, ...]:
        return tuple(one for one in self.loads if one.name == COLLECTOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Somebody at a page."""

    page: Page
    base: str

    async def start(
        self,
        engine: str,
        manifest: str,
        cmcd: dict[str, Any],
        *,
        goal: float = GOAL,
    ) -> None:
        await self.page.evaluate(
            "([engine, url, options]) => watch.start(engine, url, options)",
            [engine, f"{self.base}/{manifest}", {"cmcd": cmcd, "goal": goal}],
        )

    async def until(self, condition: str) -> None:
        """Return when a JavaScript expression is true in the page."""
        await self.page.wait_for_function(condition, polling=20, timeout=WAIT_MS)

    async def until_played(self, seconds: float) -> None:
        """Return when the picture has gone on for so long from where it is."""
        at = await self.page.evaluate("watch.time()")
        await self.until(f"watch.time() > {at + seconds}")

    async def seen(self) -> Seen:
        value = await self.page.evaluate("({...watch.seen, own: watch.own()})")
        return Seen(
            startup=value["startup"],
            stalls=tuple(value["stalls"]),
            samples=tuple(Sample(**one) for one in value["samples"]),
            rates=tuple(value["rates"]),
            errors=tuple(value["errors"]),
            loads=await self.loads(),
            own=value["own"],
        )

    async def loads(self) -> tuple[Load, ...]:
        found = await self.page.evaluate("(base) => watch.loads(base)", self.base)
        return tuple(Load(**one) for one in found)


async def viewer(stage: Stage, page: Page, engine: str, name: str) -> Viewer:
    """Open the page with that player for the film ``name``."""
    await page.goto(stage.page(engine))
    return Viewer(page=page, base=stage.base(name))
