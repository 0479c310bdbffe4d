"""What references in an MPD are relative to, at the source and at the player, and what they must become.

ISO/IEC 23009-1 section 5.6.4: every reference is relative to the BaseURL of its level or of the nearest level above,
the outermost to the document. A BaseURL that is rewritten moves everything below it, so each level is followed in both
worlds, and a reference stays as it is when both lead to the same place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from edge.manifests.context import Context, is_fetched, rewrite_uri
from edge.manifests.errors import TooManyUris, UnlistedHost
from edge.manifests.limits import Limits
from edge.manifests.uris import relative, resolve, split

# A relative reference that cannot leave the folder of its base, in anybody's reading.
_PLAIN = re.compile(r"(?![/?#])(?![^/?#]*:)(?!.*(?:\.\.|%2[eE]|\\))[^\x00-\x1f\x7f]+\Z")
# Folder and file of a reference, when the file's name can be put behind any other folder.
_FILED = re.compile(
    r"([^?#\\]*/)((?!\.{1,2}(?:[?#]|\Z))(?:[^/?#:\\%\x00-\x1f\x7f]|%(?!2))+(?:[?#][^\x00-\x1f\x7f]*)?)\Z"
)
_PROBE = "probe"


@dataclass(frozen=True, slots=True)
class Base:
    """One base: its URL at the source, and its path (or, left alone, its URL) at the player."""

    source: str
    player: str

    @property
    def through_edge(self) -> bool:
        """Whether what is relative to this base is asked from the edge."""
        return split(self.player).scheme is None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a reference."""

    text: str | None  # None: it stays
    reachable: bool  # asked from the edge, whatever alternative the player chooses
    agreed: bool = True  # right for every alternative


@dataclass(frozen=True, slots=True)
class Bases:
    """The alternatives that hold at one level; the first is what most players try first."""

    every: tuple[Base, ...]
    in_step: bool  # plain relative references mean the same in both worlds
    through_edge: bool  # for all alternatives
    named_by: tuple[int, ...] = ()  # which found URIs these bases were written as
    folders: dict[tuple[str, str], Outcome] = field(default_factory=dict, compare=False, repr=False)


class Resolver:
    """Follows references of one MPD; every question that needs work counts against a limit."""

    def __init__(self, context: Context, limits: Limits) -> None:
        assert context.base is not None  # noqa: S101 - without a base there is nothing to follow
        self._context = context
        self._left = limits.uris
        self._limit = limits.uris
        self._leaving: Resolver | None = None
        self.document = self._bases([Base(context.base, context.document)])

    @property
    def by_folder(self) -> bool:
        """Whether what holds for a folder holds for the files in it: not when each URL is signed by itself."""
        return self._context.carry is None or self._context.by_host

    @property
    def lenient(self) -> Resolver:
        """The same, except that hosts which no origin covers are left alone instead of refused."""
        return self.leaving if self._context.unlisted == "refuse" else self

    @property
    def leaving(self) -> Resolver:
        """The same, except that hosts which no origin covers are left alone instead of refused or carried."""
        if self._context.unlisted == "leave":
            return self
        if self._leaving is None:
            context = replace(self._context, unlisted="leave")
            self._leaving = Resolver(context, Limits(uris=self._limit))
        return self._leaving

    def follow(self, reference: str, bases: Bases) -> Outcome:
        """What a reference must become so that players reach the edge's copy of its target."""
        if bases.in_step and _PLAIN.match(reference):
            return Outcome(None, bases.through_edge)
        filed = _FILED.match(reference)
        if filed is None or filed[1].endswith("//") or not self.by_folder:
            return self._follow(reference, bases)
        # Many segments stand in few folders; what holds for the folder holds for the files in it.
        key = (self._context.unlisted, filed[1])
        known = bases.folders.get(key)
        if known is None:
            known = bases.folders[key] = self._follow(filed[1], bases)
        if known.text is None:
            return known
        text = filed[2] if known.text == "./" else known.text + filed[2]
        return Outcome(None if text == reference else text, known.reachable, known.agreed)

    def _follow(self, reference: str, bases: Bases) -> Outcome:
        if not is_fetched(reference):
            return Outcome(None, reachable=False)
        first = self._rewrite(reference, bases.every[0])
        text = reference if first is None else first
        agreed, reachable = True, True
        for base in bases.every:
            if base is not bases.every[0]:
                other = self._rewrite(reference, base)
                agreed = agreed and (reference if other is None else other) == text
            reachable = reachable and leads_to_edge(text, base)
        return Outcome(first, reachable, agreed)

    def below(self, bases: Bases, references: Iterable[tuple[str, Outcome, int]]) -> Bases:
        """The bases of a level that has these BaseURLs: the text of each, what becomes of it, which URI it is."""
        found: dict[Base, None] = {}
        named: list[int] = []
        plain = bases.in_step
        for reference, outcome, index in references:
            if reference:
                named.append(index)
                plain = plain and _PLAIN.match(reference) is not None
            written = reference if outcome.text is None else outcome.text
            for base in bases.every:
                self.count()
                found[
                    Base(_resolved(base.source, reference), _resolved(base.player, written))
                    if reference
                    else base
                ] = None
        named_by = tuple(named) or bases.named_by
        if plain:  # what leads into a folder below one that is in step is in step
            return Bases(
                tuple(found), in_step=True, through_edge=bases.through_edge, named_by=named_by
            )
        return self._bases(list(found), named_by)

    def together(self, levels: Iterable[Bases]) -> Bases:
        """The bases of everything that inherits from one place."""
        distinct = list({id(level): level for level in levels}.values())
        if len(distinct) == 1:
            return distinct[0]
        every: dict[Base, None] = {}
        for level in distinct:
            for base in level.every:
                self.count()
                every[base] = None
        return Bases(
            tuple(every),
            all(level.in_step for level in distinct),
            all(level.through_edge for level in distinct),
        )

    def _bases(self, every: list[Base], named_by: tuple[int, ...] = ()) -> Bases:
        return Bases(
            tuple(every),
            all(self._in_step(base) for base in every),
            all(base.through_edge for base in every),
            named_by,
        )

    def _in_step(self, base: Base) -> bool:
        """Whether 'x' and 'x/y' below this base lead to the edge's copy of 'x' and 'x/y' below its source."""
        if self._another_origin_below(base.source):
            return False
        try:
            return self._target(_PROBE, base.source) == _resolved(base.player, _PROBE)
        except UnlistedHost:
            return False

    def _another_origin_below(self, source: str) -> bool:
        here = split(source)
        folder = here.path[: here.path.rfind("/") + 1] or "/"
        host = (here.authority or "").rpartition(":")[0] or here.authority or ""
        for _, base in self._context.origins.bases:
            there = split(base)
            if there.path.startswith(folder) and len(there.path.rstrip("/")) >= len(folder):
                authority = there.authority or ""
                if host.lower() in authority.lower():
                    return True
        return False

    def _rewrite(self, reference: str, base: Base) -> str | None:
        """What leads from ``base`` at the player to the copy of the reference's target, ``None`` if it already does."""
        self.count()
        target = self._target(reference, base.source)
        if target == resolve(base.player, reference):
            return None
        if split(target).scheme is not None:
            return None if target == reference else target
        if not base.through_edge:
            return None  # nothing relative leads from a foreign host to the edge
        fragment = target.find("#")
        bare, tail = (target, "") if fragment < 0 else (target[:fragment], target[fragment:])
        return relative(split(base.player).path, bare) + tail

    def _target(self, reference: str, source: str) -> str:
        """Where a reference leads: a path at the edge, or a URL that is left alone."""
        url = resolve(source, reference)
        written = rewrite_uri(url, self._context, source)
        return url if written is None else resolve(self._context.document, written)

    def count(self, questions: int = 1) -> None:
        """Note that so many URIs were looked at."""
        self._left -= questions
        if self._left < 0:
            raise TooManyUris(f"more than {self._limit} URIs must be resolved")


def leads_to_edge(text: str, base: Base) -> bool:
    """Whether a reference as it is written in the output is asked from the edge."""
    parts = split(text)
    return parts.scheme is None and parts.authority is None and base.through_edge


def _resolved(base: str, reference: str) -> str:
    """``reference`` against ``base``, without a fragment; what is not hierarchical stands for itself."""
    if not is_fetched(reference):
        return reference
    target = resolve(base, reference) if reference else base
    return target.partition("#")[0]
