"""What manifests have from one another: variables from their multivariant playlist, patches from their last version."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from edge.cache.bounded import Bounded
from edge.cache.references import referred
from edge.cache.sources import SourceKey
from edge.errors import PatchGone
from edge.manifests.context import Context
from edge.manifests.dash import patch
from edge.manifests.dash import scan as dash_scan
from edge.manifests.hls import define, steering
from edge.manifests.hls import scan as hls_scan
from edge.manifests.hls.steering import NO_PATHWAYS, Pathway
from edge.manifests.pipeline import Produced
from edge.manifests.places import Kind
from edge.query import PATCH

if TYPE_CHECKING:
    from edge.cache.manifests import Recipe

_MAX_CHILDREN = 8192
_MAX_HISTORIES = 64
_MAX_HISTORY_BYTES = 512 * 1024  # of one version: larger documents get no patches
# A history holds a promise of _PATCH_TTL_SECONDS at one version a second, as far as its documents are small.
_VERSIONS = 64
_VERSIONS_OF_ANY_SIZE = 6
_HISTORY_BYTES = 1024 * 1024
_PATCH_TTL_SECONDS = 60.0


class Lineage:
    """Bounded memory of what one version leaves to others."""

    def __init__(self) -> None:
        self._defines: Bounded[tuple[str, str], Mapping[str, str]] = Bounded(_MAX_CHILDREN)
        self._pathways: Bounded[tuple[str, str], Mapping[str, Pathway]] = Bounded(_MAX_CHILDREN)
        self._versions: Bounded[Hashable, OrderedDict[str, bytes]] = Bounded(_MAX_HISTORIES)

    def defines_of(self, key: SourceKey) -> Mapping[str, str]:
        """What a media playlist may import (RFC 8216bis section 4.4.2.3)."""
        return self._defines.get(key[:2]) or {}

    def pathways_of(self, key: SourceKey) -> Mapping[str, Pathway]:
        """The pathways of the playlist that a steering manifest belongs to."""
        return self._pathways.get(key[:2]) or NO_PATHWAYS

    def adopt(self, body: bytes, produced: Produced, context: Context) -> None:
        """Remember what the documents that a multivariant playlist names need to know of it."""
        if b"#EXT-X-DEFINE" not in body and b"#EXT-X-CONTENT-STEERING" not in body:
            return
        playlist = hls_scan.scan(body)
        if playlist.kind != "master":
            return
        exported = define.exported_defines(playlist, context)
        pathways = steering.pathways_of(playlist, context.base or "")
        document = f"{context.origin}/{context.path}"
        for found in referred(produced, document, (Kind.CHILD_PLAYLIST, Kind.STEERING)):
            if found.place.kind is Kind.STEERING:
                self._pathways.put((found.origin, found.path), pathways)
            elif exported:
                self._defines.put((found.origin, found.path), exported)

    def patched(self, key: SourceKey, rest: str, recipe: Recipe, produced: Produced) -> Produced:
        """A live MPD that says where its patches are; or the patch itself, when it was asked for and can be made."""
        if len(produced.output) > _MAX_HISTORY_BYTES:
            return produced
        root = dash_scan.root_of(produced.output)
        published = None if root is None else root.get("publishTime")
        if root is None or root.get("type") != "dynamic" or not published:
            return produced
        name = key[1].rpartition("/")[2]
        reference = f"{name}?{rest + '&' if rest else ''}{PATCH}={quote(published, safe=':')}"
        output = patch.advertise_patch(produced.output, reference, _PATCH_TTL_SECONDS)
        if output == produced.output:
            return produced  # its origin makes patches of its own
        history = (key, str(recipe.filter), recipe.ads)
        versions = self._versions.get(history) or OrderedDict()
        versions[published] = output
        _shorten(versions)
        self._versions.put(history, versions)
        if recipe.patch is None:
            # The places move by what was put before them; a token in a query is for players that know no patches.
            return replace(produced, output=output, places=tuple)
        old = versions.get(recipe.patch)
        made = None if old is None else patch.make_patch(old, output)
        if made is None:
            raise PatchGone
        return replace(produced, output=made, places=tuple)


def _shorten(versions: OrderedDict[str, bytes]) -> None:
    size = sum(map(len, versions.values()))
    while len(versions) > _VERSIONS or (
        size > _HISTORY_BYTES and len(versions) > _VERSIONS_OF_ANY_SIZE
    ):
        size -= len(versions.popitem(last=False)[1])
