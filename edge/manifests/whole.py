"""Absolute URIs, for what players do not resolve against the document that names it.

RFC 8216bis wants an interstitial's asset named by an absolute URI (appendix D.2); players resolve a pathway's URIs
against nothing (section 7.2), and the licence server of an MPD against their own page. Such a URI cannot inherit a
token from the document's path, so these few are finished for each viewer; all else in the document is the same for
everybody.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from xml.sax.saxutils import escape

from edge.manifests.hls.json_text import quoted
from edge.manifests.pipeline import Format, Produced
from edge.manifests.places import Kind, Place
from edge.manifests.uris import is_absolute, resolve_parts, split

_WHOLE: Mapping[Format, frozenset[Kind]] = {
    Format.HLS: frozenset({Kind.ASSET}),
    Format.JSON: frozenset({Kind.ASSET, Kind.CHILD_PLAYLIST}),
    Format.DASH: frozenset({Kind.LICENSE}),
}
# What a document with such a URI must have in it; hardly any has, and then nobody looks for places.
_SIGNS = {Format.HLS: (b"X-ASSET-URI", b"X-URI"), Format.DASH: (b"Laurl",)}
# Nothing that would end the attribute or the string it is put into, the path itself, or begin a variable.
_PUBLIC = re.compile(
    r"https?://(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[!$->@-\[\]-z|~]*)?\Z"
)


def whole_places(produced: Produced) -> tuple[Place, ...]:
    """The URIs of a document that :func:`made_whole` has to finish for each viewer."""
    signs = _SIGNS.get(produced.format)
    if signs is not None and not any(sign in produced.output for sign in signs):
        return ()
    kinds = _WHOLE[produced.format]
    return tuple(place for place in produced.places() if place.kind in kinds)


def made_whole(
    output: bytes, places: Iterable[Place], *, format_: Format, document: str, public: str
) -> tuple[bytes, tuple[Place, ...]]:
    """``output`` with absolute URIs where its format wants them, and where its places are then.

    The viewer's document stands at ``document`` (``/{origin}/{path}``) below ``public``: a scheme, a host, and what
    the path begins with, as ``/t/{token}``. A ``ValueError`` if that could not be written into a manifest.
    """
    if not _PUBLIC.match(public):
        raise ValueError(f"not the beginning of a URL: {public[:100]!r}")
    here = "http://edge" + document
    kinds = _WHOLE[format_]
    pieces: list[bytes] = []
    moved: list[Place] = []
    position, shift = 0, 0
    for place in sorted(places, key=lambda place: place.start):
        start, stop = place.start + shift, place.stop + shift
        if place.kind in kinds:
            written = _written(output[place.start : place.stop], here, public, format_)
            if written is not None:
                pieces += (output[position : place.start], written)
                position = place.stop
                shift += len(written) - (place.stop - place.start)
                stop = start + len(written)
        moved.append(replace(place, start=start, stop=stop))
    pieces.append(output[position:])
    return b"".join(pieces), tuple(moved)


def _written(raw: bytes, here: str, public: str, format_: Format) -> bytes | None:
    """The absolute URI in place of a reference, ``None`` if it is one."""
    text = raw.decode("utf-8", "surrogateescape")
    if format_ is Format.JSON:
        text = json.loads(f'"{text}"')
    if is_absolute(text):
        return None
    target = resolve_parts(here, split(text))
    if format_ is Format.DASH:  # what came from the document is escaped as it must be
        public = escape(public)
    url = public.rstrip("/") + str(target._replace(scheme=None, authority=None))
    return quoted(url)[1:-1] if format_ is Format.JSON else url.encode("utf-8", "surrogateescape")
