"""Every way a transcode job can end without a result; ``code`` is stable and is what the catalog shows.

* TranscodeError
  + BadSource             trying again cannot help: the file itself is the reason
    x SourceMissing       source-missing
    x SourceEmpty         source-empty
    x SourceUnreadable    source-unreadable
    x SourceTruncated     source-truncated
    x NoVideo             no-video
    x UnsupportedVideo    unsupported-video
    x SourceTooLong       source-too-long
  + JobFailed             trying again cannot help: the same would happen
    x EncodeFailed        encode-failed
    x BadTrack            bad-track
    x RuleBroken          rule-broken
    x JobTimeout          job-timeout
    x TooManyAttempts     too-many-attempts
    x JobLost             job-lost
  + Passing               another try may succeed
    x ProgramMissing      program-missing
    x ProgramTimeout      program-timeout
    x EncoderKilled       encoder-killed
    x EncodeStalled       encode-stalled
    x ScratchFull         scratch-full
    x StorageDown         storage-down
    x StorageNoRoom       storage-full
    x DatabaseDown        database-down
    x InternalError       internal-error
* Superseded              the attempt is no longer ours; nobody is told
"""

from __future__ import annotations

from typing import ClassVar


class TranscodeError(Exception):
    """The job could not be done."""

    code: ClassVar[str] = "transcode-error"
    is_permanent: ClassVar[bool] = True

    def __str__(self) -> str:
        return super().__str__() or (type(self).__doc__ or "").rstrip(".")


class BadSource(TranscodeError):
    """The source cannot be transcoded."""


class SourceMissing(BadSource):
    """The source is not in storage."""

    code = "source-missing"


class SourceEmpty(BadSource):
    """The source has no bytes."""

    code = "source-empty"


class SourceUnreadable(BadSource):
    """The source is not a media file that can be read."""

    code = "source-unreadable"


class SourceTruncated(BadSource):
    """The source ends before its declared end: it was cut or not uploaded whole."""

    code = "source-truncated"


class NoVideo(BadSource):
    """The source has no video track."""

    code = "no-video"


class UnsupportedVideo(BadSource):
    """The source's video cannot be decoded or converted here."""

    code = "unsupported-video"


class SourceTooLong(BadSource):
    """The source is longer than is accepted."""

    code = "source-too-long"


class JobFailed(TranscodeError):
    """The job failed for good."""


class EncodeFailed(JobFailed):
    """The encoder gave up on the source."""

    code = "encode-failed"


class BadTrack(JobFailed):
    """A track file is not the fragmented MP4 that it should be."""

    code = "bad-track"


class RuleBroken(JobFailed):
    """The produced set breaks a rule of HLS or DASH and was not published."""

    code = "rule-broken"


class JobTimeout(JobFailed):
    """The job ran longer than a job may."""

    code = "job-timeout"


class TooManyAttempts(JobFailed):
    """The job was tried as often as allowed and every worker was lost with it."""

    code = "too-many-attempts"


class JobLost(JobFailed):
    """The job left the queue without a result."""

    code = "job-lost"


class Passing(TranscodeError):
    """The job failed for a reason that may pass."""

    is_permanent = False


class ProgramMissing(Passing):
    """ffmpeg or ffprobe cannot be started on this worker."""

    code = "program-missing"


class ProgramTimeout(Passing):
    """ffprobe did not answer in time."""

    code = "program-timeout"


class EncoderKilled(Passing):
    """The encoder was killed from outside, most likely for want of memory."""

    code = "encoder-killed"


class EncodeStalled(Passing):
    """The encoder made no progress for too long."""

    code = "encode-stalled"


class ScratchFull(Passing):
    """The worker's scratch folder has no room left."""

    code = "scratch-full"


class StorageDown(Passing):
    """Storage could not be read or written."""

    code = "storage-down"


class StorageNoRoom(Passing):
    """Storage has no room left for the renditions."""

    code = "storage-full"


class DatabaseDown(Passing):
    """The database could not be reached."""

    code = "database-down"


class InternalError(Passing):
    """The worker met an error that it does not know."""

    code = "internal-error"


class Superseded(Exception):
    """Another attempt, or a cancel, took the job over: this attempt's work is void."""
