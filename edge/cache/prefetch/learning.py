"""From a manifest that is new to what follows what."""

from __future__ import annotations

import asyncio

from edge.cache.prefetch.mpds import learnt_of
from edge.cache.prefetch.order import Learnt, learnt_row
from edge.cache.prefetch.playlists import steps_of
from edge.cache.sources import SourceKey
from edge.manifests.errors import ManifestError
from edge.manifests.limits import Limits
from edge.manifests.pipeline import Format, Produced

# Beyond this a manifest is read in a thread, so that viewers do not wait for it.
_LARGE_BYTES = 256 * 1024
_NOTHING = Learnt()


async def learnt_from(key: SourceKey, produced: Produced, limits: Limits) -> Learnt:
    """What ``produced``, the whole manifest called ``key``, says of the order of its segments."""
    if produced.format is Format.JSON:
        return _NOTHING
    document = f"{key[0]}/{key[1]}"
    if len(produced.output) > _LARGE_BYTES:
        return await asyncio.to_thread(_read, produced, document, limits)
    return _read(produced, document, limits)


def _read(produced: Produced, document: str, limits: Limits) -> Learnt:
    try:
        if produced.format is Format.DASH:
            return learnt_of(produced.output, document, limits)
        return learnt_row(steps_of(produced.output, document))
    except ManifestError:
        return _NOTHING  # players may use it all the same
