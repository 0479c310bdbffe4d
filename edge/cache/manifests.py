"""Ready manifests: fetched once, made once per recipe, kept while they are the newest."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from edge import metrics
from edge.cache.documents import Documents
from edge.cache.forms import Form, make_form
from edge.cache.lineage import Lineage
from edge.cache.progress import is_behind
from edge.cache.single_flight import SingleFlight
from edge.cache.sources import Source, SourceKey, Sources
from edge.cache.tiers.purge import Purge
from edge.errors import BadManifest, BlockedTooFar, EdgeError
from edge.manifests.context import Context
from edge.manifests.dash import scan as dash_scan
from edge.manifests.dash import xlink
from edge.manifests.edits import apply_edits
from edge.manifests.errors import BadReference, ManifestError
from edge.manifests.filters.filter import Filter
from edge.manifests.hls import delta
from edge.manifests.hls import scan as hls_scan
from edge.manifests.hls.blocking import Position, is_absurd, last_position
from edge.manifests.limits import Limits
from edge.manifests.pipeline import Format, Produced, format_of, produce
from edge.manifests.uris import resolve
from edge.origin.documents import Document
from edge.origin.http import HttpOrigin
from edge.origin.origins import Origin, Origins, Surroundings
from edge.query import Query

# Beyond this a manifest is made in a thread, so that other viewers do not wait for it.
_LARGE_BYTES = 256 * 1024
# A playlist with parts is seldom the same for longer.
_WAITED_FOR_SECONDS = 2.0
_MAX_REMOTE_ELEMENTS = 16
_MAX_REMOTE_BYTES = 2**20
# Told once of every fetched document, whole, and whether it is another one than before.
Learn = Callable[[SourceKey, Produced, bool], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a viewer may or wants to get of a manifest; equal recipes share one form."""

    filter: Filter | None = None
    skip: str | None = None  # the value of _HLS_skip: a delta update
    patch: str | None = None  # publishTime of the MPD that the player has
    in_path: bool = (
        True  # the token; in the query it must go into every URI, which patches would not do
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One document of an origin, as a request names it."""

    origin: Origin
    path: str
    query: Query

    @property
    def key(self) -> SourceKey:
        return (self.origin.name, self.path, self.query.rest)


class ManifestCache:
    """Forms of manifests."""

    def __init__(
        self,
        origins: Origins,
        sources: Sources,
        documents: Documents,
        *,
        limits: Limits,
        learn: Learn,
    ) -> None:
        self._origins = origins
        self._documents = documents
        self._sources = sources
        self._limits = limits
        self._learn = learn
        self._making: SingleFlight[tuple[int, Recipe], Form] = SingleFlight()
        self._lineage = Lineage()

    async def form(self, wanted: Wanted, recipe: Recipe) -> tuple[Form, float, Source]:
        """The ready bytes, made now if nobody needed them before; for how many seconds they are the newest; of what.

        An ``EdgeError`` if there are none.
        """
        source = await self._source(wanted)
        form: Form | None = source.forms.get(recipe)
        if form is None:
            form = await self._making.run(
                (id(source), recipe), lambda: self._make(wanted, source, recipe)
            )
        return form, self._sources.fresh_seconds(source), source

    def purge(self, purge: Purge) -> int:
        """Fetch anew what ``purge`` names; how many documents that were."""
        return self._sources.purge(purge)

    def stats(self) -> dict[str, int]:
        """What is kept, for people."""
        return {"manifest_bytes": self._sources.size_bytes, "manifests": len(self._sources)}

    async def close(self) -> None:
        """Stop what is being fetched or made."""
        await self._sources.close()
        await self._making.close()

    async def _source(self, wanted: Wanted) -> Source:
        query = wanted.query
        if query.msn is not None:
            return await self._waited_for(wanted, query.msn)
        return await self._newest(wanted)

    async def _newest(self, wanted: Wanted) -> Source:
        return await self._sources.get(
            wanted.key, lambda known: self._fetch(wanted, wanted.query.rest, known)
        )

    async def _waited_for(self, wanted: Wanted, msn: int) -> Source:
        """The version that a blocking request waits for; the newest if its origin holds no requests back."""
        query = wanted.query
        # What a request that was held back brought is the answer for those who come late, whatever its max-age.
        source = self._sources.known(wanted.key, max_seconds=_WAITED_FOR_SECONDS)
        position = None if source is None else _position(source, self._limits)
        if source is None or position is None or is_absurd(msn, query.part, position):
            source = await self._newest(wanted)
            position = _position(source, self._limits)
        if position is None:
            return source
        if is_absurd(msn, query.part, position):
            raise BlockedTooFar
        if position.has(msn, query.part):
            return source
        asked = "&".join(part for part in (query.rest, query.directives) if part)
        return await self._sources.newer(
            wanted.key,
            query.directives,
            lambda _known: self._fetch(wanted, asked, None, held_back=True),
        )

    async def _fetch(
        self, wanted: Wanted, query: str, known: Document | None, *, held_back: bool = False
    ) -> Document:
        document = await self._documents.fetch(
            wanted.origin,
            wanted.path,
            query,
            known=known,
            max_bytes=self._limits.bytes,
            held_back=held_back,
        )
        if document is known:
            return document
        if held_back:  # where relative references start is the document, not one request for it
            document = replace(document, url=document.url.partition("?")[0])
        with _usable():
            document = await self._with_remote_elements(wanted, document)
            # A document that players cannot use must not replace the last good one.
            produced = await self._produce(wanted, document, document.body, None)
        newest = self._sources.known(wanted.key)
        if newest is not None and is_behind(document.body, newest.document.body, self._limits):
            return newest.document
        is_new = newest is None or newest.document.body != document.body
        await self._learn(wanted.key, produced, is_new)
        return document

    async def _make(self, wanted: Wanted, source: Source, recipe: Recipe) -> Form:
        started = time.perf_counter()
        with _usable():
            produced = await self._for(wanted, source.document, recipe)
            is_patch = recipe.patch is not None and b"<Patch" in produced.output[:1024]
            form = make_form(produced, is_patch=is_patch, with_places=not recipe.in_path)
        metrics.MANIFEST_SECONDS.labels(produced.format.value).observe(
            time.perf_counter() - started
        )
        source.forms[recipe] = form
        self._sources.grown(wanted.key, source, form.size_bytes)
        return form

    async def _for(self, wanted: Wanted, document: Document, recipe: Recipe) -> Produced:
        body = document.body
        if format_of(body) is Format.HLS:
            body = delta.advertise_skip(body, self._limits)
            if recipe.skip is not None:
                skip: Literal["YES", "v2"] = "v2" if recipe.skip == "v2" else "YES"
                body = delta.make_delta(body, skip=skip, limits=self._limits) or body
        produced = await self._produce(wanted, document, body, recipe.filter)
        if produced.format is Format.HLS:
            self._lineage.adopt(wanted.key, body, produced, self._context(wanted, document))
        elif produced.format is Format.DASH and recipe.in_path:
            return self._lineage.patched(wanted.key, wanted.query.rest, recipe, produced)
        return produced

    async def _produce(
        self, wanted: Wanted, document: Document, body: bytes, filter_: Filter | None
    ) -> Produced:
        context = self._context(wanted, document)
        if len(body) > _LARGE_BYTES:
            return await asyncio.to_thread(produce, body, context, filter_, limits=self._limits)
        pathways = self._lineage.pathways_of(wanted.key)
        return produce(body, context, filter_, limits=self._limits, pathways=pathways)

    def _context(self, wanted: Wanted, document: Document) -> Context:
        origin = wanted.origin
        around = self._origins.around(origin)
        return Context(
            base=document.url,
            origins=around.map,
            origin=around.mount,
            path=wanted.path,
            unlisted=origin.settings.unlisted if isinstance(origin, HttpOrigin) else "leave",
            carry=around.carry,
            by_host=True,
            query=wanted.query.values,
            defines=self._lineage.defines_of(wanted.key),
        )

    async def _with_remote_elements(self, wanted: Wanted, document: Document) -> Document:
        """The document with its xlink elements in place, where the origin's setting asks for that."""
        origin = wanted.origin
        if not (
            isinstance(origin, HttpOrigin)
            and origin.settings.xlink == "resolve"
            and format_of(document.body) is Format.DASH
        ):
            return document
        scanned = dash_scan.scan(document.body, self._limits)
        targets = xlink.xlink_targets(scanned)[:_MAX_REMOTE_ELEMENTS]
        around = self._origins.around(origin)
        found = {
            target.href: await self._remote_element(resolve(document.url, target.href), around)
            for target in targets
            if target.href != xlink.RESOLVE_TO_ZERO
        }
        edits, _ = xlink.inline(scanned, found, self._limits)
        return replace(document, body=apply_edits(document.body, edits))

    async def _remote_element(self, url: str, around: Surroundings) -> bytes | None:
        """A remote element from an origin or a carried host; ``None`` for what cannot be had."""
        try:
            found = self._origins.leading_to(url, around)
            if found is None:
                return None
            origin, target = found
            remote = await self._documents.fetch(
                origin,
                target.path,
                target.query,
                known=None,
                max_bytes=_MAX_REMOTE_BYTES,
            )
        except (EdgeError, BadReference):
            return None
        return remote.body


@contextlib.contextmanager
def _usable() -> Iterator[None]:
    """Turn what is wrong with a manifest into the origin's fault, and count it."""
    try:
        yield
    except ManifestError as error:
        metrics.MANIFEST_REJECTS.labels(error.code).inc()
        raise BadManifest(f"The origin's manifest cannot be used: {error.code}: {error}") from error


def _position(source: Source, limits: Limits) -> Position | None:
    """Where a playlist ends, if its origin holds requests back; found out once per version."""
    if "position" not in source.notes:
        body = source.document.body
        blocks = format_of(body) is Format.HLS and b"CAN-BLOCK-RELOAD=YES" in body
        source.notes["position"] = last_position(hls_scan.scan(body, limits)) if blocks else None
    found: Position | None = source.notes["position"]
    return found
