from __future__ import annotations

import json
from typing import Any

import pytest

from edge.manifests.context import Rewritten
from edge.manifests.errors import (
    NotAManifest,
    TooDeep,
    TooLarge,
    TooManyElements,
    Truncated,
    UnlistedHost,
)
from edge.manifests.hls.scan import scan
from edge.manifests.hls.steering import pathways_of, rewrite
from edge.manifests.limits import Limits
from edge.manifests.pipeline import Format
from edge.manifests.places import Place, with_query_token
from edge.manifests.whole import made_whole
from tests.manifests.hls_player import BASE, context, master

PUBLIC = "https://edge.example/t/TOKEN/f/h<=720"


def answer(document: object, **more: Any) -> Any:
    pathways = more.pop("pathways", {})
    data = json.dumps(document).encode()
    return json.loads(rewrite(data, context(**more), pathways=pathways).output)


def whole(result: Rewritten, public: str = PUBLIC) -> tuple[bytes, tuple[Place, ...]]:
    where = context().document
    return made_whole(
        result.output, result.places, format_=Format.JSON, document=where, public=public
    )


def test_the_reload_uri_stays_relative_to_the_steering_manifest() -> None:
    document = {"VERSION": 1, "TTL": 300, "RELOAD-URI": "https://live.example.com:8443/s?x=1"}

    assert answer(document)["RELOAD-URI"] == "../../../live/s?x=1"
    assert b'"../../../live/s?x=1"' in whole(rewrite(json.dumps(document).encode(), context()))[0]
    assert answer({"RELOAD-URI": "s.json"})["RELOAD-URI"] == "s.json"


def test_what_is_not_a_uri_stays_byte_for_byte() -> None:
    data = (
        b'\xef\xbb\xbf {"TTL" : 3.0e2,"X":[ 1.10 , "https:\\/\\/evil.example"],\r\n\t"X-A":{"URI":"/x"},'
        b'"RELOAD-URI":"\\u0068ttps://live.example.com:8443/\\u00e9"}\n'
    )
    result = rewrite(data, context())

    assert result.output == data.replace(
        b'"\\u0068ttps://live.example.com:8443/\\u00e9"', '"../../../live/é"'.encode()
    )
    assert [edit.where for edit in result.edits] == ["RELOAD-URI"]
    assert rewrite(data, context(base=None)).output == data


def test_the_uris_of_an_asset_list_are_whole_because_players_resolve_them_elsewhere() -> None:
    assets = {
        "ASSETS": [
            {"URI": "https://live.example.com:8443/ad/1.m3u8", "DURATION": 15.0},
            {"URI": "ad/2.m3u8", "DURATION": 10},
            {"URI": 3},
            "odd",
        ],
        "SKIP-CONTROL": {"OFFSET": 5},
    }

    output, _ = whole(rewrite(json.dumps(assets).encode(), context()))

    assert [asset["URI"] for asset in json.loads(output)["ASSETS"][:3]] == [
        PUBLIC + "/live/ad/1.m3u8",
        PUBLIC + "/vod/a/b/ad/2.m3u8",
        3,
    ]
    assert [asset["URI"] for asset in answer(assets)["ASSETS"][:2]] == [
        "../../../live/ad/1.m3u8",
        "ad/2.m3u8",
    ]


def test_every_uri_of_a_document_gets_the_query_token() -> None:
    document = {
        "RELOAD-URI": "s.json#f",
        "PATHWAY-CLONES": [
            {"ID": "b", "URI-REPLACEMENT": {"PER-VARIANT-URIS": {"v": "https://cdn.example.com/vod/v.m3u8?a=1"}}}
        ],
        "ASSETS": [{"URI": "https://left.example/x"}, {"URI": "urn:x"}],
    }  # fmt: skip
    result = rewrite(json.dumps(document).encode(), context(unlisted="leave"))
    standing = whole(result, public="https://edge.example")
    output = json.loads(with_query_token(*standing, "T", xml=False))

    assert output["RELOAD-URI"] == "s.json?token=T#f"
    assert output["PATHWAY-CLONES"][0]["URI-REPLACEMENT"]["PER-VARIANT-URIS"] == {
        "v": "https://edge.example/vod/v.m3u8?a=1&token=T"
    }
    assert output["ASSETS"] == [{"URI": "https://left.example/x"}, {"URI": "urn:x"}]


MASTER = master(
    '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aud",NAME="en",URI="a/en.m3u8",STABLE-RENDITION-ID="en"',
    '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aud-b",NAME="en",URI="https://live.example.com:8443/en.m3u8"',
    '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="none",NAME="muxed"',
    '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="aud",PATHWAY-ID="A",STABLE-VARIANT-ID="lo"',
    "lo.m3u8",
    '#EXT-X-STREAM-INF:BANDWIDTH=2,AUDIO="aud",PATHWAY-ID="A",STABLE-VARIANT-ID="hi"',
    "hi.m3u8?x=1",
    '#EXT-X-STREAM-INF:BANDWIDTH=2,AUDIO="aud-b",PATHWAY-ID="B",STABLE-VARIANT-ID="hi"',
    "https://live.example.com:8443/hi.m3u8",
    "#EXT-X-STREAM-INF:BANDWIDTH=3",
    "plain.m3u8",
)
PATHWAYS = pathways_of(scan(MASTER), BASE)


def clone(name: str, base: str, **replacement: object) -> dict[str, object]:
    return {"ID": name, "BASE-ID": base, "URI-REPLACEMENT": replacement}


def test_the_pathways_of_a_multivariant_playlist() -> None:
    assert PATHWAYS["A"].variants == {
        "lo": "https://cdn.example.com/vod/a/b/lo.m3u8",
        "hi": "https://cdn.example.com/vod/a/b/hi.m3u8?x=1",
    }
    assert PATHWAYS["A"].renditions == {"en": "https://cdn.example.com/vod/a/b/a/en.m3u8"}
    assert {name: pathway.complete for name, pathway in PATHWAYS.items()} == {
        "A": True,
        "B": False,  # a rendition without a stable id
        ".": False,
    }


TWO = type(context().origins)(
    (
        *context().origins.bases,
        ("two", "https://two.example/vod/"),
        ("three", "https://three.example/"),
    )
)


def test_a_clone_by_host_becomes_one_uri_per_variant_and_rendition() -> None:
    document = {
        "PATHWAY-PRIORITY": ["C", "A"],
        "PATHWAY-CLONES": [
            clone("C", "A", HOST="two.example", PARAMS={"k": "v"}, **{"X-OWN": 1.0}),
            clone("D", "C", HOST="three.example", **{"PER-VARIANT-URIS": {"lo": "https://two.example/vod/own.m3u8"}}),
        ],
    }  # fmt: skip
    data = json.dumps(document).encode()
    result = rewrite(data, context(origins=TWO), pathways=PATHWAYS)
    text, places = whole(result)
    output = json.loads(text)

    assert output["PATHWAY-PRIORITY"] == ["C", "A"]
    assert output["PATHWAY-CLONES"][0]["URI-REPLACEMENT"] == {
        "PARAMS": {"k": "v"},
        "X-OWN": 1.0,
        "PER-VARIANT-URIS": {
            "lo": PUBLIC + "/two/a/b/lo.m3u8",
            "hi": PUBLIC + "/two/a/b/hi.m3u8?x=1",
        },
        "PER-RENDITION-URIS": {"en": PUBLIC + "/two/a/b/a/en.m3u8"},
    }
    assert output["PATHWAY-CLONES"][1]["URI-REPLACEMENT"] == {
        "PER-VARIANT-URIS": {
            "lo": PUBLIC + "/two/own.m3u8",
            "hi": PUBLIC + "/three/vod/a/b/hi.m3u8?x=1",
        },
        "PER-RENDITION-URIS": {"en": PUBLIC + "/three/vod/a/b/a/en.m3u8"},
    }
    assert len(places) == 6
    assert all(text[p.start : p.stop].startswith(PUBLIC.encode()) for p in places)
    assert not result.warnings


@pytest.mark.parametrize("drop", [[0], [1], [2], [0, 1], [1, 2], [0, 2], [0, 1, 2], []])
def test_a_clone_that_cannot_be_said_as_paths_is_left_out_with_a_warning(drop: list[int]) -> None:
    clones = [
        clone(f"c{n}", "A", HOST="evil.example" if n in drop else "two.example") for n in range(3)
    ]
    data = json.dumps({"PATHWAY-CLONES": clones, "TTL": 1}).encode()
    result = rewrite(data, context(origins=TWO), pathways=PATHWAYS)
    output = json.loads(result.output)

    assert [c["ID"] for c in output["PATHWAY-CLONES"]] == [
        f"c{n}" for n in range(3) if n not in drop
    ]
    assert output["TTL"] == 1
    assert len(result.warnings) == len(drop)


@pytest.mark.parametrize("base", ["B", ".", "unknown"])
def test_a_clone_of_a_pathway_without_stable_ids_is_left_out(base: str) -> None:
    document = {"PATHWAY-CLONES": [clone("C", base, HOST="two.example")]}

    assert answer(document, origins=TWO, pathways=PATHWAYS) == {"PATHWAY-CLONES": []}
    assert answer(document, origins=TWO) == {"PATHWAY-CLONES": []}


def test_hosts_stay_where_unlisted_hosts_are_left() -> None:
    document = {"PATHWAY-CLONES": [clone("C", "A", HOST="two.example")]}

    assert answer(document, unlisted="leave", pathways=PATHWAYS) == document


def test_an_unlisted_host_in_a_document_is_refused() -> None:
    with pytest.raises(UnlistedHost, match=r"evil\.example"):
        rewrite(b'{"RELOAD-URI":"https://evil.example/"}', context())


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"[]", NotAManifest),
        (b"", Truncated),
        (b'{"TTL":1', Truncated),
        (b'{"TTL', Truncated),
        (b'{"TTL":1}x', NotAManifest),
        (b'{"TTL":01}', NotAManifest),
        (b"{TTL:1}", NotAManifest),
        (b'{"A":1,}', NotAManifest),
        (b'{"A" 1}', NotAManifest),
        (b'{"A":"\\x"}', NotAManifest),
        (b'{"A":"\n"}', (NotAManifest, Truncated)),
        (b'{"A":"\xff"}', NotAManifest),
        (b'{"A":' * 17 + b"1" + b"}" * 17, TooDeep),
        (b'{"A":[' + b"1," * 20_000 + b"1]}", TooManyElements),
        (b'{"A":"' + b"x" * 200_000 + b'"}', TooLarge),
        (b'{"A":' + b"[" * 100_000, TooDeep),
    ],
)  # fmt: skip
def test_bad_json_is_an_error_of_its_own(
    data: bytes, error: type[Exception] | tuple[type[Exception], ...]
) -> None:
    with pytest.raises(error):
        rewrite(data, context(), Limits(bytes=150_000))
