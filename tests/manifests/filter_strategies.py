"""Generated filters, renditions and playlists."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st

from edge.manifests.errors import BadFilter
from edge.manifests.filters.filter import Filter
from edge.manifests.filters.grammar import parse_filter
from edge.manifests.filters.view import Range, Rendition, Type

# Enough to find what is wrong within a few runs; the machine may be slow.
FEW = settings(max_examples=40, deadline=None)

LANGUAGES = ("en", "en-GB", "en-US", "ja", "pt-BR", "pt-PT", "fr", "zh-Hant-TW", "zh-TW", "und")
HEIGHTS = (144, 240, 360, 480, 720, 1080, 2160)
RATES = (23.976, 24.0, 25.0, 29.97, 30.0, 50.0, 59.94, 60.0)
VIDEO = ("avc1.640028", "hvc1.2.4.L123.B0", "av01.0.04M.08", "vp09.00.10.08", "dvh1.05.06")
AUDIO = ("mp4a.40.2", "ac-3", "ec-3", "opus", "fLaC")


def _items(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    item = st.builds(lambda mark, value: mark + value, st.sampled_from(("", "", "!")), values)
    return st.lists(item, min_size=1, max_size=4).map(",".join)


def _spans(values: st.SearchStrategy[int]) -> st.SearchStrategy[str]:
    bounds = st.tuples(values, values).map(sorted)
    return st.one_of(
        values.map(str),
        values.map(lambda value: f"..{value}"),
        values.map(lambda value: f"{value}.."),
        bounds.map(lambda pair: f"{pair[0]}..{pair[1]}"),
    )


_CLAUSES: dict[str, st.SearchStrategy[str]] = {
    "type": _items(st.sampled_from(("video", "audio", "text", "image", "trick"))),
    "vcodec": _items(st.sampled_from(("avc", "hevc", "av1", "vp9", "dv"))),
    "acodec": _items(st.sampled_from(("aac", "ac-3", "ec-3", "opus", "flac"))),
    "alang": _items(st.sampled_from(LANGUAGES)),
    "tlang": _items(st.sampled_from(LANGUAGES)),
    "range": _items(st.sampled_from(("sdr", "hlg", "pq", "hdr"))),
    "bandwidth": _items(_spans(st.integers(1, 12_000_000))),
    "height": _items(_spans(st.sampled_from(HEIGHTS) | st.integers(1, 4000))),
    "width": _items(_spans(st.integers(1, 4000))),
    "fps": _items(_spans(st.sampled_from((24, 25, 30, 50, 60)))),
    "channels": _items(_spans(st.integers(1, 12))),
    "order": st.sampled_from(("up", "down")),
    "first": st.sampled_from(("low", "high", "720", "1080")),
    "default": st.lists(st.sampled_from(LANGUAGES), min_size=1, max_size=3).map(",".join),
    "tdefault": st.sampled_from(("off", "en", "ja,en")),
    "limit-height": st.sampled_from(HEIGHTS).map(str),
    "limit-bandwidth": st.integers(1, 12_000_000).map(str),
    "limit-lang": st.lists(st.sampled_from(LANGUAGES), min_size=1, max_size=3).map(",".join),
}
WISHES = tuple(key for key in _CLAUSES if not key.startswith("limit-"))
CONDITIONS = tuple(key for key in _CLAUSES if key not in ("order", "first", "default", "tdefault"))


def _readable(text: str) -> Filter | None:
    try:
        return parse_filter(text, limits=True)
    except BadFilter:  # 'avc,!avc' and the like
        return None


@st.composite
def filters(draw: st.DrawFn, keys: tuple[str, ...] = tuple(_CLAUSES)) -> Filter:
    """Any filter of these keys."""
    chosen = draw(st.lists(st.sampled_from(keys), unique=True, max_size=4))
    text = st.tuples(*(_CLAUSES[key] for key in chosen)).map(
        lambda values: "~".join(f"{k}:{v}" for k, v in zip(chosen, values, strict=True))
    )
    value = draw(text.map(_readable).filter(lambda value: value is not None))
    assert value is not None
    return value


_TYPES: tuple[Type, ...] = ("video", "video", "video", "audio", "audio", "text", "image", "trick")
_RANGES: tuple[Range | None, ...] = (None, "SDR", "HLG", "PQ")


@st.composite
def renditions(draw: st.DrawFn) -> list[Rendition]:
    """A view without bonds, as a Period of DASH gives it."""
    kinds = draw(st.lists(st.sampled_from(_TYPES), min_size=1, max_size=9))
    return [draw(_rendition(number, kind)) for number, kind in enumerate(kinds)]


def _rendition(number: int, kind: Type) -> st.SearchStrategy[Rendition]:
    picture = kind in ("video", "trick", "image")
    codecs = {"video": VIDEO, "trick": VIDEO, "audio": AUDIO}.get(kind, ())
    return st.builds(
        Rendition,
        id=st.just(number),
        type=st.just(kind),
        bandwidth=st.integers(20_000, 12_000_000),
        height=st.sampled_from((None, *HEIGHTS)) if picture else st.none(),
        width=st.sampled_from((None, 256, 640, 1280, 1920)) if picture else st.none(),
        frame_rate=st.sampled_from((None, *RATES)) if kind == "video" else st.none(),
        codecs=st.sampled_from(((), *((codec,) for codec in codecs))),
        range=st.sampled_from(_RANGES) if picture else st.none(),
        channels=st.sampled_from((None, 1, 2, 6, 8)) if kind == "audio" else st.none(),
        language=st.sampled_from(("en", "en-gb", "ja", "pt-pt", "zh-tw", "und"))
        if kind in ("audio", "text")
        else st.none(),
        default=st.booleans(),
        judged=st.just(kind != "image"),
        badges=st.just(("video",) if kind == "video" else ()),
        follows=st.just(("video",) if kind in ("image", "trick") else ()),
    )
