from __future__ import annotations

import re
import warnings
from pathlib import Path
from urllib.parse import urljoin

import m3u8
import pytest

from edge.manifests.context import Context
from edge.manifests.edits import apply_edits
from edge.manifests.hls.rewrite import rewrite, rewrite_scanned
from edge.manifests.hls.scan import BOM, scan
from edge.manifests.places import with_query_token
from edge.manifests.uris import OriginMap
from tests.manifests import corpus
from tests.manifests.hls_worlds import BASE, back, uris, world, world_of

FILES = corpus.hls()
EVERY = pytest.mark.parametrize("path", FILES, ids=corpus.ids(FILES))
NOWHERE = Context(base=None, origins=OriginMap(()), origin="o", path="x.m3u8")
DEFINES = {"mvpVariable": "mvp", "Define3": "three"}
QUERY = {"token": "abc", "foo": "bar", "Define2": "two"}
_NAMED = re.compile(rb'#EXT-X-DEFINE:NAME="([^"]*)",VALUE="([^"]*)"')


@EVERY
def test_lines_cover_every_byte(path: Path) -> None:
    data = path.read_bytes()
    playlist = scan(data)

    assert b"".join(data[line.start : line.end] for line in playlist.lines) == data.removeprefix(
        BOM
    )
    assert all(
        line.start <= line.value_start <= line.value_stop <= line.stop for line in playlist.lines
    )


@EVERY
def test_without_a_base_the_output_is_the_input(path: Path) -> None:
    data = path.read_bytes()
    result = rewrite(data, NOWHERE)

    assert result.output == data
    assert not result.edits


@EVERY
def test_only_uris_differ_and_each_leads_to_its_original_target(path: Path) -> None:
    data = path.read_bytes()
    context = world(path, query=QUERY, defines=DEFINES)
    output = rewrite(data, context).output

    before, frame = uris(data)
    after, other_frame = uris(output)
    assert other_frame == frame
    values = variables(data)
    for old, new in zip(before, after, strict=True):
        wanted = re.sub(r"^(https?://[^/?]+)$", r"\1/", urljoin(BASE, filled(old, values)))
        assert back(filled(new, values), context) == wanted
        assert (
            "://" not in new or "://" in wanted.partition("?")[2] or not wanted.startswith("http")
        )


@EVERY
def test_the_quick_way_and_the_careful_way_agree(path: Path) -> None:
    data = path.read_bytes()
    for context in (
        world(path, query=QUERY, defines=DEFINES),
        world_of(
            data,
            base="https://origin.example/vod/show/season/x/y/z.m3u8",
            defines=DEFINES,
            query=QUERY,
        ),
    ):
        quick = rewrite(data, context)
        careful = rewrite_scanned(scan(data), context)
        assert quick.output == careful.output
        assert apply_edits(data, quick.edits) == quick.output
        assert quick.places == careful.places


@EVERY
def test_each_uri_gets_the_token_once_and_nothing_else_changes(path: Path) -> None:
    data = path.read_bytes()
    result = rewrite(data, world(path, query=QUERY, defines=DEFINES))
    output = with_query_token(result.output, result.places, "T0K", xml=False)

    before, frame = uris(result.output)
    after, other_frame = uris(output)
    assert other_frame == frame
    for old, new in zip(before, after, strict=True):
        fetched = bool(old) and not re.match(r"(?!https?:)[a-z]+:", old)
        assert new.count("token=T0K") == fetched
        assert new == old or re.sub(r"[?&]token=T0K(?=#|$)", "", new) == old


@EVERY
def test_rewriting_again_from_the_same_place_changes_nothing(path: Path) -> None:
    data = path.read_bytes()
    context = world(path, query=QUERY, defines=DEFINES)
    once = rewrite(data, context).output
    edge = Context(
        base="http://edge" + context.document,
        origins=OriginMap(
            tuple((name, f"http://edge/{name}/") for name, _ in context.origins.bases)
        ),
        origin=context.origin,
        path=context.path,
        query=QUERY,
        defines=DEFINES,
    )

    assert rewrite(once, edge).output == once


@EVERY
def test_another_parser_sees_the_same_streams_segments_and_durations(path: Path) -> None:
    data = path.read_bytes()
    verdict = read(data)
    if verdict is None:
        return

    assert read(rewrite(data, world(path, query=QUERY, defines=DEFINES)).output) == verdict


def read(data: bytes) -> tuple[object, ...] | None:
    """What PyPI m3u8 finds in a playlist, or ``None`` if it refuses it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            playlist = m3u8.loads(data.decode("utf-8-sig"))
        except Exception:  # noqa: BLE001 - whatever it fails with, it refuses the playlist
            return None
    return (
        playlist.is_variant,
        [(p.stream_info.bandwidth, p.stream_info.resolution) for p in playlist.playlists],
        [(m.type, m.group_id, m.name) for m in playlist.media],
        [(s.duration, s.byterange, s.discontinuity, len(s.parts)) for s in playlist.segments],
        playlist.target_duration,
        playlist.media_sequence,
        len(playlist.keys),
        len(playlist.iframe_playlists),
        len(playlist.rendition_reports),
    )


def variables(data: bytes) -> dict[str, str]:
    values = DEFINES | QUERY
    for name, value in _NAMED.findall(data):
        values[name.decode()] = filled(value.decode(), values)
    return values


def filled(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\{\$([^}]+)\}", lambda match: values[match[1]], text)
