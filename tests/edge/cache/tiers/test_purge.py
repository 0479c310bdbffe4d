from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.cache.tiers.purge import MOST_BYTES, Purge, base_of
from edge.errors import BadPurge


@dataclass(frozen=True)
class Kept:
    key: str
    tags: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("purge", "key", "tags", "meant"),
    [
        (Purge("url", "vod/a.mp4"), "vod/a.mp4", (), True),
        (Purge("url", "vod/a.mp4"), "vod/a.mp4\nslice 3", (), True),
        (Purge("url", "vod/a.mp4"), "vod/a.mp4?x=1", (), False),
        (Purge("url", "vod/a.mp4"), "vod/a.mp", (), False),
        (Purge("prefix", "vod/title/"), "vod/title/1.m4s\ngzip", (), True),
        (Purge("prefix", "vod/title/"), "vod/other/1.m4s", (), False),
        (Purge("prefix", "vod/a\u00e4"), "vod/a", (), False),
        (Purge("tag", "show-1"), "vod/x", ("show-2", "show-1"), True),
        (Purge("tag", "show"), "vod/x", ("show-2", "show-1"), False),
        (Purge("all"), "vod/x", (), True),
    ],
)
def test_a_purge_means_what_it_names(
    purge: Purge, key: str, tags: tuple[str, ...], meant: bool
) -> None:
    assert purge.matches(Kept(key, tags)) is meant
    assert purge.covers(base_of(key), tags) is meant


def test_a_prefix_never_looks_into_the_variant() -> None:
    assert not Purge("prefix", "vod/a.mp4s").matches(Kept("vod/a.mp4\ns"))


@pytest.mark.parametrize(
    "purge", [Purge("url", "vod/ä b.mp4"), Purge("tag", "t", soft=True), Purge("all", soft=True)]
)
def test_a_purge_survives_its_way_over_the_wire(purge: Purge) -> None:
    assert Purge.parse(purge.to_json()) == purge


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b'"all"',
        b"{}",
        b'{"kind": "everything", "value": "x"}',
        b'{"kind": ["url"], "value": "x"}',
        b'{"kind": "url"}',
        b'{"kind": "url", "value": ""}',
        b'{"kind": "url", "value": 3}',
        b'{"kind": "url", "value": null}',
        b'{"kind": "all", "value": "x"}',
        b'{"kind": "all", "soft": 1}',
        b'{"kind": "all", "soft": "yes"}',
        b'{"kind": "all", "hard": true}',
        b'{"kind": "tag", "kind": "all"}',
        b'{"kind": "url", "value": "a\\nb"}',
        b'{"kind": "url", "value": "a\\u0000"}',
        b'{"kind": "url", "value": "\\ud800"}',
        b'{"kind": "all"} {}',
        b'\xef\xbb\xbf{"kind": "all"}',
        b'{"kind": "all\xff"}',
        b"[" * 8000,
        b'{"a":' * 3000,
        json.dumps({"kind": "url", "value": "x" * (8 * 1024 + 1)}).encode(),
        b" " * (MOST_BYTES + 1),
    ],
)
def test_anything_else_is_refused_as_a_bad_purge(data: bytes) -> None:
    with pytest.raises(BadPurge):
        Purge.parse(data)


@given(st.binary(max_size=200))
def test_garbage_ends_in_a_bad_purge(data: bytes) -> None:
    with suppress(BadPurge):
        Purge.parse(data)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["kind", "value", "soft", "x"]), inner)
        ),
    )
)
def test_any_json_ends_in_a_purge_or_a_bad_purge(found: object) -> None:
    with suppress(BadPurge):
        assert isinstance(Purge.parse(json.dumps(found).encode()), Purge)
