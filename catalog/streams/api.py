"""The HTTP side of streams: start, keep, stop, list, forget."""

from __future__ import annotations

from aiohttp import web

from catalog import keys
from catalog.answers import answer
from catalog.endpoints import Access, Answer, endpoint
from catalog.errors import (
    EpisodeNotFound,
    MediaNotFound,
    NoReadySource,
    StreamEnded,
    StreamNotFound,
    StreamsUnavailable,
    TooManyStreams,
)
from catalog.listing import links_of, page_of
from catalog.media.use_cases import subject_of
from catalog.streams import use_cases
from catalog.streams.schemas import (
    Forgotten,
    MyStreamsQuery,
    QualityItem,
    QualityQuery,
    StreamBeat,
    StreamCreate,
    StreamKept,
    StreamPage,
    StreamPath,
    StreamResponse,
    SubjectQuery,
    item_view,
    kept_view,
    quality_view,
    stream_view,
)
from config.contracts.devices import device_of

STREAMS_PATH = "/api/v1/media/streams"
MY_STREAMS_PATH = "/api/v1/accounts/users/me/streams"

_TAG = "streams"


@endpoint(
    "POST",
    STREAMS_PATH,
    tag=_TAG,
    access=Access.USER,
    answers=Answer(status=201, schema=StreamResponse, description="Where to play it."),
    failures=(EpisodeNotFound, MediaNotFound, NoReadySource, TooManyStreams, StreamsUnavailable),
)
async def start_stream(request: web.Request, body: StreamCreate) -> web.Response:
    """URLs that play an episode or a media for a while, and a place among the account's streams."""
    stream, source = await use_cases.start_stream(
        episode_id=body.episode_id,
        media_id=body.media_id,
        user=request[keys.CALLER].user,
        reserve=body.reserve,
        device=body.device or device_of(request.headers.get("User-Agent", "")),
        rules=request.app[keys.STREAM_RULES],
        playback=request.app[keys.PLAYBACK],
        places=request.app[keys.PLACES],
        uow=request.app[keys.UNITS](),
        now=request.app[keys.CLOCK](),
    )
    return answer(stream_view(stream, source), status=201)


@endpoint(
    "PATCH",
    STREAMS_PATH + "/{stream_id}",
    tag=_TAG,
    access=Access.USER,
    answers=Answer(schema=StreamKept, description="It goes on."),
    failures=(StreamNotFound, StreamEnded, TooManyStreams, StreamsUnavailable),
)
async def keep_stream(request: web.Request, path: StreamPath, body: StreamBeat) -> web.Response:
    """That a stream still plays and how well; the answer may advise another rendition."""
    beaten = await use_cases.keep_stream(
        path.stream_id,
        body.beat(),
        user=request[keys.CALLER].user,
        rules=request.app[keys.STREAM_RULES],
        places=request.app[keys.PLACES],
        uow=request.app[keys.UNITS](),
        now=request.app[keys.CLOCK](),
    )
    return answer(kept_view(beaten))


@endpoint(
    "DELETE",
    STREAMS_PATH + "/{stream_id}",
    tag=_TAG,
    access=Access.USER,
    answers=Answer(status=204, description="It has ended, now or before; its URLs open nothing."),
    failures=(StreamNotFound, StreamsUnavailable),
)
async def stop_stream(request: web.Request, path: StreamPath) -> web.Response:
    """End a stream of one's own and free its place."""
    await use_cases.stop_stream(
        path.stream_id,
        user=request[keys.CALLER].user,
        places=request.app[keys.PLACES],
        uow=request.app[keys.UNITS](),
        now=request.app[keys.CLOCK](),
    )
    return web.Response(status=204)


@endpoint(
    "DELETE",
    STREAMS_PATH,
    tag=_TAG,
    access=Access.ADMIN,
    answers=Answer(schema=Forgotten, description="Nothing of it is known any more."),
)
async def forget_subject(request: web.Request, query: SubjectQuery) -> web.Response:
    """Delete everything that is known of who watched what under a name."""
    return await _forget(request, query.subject)


@endpoint(
    "GET",
    STREAMS_PATH + "/quality",
    tag=_TAG,
    access=Access.ADMIN,
    answers=Answer(schema=list[QualityItem], description="The most streams first."),
)
async def streams_quality(request: web.Request, query: QualityQuery) -> web.Response:
    """How well streams have played lately, by edge, media, device, country or player."""
    found = await use_cases.experience_of(
        query.by,
        hours=query.hours,
        media_id=query.media_id,
        limit=query.limit,
        uow=request.app[keys.UNITS](),
        now=request.app[keys.CLOCK](),
    )
    return answer([quality_view(item) for item in found])


@endpoint(
    "GET",
    MY_STREAMS_PATH,
    tag=_TAG,
    access=Access.USER,
    answers=Answer(schema=StreamPage, description="The newest first."),
)
async def my_streams(request: web.Request, query: MyStreamsQuery) -> web.Response:
    """What the caller plays and has played."""
    watched = await use_cases.streams_of(
        request[keys.CALLER].user,
        only_playing=query.playing,
        limit=query.per_page,
        offset=query.offset,
        rules=request.app[keys.STREAM_RULES],
        places=request.app[keys.PLACES],
        uow=request.app[keys.UNITS](),
        now=request.app[keys.CLOCK](),
    )
    selection = query.selection()
    items = [selection.prune(item_view(*found)) for found in watched.sessions]
    links = links_of(request.rel_url, query, watched.total)
    return answer(page_of(items, total=watched.total, query=query, links=links))


@endpoint(
    "DELETE",
    MY_STREAMS_PATH,
    tag=_TAG,
    access=Access.USER,
    answers=Answer(schema=Forgotten, description="Nothing of it is known any more."),
)
async def forget_my_streams(request: web.Request) -> web.Response:
    """Delete everything that is known of what the caller has watched until now."""
    return await _forget(request, subject_of(request[keys.CALLER].user.public_id))


async def _forget(request: web.Request, subject: str) -> web.Response:
    count = await use_cases.forget_subject(
        subject,
        places=request.app[keys.PLACES],
        uow=request.app[keys.UNITS](),
        now=request.app[keys.CLOCK](),
    )
    return answer({"streams": count})
