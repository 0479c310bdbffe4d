"""Where each playlist of the corpus is said to stand, and an independent reading of its URIs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from edge.manifests.context import Context
from edge.manifests.uris import OriginMap

BASE = "https://origin.example/vod/show/season/playlist.m3u8"
EDGE = "http://edge"

# Deliberately naive and made without the tags table: whole lines, and values of attributes with these names.
_URI_LINE = re.compile(rb"(?m)^(?!#)[ \t]*(\S[^\r\n]*?)[ \t]*$")
_URI_VALUE = re.compile(rb"(?m)^#EXT[^\r\n]*?$|^#EXT-X-(?:TWITCH-)?PREFETCH:([^\r\n]+)$")
_ATTRIBUTE = re.compile(
    rb'(?:(?<=[,:])|(?<=, ))((?:URI|SERVER-URI|X-ASSET-URI|X-ASSET-LIST|X-URI)=)("[^"\r\n]*"|[^,\r\n]*)'
)
_PREFETCH = re.compile(rb"(#EXT-X-(?:TWITCH-)?PREFETCH:)([^\r\n]+)")
_HOST = re.compile(rb"(https?)://([A-Za-z0-9.:-]+)|(?<=\n)//([A-Za-z0-9.:-]+)")
_LINE = re.compile(rb"[^\r\n]+")


def uris(data: bytes) -> tuple[list[str], bytes]:
    """Every URI in its order, and the playlist with each of them taken out."""
    found: list[str] = []

    def attribute(match: re.Match[bytes]) -> bytes:
        found.append(match[2].strip(b'" ').decode("utf-8", "surrogateescape"))
        return match[1]

    def line(match: re.Match[bytes]) -> bytes:
        text = match[0].removeprefix(b"\xef\xbb\xbf")
        if text.lstrip().startswith(b"#"):
            if text.startswith(b"#EXT-X-DEFINE:QUERYPARAM"):
                return b"#EXT-X-DEFINE:NAME"
            if not text.startswith(b"#EXT"):
                return text
            return _ATTRIBUTE.sub(attribute, _PREFETCH.sub(attribute, text))
        if text.strip():
            found.append(text.strip().decode("utf-8", "surrogateescape"))
        return text[: len(text) - len(text.lstrip())]

    return found, _LINE.sub(line, data)


def world(path: Path, **more: Any) -> Context:
    """A context in which the file is one of an origin, and every host it names is another."""
    return world_of(path.read_bytes(), **more)


def world_of(data: bytes, *, base: str = BASE, name: str = "o", **more: Any) -> Context:
    """The same for a playlist in memory."""
    bases = [(name, urljoin(base, "../")), ("above", urljoin(base, "/"))]
    for number, (scheme, host) in enumerate(sorted(_hosts(data))):
        bases.append((f"h{number}", f"{scheme}://{host}/"))
    path = urlsplit(base).path.removeprefix(urlsplit(bases[0][1]).path)
    return Context(base=base, origins=OriginMap(tuple(bases)), origin=name, path=path, **more)


def back(reference: str, context: Context) -> str:
    """The origin's URL that a player asks for when it follows a reference, by another resolver than ours."""
    url = urljoin(EDGE + context.document, reference)
    if not url.startswith(EDGE + "/"):
        return url
    origin, _, rest = url.removeprefix(EDGE + "/").partition("/")
    return dict(context.origins.bases)[origin] + rest


def _hosts(data: bytes) -> Iterator[tuple[str, str]]:
    seen = {("https", "example.com")}
    for match in _HOST.finditer(data):
        seen.add(((match[1] or b"https").decode(), (match[2] or match[3]).decode()))
    yield from seen
