"""What every token scheme is to the edge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from config.contracts.grants import Grant
from config.runtime.keys import KeySet


class Keys(Protocol):
    """A signer's keys, which may change while the edge runs."""

    def current(self) -> KeySet:
        """The keys as they were last read."""


@dataclass(frozen=True, slots=True)
class FixedKeys:
    """Keys that do not change."""

    keys: KeySet

    def current(self) -> KeySet:
        """The keys."""
        return self.keys


class Verifier(Protocol):
    """One signer's tokens; made once from settings, called for each token that is not remembered."""

    @property
    def scheme(self) -> str:
        """Its scheme, as the settings call it."""

    def may_be(self, token: str) -> bool:
        """Whether ``token`` could be this signer's, by its form and key id; nothing is verified."""

    def verify(self, token: str, *, now: float) -> Grant:
        """The grant of a token whose signature and claims hold, or a ``NotAllowed``.

        Whether it has begun or ended is the caller's to check, so that a grant can be remembered; ``now``, in seconds
        since the epoch, bounds how far in the future a token may end.
        """

    def renewed(self, token: str, *, now: float) -> str:
        """The token that follows one that was verified and whose grant has a renewal, or a ``NotAllowed``."""
