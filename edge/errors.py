"""Every way a viewer's request can be refused, with the code a person can look up in the README.

* EdgeError
  + BadRequest             400
    x BadPath
    x BadFilter
    x BadDirective
    x BlockedTooFar
    x BodyTooSlow          408
    x BodyTooLarge         413
    x BadPurge
    x BadRevocation
  + NotAllowed
    x TokenMissing         401
    x TokenMalformed       403
    x TokenUnknownKey      403
    x TokenBadSignature    403
    x TokenBadClaims       403
    x TokenExpired         403
    x TokenNotYetValid     403
    x TokenUnsupported     403
    x TokenRevoked         403
    x TokenUsed            403
    x PathNotCovered       403
    x MethodNotCovered     403
    x AddressNotCovered    403
    x PlaceNotCovered      403
    x HeaderNotCovered     403
    x ProtocolNotCovered   403
    x NotCarried           403
  + Missing                404
    x UnknownOrigin
    x NotFound
    x PatchGone            410
  + StreamRefused
    x TooManyStreams       409
    x StreamEnded          403
    x NoSessions           503
  x MethodNotAllowed       405
  x VersionNotSupported    505
  x NotCached              504
  x LoopDetected           508
  + OriginError            502
    x OriginFailed
    x OriginChanged
    x ManifestTooLarge
    x BadManifest
    x OriginForbidden
    x OriginTimeout        504
    x OriginBusy           503
    x OriginDown           503
"""

from __future__ import annotations

from typing import ClassVar

from config.contracts.grants import Rule
from config.contracts.sessions import Playing


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


class BadPurge(BadRequest):
    """What is to be purged is not said in a way that this edge understands."""

    code = "bad-purge"


class BadRevocation(BadRequest):
    """What is to be revoked is not said in a way that this edge understands."""

    code = "bad-revocation"


class BodyTooSlow(BadRequest):
    """The request's body did not come in time."""

    status = 408
    code = "body-too-slow"


class BodyTooLarge(BadRequest):
    """The request's body is larger than what is read here."""

    status = 413
    code = "body-too-large"


class NotAllowed(EdgeError):
    """The token does not allow this."""

    status = 403
    code = "not-allowed"
    rule: Rule | None = None  # the one that the request broke


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

    def __init__(self, message: str = "", *, key_id: str = "") -> None:
        super().__init__(message)
        self.key_id = key_id  # it may have been published since the keys were read


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


class TokenUnsupported(NotAllowed):
    """The token sets a condition that this edge cannot check, and so must not ignore."""

    code = "token-unsupported"


class TokenRevoked(NotAllowed):
    """The token, its session or its subject has been revoked."""

    code = "token-revoked"


class TokenUsed(NotAllowed):
    """The token opens one session and has done so."""

    code = "token-used"


class PathNotCovered(NotAllowed):
    """The token is for another title."""

    code = "path-not-covered"


class MethodNotCovered(NotAllowed):
    """The token does not allow this method."""

    code = "method-not-covered"


class AddressNotCovered(NotAllowed):
    """The token is for other networks than the client's."""

    code = "address-not-covered"


class PlaceNotCovered(NotAllowed):
    """The token is for other places than the client's, or the edge does not know where the client is."""

    code = "place-not-covered"


class HeaderNotCovered(NotAllowed):
    """The token asks for request fields that this request does not have."""

    code = "header-not-covered"


class ProtocolNotCovered(NotAllowed):
    """The token is for another protocol than the client speaks."""

    code = "protocol-not-covered"


class NotCarried(NotAllowed):
    """No manifest of this edge has led to that host: the address was changed, or the key it was signed with."""

    code = "not-carried"


class StreamRefused(EdgeError):
    """The token is good, but this stream may not play now."""

    status = 403
    code = "stream-refused"
    playing: tuple[Playing, ...] = ()  # what else the subject plays


class TooManyStreams(StreamRefused):
    """As many streams play as may: stop one of them."""

    status = 409
    code = "too-many-streams"

    def __init__(self, playing: tuple[Playing, ...] = ()) -> None:
        super().__init__()
        self.playing = playing


class StreamEnded(StreamRefused):
    """This stream was ended by an operator, or gave its place to another of the same account."""

    code = "stream-ended"


class NoSessions(StreamRefused):
    """Nobody can say now how many streams play: try again."""

    status = 503
    code = "no-sessions"


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


class NotCached(EdgeError):
    """The request wanted only what is kept here, and this is not."""

    status = 504
    code = "not-cached"


class LoopDetected(EdgeError):
    """The request has been through this edge before: an origin leads back to it."""

    status = 508
    code = "loop-detected"


class TooManyRevocations(EdgeError):
    """This edge knows as many revocations as it may: raise tokens.revocation.most, or revoke whole subjects."""

    status = 507
    code = "too-many-revocations"


class OriginError(EdgeError):
    """The origin could not answer."""

    status = 502
    code = "origin-error"

    def __init__(
        self, message: str = "", *, result: str = "malformed", unsent: bool = False
    ) -> None:
        super().__init__(message)
        self.result = result  # as edge_origin_requests_total counts it
        self.unsent = unsent  # the origin has not seen the question


class OriginFailed(OriginError):
    """The origin failed."""

    code = "origin-failed"


class OriginChanged(OriginError):
    """The file changed at its origin while it was being fetched: ask again."""

    code = "origin-changed"


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


class OriginForbidden(OriginError):
    """The origin leads to an address that this edge must not connect to."""

    code = "origin-forbidden"


class OriginBusy(OriginError):
    """Too many requests wait for this origin already: try again."""

    status = 503
    code = "origin-busy"


class OriginDown(OriginError):
    """The origin has failed repeatedly and is left alone for some seconds."""

    status = 503
    code = "origin-down"


def refusal_by(rule: Rule) -> NotAllowed:
    """The refusal of a request that breaks ``rule``."""
    refusal = error_called(rule.reason)
    if not isinstance(refusal, NotAllowed):
        raise TypeError(f"{rule.reason} refuses no token")
    refusal.rule = rule
    return refusal


def error_called(code: str) -> EdgeError:
    """The refusal with this code, as a sibling process named it."""
    kinds: list[type[EdgeError]] = [EdgeError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    return next((kind() for kind in kinds if kind.code == code), OriginFailed())
