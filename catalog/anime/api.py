"""The HTTP side of releases and episodes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from aiohttp import web

from catalog import keys
from catalog.anime import use_cases
from catalog.anime.reading import Reader
from catalog.anime.schemas import (
    CatalogPage,
    CatalogQuery,
    EpisodeCreate,
    EpisodePath,
    EpisodeResponse,
    LatestRelease,
    ReleaseCreate,
    ReleaseListPage,
    ReleaseListQuery,
    ReleasePath,
    ReleaseResponse,
)
from catalog.answers import answer
from catalog.auth import caller_if_any
from catalog.endpoints import Access, Answer, endpoint
from catalog.errors import (
    AliasTaken,
    EpisodeNotFound,
    OrdinalTaken,
    ReleaseNotFound,
)
from catalog.listing import (
    EVERYTHING,
    FieldsQuery,
    LimitQuery,
    Selection,
    links_of,
    page_of,
)
from catalog.media import use_cases as media

_TAG = "anime"
_PAGE = "One page; include and exclude leave out the other fields."


@endpoint(
    "GET",
    "/api/v1/anime/releases/list",
    tag=_TAG,
    access=Access.OPTIONAL,
    answers=Answer(schema=ReleaseListPage, description=_PAGE),
)
async def list_releases(request: web.Request, query: ReleaseListQuery) -> web.Response:
    """Releases by ids or aliases, with everything that belongs to them."""
    reader = _reader(request, query.selection())
    items, total = await reader.details(query.wanted(), limit=query.per_page, offset=query.offset)
    return answer(
        page_of(items, total=total, query=query, links=links_of(request.rel_url, query, total))
    )


@endpoint(
    "GET",
    "/api/v1/anime/catalog/releases",
    tag=_TAG,
    access=Access.OPTIONAL,
    answers=Answer(schema=CatalogPage, description=_PAGE),
)
async def catalog_releases(request: web.Request, query: CatalogQuery) -> web.Response:
    """The catalogue, filtered and sorted."""
    reader = _reader(request, query.selection())
    items, total = await reader.cards(query.wanted(), limit=query.per_page, offset=query.offset)
    return answer(
        page_of(items, total=total, query=query, links=links_of(request.rel_url, query, total))
    )


@endpoint(
    "GET",
    "/api/v1/anime/releases/latest",
    tag=_TAG,
    access=Access.OPTIONAL,
    answers=Answer(schema=list[LatestRelease], description="The freshest first."),
)
async def latest_releases(request: web.Request, query: LimitQuery) -> web.Response:
    """The releases with the newest episodes."""
    return answer(await _reader(request, query.selection()).latest(limit=query.count))


@endpoint(
    "GET",
    "/api/v1/anime/releases/episodes/{episode_id}",
    tag=_TAG,
    access=Access.OPTIONAL,
    answers=Answer(schema=EpisodeResponse, description="The episode with its release."),
    failures=(EpisodeNotFound,),
)
async def get_episode(request: web.Request, path: EpisodePath, query: FieldsQuery) -> web.Response:
    """One episode."""
    return answer(await _reader(request, query.selection()).episode(path.episode_id))


@endpoint(
    "GET",
    "/api/v1/anime/releases/{id_or_alias}",
    tag=_TAG,
    access=Access.OPTIONAL,
    answers=Answer(schema=ReleaseResponse, description="The release with everything."),
    failures=(ReleaseNotFound,),
)
async def get_release(request: web.Request, path: ReleasePath, query: FieldsQuery) -> web.Response:
    """One release by its number or its alias."""
    return answer(await _reader(request, query.selection()).release(path.id_or_alias))


@endpoint(
    "POST",
    "/api/v1/releases",
    tag=_TAG,
    access=Access.ADMIN,
    answers=Answer(status=201, schema=ReleaseResponse, description="The new release."),
    failures=(AliasTaken,),
)
async def create_release(request: web.Request, body: ReleaseCreate) -> web.Response:
    """Add a release."""
    release = body.to_domain(request.app[keys.CLOCK]())
    public_id = await use_cases.create_release(release, request.app[keys.UNITS]())
    return answer(await _reader(request, EVERYTHING).release(str(public_id)), status=201)


@endpoint(
    "POST",
    "/api/v1/episodes",
    tag=_TAG,
    access=Access.ADMIN,
    answers=Answer(status=201, schema=EpisodeResponse, description="The new episode."),
    failures=(ReleaseNotFound, OrdinalTaken),
)
async def create_episode(request: web.Request, body: EpisodeCreate) -> web.Response:
    """Add an episode to a release."""
    episode = body.to_domain(request.app[keys.CLOCK]())
    await use_cases.add_episode(
        episode, release_public_id=body.release_id, uow=request.app[keys.UNITS]()
    )
    return answer(await _reader(request, EVERYTHING).episode(episode.id), status=201)


def _reader(request: web.Request, selection: Selection) -> Reader:
    uow = request.app[keys.UNITS]()
    caller = caller_if_any(request)
    if caller is None:
        return Reader(uow, selection)
    playback, now = request.app[keys.PLAYBACK], request.app[keys.CLOCK]()
    subject = media.subject_of(caller.user.public_id)

    async def playlists(ids: Collection[UUID]) -> Mapping[UUID, Mapping[int, str]]:
        return await media.playlists_of(ids, subject=subject, playback=playback, uow=uow, now=now)

    return Reader(uow, selection, playlists)
