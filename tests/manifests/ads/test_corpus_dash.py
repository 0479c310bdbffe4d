from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from edge.manifests.ads import rule_files
from edge.manifests.ads.dash.annotate import annotate
from edge.manifests.ads.dash.find import find
from edge.manifests.ads.dash.repair import repair
from edge.manifests.ads.evidence import Found
from edge.manifests.ads.policy import AdPolicy
from edge.manifests.ads.rules import Rules
from edge.manifests.dash.scan import scan
from edge.manifests.edits import apply_edits
from edge.manifests.limits import DEFAULT
from tests.lacking import lacking
from tests.manifests import corpus, dash_corpus
from tests.manifests.ads import dash_reader
from tests.manifests.readers import node, pypi
from tests.manifests.readers.node import Document

TRUTH = corpus.ROOT / "ad-breaks.json"
SHIPPED = ("scte35", "mediatailor", "google-dai", "daiconnect")
# The twin of a file in the truth, with the same ad Period and other events; the truth forgot it.
FORGOTTEN = "videojs__http-streaming__eventStreamMessageData.mpd"
NAMES = dash_corpus.names()
# Before a patch of the origin's could put a break back, the patches must go: the only change without a break.
PATCHED = "PatchLocation"


@cache
def truth() -> dict[str, Any]:
    if not TRUTH.is_file():
        lacking(f"the truth about ad breaks is not at {TRUTH}: put it beside the project")
    files: dict[str, Any] = json.loads(TRUTH.read_text())["files"]
    return {
        name.removeprefix("dash/"): said for name, said in files.items() if name.startswith("dash/")
    }


@cache
def shipped() -> Rules:
    return rule_files.load().chosen(list(SHIPPED))


@cache
def found(name: str) -> Found:
    return find(scan(dash_corpus.read(name), DEFAULT), shipped(), base=dash_corpus.SOURCE)


def treated(name: str, policy: AdPolicy) -> bytes:
    data = dash_corpus.read(name)
    return apply_edits(data, repair(scan(data, DEFAULT), found(name), policy))


def ad_periods(name: str) -> set[int]:
    return {place for one in found(name).certain if not one.time_range for place in one.periods}


def true_periods(name: str) -> set[int]:
    breaks = truth().get(name, {}).get("breaks", [])
    if name == FORGOTTEN:
        return {0}
    return {one["period_index"] for each in breaks for one in each.get("periods", [])}


def true_ranges(name: str) -> list[tuple[int, float, float]]:
    breaks = truth().get(name, {}).get("breaks", [])
    ranges = [one["time_range"] for one in breaks if "time_range" in one]
    return [(one["period_index"], one["start"], one["end"]) for one in ranges]


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_rules_find_what_a_person_found_and_nothing_else(name: str) -> None:
    ranges = [
        (one.periods[0], *map(float, one.time_range))
        for one in found(name).certain
        if one.time_range
    ]

    assert ad_periods(name) == true_periods(name)
    assert ranges == [pytest.approx(one, abs=0.001) for one in true_ranges(name)]


def test_the_truth_has_as_many_breaks_as_it_had() -> None:
    assert sum(len(true_ranges(name)) for name in truth()) == 12
    assert sum(len(true_periods(name)) for name in truth()) == 23
    assert {name for name in truth() if name not in NAMES} == set()


@pytest.mark.parametrize("name", NAMES)
def test_each_break_is_as_long_as_a_person_measured(name: str) -> None:
    said = [one["seconds"] for one in truth().get(name, {}).get("breaks", [])]
    if name == FORGOTTEN:
        said = [9.977]

    lengths = [float(one.seconds) for one in found(name).certain]

    assert len(lengths) == len(said)
    for measured, length in zip(said, lengths, strict=True):
        assert measured is None or length == pytest.approx(measured, abs=0.001)


@pytest.mark.parametrize("policy", [AdPolicy.STRIP, AdPolicy.GAP])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_ad_keeps_its_media(name: str, policy: AdPolicy) -> None:
    data, made = dash_corpus.read(name), treated(name, policy)
    before, after = offered(data), offered(made)
    kept = [one for place, one in enumerate(before) if place not in ad_periods(name)]

    assert after == (kept or before)
    if not found(name).certain and PATCHED.encode() not in data:
        assert made == data


def offered(data: bytes) -> list[Any]:
    """Every Period without its times, as a tree can tell."""
    root = dash_corpus.tree(data)
    for element in root.iter("{*}Period"):
        for name in ("start", "duration"):
            element.attrib.pop(name, "")
    return [plain(element) for element in root.iter("{*}Period")]


def plain(element: Any) -> Any:
    children = [plain(child) for child in element if isinstance(child.tag, str)]
    return element.tag, dict(element.attrib), (element.text or "").strip(), children


def closed_up() -> Iterator[str]:
    for name in NAMES:
        if true_periods(name) and b'type="dynamic"' not in dash_corpus.read(name):
            yield name


def test_content_seconds_after_strip_are_those_of_the_truth() -> None:
    compared = 0
    for name in closed_up():
        before = dash_reader.read(dash_corpus.read(name))
        after = dash_reader.read(treated(name, AdPolicy.STRIP))
        content = [one for place, one in enumerate(before) if place not in ad_periods(name)]
        if not content:
            continue
        assert sum(one.seconds for one in after) == sum(one.seconds for one in content)
        assert after[0].start == 0
        assert all(one.end == following.start for one, following in pairwise(after))
        compared += 1
    assert compared == 5  # avod, aws, mediapackage, telenet, daiconnect


def test_the_avod_show_lasts_what_its_notes_say() -> None:
    made = treated("emarsden__dash-mpd-rs__avod-mediatailor.mpd", AdPolicy.STRIP)

    assert b'mediaPresentationDuration="PT90S"' in made
    assert sum(one.seconds for one in dash_reader.read(made)) == 90


@pytest.mark.parametrize("name", NAMES)
def test_a_stripped_mpd_has_nothing_left_to_strip(name: str) -> None:
    made = treated(name, AdPolicy.STRIP)
    again = find(scan(made, DEFAULT), shipped(), base=dash_corpus.SOURCE)

    assert apply_edits(made, repair(scan(made, DEFAULT), again, AdPolicy.STRIP)) == made
    assert all(one.key in again.left for one in again.certain)


@pytest.mark.parametrize("name", NAMES)
def test_an_annotated_mpd_differs_by_comments_only(name: str) -> None:
    data = dash_corpus.read(name)
    made = apply_edits(data, annotate(scan(data, DEFAULT), found(name)))

    assert offered(made) == offered(data)
    assert (made == data) == (not found(name).breaks)


@pytest.mark.parametrize("name", sorted(name for name in truth() if truth()[name]["breaks"]))
def test_every_break_that_stays_has_a_reason(name: str) -> None:
    for one in found(name).certain:
        if one.time_range is not None or name == "videojs__http-streaming__eventStream.mpd":
            assert found(name).left[one.key]
        else:
            assert one.key not in found(name).left


def test_an_unresolved_period_between_two_of_one_asset_is_told_but_stays() -> None:
    (one,) = found("Eyevinn__dash-mpd__example_G11.mpd").breaks

    assert one.ambiguous
    assert one.periods == (1,)


def test_a_length_that_event_and_cue_tell_differently_is_told_but_not_believed() -> None:
    (one,) = found("Eyevinn__dash-mpd__signal_binary_xmlbin.mpd").breaks

    assert one.ambiguous
    assert one.seconds == Decimal(253)


@pytest.mark.parametrize("library", ["mpd-parser", "mpegdash"])
def test_other_readers_take_what_is_left_as_they_took_the_original(library: str) -> None:
    readers = node.read_all if library in node.DASH else pypi.read_all
    documents = {}
    for name in closed_up():
        for key, data in (
            ("in", dash_corpus.read(name)),
            ("out", treated(name, AdPolicy.STRIP)),
        ):
            documents[f"{key} {name}"] = Document(data=data, url=dash_corpus.SOURCE)
    readings = readers(library, documents)

    taken = 0
    for name in closed_up():
        before, after = readings[f"in {name}"], readings[f"out {name}"]
        # A prefix that nobody declared may go with an ad.
        assert after.saw is not None or before.saw is None
        taken += after.saw is not None
        if after.saw is not None and library == "mpd-parser":
            asked = {uri for uri in after.uris if uri}
            assert asked <= {uri for uri in before.uris if uri}
            assert not any("dashsegment" in uri or "dai." in uri for uri in asked)
    assert taken >= 4
