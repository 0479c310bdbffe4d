"""Ready manifests: fetched once, made once per recipe, kept while they are the newest."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from edge import metrics
from edge.cache.ads.children import children_of
from edge.cache.ads.policies import Policies
from edge.cache.ads.tracker import Tracker
from edge.cache.ads.treated import Behind, Rendition, Version, account
from edge.cache.documents import Documents
from edge.cache.forms import Form, make_form
from edge.cache.lineage import Lineage
from edge.cache.progress import is_behind
from edge.cache.single_flight import SingleFlight
from edge.cache.sources import Source, SourceKey, Sources
from edge.cache.tiers.purge import Purge
from edge.errors import BadManifest, BlockedTooFar, EdgeError
from edge.manifests.ads.policy import AdPolicy, Treatment
from edge.manifests.ads.treated import Treated
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
# A target duration longer than this is no reason to keep a player waiting in a break.
_LONGEST_TARGET_SECONDS = 10.0
_PATIENCE = 0.7  # of what players have
# A playlist that ends before what its origin lists, because the leading one has not come so far, is made again.
_EARLY_SECONDS = 0.25
_MAX_REMOTE_ELEMENTS = 16
_MAX_REMOTE_BYTES = 2**20
# Told once of every fetched document, whole, and whether it is another one than before.
Learn = Callable[[SourceKey, Produced, bool], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a viewer may or wants to get of a manifest; equal recipes share one form."""

    filter: Filter | None = None
    ads: Treatment | None = None  # None: breaks are left as they are
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
        ads: Tracker,
        policies: Policies,
    ) -> None:
        self._origins = origins
        self._documents = documents
        self._sources = sources
        self._limits = limits
        self._learn = learn
        self._ads = ads
        self._policies = policies
        self._making: SingleFlight[tuple[int, Recipe], Form] = SingleFlight()
        self._treating: SingleFlight[tuple[int, Treatment], Treated] = SingleFlight()
        self._lineage = Lineage()

    async def form(self, wanted: Wanted, recipe: Recipe) -> tuple[Form, float, Source]:
        """The ready bytes, made now if nobody needed them before; for how many seconds they are the newest; of what.

        An ``EdgeError`` if there are none.
        """
        source = await self._source(wanted, recipe.ads)
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
        await self._treating.close()

    async def _source(self, wanted: Wanted, treatment: Treatment | None) -> Source:
        query = wanted.query
        if query.msn is None:
            return await self._newest(wanted)
        if treatment is not None and treatment.policy is AdPolicy.STRIP:
            return await self._waited_for_treated(wanted, query.msn, treatment)
        return await self._waited_for(wanted, query.msn)

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
        return await self._next(wanted, query)

    async def _waited_for_treated(self, wanted: Wanted, msn: int, treatment: Treatment) -> Source:
        """The same where breaks are taken out: the numbers are those of what players are told.

        In a break the origin lists what no player gets: after a target duration the answer is what was there before.
        """
        query = wanted.query
        source = self._sources.known(wanted.key, max_seconds=_WAITED_FOR_SECONDS)
        told = None if source is None else await self._told(wanted, source, treatment)
        if source is None or told is None or is_absurd(msn, query.part, told):
            source = await self._newest(wanted)
            told = await self._told(wanted, source, treatment)
        if told is not None and is_absurd(msn, query.part, told):
            raise BlockedTooFar
        clock = asyncio.get_running_loop().time
        until = clock() + _longest_wait(told)
        while told is not None and not told.has(msn, query.part):
            listed = _position(source, self._limits)
            if listed is None:
                return source
            beyond = _beyond(listed, told, msn, query.part)
            asked = replace(query, msn=beyond[0], part=beyond[1])
            try:
                async with asyncio.timeout_at(until):
                    newer = await self._next(wanted, asked)
                    told = await self._told(wanted, newer, treatment)
            except TimeoutError:
                return source
            if newer is source:
                return source  # its origin does not wait: nor can we
            source = newer
        return source

    async def _next(self, wanted: Wanted, query: Query) -> Source:
        asked = "&".join(part for part in (query.rest, query.directives) if part)
        return await self._sources.newer(
            wanted.key,
            query.directives,
            lambda _known: self._fetch(wanted, asked, None, held_back=True),
        )

    async def _told(self, wanted: Wanted, source: Source, treatment: Treatment) -> Position | None:
        """Where a treated playlist ends, if its origin holds requests back."""
        if _position(source, self._limits) is None:
            return None
        treated = await self._treated(wanted, source, treatment)
        key = ("told", treatment)
        found: Position | None = source.notes.get(key)
        if found is None:
            with _usable():
                found = last_position(hls_scan.scan(treated.body, self._limits))
            if not treated.is_early:  # more of the same version will be told
                source.notes[key] = found
        return found

    async def _treated(self, wanted: Wanted, source: Source, treatment: Treatment) -> Treated:
        """What a version is for all viewers with a treatment, found out once."""
        known: Treated | None = source.notes.get(treatment)
        if known is not None:
            return known
        return await self._treating.run(
            (id(source), treatment), lambda: self._treat(wanted, source, treatment)
        )

    async def _treat(self, wanted: Wanted, source: Source, treatment: Treatment) -> Treated:
        async def ask(rendition: Rendition, behind: Behind | None) -> Version | None:
            return await self._leader(rendition, behind)

        version = _version(wanted, source)
        with _usable():
            treated = await self._ads.treat(version, treatment, ask=ask)
        if treated.is_early:
            asyncio.get_running_loop().call_later(_EARLY_SECONDS, source.notes.pop, treatment, None)
        elif treated.body is not source.document.body:
            self._sources.grown(wanted.key, source, len(treated.body))
        source.notes[treatment] = treated
        return treated

    async def _leader(self, rendition: Rendition, behind: Behind | None) -> Version | None:
        """The newest version of the rendition that leads, if it can be had."""
        try:
            origin, path = self._origins.kept(f"{rendition.origin}/{rendition.path}")
            query = Query(rest=rendition.query)
            leader = Wanted(origin=origin, path=path, query=query)
            if behind is None:
                return _version(leader, await self._newest(leader))
            source = self._sources.known(leader.key)
            if source is None or _position(source, self._limits) is None:
                # Not by its max-age: what follows it is newer than what is known of it.
                source = await self._sources.newer(
                    leader.key, "", lambda known: self._fetch(leader, query.rest, known)
                )
            elif source.document.body == behind.version.body:
                source = await self._next(leader, replace(query, msn=behind.msn, part=behind.part))
        except (EdgeError, ManifestError):
            return None
        return _version(leader, source)

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
        if is_new and self._policies.strips_by_rules(wanted.origin):
            at = f"{self._origins.around(wanted.origin).mount}/{wanted.path}"
            await self._ads.adopt(Rendition(*wanted.key), children_of(produced, at))
        own = self._policies.of(wanted.origin, None)
        if own is None or own.policy is not AdPolicy.STRIP:
            await self._learn(wanted.key, produced, is_new)
        latest = self._sources.known(wanted.key)
        if latest is None or latest is newest:
            return document
        # Another request brought one meanwhile.
        is_late = is_behind(document.body, latest.document.body, self._limits)
        return latest.document if is_late else document

    async def _make(self, wanted: Wanted, source: Source, recipe: Recipe) -> Form:
        started = time.perf_counter()
        treated = None
        if recipe.ads is not None:
            treated = await self._treated(wanted, source, recipe.ads)
        with _usable():
            produced = await self._for(wanted, source.document, recipe, treated)
            is_patch = recipe.patch is not None and b"<Patch" in produced.output[:1024]
            form = make_form(
                produced,
                is_patch=is_patch,
                with_places=not recipe.in_path,
                ads="" if treated is None or recipe.ads is None else account(recipe.ads, treated),
            )
        metrics.MANIFEST_SECONDS.labels(produced.format.value).observe(
            time.perf_counter() - started
        )
        self._sources.grown(wanted.key, source, form.size_bytes)
        source.forms[recipe] = form
        if treated is not None and treated.is_early:
            asyncio.get_running_loop().call_later(
                _EARLY_SECONDS, self._forget, wanted.key, source, recipe
            )
        elif recipe.ads is not None and recipe.skip is None and "learnt" not in source.notes:
            await self._learn_treated(wanted, source, recipe.ads, produced)
        return form

    def _forget(self, key: SourceKey, source: Source, recipe: Recipe) -> None:
        """Let a form go that was made before all of it was decided."""
        form: Form | None = source.forms.pop(recipe, None)
        if form is not None:
            self._sources.grown(key, source, -form.size_bytes)

    async def _learn_treated(
        self, wanted: Wanted, source: Source, treatment: Treatment, produced: Produced
    ) -> None:
        """What most viewers of the origin get says what is fetched ahead: no ads that nobody will see."""
        if treatment.policy is AdPolicy.STRIP and treatment == self._policies.of(
            wanted.origin, None
        ):
            source.notes["learnt"] = True
            await self._learn(wanted.key, produced, True)

    async def _for(
        self, wanted: Wanted, document: Document, recipe: Recipe, treated: Treated | None
    ) -> Produced:
        body = document.body if treated is None else treated.body
        if format_of(body) is Format.HLS:
            body = delta.advertise_skip(body, self._limits)
            if recipe.skip is not None:
                skip: Literal["YES", "v2"] = "v2" if recipe.skip == "v2" else "YES"
                body = delta.make_delta(body, skip=skip, limits=self._limits) or body
        produced = await self._produce(wanted, document, body, recipe.filter)
        if produced.format is Format.HLS:
            self._lineage.adopt(body, produced, self._context(wanted, document))
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


def _version(wanted: Wanted, source: Source) -> Version:
    document = source.document
    return Version(rendition=Rendition(*wanted.key), body=document.body, base=document.url)


def _longest_wait(told: Position | None) -> float:
    """How long a request is held back in a break: hls.js gives up after three parts or 0.8 target durations."""
    if told is None:
        return _WAITED_FOR_SECONDS
    parts = 3 * (told.part_target or Decimal(0))
    seconds = _PATIENCE * float(max(parts, told.target_duration * Decimal("0.8")))
    return min(seconds, _LONGEST_TARGET_SECONDS)


def _beyond(listed: Position, told: Position, msn: int, part: int | None) -> tuple[int, int | None]:
    """What the origin is asked to wait for: what players wait for, or the next thing if that is there already."""
    number = listed.msn + (msn - told.msn)
    if listed.has(number, part):
        return listed.msn + 1, None if part is None else listed.parts
    return number, part


def _position(source: Source, limits: Limits) -> Position | None:
    """Where a playlist ends, if its origin holds requests back; found out once per version."""
    if "position" not in source.notes:
        body = source.document.body
        blocks = format_of(body) is Format.HLS and b"CAN-BLOCK-RELOAD=YES" in body
        source.notes["position"] = last_position(hls_scan.scan(body, limits)) if blocks else None
    found: Position | None = source.notes["position"]
    return found
