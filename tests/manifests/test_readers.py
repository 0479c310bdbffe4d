from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from edge.manifests.context import Context
from edge.manifests.errors import ManifestError
from edge.manifests.filters.grammar import parse_filter
from edge.manifests.pipeline import produce
from tests.manifests import corpus, dash_corpus, hls_worlds
from tests.manifests.readers import node, pypi
from tests.manifests.readers.node import Document, Reading

FILES = {path.name: path for path in (*corpus.hls(), *corpus.dash())}
HLS = (*node.HLS, "m3u8")
DASH = (*node.DASH, "mpegdash")
DEFINES = {"mvpVariable": "mvp", "Define3": "three"}
QUERY = {"token": "abc", "foo": "bar", "Define2": "two"}
FILTERS = ("height:..720", "vcodec:avc~order:up", "alang:en~type:video,audio")
# A document type is more than one reader would accept; a cut MPD is no MPD.
REFUSED = frozenset(dash_corpus.BROKEN)


def pairs() -> Iterator[tuple[str, str]]:
    for library in HLS:
        yield from ((library, path.name) for path in corpus.hls())
    for library in DASH:
        yield from ((library, path.name) for path in corpus.dash())


EVERY = pytest.mark.parametrize(("library", "name"), list(pairs()))


def is_dash(name: str) -> bool:
    return FILES[name].parent.name == "dash"


@cache
def world(name: str) -> Context:
    path = FILES[name]
    if is_dash(name):
        return dash_corpus.context_for(path.read_bytes())
    return hls_worlds.world(path, query=QUERY, defines=DEFINES)


def source_of(name: str) -> str:
    return dash_corpus.SOURCE if is_dash(name) else hls_worlds.BASE


def player_of(name: str) -> str:
    before = dash_corpus.PLAYER if is_dash(name) else hls_worlds.EDGE
    return before + world(name).document


def is_choice(data: bytes, name: str) -> bool:
    """Whether there is something to filter."""
    return is_dash(name) or b"#EXT-X-STREAM-INF" in data


def documents(path: Path) -> Iterator[tuple[str, Document]]:
    name, data = path.name, path.read_bytes()
    yield f"in {name}", Document(data=data, url=source_of(name))
    if name in REFUSED:
        return
    wanted: tuple[str | None, ...] = (None, *(FILTERS if is_choice(data, name) else ()))
    for text in wanted:
        filter_ = None if text is None else parse_filter(text)
        made = produce(data, world(name), filter_)
        yield f"{text or 'out'} {name}", Document(data=made.output, url=player_of(name))


@cache
def readings(library: str) -> dict[str, Reading]:
    """Everything that one library saw; each reads all of it in one go."""
    paths = corpus.hls() if library in HLS else corpus.dash()
    every = dict(item for path in paths for item in documents(path))
    if library in ("m3u8", "mpegdash"):
        return pypi.read_all(library, every)
    return node.read_all(library, every)


def accepted(library: str, name: str) -> Reading | None:
    reading = readings(library).get(f"in {name}")
    return None if reading is None or reading.saw is None or name in REFUSED else reading


@EVERY
def test_a_reader_that_accepts_the_input_sees_the_same_in_the_output(
    library: str, name: str
) -> None:
    before = accepted(library, name)
    if before is None:
        return

    after = readings(library)[f"out {name}"]

    assert after.error is None
    assert after.saw == before.saw
    assert len(after.uris) == len(before.uris)


@EVERY
def test_the_uris_a_reader_sees_lead_to_where_they_led(library: str, name: str) -> None:
    before = accepted(library, name)
    if before is None or b"{$" in FILES[name].read_bytes():  # variables: readers fill in only some
        return
    after = readings(library)[f"out {name}"]

    for old, new in zip(before.uris, after.uris, strict=True):
        assert (old is None) == (new is None)
        if old is not None and new is not None:
            assert found(new, name) == wanted(old, name)


def found(uri: str, name: str) -> str:
    return uri if is_dash(name) else hls_worlds.back(uri, world(name))


def wanted(uri: str, name: str) -> str:
    if is_dash(name):
        return dash_corpus.mapped(uri, world(name))
    return re.sub(r"^(https?://[^/?]+)$", r"\1/", urljoin(hls_worlds.BASE, uri))


@pytest.mark.parametrize("text", FILTERS)
@EVERY
def test_a_reader_accepts_what_a_filter_leaves_and_sees_only_what_was_there(
    library: str, name: str, text: str
) -> None:
    before = accepted(library, name)
    if before is None or f"{text} {name}" not in readings(library):
        return

    after = readings(library)[f"{text} {name}"]

    assert after.error is None
    assert after.saw is not None
    assert before.saw is not None
    was, now = shown(before.saw), shown(after.saw)
    assert bool(now) == bool(was)
    assert not now - was


def shown(saw: dict[str, Any]) -> Counter[str]:
    """The variants, or the Representations, by what no filter changes: a group that went is no longer named."""
    if "variants" in saw:
        return Counter(repr(_own(variant)) for variant in saw["variants"])
    return Counter(_representations(saw))


def _own(variant: Any) -> Any:
    if isinstance(variant, dict):
        return [variant.get(name) for name in ("BANDWIDTH", "CODECS", "RESOLUTION", "FRAME-RATE")]
    return variant[:5]


def _representations(node_: Any) -> Iterator[str]:
    if isinstance(node_, dict):
        if node_.get("of") == "Representation":
            yield repr((node_["id"], node_["bandwidth"], node_["codecs"], node_["height"]))
        for value in node_.values():
            yield from _representations(value)
    elif isinstance(node_, list):
        for value in node_:
            yield from _representations(value)


@pytest.mark.parametrize("library", [*HLS, *DASH])
def test_readers_accept_most_of_the_corpus(library: str) -> None:
    paths = corpus.hls() if library in HLS else corpus.dash()

    seen = [path for path in paths if accepted(library, path.name) is not None]

    assert len(seen) > 0.8 * len(paths)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_cannot_be_read_is_refused(name: str) -> None:
    with pytest.raises(ManifestError):
        produce(FILES[name].read_bytes(), world(name))
