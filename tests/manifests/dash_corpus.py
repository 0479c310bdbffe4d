"""The MPDs found in the wild, and a context in which every host they name is an origin."""

from __future__ import annotations

import re

from lxml import etree

from edge.manifests.context import Context
from edge.manifests.uris import OriginMap, Unlisted
from tests.manifests import corpus

BROKEN = frozenset({"emarsden__dash-mpd-rs__incomplete.mpd"})
SOURCE = "https://origin.example/vod/show/manifest.mpd"
PLAYER = "https://edge.example/t/TOKEN"
_HOST = re.compile(rb"(?:(https?):|[>\"])//([^/\s\"'<>&?#]+)")


def names() -> list[str]:
    """Every file of the corpus that is well-formed."""
    return [path.name for path in corpus.dash() if path.name not in BROKEN]


def read(name: str) -> bytes:
    return (corpus.ROOT / "dash" / name).read_bytes()


def origins_of(data: bytes) -> dict[str, str]:
    """A name for every server that a document mentions."""
    servers = sorted(
        {f"{(m[1] or b'https').decode()}://{m[2].decode()}/" for m in _HOST.finditer(data)}
    )
    return {f"o{index}": server for index, server in enumerate(servers)}


def context_for(
    data: bytes,
    *,
    base: str = SOURCE,
    path: str = "show/manifest.mpd",
    unlisted: Unlisted = "refuse",
) -> Context:
    bases = {
        "origin": "https://origin.example/vod/",
        "rest": "https://origin.example/",
        **origins_of(data),
    }
    return Context(
        base=base,
        origins=OriginMap(tuple(bases.items())),
        origin="origin",
        path=path,
        unlisted=unlisted,
    )


def mapped(url: str, context: Context) -> str:
    """Where a player finds the copy of a URL; written apart from the code under test."""
    bare, mark, fragment = url.partition("#")
    covering = [
        (len(base), name, base)
        for name, base in context.origins.bases
        if (bare + "/" if bare.count("/") == 2 else bare).startswith(base)
    ]
    if not covering:
        return url
    _, name, base = max(covering)
    return f"{PLAYER}/{name}/{bare[len(base) :]}{mark}{fragment}"


def tree(data: bytes) -> etree._Element:
    """What lxml makes of a document, whatever its prefixes."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, recover=True, encoding="utf-8"
    )
    return etree.fromstring(data, parser)
