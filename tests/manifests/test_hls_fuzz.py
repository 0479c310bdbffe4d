from __future__ import annotations

import json
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.manifests.context import Context
from edge.manifests.edits import apply_edits
from edge.manifests.errors import ManifestError
from edge.manifests.hls import steering
from edge.manifests.hls.blocking import last_position
from edge.manifests.hls.bulk import bulk
from edge.manifests.hls.delta import advertise_skip, make_delta
from edge.manifests.hls.rewrite import rewrite, rewrite_scanned
from edge.manifests.hls.scan import BOM, scan
from edge.manifests.hls.tags import URI_TAGS
from edge.manifests.limits import DEFAULT, Limits
from edge.manifests.places import with_query_token
from tests.manifests.hls_player import context

SMALL = Limits(
    bytes=4000, lines=40, line_bytes=400, attributes=6, uris=12, json_depth=4, json_values=30
)

PIECES = st.sampled_from(
    ["a", "b", "..", ".", "", "s.ts", "1:2", "x:y", "$N$", "%2e%2e", "%2F", "{$v}", "{$w}", "\\", "\t", " ",
     "é", "\x01", "\x07", "http", "http:", "_HLS_msn=1", "vod", "?q=/x/..", "#f", "*", "🎬", "..x", ","]
)  # fmt: skip
FRONTS = st.sampled_from(
    ["", "", "", "/", "//", "./", "../", "../../../", "https://cdn.example.com/vod/a/b/", "/vod/a/",
     "https://cdn.example.com/vod/", "https://cdn.example.com/", "https://live.example.com:8443/", "HTTP://x/",
     "http://[2001:db8::1]/", "//live.example.com:8443/x/", "skd://", "data:,", "{$v}/", "https://{$w}/", "?", "#", ":"]
)  # fmt: skip
URIS = st.builds(lambda front, rest: front + "/".join(rest), FRONTS, st.lists(PIECES, max_size=4))
TAGS = st.builds(
    lambda tag, attribute, equals, quote, uri, more: (
        f"#{tag}:{more}{attribute}{equals}{quote}{uri}{quote}"
    ),
    st.sampled_from([*URI_TAGS, "EXT-X-CUSTOM", "EXT-X-DEFINE", "UPLYNK-KEY"]),
    st.sampled_from(["URI", "URI", "X-ASSET-URI", "SERVER-URI", "X-URI", "QUERYPARAM", "NAME"]),
    st.sampled_from(["=", " = ", "=="]),
    st.sampled_from(['"', '"', "", "”"]),
    URIS,
    st.sampled_from(
        ["", 'CLASS="com.apple.hls.preload",', "A=1, ", 'VALUE="a/b",', "TYPE=MAP,", '"']
    ),
)
KNOWN = st.sampled_from(
    ["#EXTINF:4,", "#EXTINF:4,a title: x/..", "#EXT-X-DISCONTINUITY", "# comment //x", "", " ", "#EXT-X-ENDLIST",
     "#EXT-X-STREAM-INF:BANDWIDTH=1", "#EXT-X-BYTERANGE:9@0", "#EXT-X-BYTERANGE:9", "#EXT-X-SKIP:SKIPPED-SEGMENTS=9",
     '#EXT-X-DEFINE:NAME="v",VALUE="vod"', '#EXT-X-DEFINE:IMPORT="w"', "#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=8",
     "#EXT-X-MEDIA-SEQUENCE:7", "#EXT-X-KEY:METHOD=NONE", "#EXT-X-TARGETDURATION:x", "#EXT-X-PART-INF:PART-TARGET=0.1",
     "#EXT-X-IMAGES-ONLY", "#EXT-X-PART:DURATION=1.0", '#EXT-X-DATERANGE:ID="x"']
)  # fmt: skip
ENDS = st.sampled_from(["\n", "\n", "\n", "\r\n", "\r", "\n\n"])
PLAYLISTS = st.builds(
    lambda bom, head, lines, last: (
        bom + (head + "".join(line + end for line, end in lines) + last).encode()
    ),
    st.sampled_from([b"", b"", b"", BOM]),
    st.sampled_from(
        ["#EXTM3U\n#EXT-X-TARGETDURATION:4\n"] * 4 + ["#EXTM3U\n", "", "# x\n#EXTM3U\r\n"]
    ),
    st.lists(st.tuples(URIS | URIS | TAGS | KNOWN, ENDS), max_size=14),
    URIS | st.just(""),
)
CONTEXTS = st.builds(
    lambda base, unlisted, defines: context(
        base=base, unlisted=unlisted, defines=defines, carry=lambda url: f"/x/{len(url)}"
    ),
    st.sampled_from(
        [
            None,
            *["https://cdn.example.com/vod/a/b/media.m3u8"] * 6,
            "https://cdn.example.com/vod/a/b/other.m3u8?v=1",
            "https://live.example.com:8443/m.m3u8",
            "https://nowhere.example/m.m3u8",
        ]
    ),
    st.sampled_from(["leave", "leave", "refuse", "carry"]),
    st.sampled_from([{}, {"w": "cdn.example.com"}]),
)
FOLDERS = st.sampled_from(
    ["", "", "x/", "../", "../../", "../c/", "/vod/a/b/", "/vod/a/", "/vod/", "/vod/a/b/c/",
     "//cdn.example.com/vod/a/b/", "https://cdn.example.com/vod/a/b/", "https://cdn.example.com/vod/a/b/", "https://live.example.com:8443/",
     "https://live.example.com:8443/x/", "https://live.example.com:8443/x/y/", "HTTPS://CDN.example.com/vod/a/b/"]
)  # fmt: skip
FILES = st.sampled_from(
    ["s.ts"] * 12 + ["s.ts?u=https://h/../x", "a/s.ts", "b/s.ts", "b/x/s.ts", "1:2.ts", "http.ts", "", "/s.ts", "?x",
     ".s.ts", "./s.ts", "..", "a/../s.ts", "#x", " s.ts", "a b.ts "]
)  # fmt: skip
TIDY = st.builds(
    lambda choice, files, attribute, end, last: (
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n"
        + "".join(
            f'#EXT-X-MAP:URI="{folder}{name}"{end}'
            if attribute
            else f"#EXTINF:4,{end}{folder}{name}{end}"
            for (folder, name) in zip(choice, files, strict=False)
        )
        + last
    ).encode(),
    st.lists(FOLDERS, min_size=1, max_size=3).flatmap(
        lambda some: st.lists(st.sampled_from(some), min_size=1, max_size=8)
    ),
    st.lists(FILES, min_size=8, max_size=8),
    st.sampled_from([False, False, False, True]),
    st.sampled_from(["\n", "\n", "\r\n", "\n\n"]),
    st.sampled_from(["", "#EXT-X-ENDLIST", "/vod/a/b/last.ts"]),
)
MORE = settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])


@MORE
@given(data=PLAYLISTS, where=CONTEXTS, limits=st.sampled_from([DEFAULT, DEFAULT, SMALL]))
def test_any_playlist_ends_in_a_result_or_in_our_error(
    data: bytes, where: Context, limits: Limits
) -> None:
    try:
        result = rewrite(data, where, limits)
    except ManifestError:
        return
    assert apply_edits(data, result.edits) == result.output
    for place in result.places:
        assert 0 <= place.start < place.stop <= len(result.output)
    with_query_token(result.output, result.places, "t", xml=False)


@MORE
@given(data=TIDY | PLAYLISTS, where=CONTEXTS)
def test_the_quick_way_never_differs_from_the_careful_way(data: bytes, where: Context) -> None:
    quick = outcome(lambda: bulk(data, where, DEFAULT))
    if quick is None:
        return
    careful = outcome(lambda: rewrite_scanned(scan(data), where).output)
    # Which of several faults is told may differ.
    assert careful == quick if isinstance(quick, bytes) else not isinstance(careful, bytes)


def outcome(work: Callable[[], bytes | None]) -> bytes | ManifestError | None:
    """What comes out, be it an error of ours."""
    try:
        return work()
    except ManifestError as error:
        return error


@MORE
@given(
    data=PLAYLISTS, skip=st.sampled_from(["YES", "v2"]), removed=st.lists(st.just("x"), max_size=1)
)
def test_deltas_of_any_playlist_end_in_a_playlist(
    data: bytes, skip: str, removed: list[str]
) -> None:
    try:
        offered = advertise_skip(data)
        delta = make_delta(offered, skip=skip, removed=removed)  # type: ignore[arg-type]
    except ManifestError:
        return
    assert last_position(scan(offered)) == last_position(scan(data))
    if delta is not None:
        assert last_position(scan(delta)) == last_position(scan(offered))


@given(data=st.binary(max_size=300))
def test_garbage_is_refused_or_kept(data: bytes) -> None:
    for text in (data, b"#EXTM3U\n" + data, b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n" + data):
        try:
            assert rewrite(text, context(base=None)).output == text
            rewrite(text, context(unlisted="leave"))
        except ManifestError:
            continue


NAMES = st.sampled_from(
    ["ASSETS", "URI", "RELOAD-URI", "PATHWAY-CLONES", "URI-REPLACEMENT", "HOST", "ID", "BASE-ID", "x",
     "PER-VARIANT-URIS"]
)  # fmt: skip
STRINGS = URIS | NAMES | st.text(max_size=6)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | STRINGS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
CLONES = st.dictionaries(
    NAMES,
    st.lists(
        st.fixed_dictionaries({"ID": STRINGS, "URI-REPLACEMENT": st.dictionaries(NAMES, JSON)}),
        max_size=4,
    ),
    max_size=3,
)  # fmt: skip
DOCUMENTS = (JSON | CLONES).map(lambda value: json.dumps(value, ensure_ascii=False)) | st.lists(
    st.sampled_from(["{", "}", "[", "]", ",", ":", " ", "1", "-", "true", '"', "\\", "\\u00", '"URI":"/x"']),
    max_size=25,
).map("".join)  # fmt: skip


@MORE
@given(text=DOCUMENTS, cut=st.integers(0, 40) | st.none(), limits=st.sampled_from([DEFAULT, SMALL]))
def test_any_json_ends_in_a_result_or_in_our_error(
    text: str, cut: int | None, limits: Limits
) -> None:
    data = text.encode("utf-8", "surrogatepass")[:cut]
    try:
        result = steering.rewrite(data, context(unlisted="leave"), limits)
    except ManifestError:
        return
    assert apply_edits(data, result.edits) == result.output
    json.loads(result.output)
    for place in result.places:
        assert result.output[place.start - 1 : place.start] == b'"'


@given(text=DOCUMENTS)
def test_json_is_accepted_as_another_reader_accepts_it(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    try:
        known = isinstance(json.loads(data), dict)
    except ValueError:
        known = False
    try:
        steering.rewrite(data, context(base=None), Limits(json_depth=50))
        ours = True
    except ManifestError:
        ours = False
    assert ours == known
