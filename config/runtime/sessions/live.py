"""Reads records of running sessions: those of several edges are joined into one session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from config.runtime.sessions.calls import FAILURES, Scripts
from config.runtime.sessions.keys import EDGES, RESERVED
from config.runtime.sessions.records import LEASE_BYTES, Live, Record

_SUBJECT_CHARS: Final = 8
_TAG_CHARS: Final = 2


def pairs(flat: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """One after the other, by twos."""
    return list(zip(flat[::2], flat[1::2], strict=True))


def sessions_in(
    flat: Sequence[bytes], *, names: Mapping[str, str], now: int | None = None
) -> list[Live]:
    """The sessions in ``flat`` fields and values; ``now`` in milliseconds of Redis's clock.

    Without ``now`` the answer has ids in place of fields, and nothing is known of edges and leases.
    """
    found: dict[str, Live] = {}
    for field, value in pairs(flat):
        try:
            record = Record.unpack(value[LEASE_BYTES:])
        except ValueError:  # another version's
            continue
        text = field.decode("ascii", "replace")
        edges: tuple[str, ...] = ()
        left = timedelta()
        if now is None:
            session = text
        else:
            session = text[_SUBJECT_CHARS:-_TAG_CHARS]
            tag = text[-_TAG_CHARS:]
            edges = () if tag == RESERVED else (names.get(tag, tag),)
            left = timedelta(milliseconds=int.from_bytes(value[:LEASE_BYTES], "little") - now)
        one = Live(session=session, content="", edges=edges, left=left, record=record)
        # Ids come from tokens: two subjects may have the same.
        key = session if now is None else text[:-_TAG_CHARS]
        found[key] = _joined(found[key], one) if key in found else one
    return list(found.values())


async def nodes(scripts: Scripts) -> dict[str, str]:
    """The names of edges by their tags."""
    with scripts.breaker.guard(*FAILURES):
        held: Any = await scripts.client.hgetall(EDGES)
    return {tag.decode(): text.decode().partition(" ")[2] for tag, text in held.items()}


def _joined(one: Live, other: Live) -> Live:
    return replace(
        one,
        edges=tuple(sorted({*one.edges, *other.edges})),
        left=max(one.left, other.left),
        record=one.record.joined(other.record),
    )
