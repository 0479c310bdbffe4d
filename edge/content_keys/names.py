"""Which paths of an origin are those of content keys: only the exact ones are answered, and none goes upstream."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote

from config.contracts.content_keys import KEY_FOLDER, LICENSE

KEY_FILE_SUFFIX = ".key"

_ASKED = re.compile(
    rf"(?P<title>[^/]+(?:/[^/]+)*)/{KEY_FOLDER}/(?P<key_id>[\w-][\w.-]{{0,63}})\Z", re.A
)


@dataclass(frozen=True, slots=True)
class KeyName:
    """A key as a URL names it."""

    title: str  # the path inside the origin that it belongs to
    key_id: str

    @property
    def is_license(self) -> bool:
        """Whether ClearKey licences are given there, and no key."""
        return self.key_id == LICENSE


def key_name(path: str) -> KeyName | None:
    """What a path of ``Target`` names; ``None`` if that is not a key."""
    match = _ASKED.match(path)
    if match is None or is_reserved(match["title"]):
        return None
    return KeyName(match["title"], match["key_id"])


def is_reserved(path: str) -> bool:
    """Whether a server could read a folder of keys in a path, in whatever spelling."""
    if "%" not in path and KEY_FOLDER not in path.lower():
        return False
    return any(_plain(segment) == KEY_FOLDER for segment in path.split("/"))


def is_key_file(path: str) -> bool:
    """Whether a path names a file of a key, which files of an origin never are."""
    return _plain(path.rpartition("/")[2]).endswith(KEY_FILE_SUFFIX)


def is_license(raw_target: str) -> bool:
    """Whether a raw request target, whose path is not checked yet, ends where licences are given."""
    return raw_target.partition("?")[0].endswith(f"/{KEY_FOLDER}/{LICENSE}")


def _plain(segment: str) -> str:
    # Some servers cut parameters, dots and spaces off a name, decode twice, or do not mind the case.
    name = unquote(unquote(segment.partition(";")[0]).partition(";")[0])
    return unicodedata.normalize("NFKC", name).casefold().rstrip(". ")
