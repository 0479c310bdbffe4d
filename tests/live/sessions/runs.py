"""What each player does when its network is too slow for a while: one real stall, in every way of saying so."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Browser

from edge.sessions.life import SessionState
from tests.live.sessions.stage import COLLECTOR, Stage
from tests.live.sessions.watching import Seen, Viewer, viewer

STALL_MS = 1500  # it is held back for at least so long after the picture stopped
_KEYS = ["sid", "sn", "sta", "bl", "br", "mtp", "bsd", "bs", "msd", "pb", "tb", "ot"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A player and how it is to say what it knows."""

    engine: str
    manifest: str
    version: int
    in_fields: bool = False
    events: bool = False

    @property
    def name(self) -> str:
        form = "hls" if self.manifest.endswith("m3u8") else "mpd"
        where = "fields" if self.in_fields else "query"
        return f"{self.engine}-{form}-v{self.version}-{where}" + ("-events" if self.events else "")

    def cmcd(self, base: str) -> dict[str, Any]:
        """The player's settings."""
        targets = [event_target(self.engine, base)] if self.events else []
        said: dict[str, Any] = {"version": self.version}
        if targets:
            said["eventTargets"] = targets
        if self.engine == "dash":
            return said | {"mode": "headers" if self.in_fields else "query", "sid": self.name}
        return said | {"useHeaders": self.in_fields, "sessionId": self.name}


def event_target(engine: str, base: str, *, interval: float = 1) -> dict[str, Any]:
    """Where and when the player is to post events, each at once."""
    target = {
        "enabled": True,
        "url": f"{base}/{COLLECTOR}",
        "events": ["ps", "t", "e"],
        "interval": interval,
        "batchSize": 1,
    }
    match engine:
        case "dash":
            return target | {"enabledKeys": _KEYS}
        case "shaka":
            return target | {"includeKeys": []}
    return target


_STREAMS = [
    ("hls", "master.m3u8"),
    ("shaka", "master.m3u8"),
    ("shaka", "manifest.mpd"),
    ("dash", "manifest.mpd"),
]
WAYS = {
    way.name: way
    for engine, manifest in _STREAMS
    for way in [
        Way(engine=engine, manifest=manifest, version=1),
        Way(engine=engine, manifest=manifest, version=1, in_fields=True),
        Way(engine=engine, manifest=manifest, version=2),
        Way(engine=engine, manifest=manifest, version=2, in_fields=True),
        Way(engine=engine, manifest=manifest, version=2, events=True),
    ]
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One viewing: what the page saw, and what the edge knows."""

    way: Way
    seen: Seen
    edge: SessionState


async def run(stage: Stage, browser: Browser, way: Way) -> Run:
    """Play until the film is loaded, with one stall."""
    context = await browser.new_context(viewport={"width": 320, "height": 240})
    try:
        watcher = await viewer(stage, await context.new_page(), way.engine, way.name)
        await watcher.start(way.engine, way.manifest, way.cmcd(watcher.base))
        await stalled(stage, watcher, way.name)
        await watcher.until("watch.isLoaded()")
        await watcher.until_played(1)
        seen = await watcher.seen()
        requests, size = len(seen.media), sum(one.bytes for one in seen.media)
        edge = await stage.told(
            way.name,
            lambda one: one.counted.requests == requests and one.counted.bytes >= size,
        )
        return Run(way=way, seen=seen, edge=edge)
    finally:
        await context.close()


async def stalled(stage: Stage, watcher: Viewer, name: str) -> None:
    """Return when it has stood still for a while and goes on."""
    await watcher.until(f"watch.waits() > {STALL_MS}")
    stage.origin.let_go(name)
    await watcher.until("watch.seen.stalls.length > 0 && watch.waits() === 0")


async def run_all(stage: Stage, browser: Browser) -> dict[str, Run]:
    """All of them, a few at once: they wait most of the time."""
    room = asyncio.Semaphore(5)

    async def one(way: Way) -> Run:
        async with room:
            return await run(stage, browser, way)

    async with asyncio.TaskGroup() as tasks:
        running = {name: tasks.create_task(one(way)) for name, way in WAYS.items()}
    return {name: task.result() for name, task in running.items()}
