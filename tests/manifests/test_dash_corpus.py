from __future__ import annotations

import importlib
import random
from typing import Any
from xml.parsers.expat import ExpatError

import pytest
from lxml import etree

from edge.manifests.context import Context
from edge.manifests.dash.live import live_view
from edge.manifests.dash.rewrite import rewrite
from edge.manifests.dash.scan import Element, read, scan
from edge.manifests.edits import apply_edits
from edge.manifests.errors import Truncated
from edge.manifests.limits import DEFAULT
from edge.manifests.uris import OriginMap
from tests.manifests import dash_corpus as corpus
from tests.manifests.dash_player import local, requests, text_of

NAMES = corpus.names()
# Where the source stands, and where the player's document does.
STANDS = {
    "asked for": (corpus.SOURCE, "show/manifest.mpd"),
    "redirected deeper": ("https://origin.example/vod/a/b/c.mpd", "live.mpd"),
    "redirected higher": ("https://origin.example/vod/c.mpd", "x/y/z/live.mpd"),
}
# Its Representation has an absolute BaseURL below './', '../a/' and '../b/', which that redirect puts at two depths.
DEEP = (STANDS["redirected higher"][0], "zencoder__go-dash__live_profile_multi_base_url.mpd")
URI_TEXT = {"BaseURL", "Location", "PatchLocation", "ContentSteering", "ImportedMPD"}
URI_ATTRIBUTES = {"media", "initialization", "index", "bitstreamSwitching", "sourceURL", "href"}
URI_VALUES = {"UTCTiming"}


def elements(parent: etree._Element) -> list[etree._Element]:
    return list(parent.iterchildren("*"))


def assert_same_tree(ours: Element, theirs: etree._Element) -> None:
    found = elements(theirs)
    if ours.namespace is not None:
        assert f"{{{ours.namespace}}}{ours.name}" == theirs.tag
    else:
        assert ours.tag == theirs.tag
    attributes = {
        key: attribute.value
        for key, attribute in ours.attributes.items()
        if key != "xmlns" and not key.startswith("xmlns:")
    }
    for key, value in attributes.items():
        prefix, colon, rest = key.partition(":")
        namespace = ours.namespace_of(prefix) if colon else None
        if prefix == "xml":
            namespace = "http://www.w3.org/XML/1998/namespace"
        qualified = f"{{{namespace}}}{rest}" if namespace else key
        assert theirs.attrib[qualified] == value
    assert len(theirs.attrib) == len(attributes)
    own_text = (theirs.text or "") + "".join(child.tail or "" for child in theirs)
    assert ours.text == own_text
    assert len(ours.children) == len(found)
    for child, other in zip(ours.children, found, strict=True):
        assert child.parent is ours
        assert ours.open_stop <= child.start < child.stop <= ours.close_start
        assert_same_tree(child, other)


@pytest.mark.parametrize("name", NAMES)
def test_the_scanner_sees_the_tree_that_lxml_sees(name: str) -> None:
    data = corpus.read(name)

    document = scan(data, DEFAULT)

    assert_same_tree(document.root, corpus.tree(data))
    for element in document.root.walk():
        assert data[element.start : element.start + 1] == b"<"
        assert data[element.stop - 1 : element.stop] == b">"
        for key, attribute in element.attributes.items():
            assert data[attribute.start : attribute.stop] == attribute.raw
            assert data[: attribute.start].rstrip(b"\"'").rstrip().endswith(b"=")
            assert key.encode() in data[element.start : attribute.start]


@pytest.mark.parametrize("name", NAMES)
def test_without_a_base_nothing_changes(name: str) -> None:
    data = corpus.read(name)
    context = Context(base=None, origins=OriginMap(()), origin="origin", path="m.mpd")

    assert rewrite(data, context, DEFAULT).output == data


def masked(element: etree._Element) -> tuple[object, ...]:
    name = local(element)
    attributes = {
        str(key): "" if is_uri(name, str(key)) else str(value)
        for key, value in element.attrib.items()
    }
    own = [element.text or "", *(child.tail or "" for child in element)]
    if name in URI_TEXT:
        own = []
    return (str(element.tag), attributes, own, [masked(child) for child in elements(element)])


def is_uri(element: str, attribute: str) -> bool:
    bare = attribute.rpartition("}")[2]
    return bare in URI_ATTRIBUTES or (bare == "value" and element in URI_VALUES)


@pytest.mark.parametrize("name", NAMES)
def test_with_a_base_only_uris_change(name: str) -> None:
    data = corpus.read(name)

    result = rewrite(data, corpus.context_for(data), DEFAULT)

    assert masked(corpus.tree(result.output)) == masked(corpus.tree(data))
    assert apply_edits(data, result.edits) == result.output
    for edit in result.edits:
        assert b">" not in data[edit.start : edit.stop]


@pytest.mark.parametrize("name", NAMES)
def test_every_uri_leads_to_the_copy_of_its_target(name: str) -> None:
    data = corpus.read(name)

    for base, path in STANDS.values():
        context = corpus.context_for(data, base=base, path=path)
        result = rewrite(data, context, DEFAULT)
        wanted = [(what, corpus.mapped(url, context)) for what, url in requests(data, base)]
        found = requests(result.output, f"{corpus.PLAYER}/origin/{path}")
        if result.warnings:  # an absolute URI below alternatives at different depths
            wanted = [request for request in wanted if "alternative 0" in request[0]]
            found = [request for request in found if "alternative 0" in request[0]]
            assert (base, name) == DEEP
        assert found == wanted


@pytest.mark.parametrize("name", NAMES)
def test_no_listed_host_is_left_in_a_uri_that_players_ask_for(name: str) -> None:
    data = corpus.read(name)

    output = rewrite(data, corpus.context_for(data), DEFAULT).output

    for element in corpus.tree(output).iter():
        if local(element) in URI_TEXT:
            assert not text_of(element).strip().startswith(("http:", "https:", "//"))
        for key, value in element.attrib.items():
            if is_uri(local(element), str(key)) and "ContentProtection" not in str(element.tag):
                assert not str(value).strip().startswith(("http:", "https:", "//"))


@pytest.mark.parametrize("name", NAMES)
def test_hosts_without_an_origin_are_left_as_they_are_when_the_policy_says_so(name: str) -> None:
    data = corpus.read(name)
    context = Context(
        base=corpus.SOURCE,
        origins=OriginMap((("origin", "https://origin.example/vod/"),)),
        origin="origin",
        path="show/manifest.mpd",
        unlisted="leave",
    )

    result = rewrite(data, context, DEFAULT)

    wanted = [(what, corpus.mapped(url, context)) for what, url in requests(data, corpus.SOURCE)]
    assert requests(result.output, f"{corpus.PLAYER}/origin/show/manifest.mpd") == wanted
    for place in result.places:
        assert b"://" not in result.output[place.start : place.stop]


@pytest.mark.parametrize("name", NAMES)
def test_what_was_rewritten_once_stays(name: str) -> None:
    data = corpus.read(name)
    output = rewrite(data, corpus.context_for(data), DEFAULT).output
    behind = Context(
        base=f"{corpus.PLAYER}/origin/show/manifest.mpd",
        origins=OriginMap(
            tuple(
                (name, f"{corpus.PLAYER}/{name}/")
                for name, _ in corpus.context_for(data).origins.bases
            )
        ),
        origin="origin",
        path="show/manifest.mpd",
    )

    assert rewrite(output, behind, DEFAULT).output == output


@pytest.mark.parametrize("name", NAMES)
def test_every_place_is_a_uri_in_the_output(name: str) -> None:
    data = corpus.read(name)

    result = rewrite(data, corpus.context_for(data), DEFAULT)

    assert result.places or not requests(data, corpus.SOURCE)
    last = 0
    for place in result.places:
        text = result.output[place.start : place.stop]
        assert last <= place.start < place.stop
        assert text.strip() == text
        assert not set(text) & set(b"<>\"'")
        last = place.stop


MPEGDASH: Any = importlib.import_module("mpegdash.parser").MPEGDASHParser


def seen_by_mpegdash(data: bytes) -> object:
    """What another reader makes of a document, without its URIs; ``None`` when it refuses it."""
    try:
        presentation = MPEGDASH.parse(data.decode())
    except (ValueError, AttributeError, TypeError, IndexError, ExpatError):
        return None
    return [
        [
            (found.content_type, found.mime_type, [
                (one.id, one.bandwidth, one.codecs, len(one.base_urls or ()), len(one.segment_lists or ()))
                for one in found.representations or ()
            ])
            for found in period.adaptation_sets or ()
        ]
        for period in presentation.periods or ()
    ]  # fmt: skip


def test_another_reader_sees_the_same_in_the_output() -> None:
    accepted = 0
    for name in NAMES:
        data = corpus.read(name)
        seen = seen_by_mpegdash(data)
        if seen is not None:
            accepted += 1
            output = rewrite(data, corpus.context_for(data), DEFAULT).output
            assert seen_by_mpegdash(output) == seen
    assert accepted > 50


@pytest.mark.parametrize("name", NAMES)
def test_a_document_cut_anywhere_is_truncated(name: str) -> None:
    data = corpus.read(name)
    root = read(data, DEFAULT).root
    chance = random.Random(name)

    for _ in range(8):
        with pytest.raises(Truncated):
            scan(data[: chance.randrange(root.start + 1, root.stop)], DEFAULT)


@pytest.mark.parametrize("name", NAMES)
def test_every_presentation_can_be_viewed(name: str) -> None:
    data = corpus.read(name)

    view = live_view(scan(data, DEFAULT))

    assert view.dynamic == (corpus.tree(data).get("type") == "dynamic")
    assert len(view.periods) == len(list(corpus.tree(data).iterchildren("{*}Period")))


def test_the_unfinished_one_is_truncated() -> None:
    for name in corpus.BROKEN:
        with pytest.raises(Truncated):
            scan(corpus.read(name), DEFAULT)
