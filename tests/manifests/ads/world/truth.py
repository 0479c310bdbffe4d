"""What the origin has said of each segment, and what viewers may be told because of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.manifests.ads.effective import Media, Segment, read
from tests.manifests.ads.world.packager import Listing, Packager, Piece
from tests.manifests.ads.world.player import Violation, differences

# A MAP is said again under whatever KEY is in force at the window's head.
_OWN = ("number", "discontinuity", "discontinuities", "parts", "gap", "map_under")
_Name = tuple[str, tuple[int, int] | None]  # URI and byte range


@dataclass
class Truth:
    """Of one run of the origin."""

    packager: Packager
    segments: dict[_Name, Segment] = field(default_factory=dict)
    pieces: dict[_Name, Piece] = field(default_factory=dict)
    parts: dict[str, tuple[Piece, int]] = field(default_factory=dict)  # by URI
    has_ended: bool = False
    _read: dict[tuple[str, int], Media] = field(default_factory=dict)
    # Places of the leading rendition that a version which some edge has seen calls content, or an ad.
    _whole: int = -1
    _first: int = 0
    _content: set[int] = field(default_factory=set)
    _ads: set[int] = field(default_factory=set)
    _by_edge: dict[int, set[int]] = field(default_factory=dict)
    _own_by_edge: dict[int, set[int]] = field(default_factory=dict)
    # What an edge took for content while it was cut off: others learn of it when it is back.
    _alone: dict[int, set[int]] = field(default_factory=dict)
    _told: set[int] = field(default_factory=set)  # of the ads: seen where others could learn of it
    _first_told: int = 0
    _own: set[int] = field(default_factory=set)

    def learn(self, listing: Listing) -> Media:
        """Read one version as the origin sends it."""
        key = (listing.grid, listing.tick)
        known = self._read.get(key)
        if known is not None:
            return known
        media = self._read[key] = read(listing.body)
        self.has_ended = self.has_ended or listing.ended
        for segment, piece in zip(media.segments, listing.pieces, strict=True):
            name = (segment.uri, segment.range)
            assert name == (piece.uri, piece.range), "the packager contradicts itself"
            before = self.segments.setdefault(name, segment)
            differing = differences(before, segment, but=("discontinuities", "parts", "map_under"))
            assert not differing, f"the packager contradicts itself: {piece.uri}: {differing}"
            self.pieces[name] = piece
        for piece in (*listing.pieces[-3:], listing.tail):
            self.parts.update({uri: (piece, at) for at, uri in enumerate(piece.parts)})
        if len(self._read) > 256:
            del self._read[next(iter(self._read))]
        return media

    def saw(self, listing: Listing, edge: int, *, alone: bool) -> None:
        """Some edge has looked through a version of a rendition that has markers; ``alone``: nobody learns of it."""
        show = self.packager.show
        if listing.grid != self.packager.grids[0].name:
            # Its own evidence counts only where the leading rendition says nothing.
            tells = [
                piece.place for piece in listing.pieces if show.tells(piece.place, listing.tick)
            ]
            self._own.update(tells)
            self._own_by_edge.setdefault(edge, set()).update(tells)
            return
        places = [piece.place for piece in listing.pieces]
        self._whole = max(self._whole, places[-1])
        slid, self._first = self._first, max(self._first, places[0])
        if listing.parts and self.packager.spelling.tells_ahead:
            places.append(listing.tail.place)
        elif listing.parts:
            self._content.add(listing.tail.place)
        for place in places:
            is_known = place in self._content or place in self._ads
            if place < slid and not is_known:
                continue  # an older version than one that was seen decides nothing
            (self._ads if self._tells(place, listing) else self._content).add(place)
        if not alone:
            slid, self._first_told = self._first_told, max(self._first_told, places[0])
            self._told.update(place for place in places if place in self._ads and place >= slid)
        self._by_edge.setdefault(edge, set()).update(
            place for place in places if place in self._ads
        )

    def _tells(self, place: int, listing: Listing) -> bool:
        show = self.packager.show
        known = show.last_break(place)
        if known is None or not known.tells(place, listing.tick):
            return False
        # Of bare markers nothing is left when the first one has left the window.
        seen = listing.pieces[0].place <= known.begins
        return seen or self.packager.spelling.nature.continues

    def may_list(self, piece: Piece) -> bool:
        """Whether an edge has had a reason to take a segment for content."""
        if not piece.stretch.is_ad or piece.place in self._content:
            return True
        # The leading rendition has slid past it while nobody looked.
        return piece.place < self._first_told and piece.place not in self._told

    def may_drop(self, piece: Piece) -> bool:
        """Whether an edge has had a reason to take a segment for an ad."""
        return piece.place in self._ads or piece.place in self._own

    def heard(self, edge: int) -> None:
        """An edge can be asked again: what it told while it was cut off stays."""
        self._content |= self._alone.pop(edge, set())

    def is_on_its_own(self, piece: Piece, edge: int) -> bool:
        """Whether an edge that can ask nobody takes for content what only another has seen to be an ad.

        It cannot know of a break that was told only in versions which others have seen: a marker that has left the
        window since, or one that came late. What its own versions of the leading rendition tell it must not list; where
        nothing dates the segments, so that other renditions cannot follow, what their own tell.
        """
        is_leader = piece.grid == self.packager.grids[0].name
        if self.packager.traits.dates != "none" or is_leader:
            seen = self._by_edge.get(edge, set())
        else:
            seen = self._own_by_edge.get(edge, set()) if piece.grid != "a0" else set()
        if piece.place in seen:
            return False
        self._alone.setdefault(edge, set()).add(piece.place)
        return True

    def must_not_hint(self, piece: Piece) -> bool:
        """Whether it is settled for all renditions that a segment is an ad."""
        return piece.place <= self._whole and not self.may_list(piece) and self.may_drop(piece)

    def of(self, segment: Segment) -> Piece:
        """The origin's segment that a listed one is."""
        piece = self.pieces.get((segment.uri, segment.range))
        if piece is None:
            raise Violation(f"{segment.number} is {segment.uri} {segment.range}, which is nowhere")
        return piece

    def compare(self, segment: Segment, piece: Piece) -> None:
        """A listed segment means what it means at the origin."""
        differing = differences(self.segments[piece.uri, piece.range], segment, but=_OWN)
        if differing:
            raise Violation(f"{segment.number} ({piece.uri}): {differing}")
