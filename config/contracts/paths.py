"""Where things lie in storage and which request paths are well formed: the only maker of storage keys."""

from __future__ import annotations

import re
from uuid import UUID

MASTER_PLAYLIST = "master.m3u8"
DASH_MANIFEST = "manifest.mpd"

# The folder of storage that the edge's default origin serves, and that origin's name in URLs.
MEDIA_FOLDER = "media"
MEDIA_ORIGIN = "vod"

MAX_PATH_CHARS = 1024

# RFC 3986 pchar without percent-encoding and ';': what a key or a path needs, and nothing that two programs
# could read in two ways. A segment never starts with a dot, so '.' and '..' cannot be written.
_SEGMENT = r"[A-Za-z0-9_~!$&'()+,=@-][A-Za-z0-9._~!$&'()+,=@:-]*"
_PATH = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*\Z")
_SCOPE = re.compile(rf"/{MEDIA_ORIGIN}/([0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})/\Z")


class BadPath(ValueError):
    """The path is not made of plain, non-empty segments."""


def checked_path(path: str) -> str:
    """Return ``path`` (no leading slash) if every program would read it alike; otherwise raise ``BadPath``."""
    if len(path) > MAX_PATH_CHARS or not _PATH.match(path):
        raise BadPath(path[:80])
    return path


def source_key(media_id: UUID) -> str:
    """Where the uploaded source of a media lies."""
    return f"sources/{media_id}"


def output_prefix(media_id: UUID, *, source_digest: str, attempt: int) -> str:
    """The folder of one attempt's renditions, without a trailing slash; attempts never share a folder."""
    return f"{MEDIA_FOLDER}/{media_id}/{source_digest[:12]}-{attempt}"


def playback_path(prefix: str) -> str:
    """The edge's path of an output prefix, with the origin's name and a leading slash, no trailing one."""
    return f"/{MEDIA_ORIGIN}/{prefix.removeprefix(MEDIA_FOLDER + '/')}"


def playback_scope(media_id: UUID) -> str:
    """The path rule of a grant for everything of one media, ending in a slash so that it matches no sibling."""
    return f"/{MEDIA_ORIGIN}/{media_id}/"


def media_of(scope: str) -> UUID | None:
    """The media whose ``playback_scope`` this is; ``None`` if it is of none."""
    found = _SCOPE.match(scope)
    return None if found is None else UUID(found[1])
