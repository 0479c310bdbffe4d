"""Which renditions belong together: learnt from multivariant playlists, and kept where all edges see it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge.cache.ads.store import Store, StoreAway
from edge.cache.ads.treated import Rendition
from edge.cache.bounded import Bounded

_MOST = 8192
_MOST_CHILDREN = 512  # of one multivariant playlist: those beyond decide for themselves
_MOST_CHARACTERS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """The group of one rendition."""

    master: str  # what the group is called: its multivariant playlist, or the only rendition
    leader: Rendition  # whose breaks are everybody's

    def to_text(self) -> str:
        """As it is stored."""
        return json.dumps([self.master, *self.leader], separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> Membership | None:
        """What was stored; ``None`` for anything else."""
        try:
            held: Any = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(held, list) or len(held) != 4:
            return None
        if not all(isinstance(item, str) and len(item) <= _MOST_CHARACTERS for item in held):
            return None
        return cls(master=held[0], leader=Rendition(*held[1:]))


class Groups:
    """Memory of memberships; the first one that is known of a rendition holds for as long as it is used.

    To move a rendition from group to group would give its segments new names each time.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: Bounded[Rendition, Membership] = Bounded(_MOST)
        self._said: Bounded[Rendition, Membership] = Bounded(_MOST)  # not stored yet
        self._alone: Bounded[Rendition, Membership] = Bounded(_MOST)  # nobody had named them

    async def adopt(self, master: Rendition, children: Sequence[Rendition]) -> None:
        """Keep what a multivariant playlist says; the first child leads."""
        if not children or any(len(text) > _MOST_CHARACTERS for text in children[0]):
            return  # what cannot be read again by all edges would set them apart
        said = Membership(master=master.name, leader=children[0])
        new = [
            child for child in dict.fromkeys(children[:_MOST_CHILDREN]) if child not in self._known
        ]
        for child in new:
            self._said.put(child, said)
        try:
            await self._store_all(new)
        except StoreAway:
            return  # each is tried again when it is needed

    async def of(self, rendition: Rendition) -> Membership:
        """The rendition's group: its own if no multivariant playlist has named it. ``StoreAway`` if nobody can say."""
        known = self._known.get(rendition)
        if known is not None:
            return known
        own = Membership(master="", leader=rendition)
        try:
            known = await self._asked(rendition)
        except StoreAway:
            if rendition in self._alone:  # as it was when it could be asked
                return own
            raise
        if known is None:
            self._alone.put(rendition, own)
            return own
        self._known.put(rendition, known)
        return known

    def heard(self, rendition: Rendition) -> Membership | None:
        """What this process alone knows of a rendition's group: enough where no numbers depend on it."""
        return self._known.get(rendition) or self._said.get(rendition)

    async def _asked(self, rendition: Rendition) -> Membership | None:
        if rendition in self._said:
            await self._store_all([rendition])
            return self._known.get(rendition)
        text = await self._store.noted(key_of("in", rendition.origin, rendition.name))
        return None if text is None else Membership.from_text(text)

    async def _store_all(self, renditions: Sequence[Rendition]) -> None:
        keys = {key_of("in", item.origin, item.name): item for item in renditions}
        # Somebody else may have stored one of them meanwhile.
        said = {key: known for key, item in keys.items() if (known := self._said.get(item))}
        texts = {key: membership.to_text() for key, membership in said.items()}
        for key, text in (await self._store.note(texts) if texts else {}).items():
            item = keys[key]
            self._known.put(item, Membership.from_text(text) or said[key])
            self._said.pop(item)


def key_of(*parts: str) -> str:
    """The name of what is stored about something; the braces put what belongs together into one slot of a cluster."""
    digest = hashlib.blake2b(json.dumps(parts).encode(), digest_size=8).hexdigest()
    return f"kawa:{{ads:{digest}}}"
