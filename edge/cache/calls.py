"""Questions to the cache: the same ones for a viewer, a sibling process and a manifest's own fetch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from config.settings.edge import EdgeSettings
from edge.cache.call import Call
from edge.cache.policy.profile import Profile, profile_named
from edge.cache.upstreams import Upstreams
from edge.origin.origins import Origin
from edge.origin.upstream import Question


@dataclass(frozen=True, slots=True)
class Calls:
    """Makes calls by what the settings say of segments, documents and the root origin."""

    upstreams: Upstreams
    root_origin: str | None
    segment_seconds: float
    segments: Profile
    documents: Profile
    proxied: Profile

    @classmethod
    def of(cls, settings: EdgeSettings, upstreams: Upstreams) -> Calls:
        safe = profile_named("safe", settings.cache)
        return cls(
            upstreams=upstreams,
            root_origin=settings.root_origin,
            segment_seconds=settings.segment_max_age.total_seconds(),
            segments=safe,
            # The last good copy of a manifest has rules of its own, and a live one must be seen at once.
            documents=replace(safe, stale_if_error_default=0.0, negative_seconds=0.0),
            proxied=profile_named(settings.cache.profile, settings.cache),
        )

    def segment(self, origin: Origin, question: Question, *, here: bool = False) -> Call:
        """A file whose bytes are not changed; ``here``: ask the origin, not a sibling."""
        fresh = origin.fresh_seconds if origin.is_local else self.segment_seconds
        return self._call(origin, question, self.segments, default_fresh=fresh, here=here)

    def document(self, origin: Origin, question: Question, *, here: bool = False) -> Call:
        """A manifest: fresh for as long as its origin says, and no longer."""
        return self._call(origin, question, self.documents, default_fresh=0.0, here=here)

    def proxy(self, origin: Origin, question: Question, *, here: bool = False) -> Call:
        """Whatever the root origin has."""
        return self._call(origin, question, self.proxied, default_fresh=None, here=here)

    def _call(
        self,
        origin: Origin,
        question: Question,
        profile: Profile,
        *,
        default_fresh: float | None,
        here: bool,
    ) -> Call:
        return Call(
            upstream=origin if here else self.upstreams.of(origin, question),
            store=origin.name,
            url=origin.base + question.target,
            question=question,
            profile=profile,
            default_fresh=default_fresh,
            constant=profile is not self.proxied,
            on_disk=not origin.is_local and not question.document,
            slicing=profile.name == "safe" and not question.document,
        )
