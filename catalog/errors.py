"""Every way a request to the catalog can fail; the code is part of the API, the message is for a person.

* CatalogError
  x BadRequest               400  bad-request
  x NotLoggedIn              401  not-logged-in
  x NotAllowed               403  not-allowed
  + NotFound                 404  not-found
    x ReleaseNotFound, EpisodeNotFound, MediaNotFound, UploadNotFound, StreamNotFound
  + Conflict                 409
    x LoginTaken, EmailTaken, AliasTaken, OrdinalTaken
    x NoReadySource, JobFinished, NotRetryable, OffsetMismatch, UploadFinished
    x TooManyStreams, StreamEnded
  x RequestTimeout           408  request-timeout
  x UploadExpired            410  upload-expired
  x WrongTusVersion          412  wrong-tus-version
  x TooLarge                 413  too-large
  x WrongContentType         415  wrong-content-type
  x InvalidInput             422  (a list of messages for every field)
  x UploadBusy               423  upload-busy
  x TooManyAttempts          429  too-many-attempts
  x ChecksumMismatch         460  checksum-mismatch
  + Unavailable              503
    x DatabaseUnavailable, StorageUnavailable, StreamsUnavailable, TooBusy
  x NoRoom                   507  no-room
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from config.contracts.paths import media_of
from config.contracts.sessions import Playing


class CatalogError(Exception):
    """The catalog could not do what it was asked."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal-error"
    retry_after_seconds: int | None = None

    def __init__(self, message: str | None = None) -> None:
        self.message = message or type(self).__doc__ or self.code
        super().__init__(self.message)

    def headers(self) -> dict[str, str]:
        """Headers that belong to this answer."""
        if self.retry_after_seconds is None:
            return {}
        return {"Retry-After": str(self.retry_after_seconds)}

    def to_json(self) -> dict[str, Any]:
        """The body of the answer in the contract's shape."""
        return {"message": self.message, "code": self.code}


class BadRequest(CatalogError):
    """The request cannot be read."""

    status = 400
    code = "bad-request"


class NotLoggedIn(CatalogError):
    """This needs a valid login token."""

    status = 401
    code = "not-logged-in"

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": "Bearer"}  # RFC 9110 section 11.6.1


class WrongPassword(NotLoggedIn):
    """Login or password is wrong."""

    code = "wrong-password"


class NotAllowed(CatalogError):
    """This account may not do this."""

    status = 403
    code = "not-allowed"


class NotFound(CatalogError):
    """There is nothing here."""

    status = 404
    code = "not-found"


class ReleaseNotFound(NotFound):
    """There is no such release."""

    code = "release-not-found"


class EpisodeNotFound(NotFound):
    """There is no such episode."""

    code = "episode-not-found"


class MediaNotFound(NotFound):
    """There is no such media."""

    code = "media-not-found"


class UploadNotFound(NotFound):
    """There is no such upload."""

    code = "upload-not-found"


class StreamNotFound(NotFound):
    """There is no such stream of this account."""

    code = "stream-not-found"


class Conflict(CatalogError):
    """The present state does not allow this."""

    status = 409
    code = "conflict"


class LoginTaken(Conflict):
    """This login is taken."""

    code = "login-taken"


class EmailTaken(Conflict):
    """This e-mail address is taken."""

    code = "email-taken"


class AliasTaken(Conflict):
    """Another release has this alias."""

    code = "alias-taken"


class OrdinalTaken(Conflict):
    """The release has an episode with this ordinal."""

    code = "ordinal-taken"


class NoReadySource(Conflict):
    """Nothing of this can be played yet."""

    code = "no-ready-source"


class JobFinished(Conflict):
    """The job has ended or was never queued; there is nothing to cancel."""

    code = "job-finished"


class NotRetryable(Conflict):
    """Only a failed or cancelled job can be tried again."""

    code = "not-retryable"


class UploadFinished(Conflict):
    """The upload is complete; its media can no longer be removed this way."""

    code = "upload-finished"


class OffsetMismatch(Conflict):
    """Upload-Offset is not where the upload stands."""

    code = "offset-mismatch"

    def __init__(self, offset: int) -> None:
        super().__init__()
        self.offset = offset

    def headers(self) -> dict[str, str]:
        return {"Upload-Offset": str(self.offset)}


class TooManyStreams(Conflict):
    """As many streams play as may: stop one of them."""

    code = "too-many-streams"

    def __init__(self, playing: Sequence[Playing]) -> None:
        super().__init__()
        self.playing = tuple(playing)

    def to_json(self) -> dict[str, Any]:
        playing = [
            {
                "id": one.session,
                "media_id": media_of(one.content),
                "device": one.device,
                "started_at": datetime.fromtimestamp(one.started_at, UTC),
            }
            for one in self.playing
        ]
        return {**super().to_json(), "playing": playing}


class StreamEnded(Conflict):
    """This stream has ended for good: start another."""

    code = "stream-ended"


class RequestTimeout(CatalogError):
    """The body arrived too slowly."""

    status = 408
    code = "request-timeout"


class UploadExpired(CatalogError):
    """The upload was not finished in time."""

    status = 410
    code = "upload-expired"


class WrongTusVersion(CatalogError):
    """This server speaks tus 1.0.0."""

    status = 412
    code = "wrong-tus-version"

    def headers(self) -> dict[str, str]:
        return {"Tus-Version": "1.0.0"}


class TooLarge(CatalogError):
    """The body is larger than this server accepts."""

    status = 413
    code = "too-large"


class WrongContentType(CatalogError):
    """The content type is not the one that is needed here."""

    status = 415
    code = "wrong-content-type"


class InvalidInput(CatalogError):
    """Some fields are not as they should be."""

    status = 422
    code = "invalid-input"

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        super().__init__()
        self.errors = dict(errors)

    def to_json(self) -> dict[str, Any]:
        return {"errors": self.errors}


class UploadBusy(CatalogError):
    """Another request is writing this upload."""

    status = 423
    code = "upload-busy"
    retry_after_seconds = 1


class TooManyAttempts(CatalogError):
    """Too many failed logins; wait."""

    status = 429
    code = "too-many-attempts"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__()
        self.retry_after_seconds = max(1, retry_after_seconds)


class ChecksumMismatch(CatalogError):
    """The received bytes do not have this checksum and were dropped."""

    status = 460  # tus 1.0.0, checksum extension
    code = "checksum-mismatch"


class Unavailable(CatalogError):
    """Something that the catalog needs is away for the moment."""

    status = 503
    code = "unavailable"
    retry_after_seconds = 2


class DatabaseUnavailable(Unavailable):
    """The database does not answer."""

    code = "database-unavailable"


class StorageUnavailable(Unavailable):
    """The media storage does not answer."""

    code = "storage-unavailable"


class StreamsUnavailable(Unavailable):
    """Nobody can say now how many streams play."""

    code = "streams-unavailable"


class TooBusy(Unavailable):
    """Too many logins at once."""

    code = "too-busy"


class NoRoom(CatalogError):
    """There is no room left for this upload; what arrived is kept."""

    status = 507
    code = "no-room"
