"""What the cache is asked, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass

from multidict import CIMultiDictProxy

from edge.cache.bodies import Body
from edge.cache.policy.profile import Profile
from edge.cache.ranges import Span
from edge.cache.stored import Stored
from edge.cache.tiers.purge import PART
from edge.origin.upstream import Question, Upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, without its viewer."""

    upstream: Upstream
    store: str  # the origin's name
    url: str  # as the origin knows it: what invalidation compares
    question: Question
    profile: Profile
    default_fresh: float | None = None  # seconds, for answers that do not say
    constant: bool = False  # the question is the same whoever asks: Vary makes no difference
    on_disk: bool = True
    slicing: bool = True  # ask for whole slices where a range is wanted

    @property
    def base(self) -> str:
        """What everything that is kept of this URL is known by; documents, which change, are kept apart."""
        base = f"{self.store}/{self.question.target}"
        return f"{base}{PART}@" if self.question.document else base


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the cache has for a request; ``body`` must be closed."""

    status: int
    reason: str
    headers: CIMultiDictProxy[str]  # the origin's
    url: str
    body: Body
    result: str  # hit, stale, revalidated, miss, collapsed, bypass
    cache_status: str
    age: int | None
    stored: Stored | None = None  # a whole file that is kept
    span: Span | None = None  # ``body`` is only this part
    complete: int | None = None
    framed: bool = True  # whether the end of the body is marked

    @property
    def is_arriving(self) -> bool:
        """Whether it comes from somewhere else right now, so that what it says of the way is true."""
        return self.result in ("miss", "bypass", "collapsed")
