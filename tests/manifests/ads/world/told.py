"""What one playlist must be like, whoever reads it."""

from __future__ import annotations

from itertools import pairwise

from edge.manifests.ads.treated import Treated
from tests.manifests.ads.effective import Media
from tests.manifests.ads.world.packager import Listing, Piece
from tests.manifests.ads.world.player import Violation
from tests.manifests.ads.world.truth import Truth


def check(
    truth: Truth,
    listing: Listing,
    treated: Treated,
    media: Media,
    *,
    is_newest: bool,
    alone: int | None,
) -> None:
    """Raise ``Violation`` for the first thing that is wrong; ``alone``: the edge, if it can ask nobody."""
    source = truth.learn(listing)
    if not media.segments:
        raise Violation("an empty playlist")
    if media.ended and not truth.has_ended:
        raise Violation("ENDLIST too early")
    if listing.ended and not media.ended:
        raise Violation("ENDLIST is gone")
    if media.headers["EXT-X-TARGETDURATION"] != source.headers["EXT-X-TARGETDURATION"]:
        raise Violation("another TARGETDURATION")
    pieces = [truth.of(segment) for segment in media.segments]
    for segment, piece in zip(media.segments, pieces, strict=True):
        truth.compare(segment, piece)
        may_be = truth.may_list(piece) or (alone is not None and truth.is_on_its_own(piece, alone))
        if not segment.gap and not may_be:
            raise Violation(f"{segment.number} is an ad: {piece.uri}")
        for part in segment.parts:
            found = truth.parts.get(part.uri)
            if found is None or found[0] != piece:
                raise Violation(f"{segment.number} ({piece.uri}) has a part {part.uri}")
    for before, behind in pairwise(pieces):
        _check_between(truth, before, behind)
    _check_parts(truth, listing, treated, media, pieces[-1], alone)
    # Nothing that is content is left out at either end.
    if not treated.is_held and not treated.is_early:
        whole = listing.tail.index if not listing.ended else listing.pieces[-1].index + 1
        _check_gone(truth, listing.grid, pieces[-1].index + 1, whole, "the end")
    if is_newest and not treated.is_held:
        _check_gone(truth, listing.grid, listing.pieces[0].index, pieces[0].index, "the beginning")
    if treated.is_held and not treated.is_early:
        # What has come and gone while nobody asked is nobody's fault.
        first = max(pieces[-1].index + 1, listing.pieces[0].index)
        _check_gone(truth, listing.grid, first, listing.tail.index, "what is held back")
    kept = {known.get("ID") for known in media.dateranges}
    for known in source.dateranges:
        if (
            known.get("CLASS") == "org.programme"
            and known["ID"] not in kept
            and not treated.is_held
        ):
            raise Violation(f"the date range {known['ID']} is gone")


def _check_between(truth: Truth, before: Piece, behind: Piece) -> None:
    if behind.index <= before.index:
        raise Violation(f"{before.uri} comes before {behind.uri}")
    _check_gone(truth, before.grid, before.index + 1, behind.index, f"what is before {behind.uri}")


def _check_gone(truth: Truth, grid: str, first: int, stop: int, where: str) -> None:
    for index in range(first, stop):
        piece = truth.packager.piece(grid, index)
        if not truth.may_drop(piece):
            raise Violation(f"{piece.uri} is missing at {where}")


def _check_parts(
    truth: Truth,
    listing: Listing,
    treated: Treated,
    media: Media,
    last: Piece,
    alone: int | None,
) -> None:
    uris = [part.uri for part in media.tail if not part.gap]
    for uri in (*uris, *media.hints):
        found = truth.parts.get(uri)
        if found is None:
            raise Violation(f"the part {uri} is nowhere")
        piece = found[0]
        # A hint promises nothing: it may be of a segment about which nothing is decided.
        may_be = alone is not None and truth.is_on_its_own(piece, alone)
        may_be = may_be or (
            not truth.must_not_hint(piece) if uri in media.hints else truth.may_list(piece)
        )
        if not may_be:
            raise Violation(f"the part {uri} is an ad")
        _check_gone(truth, piece.grid, last.index + 1, piece.index, f"what is before {uri}")
        if piece.index <= last.index:
            raise Violation(f"the part {uri} is behind {last.uri}")
    # Behind a gap alone they may wait for the whole segment.
    all_gaps = all(segment.gap for segment in media.segments)
    # An edge that goes by no record tells of the newest version that it has seen: there it may be whole.
    is_whole = last.index >= listing.tail.index
    waits = treated.is_held or treated.is_early or all_gaps or is_whole
    if listing.parts and not uris and not waits and not truth.may_drop(listing.tail):
        raise Violation(f"the parts of {listing.tail.uri} are missing")
