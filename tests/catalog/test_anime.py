from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, event

from tests.catalog.harness import Api

RELEASES = "/api/v1/anime/releases"
CATALOG = "/api/v1/anime/catalog/releases"
NOTHING = {"src": None, "preview": None, "thumbnail": None}
NO_IMAGE = {**NOTHING, "optimized": NOTHING}


@contextmanager
def statements() -> Iterator[list[str]]:
    """The SELECTs that the application sends meanwhile, without those about the caller."""
    found: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("SELECT") and "sessions" not in statement:
            found.append(" ".join(statement.split()))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def test_a_release_has_the_shape_that_apps_read(admin: Api) -> None:
    created = await admin.new_release(
        "Ёжик в тумане",
        type="MOVIE",
        year=1975,
        season="autumn",
        age_rating="R0_PLUS",
        publish_day=3,
        description="Туман.",
        poster="/posters/1.webp",
        is_ongoing=True,
        average_duration_of_episode=10,
        episodes_total=1,
    )

    reply = await admin("GET", f"{RELEASES}/{created['id']}")

    release = dict(reply.body)
    assert isinstance(release.pop("id"), int)
    for name in ("created_at", "fresh_at", "updated_at"):
        assert release.pop(name).endswith("+00:00")
    poster = dict.fromkeys(("src", "preview", "thumbnail"), "/posters/1.webp")
    external = {"id": None, "url": None, "votes": None, "rating": None}
    assert release == {
        "type": {"value": "MOVIE", "description": "Фильм"},
        "year": 1975,
        "name": {"main": "Ёжик в тумане", "english": "", "alternative": None},
        "alias": "yozhik-v-tumane",
        "season": {"value": "autumn", "description": "Осень"},
        "shikimori": external,
        "mal": external,
        "rating": {"average": None, "votes": 0, "distribution": {}},
        "poster": {**poster, "optimized": poster},
        "is_ongoing": True,
        "age_rating": {
            "value": "R0_PLUS",
            "label": "0+",
            "is_adult": False,
            "description": "Для всех возрастов",
        },
        "publish_day": {"value": 3, "description": "Среда"},
        "description": "Туман.",
        "notification": None,
        "episodes_total": 1,
        "episodes_are_unknown": False,
        "external_player": None,
        "is_in_production": False,
        "is_blocked_by_geo": False,
        "is_blocked_by_copyrights": False,
        "average_duration_of_episode": 10,
        "added_in_users_favorites": 0,
        "added_in_planned_collection": 0,
        "added_in_watched_collection": 0,
        "added_in_watching_collection": 0,
        "added_in_postponed_collection": 0,
        "added_in_abandoned_collection": 0,
        "genres": [],
        "members": [],
        "episodes": [],
        "torrents": [],
        "sponsors": [],
        "sponsor": None,
        "background_covers": [],
    }
    assert created == reply.body
    assert (await admin("GET", f"{RELEASES}/yozhik-v-tumane")).body == reply.body


async def test_an_episode_has_the_shape_that_apps_read(admin: Api) -> None:
    release = await admin.new_release()
    created = await admin.new_episode(
        release["id"], 12.5, name="Рекап", opening={"start": 0, "stop": 90}
    )

    reply = await admin("GET", f"{RELEASES}/episodes/{created['id']}")

    assert created == reply.body
    episode = dict(reply.body)
    assert len(episode.pop("id")) == 36
    assert episode.pop("updated_at").endswith("+00:00")
    inner = episode.pop("release")
    assert inner["id"] == release["id"]
    assert [item["id"] for item in inner["episodes"]] == [created["id"]]
    assert episode == {
        "name": "Рекап",
        "name_english": None,
        "ordinal": 12.5,
        "opening": {"start": 0, "stop": 90},
        "ending": {"start": None, "stop": None},
        "preview": NO_IMAGE,
        "hls_480": None,
        "hls_720": None,
        "hls_1080": None,
        "duration": 0,
        "rutube_id": None,
        "youtube_id": None,
        "sort_order": 1250,
        "release_id": release["id"],
    }


async def test_a_special_stands_between_its_neighbours(admin: Api) -> None:
    release = await admin.new_release()
    for ordinal in (13, 12, 12.5, 2):
        await admin.new_episode(release["id"], ordinal)

    found = (await admin("GET", f"{RELEASES}/{release['id']}")).body["episodes"]

    assert [episode["ordinal"] for episode in found] == [2, 12, 12.5, 13]


async def test_an_ordinal_is_given_once(admin: Api) -> None:
    release = await admin.new_release()
    bodies = [{"release_id": release["id"], "ordinal": ordinal} for ordinal in (1, 1.0, "1.00")]

    replies = await asyncio.gather(*(admin("POST", "/api/v1/episodes", body) for body in bodies))

    assert sorted(reply.status for reply in replies) == [201, 409, 409]
    codes = {reply.body["code"] for reply in replies if reply.status == 409}
    assert codes == {"ordinal-taken"}


BAD_EPISODES: list[tuple[dict[str, Any], int, str]] = [
    ({"release_id": 999_999}, 404, "release-not-found"),
    ({"release_id": 2**40}, 422, "release_id"),
    ({"ordinal": -1}, 422, "ordinal"),
    ({"ordinal": 1.234}, 422, "ordinal"),
    ({"ordinal": 10_000}, 422, "ordinal"),
    ({"ordinal": "NaN"}, 422, "ordinal"),
    ({"opening": {"start": 90, "stop": 10}}, 422, "opening"),
    ({"opening": {"start": 90}}, 422, "opening"),
    ({"opening": {"start": 1.5, "stop": 3}}, 422, "opening.start"),
    ({"name": "a\u0000b"}, 422, "name"),
    ({"name": "  "}, 422, "name"),
]


async def test_bad_episodes(admin: Api) -> None:
    release = await admin.new_release()
    good = {"release_id": release["id"], "ordinal": 1}
    for change, status, told in BAD_EPISODES:
        reply = await admin("POST", "/api/v1/episodes", good | change)

        assert reply.status == status, change
        assert told in (reply.body.get("code"), *reply.body.get("errors", ())), change


ALIASES: list[tuple[dict[str, str], str]] = [
    ({"main": "Ёжик"}, "yozhik"),
    ({"main": "Щука & Ко. II"}, "shchuka-ko-ii"),
    ({"main": "Élan vital"}, "elan-vital"),
    ({"main": "葬送のフリーレン", "english": "Frieren: Beyond"}, "frieren-beyond"),
    ({"main": "葬送"}, "release"),
    ({"main": "86"}, "release-86"),
    ({"main": "Latest"}, "release-latest"),
]


async def test_an_alias_is_made_of_the_name(admin: Api) -> None:
    for names, alias in ALIASES:
        for expected in (alias, f"{alias}-2"):
            reply = await admin("POST", "/api/v1/releases", {"name": names})
            assert reply.body["alias"] == expected


async def test_of_two_releases_with_one_alias_at_the_same_time_one_is_refused(admin: Api) -> None:
    body = {"name": {"main": "x"}, "alias": "frieren"}

    replies = await asyncio.gather(*(admin("POST", "/api/v1/releases", body) for _ in range(2)))

    assert sorted(reply.status for reply in replies) == [201, 409]


BAD_RELEASES: list[tuple[dict[str, Any], str]] = [
    ({"alias": "123"}, "alias"),
    ({"alias": "latest"}, "alias"),
    ({"alias": "../etc"}, "alias"),
    ({"alias": "A b"}, "alias"),
    ({"type": "CARTOON"}, "type"),
    ({"year": 99999}, "year"),
    ({"publish_day": 8}, "publish_day"),
    ({"name": {}}, "name.main"),
    ({"poster": "javascript:alert(1)"}, "poster"),
]


async def test_bad_releases(admin: Api) -> None:
    for change, field in BAD_RELEASES:
        reply = await admin("POST", "/api/v1/releases", {"name": {"main": "x"}} | change)
        assert (reply.status, list(reply.body["errors"])) == (422, [field]), change
    surrogate = await admin("POST", "/api/v1/releases", {"name": {"main": "\ud800"}})
    assert surrogate.status == 400  # half a character is no text


async def test_what_does_not_exist_is_not_found(api: Api) -> None:
    for path in (
        f"{RELEASES}/no-such-alias",
        f"{RELEASES}/999999",
        f"{RELEASES}/{2**31}",
        f"{RELEASES}/{10**30}",
        f"{RELEASES}/%00",
        f"{RELEASES}/episodes/not-a-uuid",
        f"{RELEASES}/episodes/01890000-0000-7000-8000-000000000000",
        "/api/v1/anime",
    ):
        reply = await api("GET", path)
        assert (reply.status, bool(reply.body["message"])) == (404, True), path


async def test_only_the_asked_fields_are_answered(admin: Api) -> None:
    release = await admin.new_release("A")
    await admin.new_episode(release["id"])
    parts: dict[str, dict[str, Any]] = {
        "include=id": {"id": release["id"]},
        "include=name.main,id": {"id": release["id"], "name": {"main": "A"}},
        "include=name,name.main&exclude=name.main,name.english": {"name": {"alternative": None}},
        "include[]=episodes.ordinal&include[]=alias": {
            "alias": "a",
            "episodes": [{"ordinal": 1.0}],
        },
        "include=id&exclude=id": {},
        "include=unknown,id.what": {"id": release["id"]},
    }
    for query, expected in parts.items():
        assert (await admin("GET", f"{RELEASES}/a?{query}")).body == expected, query


async def test_bad_queries(api: Api) -> None:
    for query in (
        "include=" + ".".join("abcdef"),
        "include=" + ",".join(f"f{n}" for n in range(101)),
        "include=" + "a" * 65,
        "exclude=a..b",
        "exclude=%00",
        "page=0",
        "page=x",
        "page=10000000000000000000",
        "limit=-1",
        "ids=0",
        "ids=4294967296",
        "ids=" + ",".join(["1"] * 101),
        "aliases=" + quote("'; drop table releases"),
    ):
        reply = await api("GET", f"{RELEASES}/list?{query}")
        assert (reply.status, bool(reply.body["errors"])) == (422, True), query


async def test_the_asked_fields_decide_what_the_database_does(admin: Api) -> None:
    release = await admin.new_release("A")
    await admin.new_episode(release["id"])

    with statements() as found:
        body = (await admin("GET", f"{CATALOG}?include=id")).body
    assert body["data"] == [{"id": release["id"]}]
    pages = [statement for statement in found if "count" not in statement]
    assert len(pages) == 1
    assert pages[0].startswith("SELECT releases.public_id FROM releases ORDER BY")

    with statements() as found:
        await admin("GET", f"{RELEASES}/list?exclude=episodes")
    assert not any("episodes.id" in statement for statement in found)


async def test_more_releases_need_no_more_statements(admin: Api) -> None:
    counts = []
    for number in range(1, 4):
        release = await admin.new_release(f"release {number}")
        await admin.new_episode(release["id"])
        with statements() as found:
            body = (await admin("GET", f"{RELEASES}/list")).body
        assert [len(item["episodes"]) for item in body["data"]] == [1] * number
        counts.append(len(found))

    assert len(set(counts)) == 1


async def test_pages(admin: Api) -> None:
    for number in range(5):
        await admin.new_release(f"release {number}")

    first = (await admin("GET", f"{CATALOG}?limit=2&f[types]=TV")).body
    last = (await admin("GET", f"{CATALOG}?limit=2&page=3")).body
    beyond = (await admin("GET", f"{CATALOG}?limit=2&page=9")).body
    greedy = (await admin("GET", f"{CATALOG}?limit=1000000000")).body

    assert first["meta"]["pagination"] == {
        "total": 5,
        "count": 2,
        "per_page": 2,
        "current_page": 1,
        "total_pages": 3,
        "links": {"previous": None, "next": first["meta"]["pagination"]["links"]["next"]},
    }
    following = (await admin("GET", first["meta"]["pagination"]["links"]["next"])).body
    seen = [item["id"] for page in (first, following, last) for item in page["data"]]
    assert len(set(seen)) == 5
    assert last["meta"]["pagination"]["links"]["next"] is None
    assert (beyond["data"], beyond["meta"]["pagination"]["count"]) == ([], 0)
    assert greedy["meta"]["pagination"]["per_page"] == 50


async def test_lists_come_in_every_spelling(admin: Api) -> None:
    ids = [(await admin.new_release(f"release {number}"))["id"] for number in range(3)]
    spellings = [
        f"ids={ids[0]},{ids[2]}",
        f"ids={ids[0]}&ids={ids[2]}",
        f"ids[]={ids[0]}&ids[]={ids[2]}",
        "aliases=release-0,release-2",
    ]
    for spelling in spellings:
        body = (await admin("GET", f"{RELEASES}/list?{spelling}")).body
        assert {item["id"] for item in body["data"]} == {ids[0], ids[2]}, spelling


async def test_the_catalogue_is_filtered_and_sorted(admin: Api) -> None:
    await admin.new_release("Фрирен", type="TV", year=2023, season="autumn", is_ongoing=True)
    await admin.new_release("Акира", type="MOVIE", year=1988, age_rating="R18_PLUS")
    await admin.new_release("Ёжик 100%", type="MOVIE", year=1975, name_english="x")

    async def names(query: str) -> list[str]:
        body = (await admin("GET", f"{CATALOG}?{query}&include=name.main")).body
        return [item["name"]["main"] for item in body["data"]]

    assert await names("f[sorting]=YEAR_ASC") == ["Ёжик 100%", "Акира", "Фрирен"]
    assert await names("f[types]=MOVIE&f[sorting]=YEAR_DESC") == ["Акира", "Ёжик 100%"]
    assert await names("f[years][from_year]=1980&f[years][to_year]=1990") == ["Акира"]
    assert await names("f[seasons]=autumn,winter") == ["Фрирен"]
    assert await names("f[age_ratings]=R18_PLUS") == ["Акира"]
    assert await names("f[publish_statuses]=IS_ONGOING") == ["Фрирен"]
    assert len(await names("f[production_statuses]=IS_NOT_IN_PRODUCTION")) == 3
    assert await names("f[search]=" + quote("ФРИР")) == ["Фрирен"]
    assert await names("f[search]=" + quote("ежик")) == ["Ёжик 100%"]
    assert await names("f[search]=" + quote("0%")) == ["Ёжик 100%"]
    assert await names("f[search]=" + quote("_")) == []
    assert (await admin("GET", f"{CATALOG}?f[types]=CARTOON")).status == 422


async def test_the_latest_releases_come_with_their_newest_episode(admin: Api) -> None:
    empty = await admin.new_release("empty")
    full = await admin.new_release("full")
    for ordinal in (1, 2):
        await admin.new_episode(full["id"], ordinal)

    body = (await admin("GET", f"{RELEASES}/latest?limit=2")).body

    assert [item["id"] for item in body] == [full["id"], empty["id"]]
    assert body[0]["latest_episode"]["ordinal"] == 2
    assert body[1]["latest_episode"] is None
    assert len((await admin("GET", f"{RELEASES}/latest?limit=1")).body) == 1


async def test_large_answers_are_compressed(admin: Api) -> None:
    await admin.new_release()

    reply = await admin("GET", f"{RELEASES}/list", headers={"Accept-Encoding": "gzip"})

    assert reply.headers["Content-Encoding"] == "gzip"
    assert reply.body["data"]
