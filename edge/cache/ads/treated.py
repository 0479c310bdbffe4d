"""What goes into the treatment of one version of a manifest, and what comes out of it."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from edge.manifests.ads.policy import Treatment
from edge.manifests.ads.treated import Treated

_LONGEST_NAME = 1024
_KEPT_OF_A_NAME = 64


class Rendition(NamedTuple):
    """What a media playlist is known by, whatever its version."""

    origin: str
    path: str
    query: str = ""  # what goes on to the origin: another one is another playlist

    @property
    def name(self) -> str:
        """Within its origin; of a longer one than any record may hold its beginning and a digest."""
        name = f"{self.path}?{self.query}" if self.query else self.path
        if len(name) <= _LONGEST_NAME:
            return name
        digest = hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=16).hexdigest()
        return f"{name[:_KEPT_OF_A_NAME]}#{digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of one manifest, as its origin sent it."""

    rendition: Rendition
    body: bytes
    base: str | None = None  # its absolute URL


class Behind(NamedTuple):
    """A version that does not reach far enough: one that comes after it is asked for."""

    version: Version
    msn: int  # the next thing that its origin will list
    part: int | None


# The newest version of another rendition, later than what is told if that can be had in time;
# None if there is none to be had.
Ask = Callable[[Rendition, Behind | None], Awaitable[Version | None]]


def account(treatment: Treatment, treated: Treated) -> str:
    """What was done, as an operator may have it in a field of the answer (RFC 9651 dictionaries look so)."""
    told = (
        f'policy={treatment.policy}; rules="{" ".join(treatment.rules)}"; '
        f"breaks={len(treated.found.certain)}; removed={treated.removed}"
    )
    return told + ("; held" if treated.is_held else "") + ("; early" if treated.is_early else "")
