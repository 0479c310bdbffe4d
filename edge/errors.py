"""Every way a viewer's request can be refused, with the code a person can look up in the README.

* EdgeError
  + BadRequest             400
    x BadPath
    x BadFilter
    x BadDirective
    x BlockedTooFar
  + NotAllowed
    x TokenMissing         401
    x TokenMalformed       403
    x TokenUnknownKey      403
    x TokenBadSignature    403
    x TokenBadClaims       403
    x TokenExpired         403
    x TokenNotYetValid     403
    x PathNotCovered       403
  + Missing                404
    x UnknownOrigin
    x NotFound
    x PatchGone            410
  x MethodNotAllowed       405
  x VersionNotSupported    505
  + OriginError            502
    x OriginFailed
    x ManifestTooLarge
    x BadManifest
    x OriginTimeout        504
"""

from __future__ import annotations

from typing import ClassVar


class EdgeError(Exception):
    """The request was refused."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __str__(self) -> str:
        return super().__str__() or (type(self).__doc__ or "").strip()


class BadRequest(EdgeError):
    """The request is not valid HTTP for this server."""

    status = 400
    code = "bad-request"


class BadPath(BadRequest):
    """The path holds something other than plain segments."""

    code = "bad-path"


class BadFilter(BadRequest):
    """The filter is not one that this edge understands."""

    code = "bad-filter"


class BadDirective(BadRequest):
    """A blocking-reload directive makes no sense."""

    code = "bad-directive"


class BlockedTooFar(BadRequest):
    """The playlist that was asked for is too far in the future."""

    code = "blocked-too-far"


class NotAllowed(EdgeError):
    """The token does not allow this."""

    status = 403
    code = "not-allowed"


class TokenMissing(NotAllowed):
    """This stream needs a token and the request carries none."""

    status = 401
    code = "token-missing"


class TokenMalformed(NotAllowed):
    """What stands in the token's place is not a token."""

    code = "token-malformed"


class TokenUnknownKey(NotAllowed):
    """The token was signed with a key that this edge does not know."""

    code = "token-unknown-key"


class TokenBadSignature(NotAllowed):
    """The token's signature is wrong."""

    code = "token-bad-signature"


class TokenBadClaims(NotAllowed):
    """The token is signed, but what it says is not a playback token."""

    code = "token-bad-claims"


class TokenExpired(NotAllowed):
    """The token has expired: ask the catalog for a new playback URL."""

    code = "token-expired"


class TokenNotYetValid(NotAllowed):
    """The token is not valid yet: compare the clocks of signer and edge."""

    code = "token-not-yet-valid"


class PathNotCovered(NotAllowed):
    """The token is for another title."""

    code = "path-not-covered"


class Missing(EdgeError):
    """There is nothing at this address."""

    status = 404
    code = "missing"


class UnknownOrigin(Missing):
    """No origin of this edge has that name."""

    code = "unknown-origin"


class NotFound(Missing):
    """The origin has no such file."""

    code = "not-found"


class PatchGone(Missing):
    """This edge cannot make that patch: fetch the whole document."""

    status = 410
    code = "patch-gone"


class MethodNotAllowed(EdgeError):
    """Only GET, HEAD and OPTIONS are served here."""

    status = 405
    code = "method-not-allowed"


class VersionNotSupported(EdgeError):
    """Only HTTP/1.0 and HTTP/1.1 are served here."""

    status = 505
    code = "version-not-supported"


class OriginError(EdgeError):
    """The origin could not answer."""

    status = 502
    code = "origin-error"


class OriginFailed(OriginError):
    """The origin failed."""

    code = "origin-failed"


class ManifestTooLarge(OriginError):
    """The origin's manifest is larger than this edge accepts."""

    code = "manifest-too-large"


class BadManifest(OriginError):
    """The origin's manifest cannot be given to players."""

    code = "bad-manifest"


class OriginTimeout(OriginError):
    """The origin did not answer in time."""

    status = 504
    code = "origin-timeout"
