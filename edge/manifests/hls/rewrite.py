"""An HLS playlist for players: every URI leads through the edge, every other byte is as it was."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice

from edge.manifests.context import Context, Rewritten, is_fetched, leads_to_edge, rewrite_uri
from edge.manifests.edits import Edit, apply_edits
from edge.manifests.errors import BadReference, UndefinedVariable, UnlistedHost
from edge.manifests.hls.bulk import bulk
from edge.manifests.hls.define import Variables, has_variables, redeclared, variables
from edge.manifests.hls.scan import Playlist, encode, scan
from edge.manifests.hls.tags import PLAYLISTS, Reference, references
from edge.manifests.limits import DEFAULT, Limits
from edge.manifests.places import Place
from edge.manifests.uris import explicit, resolve, split

# RFC 8216bis section 6.2.5 and the drafts before it.
_DIRECTIVES = frozenset({"_HLS_msn", "_HLS_part", "_HLS_skip", "_HLS_push", "_HLS_report"})
_VARIABLE = re.compile(r"\{\$([A-Za-z0-9_-]+)\}")
# How many variables of one URI are tried to be kept.
_TRIES = 8


def rewrite(data: bytes, context: Context, limits: Limits = DEFAULT) -> Rewritten:
    """The playlist as a player at ``context.document`` needs it; with no base, the same bytes."""
    output = bulk(data, context, limits)
    if output is None:
        return rewrite_scanned(scan(data, limits), context)

    def details() -> tuple[tuple[Edit, ...], tuple[Place, ...]]:
        slow = rewrite_scanned(scan(data, limits), context)
        return slow.edits, slow.places

    return Rewritten(output=output, details=details)


def rewrite_scanned(playlist: Playlist, context: Context) -> Rewritten:
    """The same for a playlist that somebody has scanned, URI by URI; every playlist can be done this way."""
    if context.base is None:
        return Rewritten(output=playlist.data, places=tuple(_places(playlist)))
    known = variables(playlist, context)
    edits = list(redeclared(playlist, known, context))
    places: list[Place] = []
    starts = [line.start for line in playlist.lines]
    shift, waiting = 0, iter(sorted(edits, key=lambda edit: edit.start))
    declared = next(waiting, None)
    for reference in references(playlist):
        while declared is not None and declared.stop <= reference.start:
            shift += len(declared.text) - (declared.stop - declared.start)
            declared = next(waiting, None)
        text = _rewritten(reference, context, known)
        replacement = None if text is None else encode(text)
        start, stop = reference.start + shift, reference.stop + shift
        if replacement is not None:
            number = bisect_right(starts, reference.start)
            edits.append(
                Edit(
                    start=reference.start,
                    stop=reference.stop,
                    text=replacement,
                    where=_where(number, reference),
                    why=reference.kind.value,
                )
            )
            shift += len(replacement) - (reference.stop - reference.start)
            stop = start + len(replacement)
        if leads_to_edge(_plain(reference.text if text is None else text, reference, known)):
            places.append(Place(start, stop, reference.kind))
    edits.sort(key=lambda edit: edit.start)
    return Rewritten(
        output=apply_edits(playlist.data, edits),
        edits=tuple(edits),
        places=tuple(places),
        warnings=known.warnings,
    )


def without_directives(reference: str) -> str:
    """A playlist's URI without delivery directives in its query; the rest byte for byte."""
    if "_HLS_" not in reference:
        return reference
    bare, mark, fragment = reference.partition("#")
    path, question, query = bare.partition("?")
    kept = [pair for pair in query.split("&") if pair.partition("=")[0] not in _DIRECTIVES]
    query = "&".join(kept)
    return path + (question if query else "") + query + mark + fragment


def _places(playlist: Playlist) -> Iterator[Place]:
    for reference in references(playlist):
        if leads_to_edge(reference.text):
            yield Place(reference.start, reference.stop, reference.kind)


def _where(number: int, reference: Reference) -> str:
    names = (f"line {number}", reference.line.tag, reference.attribute)
    return " ".join(name for name in (f"{names[0]},", names[1] or "URI", names[2]) if name)


def _rewritten(reference: Reference, context: Context, known: Variables) -> str | None:
    """The text that has to stand in a reference's place, or ``None``."""
    text = reference.text
    if reference.kind in PLAYLISTS:
        # What is left may be nothing: the playlist itself.
        text = without_directives(text) or _name_of(context.base or "")
    if has_variables(text):
        rewritten = _with_variables(text, context, known, reference.line.start)
    else:
        rewritten = rewrite_uri(text, context)
    if rewritten is None:
        return None if text == reference.text else text
    if '"' in rewritten and reference.attribute is not None and '"' not in text:
        # Only the value of a variable can have brought it, which would go on as other attributes.
        raise BadReference(f"a quote in the value of a variable in {text[:200]!r}")
    return explicit(rewritten)


def _name_of(url: str) -> str:
    return "./" + split(url).path.rpartition("/")[2]


def _with_variables(text: str, context: Context, known: Variables, at: int) -> str | None:
    if not is_fetched(text):
        return None
    plain = known.substitute(text, at)
    if not is_fetched(plain):
        return None
    _check_known(plain)
    wanted = rewrite_uri(plain, context)
    if wanted is None:
        return None
    # Deep enough that no way up ends at the top, as it would not below a token.
    here = "http://edge" + "/-" * (plain.count("..") + 1) + context.document
    target = resolve(here, wanted)
    for cut in islice(_cuts(text), _TRIES):
        plain_head = known.substitute(text[:cut], at)
        try:
            head = rewrite_uri(plain_head, context) or plain_head
        except (BadReference, UnlistedHost):  # the folder alone leads nowhere: a longer one may
            continue
        kept = explicit(head) + text[cut:]
        if resolve(here, known.substitute(kept, at)) == target:
            return kept
    return wanted


def _plain(text: str, reference: Reference, known: Variables) -> str:
    """A URI as a player reads it."""
    if not (has_variables(text) and is_fetched(text)):
        return text
    return known.substitute(text, reference.line.start)


def _cuts(text: str) -> Iterator[int]:
    """Where a URI may be cut so that variables stay in what follows: after the slash before each of them."""
    path_end = len(re.split(r"[?#]", text, maxsplit=1)[0])
    last = -1
    for match in _VARIABLE.finditer(text):
        cut = text.rfind("/", 0, min(match.start(), path_end)) + 1
        if cut > last:
            last = cut
            yield cut


def _check_known(plain: str) -> None:
    """Refuse a URI of which the edge cannot know where it leads; a gap in its path is harmless."""
    match = _VARIABLE.search(plain)
    if match is None:
        return
    parts = split(plain)
    decisive = (parts.scheme or "") + (parts.authority or "")
    if "{$" in decisive or plain.startswith("{$"):
        raise UndefinedVariable(match[1])
