"""What releases and episodes look like from outside."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator

from catalog.anime.domain import (
    MAX_ORDINAL,
    MAX_PUBLIC_ID,
    AgeRating,
    Episode,
    ProductionStatus,
    PublishStatus,
    Release,
    ReleaseType,
    Season,
    Skip,
    Sorting,
    checked_alias,
    sort_order_of,
)
from catalog.anime.ports import ReleaseFilter
from catalog.ids import new_id
from catalog.listing import PageMeta, PageQuery
from catalog.schemas import Image, Line, Link, LongText

PublicId = Annotated[int, Field(ge=1, le=MAX_PUBLIC_ID)]
NewAlias = Annotated[str, StringConstraints(max_length=256), AfterValidator(checked_alias)]
Seconds = Annotated[int, Field(ge=0, le=24 * 3600)]
Year = Annotated[int, Field(ge=1900, le=2200)]


class NameCreate(BaseModel):
    main: Line
    english: Line | None = None
    alternative: Line | None = None


class ReleaseCreate(BaseModel):
    name: NameCreate
    alias: NewAlias | None = Field(default=None, description="Made of the name if left out.")
    type: ReleaseType = ReleaseType.TV
    year: Year | None = Field(default=None, description="This year if left out.")
    season: Season | None = None
    description: LongText = ""
    notification: Line | None = None
    poster: Link | None = Field(default=None, description="A URL or a path on this host.")
    age_rating: AgeRating = AgeRating.R16_PLUS
    publish_day: Annotated[int, Field(ge=1, le=7)] | None = Field(
        default=None, description="1 is Monday; today if left out."
    )
    episodes_total: Annotated[int, Field(ge=1, le=100_000)] | None = None
    average_duration_of_episode: Annotated[int, Field(ge=1, le=1440)] | None = Field(
        default=None, description="Minutes."
    )
    external_player: Link | None = None
    is_ongoing: bool = False
    is_in_production: bool = False

    def to_domain(self, now: datetime) -> Release:
        """The release that is asked for."""
        return Release(
            id=new_id(),
            alias=self.alias,
            type=self.type,
            year=self.year or now.year,
            season=self.season,
            name_main=self.name.main,
            name_english=self.name.english or "",
            name_alternative=self.name.alternative,
            description=self.description,
            notification=self.notification,
            poster=self.poster,
            age_rating=self.age_rating,
            publish_day=self.publish_day or now.isoweekday(),
            episodes_total=self.episodes_total,
            average_duration=self.average_duration_of_episode,
            external_player=self.external_player,
            is_ongoing=self.is_ongoing,
            is_in_production=self.is_in_production,
            created_at=now,
        )


class SkipCreate(BaseModel):
    start: Seconds | None = None
    stop: Seconds | None = None

    @model_validator(mode="after")
    def _make_sense(self) -> SkipCreate:
        self.to_domain()
        return self

    def to_domain(self) -> Skip:
        return Skip(start=self.start, stop=self.stop)


class EpisodeCreate(BaseModel):
    release_id: PublicId
    ordinal: Annotated[Decimal, Field(ge=0, le=MAX_ORDINAL, decimal_places=2)] = Field(
        description="12.5 stands between 12 and 13."
    )
    name: Line | None = None
    name_english: Line | None = None
    opening: SkipCreate = SkipCreate()
    ending: SkipCreate = SkipCreate()
    preview: Link | None = None
    rutube_id: Line | None = None
    youtube_id: Line | None = None
    sort_order: Annotated[int, Field(ge=0, le=1_000_000)] | None = Field(
        default=None, description="By the ordinal if left out."
    )

    def to_domain(self, now: datetime) -> Episode:
        """The episode that is asked for."""
        return Episode(
            id=new_id(),
            ordinal=self.ordinal,
            sort_order=sort_order_of(self.ordinal) if self.sort_order is None else self.sort_order,
            name=self.name,
            name_english=self.name_english,
            opening=self.opening.to_domain(),
            ending=self.ending.to_domain(),
            preview=self.preview,
            rutube_id=self.rutube_id,
            youtube_id=self.youtube_id,
            created_at=now,
        )


class ReleaseListQuery(PageQuery):
    ids: Annotated[tuple[PublicId, ...], Field(max_length=100)] = ()
    aliases: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,128}$")], ...],
        Field(max_length=100),
    ] = ()

    def wanted(self) -> ReleaseFilter:
        return ReleaseFilter(ids=self.ids, aliases=self.aliases)


class CatalogQuery(PageQuery):
    types: Annotated[tuple[ReleaseType, ...], Field(alias="f[types]", max_length=16)] = ()
    seasons: Annotated[tuple[Season, ...], Field(alias="f[seasons]", max_length=8)] = ()
    from_year: Annotated[int | None, Field(alias="f[years][from_year]", ge=0, le=9999)] = None
    to_year: Annotated[int | None, Field(alias="f[years][to_year]", ge=0, le=9999)] = None
    search: Annotated[str, Field(alias="f[search]", max_length=200)] = ""
    sorting: Annotated[Sorting, Field(alias="f[sorting]")] = Sorting.FRESH_AT_DESC
    age_ratings: Annotated[tuple[AgeRating, ...], Field(alias="f[age_ratings]", max_length=8)] = ()
    publish_statuses: Annotated[
        tuple[PublishStatus, ...], Field(alias="f[publish_statuses]", max_length=4)
    ] = ()
    production_statuses: Annotated[
        tuple[ProductionStatus, ...], Field(alias="f[production_statuses]", max_length=4)
    ] = ()

    def wanted(self) -> ReleaseFilter:
        return ReleaseFilter(
            types=self.types,
            seasons=self.seasons,
            from_year=self.from_year,
            to_year=self.to_year,
            age_ratings=self.age_ratings,
            publish_statuses=self.publish_statuses,
            production_statuses=self.production_statuses,
            search=self.search.replace("\0", "").strip(),
            sorting=self.sorting,
        )


class ReleasePath(BaseModel):
    id_or_alias: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,128}$")]


class EpisodePath(BaseModel):
    episode_id: UUID


class TypeValue(BaseModel):
    value: ReleaseType
    description: str


class SeasonValue(BaseModel):
    value: Season | None
    description: str | None


class DayValue(BaseModel):
    value: int
    description: str


class AgeRatingValue(BaseModel):
    value: AgeRating
    label: str
    is_adult: bool
    description: str


class ReleaseName(BaseModel):
    main: str
    english: str
    alternative: str | None


class ExternalRating(BaseModel):
    id: int | None
    url: str | None
    votes: int | None
    rating: float | None


class OwnRating(BaseModel):
    average: float | None
    votes: int
    distribution: dict[str, int] = Field(description="Votes by score, 1 to 10.")


class Span(BaseModel):
    start: int | None
    stop: int | None


class EpisodeCard(BaseModel):
    id: UUID
    name: str | None
    name_english: str | None
    ordinal: float
    opening: Span
    ending: Span
    preview: Image
    hls_480: str | None = Field(
        description="A playlist that works for a while; null without a login."
    )
    hls_720: str | None
    hls_1080: str | None
    duration: int = Field(description="Seconds.")
    rutube_id: str | None
    youtube_id: str | None
    updated_at: str
    sort_order: int
    release_id: int


class ReleaseCard(BaseModel):
    id: int
    type: TypeValue
    year: int
    name: ReleaseName
    alias: str
    season: SeasonValue
    shikimori: ExternalRating
    mal: ExternalRating
    rating: OwnRating
    poster: Image
    fresh_at: str
    created_at: str
    updated_at: str
    is_ongoing: bool
    age_rating: AgeRatingValue
    publish_day: DayValue
    description: str
    notification: str | None
    episodes_total: int | None
    episodes_are_unknown: bool
    external_player: str | None
    is_in_production: bool
    is_blocked_by_geo: bool
    is_blocked_by_copyrights: bool
    average_duration_of_episode: int | None = Field(description="Minutes.")
    added_in_users_favorites: int
    added_in_planned_collection: int
    added_in_watched_collection: int
    added_in_watching_collection: int
    added_in_postponed_collection: int
    added_in_abandoned_collection: int


class ReleaseWithGenres(ReleaseCard):
    genres: list[dict[str, Any]]


class LatestRelease(ReleaseWithGenres):
    latest_episode: EpisodeCard | None


class ReleaseWithEpisodes(ReleaseCard):
    episodes: list[EpisodeCard]


class ReleaseDetails(ReleaseWithGenres):
    members: list[dict[str, Any]]
    episodes: list[EpisodeCard]
    torrents: list[dict[str, Any]]
    sponsors: list[dict[str, Any]]
    sponsor: dict[str, Any] | None


class ReleaseResponse(ReleaseDetails):
    background_covers: list[Image]


class EpisodeResponse(EpisodeCard):
    release: ReleaseWithEpisodes


class CatalogPage(BaseModel):
    data: list[ReleaseWithGenres]
    meta: PageMeta


class ReleaseListPage(BaseModel):
    data: list[ReleaseDetails]
    meta: PageMeta
