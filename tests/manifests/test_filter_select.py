from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edge.manifests.filters.filter import KEYS, Filter
from edge.manifests.filters.grammar import parse_filter
from edge.manifests.filters.select import select
from edge.manifests.filters.view import Rendition, Selection, Type
from tests.manifests.filter_strategies import CONDITIONS, FEW, WISHES, filters, renditions


def view(*parts: dict[str, object]) -> list[Rendition]:
    return [Rendition(id=n, **part) for n, part in enumerate(parts)]  # type: ignore[arg-type]


def video(height: int | None = None, **more: object) -> dict[str, object]:
    return {"type": "video", "height": height, "bandwidth": (height or 100) * 1000, **more}


def audio(language: str = "und", **more: object) -> dict[str, object]:
    return {"type": "audio", "language": language, **more}


def text(language: str) -> dict[str, object]:
    return {"type": "text", "language": language}


LADDER = view(video(240), video(480), video(720), video(1080))
RATES = view(
    video(240, frame_rate=25.0),
    video(480, frame_rate=29.97),
    video(720, frame_rate=59.94),
    video(1080, frame_rate=60.0),
)
TONGUES = view(audio("en", default=True), audio("en-gb"), audio("ja"), audio("pt-pt"))
CODECS = view(
    video(480, codecs=("avc1.64001f",)),
    video(480, codecs=("hvc1.2.4.L93.B0",)),
    video(1080, codecs=("hvc1.2.4.L123.B0",), supplemental=("dvh1.08.07",), range="PQ"),
    video(1080, codecs=("dvh1.05.06",), range="PQ"),
    video(2160, codecs=("av01.0.12M.10",), range="HLG"),
    video(2160),
)
SOUNDS = view(
    audio(channels=2, codecs=("mp4a.40.2",)),
    audio(channels=6, codecs=("ac-3",)),
    audio(channels=6, codecs=("ec-3",)),
    audio(channels=16, codecs=("ec-3",)),
    audio(codecs=("opus",)),
)


@pytest.mark.parametrize(
    ("offered", "wanted", "kept", "given_up"),
    [
        pytest.param(LADDER, "", [0, 1, 2, 3], [], id="no filter keeps everything"),
        pytest.param(LADDER, "height:..720", [0, 1, 2], [], id="at most"),
        pytest.param(LADDER, "height:480..", [1, 2, 3], [], id="at least"),
        pytest.param(LADDER, "height:480..720", [1, 2], [], id="between, bounds included"),
        pytest.param(LADDER, "height:240,1080", [0, 3], [], id="several"),
        pytest.param(LADDER, "height:!480", [0, 2, 3], [], id="refused"),
        pytest.param(LADDER, "height:480..,!720", [1, 3], [], id="wanted but for one"),
        pytest.param(LADDER, "height:..100", [0], ["height:..100 (240 instead)"], id="too low"),
        pytest.param(LADDER, "height:2160..", [3], ["height:2160.. (1080 instead)"], id="too high"),
        pytest.param(LADDER, "height:600", [1], ["height:600 (480 instead)"], id="next lower"),
        pytest.param(
            LADDER,
            "height:500..700,!480",
            [0],
            ["height:500..700,!480 (240 instead)"],
            id="the nearest is not a refused one",
        ),
        pytest.param(
            LADDER,
            "height:!..4000",
            [0, 1, 2, 3],
            ["height:!..4000 (any instead)"],
            id="everything refused",
        ),
        pytest.param(
            view(video(480), video(None)),
            "height:720..",
            [1],
            [],
            id="what is not stated passes a wish",
        ),
        pytest.param(
            view(video(480), video(None)),
            "limit-height:720",
            [0],
            [],
            id="what is not stated fails a limit",
        ),
        pytest.param(
            view(video(480), video(720)),
            "limit-height:360",
            [0],
            ["limit-height:360 (480 instead)"],
            id="above a limit the lowest stays",
        ),
        pytest.param(
            view(video(None, bandwidth=900), video(None, bandwidth=300)),
            "limit-height:720",
            [1],
            ["limit-height:720 (the lowest instead)"],
            id="nothing stated: the lowest bandwidth",
        ),
        pytest.param(
            LADDER,
            "height:1080~limit-height:480",
            [1],
            ["height:1080 (480 instead)"],
            id="a wish never lifts a limit",
        ),
        pytest.param(RATES, "fps:60", [2, 3], [], id="60 is 59.94 too"),
        pytest.param(RATES, "fps:59.94", [2, 3], [], id="59.94 is 60 too"),
        pytest.param(RATES, "fps:30", [1], [], id="30 is 29.97"),
        pytest.param(RATES, "fps:24", [0], ["fps:24 (25 instead)"], id="24 is not 25"),
        pytest.param(RATES, "fps:..30", [0, 1], [], id="at most 30"),
        pytest.param(RATES, "fps:30..", [1, 2, 3], [], id="at least 30 has 29.97"),
        pytest.param(RATES, "fps:!60", [0, 1], [], id="not 60 is not 59.94"),
        pytest.param(RATES, "fps:40", [1], ["fps:40 (29.97 instead)"], id="nearest rate"),
        pytest.param(TONGUES, "alang:ja", [2], [], id="a language"),
        pytest.param(TONGUES, "alang:en", [0, 1], [], id="a language and its regions"),
        pytest.param(TONGUES, "alang:en,!en-gb", [0], [], id="without a region"),
        pytest.param(TONGUES, "alang:!en", [2, 3], [], id="a refused language"),
        pytest.param(TONGUES, "alang:en-us", [0], ["alang:en-us (en for en-us)"], id="lookup"),
        pytest.param(TONGUES, "alang:pt-br", [3], ["alang:pt-br (pt-pt for pt-br)"], id="relative"),
        pytest.param(TONGUES, "alang:fr", [0, 1, 2, 3], ["alang:fr"], id="none of it"),
        pytest.param(TONGUES, "alang:fr,ja", [2], [], id="one of two"),
        pytest.param(TONGUES, "limit-lang:en", [0, 1], [], id="limit of languages"),
        pytest.param(
            TONGUES,
            "limit-lang:fr",
            [0],
            ["limit-lang:fr (en instead)"],
            id="a limit leaves the default language",
        ),
        pytest.param(
            TONGUES, "limit-lang:en-gb~alang:ja", [1], ["alang:ja"], id="limit before wish"
        ),
        pytest.param(CODECS, "vcodec:avc", [0, 5], [], id="unknown codec passes"),
        pytest.param(CODECS, "vcodec:hevc", [1, 2, 5], [], id="hevc"),
        pytest.param(CODECS, "vcodec:dv", [2, 3, 5], [], id="dolby vision on top counts"),
        pytest.param(CODECS, "vcodec:!dv", [0, 1, 2, 4, 5], [], id="but is not refused"),
        pytest.param(CODECS[:5], "vcodec:vp9", [0, 1, 2, 3, 4], ["vcodec:vp9"], id="not there"),
        pytest.param(CODECS, "range:sdr", [0, 1, 5], [], id="no range is sdr"),
        pytest.param(CODECS, "range:hdr", [2, 3, 4], [], id="hdr"),
        pytest.param(CODECS, "range:!pq", [0, 1, 4, 5], [], id="not pq"),
        pytest.param(SOUNDS, "acodec:ec-3", [2, 3], [], id="audio codec"),
        pytest.param(SOUNDS, "acodec:!ac-3,!ec-3", [0, 4], [], id="refused audio codecs"),
        pytest.param(SOUNDS, "channels:..6", [0, 1, 2, 4], [], id="channels"),
        pytest.param(SOUNDS[:4], "channels:8", [1, 2], ["channels:8 (6 instead)"], id="nearest"),
        pytest.param(
            view(video(480), audio("en"), text("en"), {"type": "image", "judged": False}),
            "type:!text",
            [0, 1, 3],
            [],
            id="without text",
        ),
        pytest.param(
            view(video(480), audio("en"), text("en")), "type:audio", [1], [], id="only audio"
        ),
        pytest.param(
            view(video(480), audio("en"), text("en")),
            "type:text",
            [0, 1, 2],
            ["type:text"],
            id="something must play",
        ),
        pytest.param(view(text("en"), text("fr")), "type:text~tlang:fr", [1], [], id="text alone"),
        pytest.param(view(text("en")), "tlang:fr", [0], ["tlang:fr"], id="never nothing"),
        pytest.param(
            view(video(480), text("en")), "tlang:fr", [0], [], id="text may go beside a picture"
        ),
        pytest.param(
            view(video(480, bandwidth=900), video(720, bandwidth=2000), audio(bandwidth=128)),
            "bandwidth:..1000",
            [0, 2],
            ["bandwidth:..1000 (1028 instead)"],
            id="a picture is counted with the least audio",
        ),
        pytest.param(
            view(video(480, bandwidth=900, total=True), audio(bandwidth=128)),
            "bandwidth:..1000",
            [0, 1],
            [],
            id="a total is a total",
        ),
        pytest.param(
            view(audio(bandwidth=64), audio(bandwidth=128)),
            "bandwidth:..100",
            [0],
            [],
            id="audio alone is counted alone",
        ),
    ],
)
def test_what_stays(
    offered: list[Rendition], wanted: str, kept: list[int], given_up: list[str]
) -> None:
    selection = select(offered, parse_filter(wanted, limits=True))

    assert list(selection.kept) == kept
    assert list(selection.given_up) == given_up


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        pytest.param("order:up", [3, 1, 0, 2], id="ascending"),
        pytest.param("order:down", [2, 0, 1, 3], id="descending"),
        pytest.param("first:720", [1, 0, 2, 3], id="a height"),
        pytest.param("first:800", [1, 0, 2, 3], id="the highest not above"),
        pytest.param("first:100", [3, 0, 1, 2], id="all above: the lowest"),
        pytest.param("first:low", [3, 0, 1, 2], id="lowest"),
        pytest.param("first:high", [2, 0, 1, 3], id="highest"),
        pytest.param("order:up~first:1080", [0, 3, 1, 2], id="order, then first"),
    ],
)
def test_order(wanted: str, kept: list[int]) -> None:
    offered = view(video(1080), video(720), video(2160), video(240))

    assert list(select(offered, parse_filter(wanted)).kept) == kept


def test_what_has_no_bandwidth_keeps_its_place() -> None:
    offered = view(audio("en"), video(720), text("en"), video(480))

    assert select(offered, parse_filter("order:up")).kept == (0, 3, 2, 1)


def test_a_height_that_nothing_states_cannot_be_first() -> None:
    selection = select(view(video(None), video(None)), parse_filter("first:720"))

    assert selection.kept == (0, 1)
    assert selection.given_up == ("first:720",)


def test_what_is_needed_takes_along_what_needs_it_and_what_follows() -> None:
    offered = view(
        video(480, needs=("group a",), badges=("picture", "user of a")),
        video(720, needs=("group b",), badges=("user of b",)),
        audio("en", badges=("group a",), follows=("user of a",)),
        audio("ja", badges=("group b",), follows=("user of b",)),
        {"type": "image", "judged": False, "follows": ("picture",)},
    )

    selection = select(offered, parse_filter("alang:ja"))

    assert selection.kept == (1, 3)
    assert [(drop.id, drop.why) for drop in selection.dropped] == [
        (0, "its group a went"),
        (2, "alang:ja"),
        (4, "no picture is left"),
    ]


def test_a_part_of_a_presentation_may_be_emptied_by_its_types_only() -> None:
    offered = view(video(480), video(720))

    assert select(offered, parse_filter("type:audio")).kept == (0, 1)
    assert select(offered, parse_filter("type:audio"), may_empty=True).kept == ()
    assert select(offered, parse_filter("height:..100"), may_empty=True).kept == (0,)


def ids(selection: Selection) -> set[int]:
    return set(selection.kept)


def again(offered: list[Rendition], kept: tuple[int, ...]) -> list[Rendition]:
    return [offered[number]._replace(id=place) for place, number in enumerate(kept)]


@FEW
@given(renditions(), filters())
def test_filtering_twice_is_filtering_once(offered: list[Rendition], wanted: Filter) -> None:
    once = select(offered, wanted)
    left = again(offered, once.kept)

    assert select(left, wanted).kept == tuple(range(len(left)))


@FEW
@given(renditions(), filters())
def test_something_stays(offered: list[Rendition], wanted: Filter) -> None:
    kept = ids(select(offered, wanted))

    assert kept
    before: set[Type] = {r.type for r in offered}
    after = {offered[number].type for number in kept}
    if not wanted.type:
        assert before & {"video", "audio"} <= after
    elif before & {"video", "audio"}:
        assert after & {"video", "audio"}


@FEW
@given(renditions(), filters(keys=CONDITIONS))
def test_conditions_keep_the_order(offered: list[Rendition], wanted: Filter) -> None:
    selection = select(offered, wanted)

    assert list(selection.kept) == sorted(selection.kept)
    assert ids(selection) | {drop.id for drop in selection.dropped} == set(range(len(offered)))
    assert len(selection.kept) + len(selection.dropped) == len(offered)


@FEW
@given(renditions(), filters())
def test_arrangement_drops_nothing(offered: list[Rendition], wanted: Filter) -> None:
    plain = replace(wanted, order=None, first=None, default=(), tdefault=())

    assert ids(select(offered, wanted)) == ids(select(offered, plain))


@FEW
@given(renditions(), filters(keys=CONDITIONS), filters(keys=CONDITIONS))
def test_a_narrower_filter_keeps_a_part_unless_it_gives_up(
    offered: list[Rendition], wide: Filter, more: Filter
) -> None:
    added = {field: getattr(more, field) for field, _ in KEYS.values() if not getattr(wide, field)}
    narrow = replace(wide, **added)
    narrowed = select(offered, narrow)
    assume(not narrowed.given_up)

    assert ids(narrowed) <= ids(select(offered, wide))


@FEW
@given(renditions(), st.integers(1, 4000), st.integers(0, 4000))
def test_a_tighter_bound_keeps_a_part(offered: list[Rendition], low: int, more: int) -> None:
    for key in ("height", "bandwidth"):
        tight = select(offered, parse_filter(f"{key}:..{low}"))
        loose = select(offered, parse_filter(f"{key}:..{low + more}"))
        if not tight.given_up:
            assert ids(tight) <= ids(loose)


@FEW
@given(renditions(), filters(keys=WISHES), st.sampled_from((240, 480, 720, 1080)))
def test_no_wish_lifts_a_limit(offered: list[Rendition], wish: Filter, limit: int) -> None:
    alone = select(offered, Filter(limit_height=limit))
    pictures = {n for n in alone.kept if offered[n].type == "video"}

    both = select(offered, replace(wish, limit_height=limit))

    assert {n for n in both.kept if offered[n].type == "video"} <= pictures
    if not alone.given_up:
        assert all((offered[n].height or limit + 1) <= limit for n in pictures)


def test_time_grows_no_faster_than_the_manifest() -> None:
    small, large = seconds(1000), seconds(8000)

    assert large < small * 8 * 3  # quadratic would be eight times more


def seconds(count: int) -> float:
    """The least processor time of three runs over a view in which everything hangs together."""
    offered = view(*(video(n % 2000 + 1, badges=(f"v{n}", "all")) for n in range(count)))
    offered += [
        Rendition(
            id=count + n,
            type="trick",
            judged=False,
            needs=(f"v{n}",),
            follows=(f"v{n}", f"v{n + 1}", "all"),
        )
        for n in range(count - 1)
    ]
    wanted = parse_filter("height:..1000~bandwidth:..900k~fps:30~order:down~first:low")
    runs: list[float] = []
    for _ in range(3):
        started = time.process_time()
        kept = select(offered, wanted).kept
        runs.append(time.process_time() - started)
        assert 0 < len(kept) < 2 * count
    return min(runs)
