from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.manifests.ads import rule_files, trial
from edge.manifests.ads.dash import find as dash
from edge.manifests.ads.evidence import Found
from edge.manifests.ads.hls import find as hls
from edge.manifests.ads.matching import MOST_TEXT_BYTES, BadPattern, Pattern
from edge.manifests.ads.rule_files import SHIPPED, RuleFile
from edge.manifests.ads.rule_lines import Lines
from edge.manifests.ads.rule_schema import TestTable
from edge.manifests.ads.rules import (
    FAMILIES,
    NO_RULES,
    BadRuleFile,
    DateRange,
    Match,
    Rule,
    RuleBook,
    Rules,
    Splice,
    Tag,
    UnknownRule,
)
from edge.manifests.dash.scan import scan
from edge.manifests.errors import ManifestError
from edge.manifests.limits import DEFAULT
from tests.lacking import lacking
from tests.manifests import corpus

FILES = rule_files.files_of()
HEAD = 'schema = 1\nname = "mine"\nversion = 1\nabout = "Mine."\n'
PATH = '\n[[signal]]\nkind = "path"\npattern = "/spot/"\nweight = 60\n'

Written = Callable[[str], RuleFile]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """A rule file with this text, read."""

    def write(text: str) -> RuleFile:
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return rule_files.read(path)

    return write


def truth() -> Mapping[str, Any]:
    path = corpus.ROOT / "ad-breaks.json"
    if not path.is_file():
        lacking(f"the truth about the corpus is not at {path}: put it beside the project")
    files: Mapping[str, Any] = json.loads(path.read_text())["files"]
    return files


# Shipped rules


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_every_shipped_rule_passes_the_tests_that_it_carries(path: Path) -> None:
    folder = corpus.hls()[0].parents[1]
    file = rule_files.read(path)

    outcomes = [trial.run(file.rule, test, corpus=folder) for test in file.tests]

    assert [outcome.why for outcome in outcomes if outcome.verdict != "passed"] == []
    assert file.rule.name == path.stem
    # Some test stands in the file itself, and some shows what the rule must leave alone.
    assert any(test.manifest is not None for test in file.tests)
    assert any(_count(test) < (test.manifest or "").count("#EXTINF") for test in file.tests)


def _count(test: TestTable) -> int:
    return sum(last - first + 1 for first, last in test.breaks)


def test_the_tests_of_the_shipped_rules_hold_every_break_of_the_corpus() -> None:
    held: dict[str, set[str]] = {}
    for path in FILES:
        for test in rule_files.read(path).tests:
            if test.corpus is not None:
                wanted = {json.dumps(pair) for pair in test.breaks}
                wanted |= {f"Period {number}" for number in test.periods}
                wanted |= {f"range {period} {float(a)} {float(b)}" for period, a, b in test.ranges}
                held.setdefault(test.corpus, set()).update(wanted)
    missing: dict[str, set[str]] = {}
    for name, entry in truth().items():
        must = {_said(one) for one in entry["breaks"]}
        flat = {part for one in must for part in one}
        if flat - held.get(name, set()):
            missing[name] = flat - held.get(name, set())

    assert missing == {}
    assert sum(len(wanted) for wanted in held.values()) >= 47 + 12 + 23


def _said(one: Mapping[str, Any]) -> tuple[str, ...]:
    if "first_index" in one:
        return (json.dumps([one["first_index"], one["last_index"]]),)
    if "time_range" in one:
        part = one["time_range"]
        return (f"range {part['period_index']} {part['start']} {part['end']}",)
    return tuple(f"Period {period['period_index']}" for period in one["periods"])


# The twin of dash/videojs__http-streaming__eventStream.mpd, which the truth has: the same Period with the same id and
# BaseURL, but of the two only the other is listed.
UNLISTED = {"dash/videojs__http-streaming__eventStreamMessageData.mpd"}


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_no_shipped_rule_takes_content_of_the_corpus_for_an_ad(path: Path) -> None:
    rules = Rules.of([rule_files.read(path).rule])
    known = truth()

    wrong = {}
    for file in (*corpus.hls(), *corpus.dash()):
        name = f"{file.parent.name}/{file.name}"
        got = _found(file, rules)
        entry = known.get(name, {"breaks": (), "ambiguous": ()})
        extra = got - _allowed(entry)
        if extra and name not in UNLISTED:
            wrong[name] = extra

    assert wrong == {}


def _found(file: Path, rules: Rules) -> set[tuple[str, int]]:
    data = file.read_bytes()
    found: Found
    try:
        if file.parent.name == "hls":
            _, found = hls.find(data, rules)
        else:
            found = dash.find(scan(data, DEFAULT), rules)
    except ManifestError:
        return set()
    got: set[tuple[str, int]] = set()
    for one in found.certain:
        if one.first_index is not None and one.last_index is not None:
            got |= {("segment", index) for index in range(one.first_index, one.last_index + 1)}
        elif one.time_range is not None:
            got.add(("range", one.periods[0]))
        else:
            got |= {("Period", index) for index in one.periods}
    return got


def _allowed(entry: Mapping[str, Any]) -> set[tuple[str, int]]:
    allowed: set[tuple[str, int]] = set()
    for one in (*entry["breaks"], *entry.get("ambiguous", ())):
        if "first_index" in one:
            allowed |= {("segment", at) for at in range(one["first_index"], one["last_index"] + 1)}
        if isinstance(one.get("time_range"), dict):
            allowed.add(("range", one["time_range"]["period_index"]))
        for period in one.get("periods", ()):
            if isinstance(period, dict):
                # Where whole Periods are ads, the SCTE-35 of their events may say so, too.
                allowed |= {("Period", period["period_index"]), ("range", period["period_index"])}
    return allowed


# The format


def test_a_rule_file_needs_no_code(written: Written) -> None:
    file = written(
        HEAD
        + '[[signal]]\nkind = "tag"\ntag = "X-SPOT"\nopens = \'on=(?P<id>\\w+) len=(?P<seconds>\\d+)\'\n'
        "closes = 'off=(?P<id>\\w+)'\nweight = 50\n"
        "[[test]]\nbreaks = [[1, 2]]\nmanifest = '''\n#EXTM3U\n#EXTINF:4,\n1\n#X-SPOT:on=a len=60\n#EXTINF:4,\n2\n"
        "#EXTINF:4,\n3\n#X-SPOT:off=a\n#EXTINF:4,\n4\n'''\n"
    )

    [test] = file.tests

    assert trial.run(file.rule, test).verdict == "passed"
    assert file.rule.label == "mine@1"


def test_a_test_that_does_not_hold_says_what_is_wrong(written: Written) -> None:
    file = written(
        HEAD
        + PATH
        + "[[test]]\nbreaks = [[0, 0]]\nmanifest = '''\n#EXTM3U\n#EXTINF:4,\n1.ts\n#EXTINF:4,\n/spot/1.ts\n'''\n"
        "[[test]]\nperiods = [0]\nmanifest = '<MPD><Period/></MPD>'\n"
        "[[test]]\nmanifest = '<MPD><Period>'\n"
        "[[test]]\ncorpus = 'hls/nowhere.m3u8'\n"
    )

    first, second, third, fourth = (
        trial.run(file.rule, test, corpus=Path("/nonexistent")) for test in file.tests
    )

    assert "content, but must be ad: segments 0" in first.why
    assert "ad, but must be content: segments 1" in first.why
    assert second.why == "content, but must be ad: Periods 0"
    assert third.why.startswith("truncated: ")
    assert fourth.why.startswith("hls/nowhere.m3u8: ")


def test_what_a_file_leaves_out_is_as_documented(written: Written) -> None:
    rule = written(HEAD + "[splice]\n").rule

    assert rule.threshold == 50
    assert rule.splice is not None
    assert rule.splice.types == {0x22, 0x30, 0x32, 0x34, 0x36, 0x3C, 0x3E, 0x44, 0x46}
    assert rule.splice.inserts
    assert rule.splice.weight == 60
    assert rule.splice.max_seconds == 600
    assert rule.splice.contiguous == "pdt"
    assert len(rule.splice.tags) == 7
    assert rule.match == Match()


def test_segmentation_types_by_name_and_number_and_weights_by_tag(written: Written) -> None:
    splice = written(
        HEAD + "[splice]\ntypes = ['break', 0x36]\ninserts = false\ntags = ['cue', 'oatcls']\n"
        "weights = { oatcls = 40 }\n"
    ).rule.splice

    assert splice is not None
    assert splice.types == {0x22, 0x36}
    assert not splice.inserts
    assert [splice.weight_of(tag) for tag in ("cue", "oatcls", "event")] == [60, 40, 0]


@pytest.mark.parametrize(
    ("text", "line", "key", "what"),
    [
        (HEAD + "colour = 1\n" + PATH, 5, "colour", "no such key"),
        (HEAD + PATH + "colour = 1\n", 10, "signal.1.colour", "no such key"),
        (HEAD + PATH + PATH + "weigth = 1\n", 15, "signal.2.weigth", "no such key"),
        (HEAD.replace("schema = 1", "schema = 2") + PATH, 1, "schema", "1"),
        (HEAD.replace("schema = 1\n", "") + PATH, None, "schema", "missing"),
        (HEAD.replace('"mine"', '"Mine"') + PATH, 2, "name", "pattern"),
        (HEAD.replace("version = 1", "version = true") + PATH, 3, "version", "integer"),
        (HEAD.replace("version = 1", "version = 0") + PATH, 3, "version", "greater"),
        (HEAD + PATH.replace("60", "101"), 9, "signal.1.weight", "100"),
        (HEAD + PATH.replace("60", "'60'"), 9, "signal.1.weight", "integer"),
        (HEAD + PATH.replace("/spot/", "("), 8, "signal.1.pattern", "no regular expression"),
        (HEAD + PATH.replace("/spot/", "(?=x)"), 8, "signal.1.pattern", "no regular expression"),
        (HEAD + PATH.replace('"path"', '"smell"'), 6, "signal.1", "smell"),
        (HEAD + PATH.replace("60", "40"), None, "", "never reached"),
        (HEAD, None, "", "at least one"),
        (HEAD + "[splice]\ntypes = ['coffee']\n", 6, "splice.types.1", "provider-ad"),
        (HEAD + "[splice]\ntypes = [0x31]\n", 6, "splice.types.1", "provider-ad"),
        (HEAD + "[splice]\nmax_seconds = nan\n", 6, "splice.max_seconds", "finite"),
        (HEAD + "[[signal]]\nkind = 'daterange'\nweight = 60\n", 5, "signal.1", "class, id"),
        (
            HEAD + "[[signal]]\nkind = 'daterange'\nid = 'x'\neither = true\nweight = 60\n",
            5,
            "signal.1",
            "either",
        ),
        (HEAD + "[[signal]]\nkind = 'tag'\ntag = 'X'\nweight = 60\n", 5, "signal.1", "opens"),
        (
            HEAD + "[[signal]]\nkind = 'tag'\ntag = 'X'\nopens = '(?P<end>x)'\nweight = 60\n",
            5,
            "signal.1",
            "group end",
        ),
        (
            HEAD + "[[signal]]\nkind = 'tag'\ntag = 'EXTINF'\nopens = 'x'\nweight = 60\n",
            5,
            "signal.1",
            "no tag of a vendor",
        ),
        (
            HEAD + "[[signal]]\nkind = 'tag'\ntag = '#X'\nopens = 'x'\nweight = 60\n",
            7,
            "signal.1.tag",
            "",
        ),
        (HEAD + PATH + "[[test]]\nbreaks = []\n", 10, "test.1", "corpus or manifest"),
        (HEAD + PATH + "[[test]]\ncorpus = 'hls/../x'\n", 11, "test.1.corpus", "pattern"),
        (
            HEAD + PATH + "[[test]]\nmanifest = ''\nbreaks = [[1]]\n",
            12,
            "test.1.breaks.1",
            "2 items",
        ),
        (HEAD + "[match\n", 5, "", "not TOML"),
        (HEAD + HEAD, 5, "", "not TOML"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_key(
    written: Written, text: str, line: int | None, key: str, what: str
) -> None:
    with pytest.raises(BadRuleFile) as caught:
        written(text)

    assert (caught.value.line, caught.value.key) == (line, key)
    assert what in caught.value.what
    assert "mine.toml" in str(caught.value)


def test_a_file_that_is_no_text_or_too_large_or_absent_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(HEAD.encode() + b"# \xff\n")
    with pytest.raises(BadRuleFile, match=r"x\.toml:5: it is not UTF-8"):
        rule_files.read(path)
    path.write_bytes(b"#" * 2_000_000)
    with pytest.raises(BadRuleFile, match="more than"):
        rule_files.read(path)
    path.write_text("a = " + "[" * 100_000)
    with pytest.raises(BadRuleFile, match="TOML"):
        rule_files.read(path)
    path.unlink()
    with pytest.raises(BadRuleFile, match="No such file"):
        rule_files.read(path)
    with pytest.raises(BadRuleFile, match="no folder of rules"):
        rule_files.load([tmp_path / "nowhere"])


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader_of_lines(text: str) -> None:
    found = Lines(text).of(("signal", 0, "pattern"))

    assert found is None or 1 <= found <= text.count("\n") + 1


def test_lines_are_found_past_texts_that_look_like_tables() -> None:
    text = "a = 1\nm = '''\n[[test]]\nb = 2\n'''\n[[test]]\n\"b\" = 3\nc.d = 4\n[t.u]\nx = 5\n[[test]]\nb = 6\n"

    lines = Lines(text)
    places = [("a",), ("test", 0), ("test", 0, "b"), ("test", 0, "c", "d"), ("t", "u", "x")]

    assert [lines.of(place) for place in places] == [1, 6, 7, 8, 10]
    assert lines.of(("test", 1, "b")) == 12
    assert lines.of(("test", 1, "z", 4)) == 11
    assert lines.of(("z",)) is None


# Books of rules


def put(folder: Path, name: str, version: int, about: str = "Mine.") -> None:
    text = HEAD.replace('"mine"', f'"{name}"').replace("version = 1", f"version = {version}")
    (folder / f"{name}-{version}-{len(about)}.toml").write_text(text.replace("Mine.", about) + PATH)


def test_an_operators_folder_adds_to_what_is_shipped(tmp_path: Path) -> None:
    put(tmp_path, "mine", 1)
    put(tmp_path, "mine", 3)
    put(tmp_path, "mine", 2)
    put(tmp_path, "scte35", 7)
    (tmp_path / ".hidden.toml").write_text("=")
    (tmp_path / "README.md").write_text("=")

    book = rule_files.load([tmp_path])

    assert len(book) == len(FILES) + 4
    assert book.named("mine").label == "mine@3"
    assert book.named("mine@2").label == "mine@2"
    assert book.named("scte35").label == "scte35@7"
    assert book.named("scte35@1").splice is not None


def test_two_meanings_of_one_name_and_version_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "scte35", 1)
    with pytest.raises(BadRuleFile, match="Kawa itself has scte35@1 already"):
        rule_files.load([tmp_path])
    put(tmp_path, "scte35", 2, "One.")
    put(tmp_path, "scte35", 2, "Another.")
    (tmp_path / "scte35-1-5.toml").unlink()
    with pytest.raises(BadRuleFile, match="another name or a higher version"):
        rule_files.load([tmp_path])


def test_the_shipped_folder_is_not_read_twice() -> None:
    assert len(rule_files.load([SHIPPED])) == len(FILES)


def test_an_unknown_name_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(UnknownRule, match=r"'scte36'; there are: .*scte35"):
        rule_files.load().chosen(["scte36"])


def test_rules_keep_the_order_of_their_names_and_each_counts_once() -> None:
    book = rule_files.load()

    rules = book.chosen(["twitch", "scte35", "twitch@1"])

    assert [rule.label for rule in rules.items] == ["twitch@1", "scte35@1"]
    assert not book.chosen([])
    assert book.chosen([]) == NO_RULES


def test_the_digest_stands_for_names_versions_order_and_text(written: Written) -> None:
    one, other = written(HEAD + PATH).rule, written(HEAD + PATH + "# a comment\n").rule
    scte35 = rule_files.load().named("scte35")

    digests = [
        Rules.of(items).digest
        for items in ([one], [other], [scte35], [one, scte35], [scte35, one], [])
    ]

    assert len(set(digests)) == len(digests)
    assert Rules.of([one]).digest == Rules.of([one]).digest


def test_match_narrows_where_a_rule_may_be_used(written: Written) -> None:
    rule = written(
        HEAD + "[match]\norigins = ['live-*']\nurl = '^https://a\\.example/'\n" + PATH
    ).rule
    rules = Rules.of([rule])

    assert rules.where(origin="live-2", url="https://a.example/x.m3u8") is rules
    assert rules.where(origin=None, url=None) is rules
    assert not rules.where(origin="vod", url="https://a.example/x.m3u8")
    assert not rules.where(origin="live-2", url="https://b.example/x.m3u8")


def test_the_most_careful_word_about_joins_counts() -> None:
    def contiguous(*words: str | None) -> str:
        rules = [
            Rule(name=f"r{place}", version=1, threshold=50, splice=splice(word))
            for place, word in enumerate(words)
        ]
        return Rules.of(rules).contiguous

    assert contiguous() == contiguous(None) == contiguous("pdt", "numbers") == "pdt"
    assert contiguous("numbers", None) == "numbers"
    assert contiguous("numbers", "never") == "never"


def splice(contiguous: Any) -> Splice | None:
    if contiguous is None:
        return None
    some = rule_files.load().named("scte35").splice
    assert some is not None
    return Splice(
        tags=some.tags,
        types=some.types,
        inserts=True,
        weight=60,
        weights={},
        max_seconds=some.max_seconds,
        contiguous=contiguous,
    )


def test_readers_are_told_what_is_needed_at_all() -> None:
    rules = rule_files.load().chosen(["twitch", "uplynk"])

    assert rules.tag_names == {"UPLYNK-SEGMENT"}
    assert rules.kinds == {"daterange", "title", "prefetch-in-range", "tag"}
    assert rules.splice_tags == frozenset()
    assert rules.kinds <= set(FAMILIES)
    assert [signal.name for signal in rules.items[1].of(Tag)] == ["UPLYNK-SEGMENT"]


def test_a_book_of_nothing_has_nothing() -> None:
    with pytest.raises(UnknownRule, match="there are: none"):
        RuleBook().named("x")


# Patterns


def test_a_date_range_is_known_by_all_that_is_asked() -> None:
    def asks(*, either: bool = False, **attributes: str) -> DateRange:
        return DateRange(
            class_=Pattern("^ad$"),
            id=Pattern("^x-"),
            attributes={name.replace("_", "-"): Pattern(text) for name, text in attributes.items()},
            either=either,
            weight=60,
            without_pdt=0,
        )

    both = {"CLASS": "ad", "ID": "x-1"}
    assert asks().names(both)
    assert not asks().names({"CLASS": "ad", "ID": "y"})
    assert asks(either=True).names({"CLASS": "ad", "ID": "y"})
    assert not asks(either=True).names({"ID": "y"})
    assert asks(X_KIND="^spot$").names({**both, "X-KIND": "spot"})
    assert not asks(X_KIND="").names(both)


def test_patterns_search_text_and_bytes_alike() -> None:
    pattern = Pattern(r"(?i)^spot (?P<id>\pL+)( (?P<seconds>[0-9]+))?")

    assert pattern.captured("SPOT für 30") == {"id": "für", "seconds": "30"}
    assert pattern.captured("SPOT für".encode()) == {"id": "für"}
    assert pattern.captured(b"none") is None
    assert not pattern.found_in(b"spot \xff")
    assert not pattern.found_in("spot \udcff")
    assert Pattern("^x").found_in("x\udcff")
    assert not Pattern("x").found_in("x\ud800")
    assert pattern.groups == {"id", "seconds"}
    assert pattern == Pattern(pattern.source)
    assert len({pattern, Pattern(pattern.source), Pattern("x")}) == 2


def test_no_pattern_and_no_text_can_take_long() -> None:
    began = time.process_time()

    assert not Pattern("^(a+)+$").found_in("a" * (MOST_TEXT_BYTES - 1) + "b")
    assert not Pattern("a").found_in("a" * (MOST_TEXT_BYTES + 1))
    assert Pattern("a").captured(b"a" * (MOST_TEXT_BYTES + 1)) is None
    for huge in ("((a{1,100}){1,100}){1,100}", "x" * 2000, "(" * 500 + ")" * 500 + "{1000}"):
        with pytest.raises(BadPattern):
            Pattern(huge)

    assert time.process_time() - began < 1
