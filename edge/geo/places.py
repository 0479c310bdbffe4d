"""Where viewers are, by their addresses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from config.contracts.grants import NOWHERE, Place
from config.runtime.logging import get_logger
from config.runtime.processes import WrongUse
from config.runtime.tasks import BackgroundTasks
from config.settings.geo import GeoSettings
from edge import metrics
from edge.forwarded import Address
from edge.geo.files import BadGeoFile, GeoFile, Mark, mark_of, open_file

log = get_logger(__name__)


@dataclass(slots=True)
class Source:
    """A path, the file that was last good there, and the one that was looked at last."""

    path: Path
    file: GeoFile
    seen: Mark | None


def open_sources(settings: GeoSettings) -> list[Source]:
    """Every file of the settings; ``WrongUse`` that names the first one that cannot be used."""
    sources = []
    for path in settings.databases:
        try:
            file = open_file(path)
        except BadGeoFile as error:
            raise WrongUse(f"edge.geo.databases: {path}: {error}") from error
        sources.append(Source(path, file, file.mark))
    return sources


class Places:
    """What all files together know; replaced files are noticed by ``renew``."""

    def __init__(self, sources: Sequence[Source] = (), *, remembered: int = 1) -> None:
        self._sources = tuple(sources)
        self._look_up = lru_cache(maxsize=remembered)(self._looked_up)

    @classmethod
    async def open(cls, settings: GeoSettings) -> Places:
        """Open every file; ``WrongUse`` that names the first one that cannot be used."""
        sources = await asyncio.to_thread(open_sources, settings)
        for source in sources:
            _count(source.path, source.file)
        return cls(sources, remembered=settings.remembered)

    def of(self, address: Address | None) -> Place:
        """Where the address is; ``NOWHERE`` if no file knows it."""
        return NOWHERE if address is None or not self._sources else self._look_up(address)

    async def renew(self) -> None:
        """Read the files again that were replaced; where that fails, the one before is used on."""
        for source in self._sources:
            mark = await asyncio.to_thread(mark_of, source.path)
            if mark == source.seen:
                continue
            source.seen = mark
            try:
                file = await asyncio.to_thread(open_file, source.path)
            except BadGeoFile as error:
                metrics.GEO_FILES.labels("broken").inc()
                log.warning(
                    "file of places kept as it was", path=str(source.path), cause=str(error)
                )
                continue
            source.file, source.seen = file, file.mark
            self._look_up.cache_clear()
            _count(source.path, file)
            log.info("file of places read again", path=str(source.path))

    def _looked_up(self, address: Address) -> Place:
        place = NOWHERE
        for source in self._sources:
            try:
                place = merged(place, source.file.place_of(address))
            except BadGeoFile:
                metrics.GEO_LOOKUPS.labels("broken").inc()
        metrics.GEO_LOOKUPS.labels("unknown" if place == NOWHERE else "found").inc()
        return place


def merged(first: Place, second: Place) -> Place:
    """Both together; where they name two countries, the second one's is not this place."""
    same = not first.country or not second.country or first.country == second.country
    other = second if same else NOWHERE
    located = first if first.latitude is not None else other
    return Place(
        country=first.country or other.country,
        subdivision=first.subdivision or other.subdivision,
        latitude=located.latitude,
        longitude=located.longitude,
        network=first.network or second.network,
    )


@asynccontextmanager
async def open_places(settings: GeoSettings) -> AsyncIterator[Places]:
    """The places of the settings' files, which are looked at again and again."""
    places = await Places.open(settings)
    async with BackgroundTasks() as tasks:
        if settings.databases:
            tasks.start("files of places", lambda: _keep(places, settings.poll.total_seconds()))
        yield places


async def _keep(places: Places, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        await places.renew()


def _count(path: Path, file: GeoFile) -> None:
    metrics.GEO_FILES.labels("read").inc()
    metrics.GEO_BUILT.labels(path.name).set(file.built_at)
