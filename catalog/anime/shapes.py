"""From rows to the contract's objects: which columns each field needs, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from catalog.anime.domain import (
    AGE_DESCRIPTIONS,
    DAY_DESCRIPTIONS,
    SEASON_DESCRIPTIONS,
    TYPE_DESCRIPTIONS,
    AgeRating,
    ReleaseType,
    Season,
)
from catalog.anime.ports import Row
from catalog.listing import Selection
from catalog.schemas import image

Field = tuple[tuple[str, ...], Callable[[Row], Any]]

QUALITIES = {"hls_480": 480, "hls_720": 720, "hls_1080": 1080}


def _plain(column: str) -> Field:
    return (column,), lambda row: row[column]


def _instant(column: str) -> Field:
    def build(row: Row) -> str | None:
        value: datetime | None = row[column]
        return None if value is None else value.isoformat(timespec="seconds")

    return (column,), build


def _same(value: Any) -> Field:
    return (), lambda _row: value


def _span(name: str) -> Field:
    start, stop = f"{name}_start", f"{name}_stop"
    return (start, stop), lambda row: {"start": row[start], "stop": row[stop]}


def _type(row: Row) -> dict[str, Any]:
    return {"value": row["type"], "description": TYPE_DESCRIPTIONS[ReleaseType(row["type"])]}


def _season(row: Row) -> dict[str, Any]:
    value = row["season"]
    return {"value": value, "description": SEASON_DESCRIPTIONS[Season(value)] if value else None}


def _age(row: Row) -> dict[str, Any]:
    age = AgeRating(row["age_rating"])
    return {
        "value": age.value,
        "label": age.label,
        "is_adult": age.is_adult,
        "description": AGE_DESCRIPTIONS[age],
    }


def _name(row: Row) -> dict[str, Any]:
    return {
        "main": row["name_main"],
        "english": row["name_english"],
        "alternative": row["name_alternative"],
    }


# What other sites think of a release: not known to this catalog, but an object to the apps.
_EXTERNAL = {"id": None, "url": None, "votes": None, "rating": None}

RELEASE: Mapping[str, Field] = {
    "id": (("public_id",), lambda row: row["public_id"]),
    "type": (("type",), _type),
    "year": _plain("year"),
    "name": (("name_main", "name_english", "name_alternative"), _name),
    "alias": _plain("alias"),
    "season": (("season",), _season),
    "shikimori": _same(_EXTERNAL),
    "mal": _same(_EXTERNAL),
    "rating": _same({"average": None, "votes": 0, "distribution": {}}),
    "poster": (("poster",), lambda row: image(row["poster"])),
    "fresh_at": _instant("fresh_at"),
    "created_at": _instant("created_at"),
    "updated_at": _instant("updated_at"),
    "is_ongoing": _plain("is_ongoing"),
    "age_rating": (("age_rating",), _age),
    "publish_day": (
        ("publish_day",),
        lambda row: {
            "value": row["publish_day"],
            "description": DAY_DESCRIPTIONS[row["publish_day"]],
        },
    ),
    "description": _plain("description"),
    "notification": _plain("notification"),
    "episodes_total": _plain("episodes_total"),
    "episodes_are_unknown": (("episodes_total",), lambda row: row["episodes_total"] is None),
    "external_player": _plain("external_player"),
    "is_in_production": _plain("is_in_production"),
    "is_blocked_by_geo": _same(False),
    "is_blocked_by_copyrights": _same(False),
    "average_duration_of_episode": (("average_duration",), lambda row: row["average_duration"]),
    "added_in_users_favorites": _same(0),
    "added_in_planned_collection": _same(0),
    "added_in_watched_collection": _same(0),
    "added_in_watching_collection": _same(0),
    "added_in_postponed_collection": _same(0),
    "added_in_abandoned_collection": _same(0),
}

# Lists of a release that hold nothing in this catalog; apps expect them by endpoint, and never null.
GENRES: Mapping[str, Field] = {"genres": _same([])}
FULL: Mapping[str, Field] = {
    **GENRES,
    "members": _same([]),
    "torrents": _same([]),
    "sponsors": _same([]),
    "sponsor": _same(None),  # what older apps read
}
COVERS: Mapping[str, Field] = {"background_covers": _same([])}

EPISODE: Mapping[str, Field] = {
    "id": (("id",), lambda row: str(row["id"])),
    "name": _plain("name"),
    "name_english": _plain("name_english"),
    "ordinal": (("ordinal",), lambda row: float(row["ordinal"])),
    "opening": _span("opening"),
    "ending": _span("ending"),
    "preview": (("preview",), lambda row: image(row["preview"])),
    "duration": _plain("duration"),
    "rutube_id": _plain("rutube_id"),
    "youtube_id": _plain("youtube_id"),
    "updated_at": _instant("updated_at"),
    "sort_order": _plain("sort_order"),
    "release_id": (("release_public_id",), lambda row: row["release_public_id"]),
}


def columns_of(fields: Mapping[str, Field], selection: Selection) -> set[str]:
    """The columns that the wanted fields are made of."""
    return {
        column
        for name, (columns, _) in fields.items()
        if selection.wants(name)
        for column in columns
    }


def shaped(row: Row, fields: Mapping[str, Field], selection: Selection) -> dict[str, Any]:
    """The wanted fields of one object."""
    return {
        name: selection.below(name).prune(build(row))
        for name, (_, build) in fields.items()
        if selection.wants(name)
    }


def wanted_qualities(selection: Selection) -> list[str]:
    """The playlist fields of an episode that are wanted."""
    return [name for name in QUALITIES if selection.wants(name)]


def episode_of(
    row: Row, selection: Selection, playlists: Mapping[int, str] | None
) -> dict[str, Any]:
    """One episode; its playlists are null where there is none for this caller."""
    episode = shaped(row, EPISODE, selection)
    for name in wanted_qualities(selection):
        episode[name] = (playlists or {}).get(QUALITIES[name])
    return episode


def all_of(parts: Iterable[Mapping[str, Field]]) -> dict[str, Field]:
    """The fields of several groups."""
    return {name: field for part in parts for name, field in part.items()}
