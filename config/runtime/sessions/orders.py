"""What one edge or the catalog tells all edges to do with a session: a numbered stream, read by a feed of each edge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

ORDERS_STREAM: Final = "kawa:{sessions}:orders"
ORDERS_COUNT: Final = "kawa:{sessions}:orders:count"
ORDERS_KEPT: Final = 10_000

# evict: its place was given to another; kick: an operator ends it; forget: drop whatever names the subject.
OrderKind = Literal["evict", "kick", "forget"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One entry."""

    kind: OrderKind
    session: str  # empty: all of the subject
    mark: str  # of the subject, as ``SessionStore.mark`` makes it; empty: not known

    @classmethod
    def parse(cls, fields: Mapping[bytes, bytes]) -> Order | None:
        """The order in a stream's entry; None if it is none that this version knows."""
        kind = fields.get(b"kind", b"").decode(errors="replace")
        for known in get_args(OrderKind):
            if kind == known:
                return cls(
                    kind=known,
                    session=fields.get(b"session", b"").decode(errors="replace"),
                    mark=fields.get(b"subject", b"").decode(errors="replace"),
                )
        return None
