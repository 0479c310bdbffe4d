from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from edge.manifests.ads.hls.cut import cut
from edge.manifests.ads.hls.plan import Hole, Plan, Run
from edge.manifests.ads.hls.segments import index
from edge.manifests.edits import apply_edits
from tests.manifests import corpus
from tests.manifests.ads.effective import changes, read
from tests.manifests.readers import node, pypi
from tests.manifests.readers.node import Document, Reading

URL = "https://cdn.example.com/vod/a/b/media.m3u8"
# A length that is no number; a vector that is a variable.
UNREADABLE = frozenset(
    {"videojs__m3u8-parser__extinf.m3u8", "video-dev__hls.js__m3u8-parser.ts__lit72.m3u8"}
)
LIBRARIES = (*node.HLS, "m3u8")


@cache
def breaks() -> dict[str, list[tuple[int, int]]]:
    path = corpus.ROOT / "ad-breaks.json"
    files = json.loads(path.read_bytes())["files"]
    return {
        Path(name).name: [(b["first_index"], b["last_index"]) for b in known["breaks"]]
        for name, known in files.items()
        if known["format"] == "hls"
    }


@cache
def runs(name: str) -> tuple[tuple[int, int], ...]:
    """What to take out of a playlist: its breaks, or else the middle of it."""
    total = len(index(FILES[name]))
    known = tuple(breaks().get(name, ()))
    if known and sum(last - first + 1 for first, last in known) < total:
        return known
    return ((total // 3, max(total // 3, 2 * total // 3 - 1)),) if total > 1 else ()


FILES = {
    path.name: path.read_bytes()
    for path in corpus.hls()
    if index(path.read_bytes()).is_media and len(index(path.read_bytes())) > 1
}


def stripped(name: str, *, media_sequence: int | None = None) -> bytes:
    holes = tuple(Hole(first, last, joined=True) for first, last in runs(name))
    return carried_out(name, Plan(holes=holes, media_sequence=media_sequence))


def gapped(name: str) -> bytes:
    return carried_out(name, Plan(gaps=tuple(Run(first, last) for first, last in runs(name))))


def carried_out(name: str, plan: Plan) -> bytes:
    data = FILES[name]
    return apply_edits(data, cut(data, index(data), plan))


@cache
def readings(library: str) -> dict[str, Reading]:
    every: dict[str, Document] = {}
    for name, data in FILES.items():
        outputs = {"in": data, "strip": stripped(name), "gap": gapped(name)}
        every |= {f"{how} {name}": Document(data=out, url=URL) for how, out in outputs.items()}
    if library == "m3u8":
        return pypi.read_all(library, every)
    return node.read_all(library, every)


def is_plain(name: str) -> bool:
    """Whether every URI has its EXTINF: readers differ about others, and one makes a segment of a late CUE-IN."""
    data = index(FILES[name])
    return [tag.at for tag in data.tags("EXTINF")] == list(range(len(data)))


def removed(name: str) -> int:
    return sum(last - first + 1 for first, last in runs(name))


@pytest.mark.parametrize("name", FILES)
def test_what_stays_of_a_found_playlist_means_what_it_meant(name: str) -> None:
    if name in UNREADABLE:
        with pytest.raises((ValueError, KeyError)):
            read(FILES[name])
        return
    before, after = read(FILES[name]), read(stripped(name, media_sequence=77))
    gone = {n for first, last in runs(name) for n in range(first, last + 1)}
    kept = [segment for n, segment in enumerate(before.segments) if n not in gone]

    assert [segment.number for segment in after.segments] == list(range(77, 77 + len(kept)))
    for old, new in zip(kept, after.segments, strict=True):
        assert not changes(old, new)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_reader_that_accepts_the_input_accepts_what_is_left(library: str, name: str) -> None:
    before = readings(library).get(f"in {name}")
    if before is None or before.saw is None:
        return

    for how, fewer in (("strip", removed(name)), ("gap", 0)):
        after = readings(library)[f"{how} {name}"]

        assert after.error is None
        assert after.saw is not None
        if is_plain(name) and len(before.saw["segments"]) == len(index(FILES[name])):
            assert len(after.saw["segments"]) == len(before.saw["segments"]) - fewer
        assert after.saw.get("strict") or not before.saw.get("strict")
        assert after.saw.get("complaints", 0) <= before.saw.get("complaints", 0)


def test_nothing_is_cut_out_of_most_playlists_in_vain() -> None:
    assert len(FILES) > 80
    assert sum(stripped(name) != FILES[name] for name in FILES) == len(FILES)
