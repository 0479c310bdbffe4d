from __future__ import annotations

from decimal import Decimal
from functools import cache

import pytest

from edge.manifests.ads.hls.segments import Segments, index
from edge.manifests.ads.policy import AdPolicy, Treatment
from edge.manifests.ads.treat import treat_hls
from edge.manifests.ads.treated import Treated
from edge.manifests.hls.scan import scan
from tests.manifests import corpus
from tests.manifests.ads import truth
from tests.manifests.ads.truth import members

NAMES = [f"hls/{path.name}" for path in corpus.hls()]
EVERY = pytest.mark.parametrize("name", NAMES)


@cache
def treated(name: str, policy: AdPolicy) -> Treated:
    treatment = Treatment(policy=policy, rules=("all",))
    return treat_hls(truth.read(name), treatment, truth.shipped(), base=None)


def gone(name: str) -> frozenset[int]:
    found = truth.look(name, truth.shipped())[1]
    return members((one.first_index or 0, one.last_index or 0) for one in found.certain)


def is_all_ads(name: str) -> bool:
    return len(gone(name)) == len(index(truth.read(name)))


def lines_of(segments: Segments, places: list[int]) -> list[tuple[str, Decimal, str]]:
    return [(segments.uri(p), segments.seconds(p), segments.title(p)) for p in places]


@EVERY
def test_strip_leaves_the_programme_and_nothing_else(name: str) -> None:
    before, after = index(truth.read(name)), index(treated(name, AdPolicy.STRIP).body)
    kept = [place for place in range(len(before)) if place not in gone(name)]
    if is_all_ads(name):
        kept = list(range(len(before)))  # marked: a playlist is never emptied

    assert lines_of(after, list(range(len(after)))) == lines_of(before, kept)


@EVERY
def test_a_playlist_without_breaks_stays_the_same_bytes(name: str) -> None:
    if not gone(name):
        for policy in (AdPolicy.STRIP, AdPolicy.GAP):
            assert treated(name, policy).body == truth.read(name)


@EVERY
def test_what_was_stripped_has_no_breaks_left(name: str) -> None:
    if is_all_ads(name):
        return
    body = treated(name, AdPolicy.STRIP).body
    again = treat_hls(
        body, Treatment(policy=AdPolicy.STRIP, rules=("all",)), truth.shipped(), base=None
    )

    assert again.body == body


@EVERY
def test_gap_marks_every_ad_and_moves_nothing(name: str) -> None:
    before, after = scan(truth.read(name)), scan(treated(name, AdPolicy.GAP).body)
    assert [before.text(line) for line in before.lines if line.role == "uri"] == [
        after.text(line) for line in after.lines if line.role == "uri"
    ]
    marked: set[int] = set()
    already: set[int] = set()
    for playlist, places in ((before, already), (after, marked)):
        number = 0
        for line in playlist.lines:
            if line.tag == "EXT-X-GAP":
                places.add(number)
            number += line.role == "uri"
    assert marked == already | gone(name)


@EVERY
def test_explain_adds_only_comments(name: str) -> None:
    data, body = truth.read(name), treated(name, AdPolicy.EXPLAIN).body
    end = b"\r\n" if b"\r\n" in data else b"\n"
    kept = [line for line in body.split(end) if not line.startswith(b"## kawa-ads:")]

    assert end.join(kept).rstrip() == data.rstrip()
    assert (b"## kawa-ads:" in body) >= bool(gone(name))
