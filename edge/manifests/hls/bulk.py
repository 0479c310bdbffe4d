"""The quick way for plain media playlists: whole folders are replaced at once, no line becomes an object.

It does what ``rewrite_scanned`` does, byte for byte, or answers ``None``; the tests hold the two to each other.
"""

from __future__ import annotations

import re
from functools import lru_cache

from edge.manifests.context import Context, rewrite_uri
from edge.manifests.errors import UnlistedHost
from edge.manifests.hls.scan import BOM, Line, Playlist, check_size, decode, encode, has_lone_cr
from edge.manifests.hls.tags import URI_TAGS, of_tag
from edge.manifests.limits import Limits
from edge.manifests.uris import OriginMap, Unlisted, explicit, resolve, split

_HEAD_BYTES = 4096
# Each stands for a replaced folder while other folders are looked for; no text has these bytes.
_MARKS = tuple(bytes([code]) for code in range(1, 5))

# A line of which more must be known: rooted, query only, beginning with a dot, perhaps with a host; or with a dot
# behind a mark. Lines that begin with '#' fail at that byte.
_ODD = re.compile(rb"\n(?:[\x05-\x09\x0b\x0c\x0e-\x20/?\\.]|[hH][tT][tT][pP]|[\x01-\x04]\.)")
# The quickest question, where a folder went away without a mark.
_PERHAPS_ODD = re.compile(rb"\n[\x00-\x20/?\\.hH]")
_DOTS = re.compile(rb"/\.")
_ENCODED_DOT = re.compile(rb"%2[eE]")
_TAB_IN_URI = re.compile(rb"\n[^#\n][^\n]*\t")
_FOLDER = re.compile(rb"[^\r\n?#]*/")

_NEAR = re.compile(rb"[^\x00-\x1f/:?#]*")
_NEAR_BYTES = 512  # too few for too many attributes

_PREFIX = "EXT-X-"
_TAGS = re.compile(
    rb"\n#EXT-X-(?:DEFINE|STREAM-INF|IMAGES-ONLY|%s)(?![A-Za-z0-9_-])"
    % "|".join(
        sorted(tag.removeprefix(_PREFIX) for tag in URI_TAGS if tag.startswith(_PREFIX))
    ).encode()
)
_OTHER_TAGS = tuple(f"\n#{tag}:".encode() for tag in URI_TAGS if not tag.startswith(_PREFIX))


def bulk(data: bytes, context: Context, limits: Limits) -> bytes | None:
    """The rewritten playlist, or ``None`` if it is not of the plain kind."""
    if not data.startswith((b"#EXTM3U", BOM + b"#EXTM3U")):
        return None
    if b"\n#EXT-X-TARGETDURATION" not in data[:_HEAD_BYTES]:
        return None
    check_size(data, limits)
    if context.base is None:
        return data
    if not context.in_step or not _is_plain(data):
        return None
    lines = _lines(data, context)
    return None if lines is None else _tags(lines, context, limits)


def _is_plain(data: bytes) -> bool:
    """Nothing in it that reads one way here and another way there."""
    if b"\\" in data or (b"{" in data and b"{$" in data):
        return False
    for mark in _MARKS:
        if mark in data:
            return False
    if b"%" in data and _ENCODED_DOT.search(data):
        return False
    if b"\t" in data and _TAB_IN_URI.search(data):
        return False
    return not has_lone_cr(data)


def _tags(data: bytes, context: Context, limits: Limits) -> bytes | None:
    """``data`` with the URIs in tags rewritten; ``None`` if it has tags that change the meaning of lines."""
    if any(tag in data for tag in _OTHER_TAGS):
        return None
    match = _TAGS.search(data)
    if match is None:
        return data
    playlist = Playlist(data=data, kind="media", lines=(), limits=limits)
    pieces: list[bytes] = []
    position = 0
    while match is not None:
        name = match[0][2:].decode("ascii")
        if name not in URI_TAGS:
            return None
        start = match.start() + 1
        end = data.find(b"\n", start)
        stop = len(data) if end < 0 else end - (data[end - 1] == 0x0D)
        if not _is_near(data[match.end() + 1 : stop]):
            line = Line("tag", start, stop, stop, name, match.end() + 1, stop)
            for reference in of_tag(playlist, line):
                if "_HLS_" in reference.text:
                    return None
                text = _uri(data[reference.start : reference.stop], context)
                if text is not None:
                    pieces += (data[position : reference.start], text)
                    position = reference.stop
        match = _TAGS.search(data, stop)
    pieces.append(data[position:])
    return b"".join(pieces)


def _is_near(value: bytes) -> bool:
    """Whether no URI in a tag can lead out of the folder: no slash, no scheme, no query alone."""
    return (
        len(value) < _NEAR_BYTES
        and _NEAR.fullmatch(value) is not None
        and b".." not in value
        and b"_HLS_" not in value
    )


def _lines(data: bytes, context: Context) -> bytes | None:
    """``data`` with the folders of its URI lines replaced, or ``None`` if some line needs more thought."""
    match = _ODD.search(data)
    if match is None:
        return None if _has_dots(data) else data
    first = _replacement(match.start() + 1, data, context)
    if first is None:
        return None
    folder, text = first
    pieces = data.split(b"\n" + folder)
    bare = b"\n".join(pieces)
    if _PERHAPS_ODD.search(bare) or _has_dots(bare):
        return _marked(data, context)
    return (b"\n" + text).join(pieces)


def _marked(data: bytes, context: Context) -> bytes | None:
    """The same for several folders."""
    work = data
    found: list[tuple[bytes, bytes]] = []
    pieces: list[bytes] = []
    for mark in _MARKS:
        match = _ODD.search(work)
        if match is None:
            break
        replacement = _replacement(match.start() + 1, work, context)
        if replacement is None:
            return None
        folder, text = replacement
        found.append((b"\n" + mark, b"\n" + text))
        pieces = work.split(b"\n" + folder)
        work = (b"\n" + mark).join(pieces)
    else:
        return None
    if _has_dots(work):
        return None
    if len(found) == 1:
        return found[0][1].join(pieces)
    for lead, text in found:
        work = work.replace(lead, text)
    return work


def _has_dots(data: bytes) -> bool:
    """Whether a URI line has a segment that begins with a dot behind a slash."""
    dot = _DOTS.search(data)
    while dot is not None:
        start = data.rfind(b"\n", 0, dot.start()) + 1
        end = data.find(b"\n", dot.end())
        if data[start : start + 1] != b"#":
            return True
        dot = None if end < 0 else _DOTS.search(data, end)  # a line is looked at once
    return False


def _replacement(start: int, data: bytes, context: Context) -> tuple[bytes, bytes] | None:
    """The folder of the URI at a position, and what it becomes if every URI below becomes that and its own rest."""
    match = _FOLDER.match(data, start)
    if match is None:
        return None
    folder = match[0]
    # Two slashes: perhaps a host without a path.
    if folder.endswith(b"//") or folder[:1] in _MARKS or folder[:1] in b" \t":
        return None
    text, above = _known_folder(folder, context)
    if text is None or (above is not None and b"\n" + folder + above in data):
        return None
    return folder, text


def _uri(uri: bytes, context: Context) -> bytes | None:
    """What stands in place of one URI, by its folder where that is enough; ``None`` if it stays."""
    match = _FOLDER.match(uri)
    if match is not None and b"/." not in uri and b"\t" not in uri and not match[0].endswith(b"//"):
        folder, _ = _known_folder(match[0], context)
        if folder is not None:
            return None if folder == match[0] else folder + uri[match.end() :]
    text = rewrite_uri(decode(uri), context)
    return None if text is None else encode(explicit(text))


def _known_folder(folder: bytes, context: Context) -> tuple[bytes | None, bytes | None]:
    try:
        return _folder_text(
            decode(folder),
            context.base or "",
            context.origins,
            context.origin,
            context.path,
            context.unlisted == "leave",
        )
    except UnlistedHost:
        if context.unlisted != "carry":
            raise
        return _carried_folder(decode(folder), context), None


def _carried_folder(folder: str, context: Context) -> bytes | None:
    """What a folder on a carried host becomes, if its path is not bound to the whole URL."""
    if not context.by_host or _has_base_below(folder, context):
        return None
    text = rewrite_uri(folder, context)
    return encode(folder if text is None else explicit(text))


@lru_cache(maxsize=1024)
def _folder_text(
    folder: str, base: str, origins: OriginMap, origin: str, path: str, leave: bool
) -> tuple[bytes | None, bytes | None]:
    """What a folder becomes, if that can be said of all below it; and a folder in it that would be written shorter."""
    unlisted: Unlisted = "leave" if leave else "refuse"
    context = Context(base=base, origins=origins, origin=origin, path=path, unlisted=unlisted)
    text = rewrite_uri(folder, context)
    if text is None:
        return encode(folder), None
    if _has_base_below(folder, context):
        return None, None
    text = explicit(text)
    if text.startswith("../") and not text.strip("./"):
        # It lies above the player's folder.
        return encode(text), encode(context.document.split("/")[-1 - text.count("../")]) + b"/"
    return encode(text), None


def _has_base_below(folder: str, context: Context) -> bool:
    path = split(resolve(context.base or "", folder)).path
    bases = (split(base).path.rstrip("/") + "/" for _, base in context.origins.bases)
    return any(base.startswith(path) and base != path for base in bases)
