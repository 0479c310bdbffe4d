"""A playlist's tags and URIs by position, found by regular expressions over all of its bytes at once."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from edge.manifests.errors import TooManyAttributes
from edge.manifests.hls.scan import BOM, Attribute, attribute_list, decode
from edge.manifests.limits import Limits

# All of them read the bytes with every CR as LF: a line ends at either, and positions stay the same.
_URI = re.compile(rb"\n[ \t]*[^#\n \t]")
_PLAIN_URI = re.compile(rb"\n(?=[^#\n])")  # where no line begins with a blank
_FIRST_URI = re.compile(rb"[ \t]*([^#\n \t][^\n]*)")
_URI_TEXT = re.compile(rb"\n[ \t]*([^#\n \t][^\n]*)")
_LINE_END = re.compile(rb"\r\n|\n|\r")
# Every tag but EXTINF, of which there are as many as segments, and its value.
_ANY = re.compile(rb"[ \t]*#(?!EXTINF:)(EXT[A-Za-z0-9_-]*|[A-Za-z0-9_-]+(?=:)):?([^\n]*)")
_ANY_BEHIND = re.compile(b"\\n" + _ANY.pattern)
_PLAIN_BEHIND = re.compile(b"\\n" + _ANY.pattern.removeprefix(rb"[ \t]*"))
_EXTINF = "EXTINF"


class Tag(NamedTuple):
    """One tag: the position of the URI that it stands before, and where its line and its value are."""

    at: int  # of the next URI; the number of URIs for what stands behind the last
    name: str
    start: int  # of its line
    value_start: int
    stop: int  # of its value and its line, before the line end


class _Index(NamedTuple):
    """All tags of a playlist but EXTINF, each by its place in three lists."""

    starts: list[int]  # of their lines
    names: list[bytes]
    matches: list[re.Match[bytes]]
    places: dict[bytes, list[int]]  # by name
    made: dict[int, Tag]


class Lines:
    """The lines of one playlist; what nobody asks for is not looked for."""

    __slots__ = (
        "_counted",
        "_index",
        "_known_tags",
        "_known_uris",
        "begin",
        "data",
        "limits",
        "view",
    )

    def __init__(self, data: bytes, limits: Limits) -> None:
        self.data = data
        self.limits = limits
        self.begin = len(BOM) if data.startswith(BOM) else 0  # of the first line
        self.view = data.replace(b"\r", b"\n") if b"\r" in data else data
        self._known_uris: list[int] | None = None
        self._known_tags: dict[tuple[str, ...], list[Tag]] = {}
        self._index: _Index | None = None  # made as soon as there is any tag that was asked for
        self._counted = ([0], [1])  # positions in order, and the numbers of their lines

    def has(self, *names: str) -> bool:
        """Whether there is a tag with one of these names."""
        if self._index is not None and _EXTINF not in names:
            return not _wanted(names).isdisjoint(self._index.places)
        alone, others = _named(names)
        return bool(alone.match(self.view, self.begin) or others.search(self.view, self.begin))

    def tags(self, *names: str) -> Iterator[Tag]:
        """The tags with one of these names, in their order; the same names are looked for once."""
        known = self._known_tags.get(names)
        if known is None:
            known = self._known_tags[names] = self._all(names)
        return iter(known)

    def tags_between(self, start: int, stop: int, *names: str) -> Iterator[Tag]:
        """The same of the lines from where one begins up to where another does, or the end."""
        index = self._index
        if index is None or _EXTINF in names:
            return self._searched(start, stop, names)
        low = bisect_left(index.starts, start)
        high = bisect_left(index.starts, stop, low)
        if low == high:
            return iter(())
        wanted = _wanted(names)
        found = index.names[low:high]
        if wanted.isdisjoint(found):
            return iter(())
        return iter(
            self._of(index, [place for place, name in enumerate(found, low) if name in wanted])
        )

    def last(self, start: int, stop: int, name: str) -> Tag | None:
        """The last of those between two lines; no object is made of any other."""
        index = self._index
        if index is None:
            return next(iter(deque(self._searched(start, stop, (name,)), maxlen=1)), None)
        places, starts = index.places.get(name.encode()), index.starts
        if places is None:
            return None
        found = bisect_left(places, bisect_left(starts, stop)) - 1
        if found < 0 or starts[places[found]] < start:
            return None
        place = places[found]
        return index.made.get(place) or self._of(index, (place,))[0]

    def first(self, name: str) -> Tag | None:
        """The first of all."""
        index = self._index
        if index is None:
            return next(self.tags(name), None)
        places = index.places.get(name.encode())
        return self._of(index, places[:1])[0] if places else None

    def _all(self, names: tuple[str, ...]) -> list[Tag]:
        if _EXTINF in names:
            return list(self._searched(self.begin, len(self.data), names))
        index = self._index
        if index is None:
            if not self.has(*names):
                return []
            index = self._index = self._indexed()
        found = [index.places[name] for name in _wanted(names) if name in index.places]
        places = found[0] if len(found) == 1 else sorted(chain.from_iterable(found))
        return self._of(index, places)

    def _searched(self, start: int, stop: int, names: tuple[str, ...]) -> Iterator[Tag]:
        alone, others = _named(names)
        uris: list[int] | None = None
        first = alone.match(self.view, start, stop)
        matches = others.finditer(self.view, start, stop)
        for match in matches if first is None else chain((first,), matches):
            if uris is None:  # most often there is no such tag, and no need to know the URIs
                uris = self.uri_starts
            line = match.start() + (match is not first)
            name, value_start, value_stop = match[1].decode("ascii"), match.start(3), match.end(3)
            yield Tag(bisect_left(uris, line), name, line, value_start, value_stop)

    def value(self, tag: Tag) -> str:
        """What stands behind a tag's name and colon."""
        return decode(self.data[tag.value_start : tag.stop])

    def attributes(self, tag: Tag) -> dict[str, Attribute]:
        """A tag's attributes by name, of a repeated one the last; of a tag with too many none."""
        try:
            found = attribute_list(
                self.data, tag.value_start, tag.stop, limit=self.limits.attributes
            )
        except TooManyAttributes:
            return {}
        return {attribute.name: attribute for attribute in found}

    def line_of(self, position: int) -> int:
        """The number of the line at a position, from 1; what was asked before is not counted again."""
        places, numbers = self._counted
        near = bisect_right(places, position) - 1
        counted, number = places[near], numbers[near]
        if self.view is self.data:
            number += self.data.count(b"\n", counted, position)
        else:
            number += len(_LINE_END.findall(self.data, counted, position))
        if near == len(places) - 1 and position > counted:
            places.append(position)
            numbers.append(number)
        return number

    def uris(self) -> list[bytes]:
        """All URIs as they stand, in one go; blanks behind them are still there."""
        first = _FIRST_URI.match(self.view, self.begin)
        found = _URI_TEXT.findall(self.view, self.begin)
        return found if first is None else [first[1], *found]

    @property
    def uri_starts(self) -> list[int]:
        """Where each URI begins."""
        if self._known_uris is None:
            first = _FIRST_URI.match(self.view, self.begin)
            self._known_uris = [] if first is None else [first.start(1)]
            self._known_uris += _uris(self.view, self.begin)
        return self._known_uris

    def _indexed(self) -> _Index:
        first = _ANY.match(self.view, self.begin)
        behind = _ANY_BEHIND if _has_margins(self.view) else _PLAIN_BEHIND
        matches = list(behind.finditer(self.view, self.begin))
        starts = [match.start() + 1 for match in matches]
        if first is not None:
            matches.insert(0, first)
            starts.insert(0, first.start())
        places: defaultdict[bytes, list[int]] = defaultdict(list)
        names = [match[1] for match in matches]
        for place, name in enumerate(names):
            places[name].append(place)
        return _Index(starts, names, matches, dict(places), {})

    def _of(self, index: _Index, places: Sequence[int]) -> list[Tag]:
        """The tags at some places; of each one object is made."""
        if not places:
            return []
        starts, names, matches, _, made = index
        uris = self.uri_starts
        tags: list[Tag] = []
        for place in places:
            tag = made.get(place)
            if tag is None:
                line = starts[place]
                known = (bisect_left(uris, line), _text(names[place]), line)
                # Half the time of a call of Tag, of which there are many.
                tag = made[place] = tuple.__new__(Tag, known + matches[place].span(2))
            tags.append(tag)
        return tags

    def stop_of(self, position: int) -> int:
        """Where the line ends that has this position, without its line end."""
        stop = self.view.find(b"\n", position)
        return len(self.data) if stop < 0 else stop


def _uris(view: bytes, begin: int) -> list[int]:
    """Where the URIs begin that do not stand on the first line."""
    if begin or _has_margins(view):
        return [match.end() - 1 for match in _URI.finditer(view, begin)]
    return [match.end() for match in _PLAIN_URI.finditer(view)]


def _has_margins(view: bytes) -> bool:
    """Whether a line begins with a blank; one byte is found much sooner than two."""
    return (b"\t" in view and b"\n\t" in view) or (b" " in view and b"\n " in view)


@lru_cache(maxsize=1024)
def _text(name: bytes) -> str:
    return name.decode("ascii")


@lru_cache(maxsize=256)
def _wanted(names: tuple[str, ...]) -> frozenset[bytes]:
    return frozenset(name.encode() for name in names)


@lru_cache(maxsize=256)
def _named(names: tuple[str, ...]) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Finds tags on the line where it is matched, and on all lines behind it."""
    known = [re.escape(name) + ("" if name.startswith("EXT") else "(?=:)") for name in names]
    line = rf"[ \t]*#({'|'.join(known)})(?![A-Za-z0-9_-])(:?)([^\n]*)".encode()
    return re.compile(line), re.compile(b"\\n" + line)
