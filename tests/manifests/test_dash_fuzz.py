from __future__ import annotations

import random
import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.manifests.context import Rewritten
from edge.manifests.dash.live import live_view
from edge.manifests.dash.patch import advertise_patch, make_patch
from edge.manifests.dash.rewrite import rewrite
from edge.manifests.dash.scan import Element, scan
from edge.manifests.dash.xlink import inline, xlink_targets
from edge.manifests.edits import apply_edits
from edge.manifests.errors import ManifestError
from edge.manifests.limits import DEFAULT, Limits
from edge.manifests.places import with_query_token
from tests.manifests import dash_corpus as corpus
from tests.manifests.dash_documents import context
from tests.manifests.test_dash_corpus import assert_same_tree

SLOW = settings(
    deadline=None,
    max_examples=120,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
)
LIMITS = Limits(uris=2000)
PIECES = [
    *(bytes([byte]) for byte in b"<>/\"'=&;:[] \n\r\x00\xff\xc3"),
    *(
        b"&amp;",
        b"&#38;",
        b"&#0;",
        b"&#xD800;",
        b"<!--",
        b"-->",
        b"<![CDATA[",
        b"]]>",
        b"<?x",
        b"?>",
    ),
    *(b"<MPD>", b"</MPD>", b"<Period>", b"</Period>", b"<BaseURL>", b"</BaseURL>", b"<S d='1'/>"),
    *(b'<S d="1"/>', b'<SegmentURL media="a"/>', b'<SegmentTemplate media="', b"xlink:href='"),
    *(b"https://", b"cdn.example", b"//", b"../", b"$Number$", b"%2e%2e/", b"\xef\xbb\xbf"),
    *(b"xmlns:a='b'", b"<!DOCTYPE", "ü".encode(), b"type='dynamic' publishTime='x'"),
]


def everything(data: bytes) -> Rewritten | None:
    """Everything that the edge does to an MPD; ``None`` when it is refused."""
    try:
        document = scan(data, LIMITS)
        live_view(document)
        targets = {target.href: b"<Period/>" for target in xlink_targets(document)}
        edits, _ = inline(document, dict(targets), LIMITS)
        scan(apply_edits(data, edits), LIMITS)
        advertised = advertise_patch(data, "p", 60, limits=LIMITS)
        make_patch(data, advertised, LIMITS)
        result = rewrite(data, context(unlisted="leave"), LIMITS)
        scan(result.output, LIMITS)
        scan(with_query_token(result.output, result.places, "T", xml=True), LIMITS)
    except ManifestError:
        return None
    assert apply_edits(data, result.edits) == result.output
    if all(map(has_plain_names, document.root.walk())):
        assert_same_tree(document.root, corpus.tree(data))
    return result


def has_plain_names(element: Element) -> bool:
    """Whether no name has more than one colon: what lxml makes of those is its own affair."""
    names = [element.tag, *element.attributes]
    return all(name.count(":") <= 1 and name.strip(":") == name for name in names)


@SLOW
@given(st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join))
def test_pieces_of_markup_end_in_our_error_or_a_result(data: bytes) -> None:
    everything(data)
    everything(b"<MPD>" + data + b"</MPD>")


@SLOW
@given(st.binary(max_size=200))
def test_garbage_ends_in_our_error_or_a_result(data: bytes) -> None:
    everything(data)
    everything(b"<MPD>" + data + b"</MPD>")


@SLOW
@given(st.integers(0, 2**32))
def test_damaged_documents_of_the_wild_end_in_our_error_or_a_result(seed: int) -> None:
    chance = random.Random(seed)
    data = corpus.read(chance.choice(corpus.names()))[:20_000]
    for _ in range(chance.randrange(1, 6)):
        start = chance.randrange(len(data))
        stop = min(len(data), start + chance.choice([0, 1, 5, 50]))
        data = data[:start] + chance.choice(PIECES) * chance.choice([0, 1, 3]) + data[stop:]
    everything(data)


URIS = st.lists(
    st.sampled_from(
        ["a", "/", "//", "..", ".", "?", "#", ":", "$Number$", "https:", "cdn.example", "live.example", "channels",
         "%2e", "%2F", "[::1]", "@", " ", "&amp;", "&#38;", "é", "data:", "\\", "\t"]
    ),
    max_size=8,
).map("".join)  # fmt: skip


@SLOW
@given(
    st.lists(URIS, min_size=5, max_size=5),
    st.sampled_from(["one/manifest.mpd", "m.mpd", "a/b/c/d"]),
)
def test_strange_uris_end_in_our_error_or_lead_to_the_edge(uris: list[str], path: str) -> None:
    data = (
        f"<MPD><BaseURL>{uris[0]}</BaseURL><Location>{uris[1]}</Location><Period><BaseURL>{uris[2]}</BaseURL>"
        f"<AdaptationSet><SegmentTemplate media='{uris[3]}' initialization='{uris[4]}'/><Representation/>"
        "</AdaptationSet></Period></MPD>"
    ).encode()
    try:
        result = rewrite(data, context(path=path), DEFAULT)
    except ManifestError:
        return
    again = rewrite(data, context(path=path), DEFAULT)
    assert apply_edits(data, result.edits) == result.output == again.output
    for place in result.places:
        text = result.output[place.start : place.stop]
        assert not re.match(rb"//|[A-Za-z][A-Za-z0-9+.-]*:", text)
