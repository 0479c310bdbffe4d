"""One-time tokens that have opened their session here: the edge marks them, and takes them again with that mark."""

from __future__ import annotations

import hashlib
import hmac

from edge.errors import TokenMalformed
from edge.tokens.strict import to_base64url

MARK = "~"  # stands in no token, and needs no encoding in a path (RFC 3986 section 2.3)
_MAC_BYTES = 16


class Admitted:
    """Knows its own marks; edges with the same viewers share the secret."""

    def __init__(self, secret: str) -> None:
        # A key of its own, so that no other use of the secret can make a mark.
        self._key = hashlib.sha256(b"kawa admitted token\0" + secret.encode()).digest()

    def marked(self, token: str) -> str:
        """The token, as the session that it has opened goes on with it."""
        return f"{token}{MARK}{self._mac(token)}"

    def read(self, text: str) -> tuple[str, bool]:
        """The token without its mark, and whether it had one; ``TokenMalformed`` for a mark that is not ours."""
        token, mark, mac = text.partition(MARK)
        if not mark:
            return token, False
        if not hmac.compare_digest(mac.encode(), self._mac(token).encode()):
            raise TokenMalformed
        return token, True

    def _mac(self, token: str) -> str:
        mac = hmac.digest(self._key, token.encode(), "sha256")[:_MAC_BYTES]
        return to_base64url(mac)
