"""A signer's keys as they are now, wherever they come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from config.runtime.jwk import Key
from config.runtime.keys import KeySet
from edge import metrics

Gone = Callable[[frozenset[str]], None]

NO_KEYS = KeySet({})


class KeySource(Protocol):
    """A signer's keys, which change while the edge runs."""

    def current(self) -> KeySet:
        """The keys that hold now; reads nothing."""

    async def wanted(self, key_id: str) -> bool:
        """Whether a key that was missing is known now, after a look at the source if that is due; takes 2 s at most."""

    async def refresh(self) -> bool:
        """Look at the source now, and say whether its keys are in use."""


def forget_nothing(_key_ids: frozenset[str]) -> None:
    """For those who remember nothing of a key."""


class Current:
    """The keys that were read last, without those that have ended."""

    def __init__(self, name: str, *, clock: Callable[[], float], on_gone: Gone) -> None:
        self._name = name
        self._clock = clock
        self._on_gone = on_gone
        self._keys = NO_KEYS
        self._good_until = float("inf")
        self._look_again_at = float("inf")
        self._count()

    def get(self) -> KeySet:
        """The keys that hold now."""
        now = self._clock()
        if now >= self._look_again_at:
            self._take(NO_KEYS if now >= self._good_until else self._keys.at(now))
        return self._keys

    def replace(self, keys: KeySet, *, read_at: float, good_until: float = float("inf")) -> None:
        """Use these from now on; ``read_at`` is when they were what the source gives."""
        self._good_until = good_until
        self._take(keys.at(self._clock()))
        self.confirm(read_at=read_at, good_until=good_until)

    def confirm(self, *, read_at: float, good_until: float = float("inf")) -> None:
        """These are still what the source gives."""
        self._good_until = good_until
        self._look_again_at = min(self._keys.next_end(), good_until)
        metrics.KEYS_TIMESTAMP.labels(self._name).set(read_at)

    def _take(self, keys: KeySet) -> None:
        before, self._keys = self._keys, keys
        self._look_again_at = min(keys.next_end(), self._good_until) if keys.keys else float("inf")
        self._count()
        gone = {name for name, key in before.keys.items() if not _same(key, keys.keys.get(name))}
        if gone:
            self._on_gone(frozenset(gone))

    def _count(self) -> None:
        metrics.KEYS_LOADED.labels(self._name).set(len(self._keys.keys))


def _same(one: Key, other: Key | None) -> bool:
    """Whether what the one verified or decrypted, the other does too."""
    return (
        other is not None
        and one.algorithm == other.algorithm
        and one.verifying == other.verifying
        and one.content_key == other.content_key
    )
