"""The HTTP side of media: uploads and jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

from aiohttp import ClientError, web

from catalog import keys
from catalog.answers import answer
from catalog.endpoints import Access, Answer, endpoint
from catalog.errors import (
    BadRequest,
    ChecksumMismatch,
    EpisodeNotFound,
    InvalidInput,
    JobFinished,
    MediaNotFound,
    NoRoom,
    NotRetryable,
    OffsetMismatch,
    RequestTimeout,
    StorageUnavailable,
    TooLarge,
    UploadBusy,
    UploadExpired,
    UploadFinished,
    UploadNotFound,
    WrongContentType,
    WrongTusVersion,
)
from catalog.media import tus, use_cases
from catalog.media.schemas import (
    MediaPath,
    MediaResponse,
    UploadCreated,
    UploadQuery,
    media_view,
)
from catalog.media.uploading import Progress

UPLOADS_PATH = "/api/v1/media/uploads"

_TAG = "media"
_TUS = {"Tus-Resumable": f"The protocol's version, {tus.VERSION}."}
_WHERE = {
    "Upload-Offset": "Bytes that have arrived.",
    "Upload-Expires": "When an unfinished upload is removed.",
}
_LOST = (UploadNotFound, UploadExpired, WrongTusVersion)


@endpoint(
    "OPTIONS",
    UPLOADS_PATH,
    tag=_TAG,
    answers=Answer(status=204, description="In the headers.", headers={"Tus-Extension": "Names."}),
)
async def describe_uploads(request: web.Request) -> web.Response:
    """What this server knows of tus."""
    return web.Response(
        status=204,
        headers={
            "Tus-Version": tus.VERSION,
            "Tus-Extension": tus.EXTENSIONS,
            "Tus-Max-Size": str(request.app[keys.SETTINGS].catalog.upload_max_bytes),
            "Tus-Checksum-Algorithm": tus.ALGORITHMS,
        },
    )


@endpoint(
    "POST",
    UPLOADS_PATH,
    tag=_TAG,
    access=Access.ADMIN,
    request_headers={
        **_TUS,
        "Upload-Length": "Size of the whole file in bytes.",
        "Upload-Metadata": "filename and episode_id, each followed by its text in base64.",
    },
    answers=Answer(
        status=201,
        schema=UploadCreated,
        description="Send the bytes to Location.",
        headers={
            "Location": "The upload.",
            "Upload-Expires": "When it is removed unless finished.",
        },
    ),
    failures=(BadRequest, EpisodeNotFound, TooLarge, WrongTusVersion, NoRoom, StorageUnavailable),
)
async def create_upload(request: web.Request, query: UploadQuery) -> web.Response:
    """Begin to upload a video."""
    tus.require_version(request.headers)
    length = tus.number(request.headers, "Upload-Length")
    if length == 0:
        raise BadRequest("Upload-Length must not be 0: an empty file is no video")
    metadata = tus.metadata(request.headers)
    media_id, expires_at = await request.app[keys.UPLOADING].create(
        length=length,
        filename=metadata.get("filename", ""),
        episode_id=query.episode_id or _uuid(metadata.get("episode_id")),
        owner_id=request[keys.CALLER].user.id,
    )
    return answer(
        {"media_id": media_id, "expires_at": expires_at},
        status=201,
        headers={
            "Location": f"{UPLOADS_PATH}/{media_id}",
            "Upload-Expires": tus.http_date(expires_at),
        },
    )


@endpoint(
    "HEAD",
    UPLOADS_PATH + "/{media_id}",
    tag=_TAG,
    access=Access.ADMIN,
    request_headers=_TUS,
    answers=Answer(
        description="Go on at Upload-Offset.",
        headers={**_WHERE, "Upload-Length": "Bytes of the whole."},
    ),
    failures=(*_LOST, NoRoom, StorageUnavailable),
)
async def upload_progress(request: web.Request, path: MediaPath) -> web.Response:
    """How far an upload is."""
    tus.require_version(request.headers)
    progress = await request.app[keys.UPLOADING].progress(path.media_id)
    headers = _where(progress) | {
        "Upload-Length": str(progress.length),
        "Cache-Control": "no-store",
    }
    return web.Response(headers=headers)


@endpoint(
    "PATCH",
    UPLOADS_PATH + "/{media_id}",
    tag=_TAG,
    access=Access.ADMIN,
    request_type=tus.BODY_TYPE,
    request_headers={
        **_TUS,
        "Upload-Offset": "Where the body begins.",
        "Upload-Checksum": f"One of {tus.ALGORITHMS}, a space, and the digest of the body in base64.",
    },
    answers=Answer(status=204, description="The bytes are kept.", headers=_WHERE),
    failures=(
        *_LOST,
        BadRequest,
        OffsetMismatch,
        RequestTimeout,
        TooLarge,
        WrongContentType,
        UploadBusy,
        ChecksumMismatch,
        NoRoom,
        StorageUnavailable,
    ),
)
async def append_to_upload(request: web.Request, path: MediaPath) -> web.Response:
    """Add bytes to an upload; the last one queues the transcode."""
    return await _append(request, path)


@endpoint(
    "DELETE",
    UPLOADS_PATH + "/{media_id}",
    tag=_TAG,
    access=Access.ADMIN,
    request_headers=_TUS,
    answers=Answer(status=204, description="The upload is gone."),
    failures=(*_LOST, UploadBusy, UploadFinished, StorageUnavailable),
)
async def terminate_upload(request: web.Request, path: MediaPath) -> web.Response:
    """Give an unfinished upload up."""
    return await _terminate(request, path)


@endpoint(
    "POST",
    UPLOADS_PATH + "/{media_id}",
    tag=_TAG,
    access=Access.ADMIN,
    request_headers={**_TUS, "X-HTTP-Method-Override": "PATCH or DELETE."},
    answers=Answer(status=204, description="As the other method answers.", headers=_WHERE),
    failures=(*_LOST, BadRequest, OffsetMismatch, TooLarge, WrongContentType, UploadBusy),
)
async def overridden_upload(request: web.Request, path: MediaPath) -> web.Response:
    """PATCH or DELETE for clients that can only POST."""
    method = request.headers.get("X-HTTP-Method-Override", "").upper()
    if method == "PATCH":
        return await _append(request, path)
    if method == "DELETE":
        return await _terminate(request, path)
    raise BadRequest("X-HTTP-Method-Override must be PATCH or DELETE")


@endpoint(
    "GET",
    "/api/v1/media/{media_id}",
    tag=_TAG,
    access=Access.ADMIN,
    answers=Answer(schema=MediaResponse, description="The media, its job and its renditions."),
    failures=(MediaNotFound,),
)
async def get_media(request: web.Request, path: MediaPath) -> web.Response:
    """What has become of a media."""
    return await _media(request, path.media_id)


@endpoint(
    "POST",
    "/api/v1/media/{media_id}/cancel",
    tag=_TAG,
    access=Access.ADMIN,
    answers=Answer(schema=MediaResponse, description="The job is cancelled."),
    failures=(MediaNotFound, JobFinished),
)
async def cancel_media(request: web.Request, path: MediaPath) -> web.Response:
    """Stop the transcode of a media."""
    await use_cases.cancel(
        path.media_id, uow=request.app[keys.UNITS](), now=request.app[keys.CLOCK]()
    )
    return await _media(request, path.media_id)


@endpoint(
    "POST",
    "/api/v1/media/{media_id}/retry",
    tag=_TAG,
    access=Access.ADMIN,
    answers=Answer(schema=MediaResponse, description="The job is queued again."),
    failures=(MediaNotFound, NotRetryable),
)
async def retry_media(request: web.Request, path: MediaPath) -> web.Response:
    """Try a failed or cancelled transcode again."""
    await use_cases.retry(
        path.media_id, uow=request.app[keys.UNITS](), now=request.app[keys.CLOCK]()
    )
    return await _media(request, path.media_id)


async def _media(request: web.Request, media_id: UUID) -> web.Response:
    source, job = await use_cases.media_with_job(media_id, request.app[keys.UNITS]())
    return answer(media_view(source, job))


async def _append(request: web.Request, path: MediaPath) -> web.Response:
    tus.require_version(request.headers)
    tus.require_body_type(request.headers)
    progress = await request.app[keys.UPLOADING].append(
        path.media_id,
        offset=tus.number(request.headers, "Upload-Offset"),
        body_length=request.content_length,
        pieces=_pieces(request),
        checksum=tus.checksum(request.headers),
    )
    return web.Response(status=204, headers=_where(progress))


async def _terminate(request: web.Request, path: MediaPath) -> web.Response:
    tus.require_version(request.headers)
    await request.app[keys.UPLOADING].terminate(path.media_id)
    return web.Response(status=204)


async def _pieces(request: web.Request) -> AsyncIterator[bytes]:
    """The body as it arrives; a client that is silent for too long or hangs up ends it with an error."""
    limit = request.app[keys.SETTINGS].catalog.http.header_timeout.total_seconds()
    while True:
        try:
            async with asyncio.timeout(limit):
                piece = await request.content.readany()
        except TimeoutError as error:
            raise RequestTimeout from error
        except (ConnectionError, ClientError, web.RequestPayloadError) as error:
            raise BadRequest("the body was cut") from error
        if not piece:
            return
        yield piece


def _where(progress: Progress) -> dict[str, str]:
    return {
        "Upload-Offset": str(progress.offset),
        "Upload-Expires": tus.http_date(progress.expires_at),
    }


def _uuid(text: str | None) -> UUID | None:
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError as error:
        raise InvalidInput({"episode_id": ["is not a UUID"]}) from error
