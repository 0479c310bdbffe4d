"""The last good answer of a JWK Set's URL, kept in a file for the next start."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from config.runtime.key_files import read_file, require_owner_only, write_file
from config.runtime.keys import BadKeys, parse_document
from config.runtime.logging import get_logger

log = get_logger(__name__)

_CLOCK_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was fetched, and when, in seconds since the epoch."""

    data: bytes
    fetched_at: float


class Copy:
    """A file for its owner only; whatever is wrong with it, it is as if there were none."""

    def __init__(self, path: Path, *, url: str) -> None:
        self._path = path
        # Not the URL itself, which may have a secret in its query.
        self._of = hashlib.sha256(url.encode()).hexdigest()

    def read(self, *, now: float) -> Kept | None:
        """What was fetched last from this URL."""
        if not self._path.exists():
            return None
        try:
            content = read_file(self._path)
            # Public keys are no secret, but who can write them decides whose tokens are good.
            require_owner_only(content, self._path)
            document = parse_document(content.data, source=str(self._path))
        except BadKeys as error:
            log.warning("copy of keys not used", error=str(error))
            return None
        fetched_at, text = document.get("fetched_at"), document.get("jwks")
        if (
            document.get("url_sha256") != self._of
            or not isinstance(text, str)
            or not isinstance(fetched_at, int | float)
            or not 0 <= fetched_at <= now + _CLOCK_SECONDS
        ):
            return None
        return Kept(data=text.encode(), fetched_at=float(fetched_at))

    def write(self, kept: Kept) -> None:
        """Keep this; of sibling processes that fetch at once the last one wins, which is as good."""
        document = {
            "url_sha256": self._of,
            "fetched_at": kept.fetched_at,
            "jwks": kept.data.decode(),
        }
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_file(self._path, json.dumps(document).encode())
        except OSError as error:
            log.warning("copy of keys not written", error=error.strerror)
