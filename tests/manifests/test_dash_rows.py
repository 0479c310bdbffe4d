from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.manifests.edits import apply_edits
from edge.manifests.errors import ManifestError
from tests.manifests.dash_documents import in_set, rewritten

CDN = "https://cdn.example/v/"

FOLDERS = st.sampled_from(
    [
        CDN,
        f"{CDN}a/",
        "//cdn.example/v/",
        "/channels/one/",
        "../",
        "a/",
        "",
        "https://cdn.example//",
    ]
)
FILES = st.sampled_from(
    ["1.m4s", "2.m4s", "s-1", "s_2", "..", ".", "", ".m4s", "a?b=c", "?b=c", "d?e=f/g", "d?e=f&amp;g",
     "%2e", "%20", "a:b", "a b", "a\tb", "a#b", "#b", "a&#47;b", "a;b=c"]
)  # fmt: skip
OTHERS = st.sampled_from(
    ["", ' mediaRange="0-1"', ' x="../v"', f' x="{CDN}1.m4s"', f' index="{CDN}1"', ' index="i"']
)


@st.composite
def elements(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(["SegmentURL", "SegmentURL", "SegmentURL", "S"]))
    media = f' media="{draw(FOLDERS)}{draw(FILES)}"'
    before, after = draw(OTHERS), draw(OTHERS)
    if after.split("=")[0] == before.split("=")[0]:
        after = ""
    shape = draw(st.sampled_from(["{0}{1}{2}", "{0}{2}", "{1}", "{1}{2}"]))
    end = draw(st.sampled_from(["/>", "/>\n", f"></{name}>"]))
    return f"<{name}{shape.format(before, media, after)}{end}"


@st.composite
def lists(draw: st.DrawFn) -> bytes:
    pool = draw(st.lists(elements(), min_size=1, max_size=3))
    row = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=6))
    return in_set(f"<SegmentList>{''.join(row)}</SegmentList><Representation/>")


@settings(max_examples=300, deadline=None)
@given(lists())
def test_a_row_becomes_what_its_elements_become_one_by_one(data: bytes) -> None:
    try:
        result = rewritten(data)
    except ManifestError:
        return

    assert apply_edits(data, result.edits) == result.output


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(f'media="{CDN}a"', f'media="{CDN}.."', id="a file and a dot segment"),
        pytest.param(f'media="{CDN}a"', f'media="{CDN}"', id="a file and none"),
        pytest.param(f'media="{CDN}a.b"', f'media="{CDN}.b"', id="a file and one without a stem"),
        pytest.param(f'media="{CDN}.b"', f'media="{CDN}."', id="a hidden file and a dot segment"),
        pytest.param(f'media="{CDN}a?b"', f'media="{CDN}?b"', id="a file and a query"),
        pytest.param(f'media="{CDN}%41.m"', f'media="{CDN}%2e.m"', id="an encoded dot"),
        pytest.param(
            f'media="{CDN}a" x="{CDN}../"', f'x="{CDN}a" media="{CDN}../"', id="attributes change places"
        ),
        pytest.param(f'index="{CDN}i" media="{CDN}a"', f'index="{CDN}i" media="{CDN}b"', id="an index before"),
        pytest.param(f'media="{CDN}a" index="{CDN}i"', f'media="{CDN}b" index="{CDN}j"', id="an index behind"),
        pytest.param(f'media="{CDN}a" x="i"', f'media="{CDN}b" index="i"', id="an index in one"),
        pytest.param('x="i"', f'media="{CDN}a"', id="no media in one"),
    ],
)  # fmt: skip
def test_punctuation_alone_does_not_make_two_elements_alike(first: str, second: str) -> None:
    urls = f"<SegmentURL {first}/>\n<SegmentURL {second}/>\n" * 3
    data = in_set(f"<SegmentList>{urls}</SegmentList><Representation/>")

    result = rewritten(data)

    assert apply_edits(data, result.edits) == result.output
    assert b"https://" not in result.output.replace(f'x="{CDN}'.encode(), b"")


def test_elements_that_are_no_segment_urls_keep_their_attributes() -> None:
    row = f'<S media="{CDN}a"/>' * 3 + f'<SegmentURL media="{CDN}a"/>' * 3
    data = in_set(f"<SegmentList>{row}</SegmentList><Representation/>")

    result = rewritten(data)

    assert result.output.count(f'<S media="{CDN}a"/>'.encode()) == 3
    assert result.output.count(b'<SegmentURL media="../../cdn/v/a"/>') == 3
