from __future__ import annotations

import json
import time
from urllib.parse import quote, quote_plus, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from edge.sessions.cmcd.events import read_events
from edge.sessions.cmcd.keys import KINDS
from edge.sessions.cmcd.read import (
    MOST_CHARS,
    read,
    read_request,
    read_text,
    unescaped,
)
from edge.sessions.cmcd.values import Cmcd, NextObject
from edge.structured_fields import BadStructuredField, parse_dictionary
from tests.edge.sessions.cmcd.players import runs

# Far above what anything takes here: it is there to catch what grows with the square.
LONGEST_SECONDS = 0.05


def test_everything_that_real_players_said_is_read() -> None:
    texts = [text for run in runs().values() for _, text in run.requests() if text is not None]
    assert len(texts) > 300
    for text in texts:
        cmcd = read(text)
        assert cmcd.texts["sid"]
        # Shaka writes numbers where version 2 has lists; nothing else is wrong with any of them.
        assert cmcd.faults in ((), ("value",))
        assert cmcd.is_valid or cmcd.version == 2


def test_everything_that_real_players_posted_is_read() -> None:
    bodies = [body for run in runs().values() for _, body in run.bodies()]
    events = [event for body in bodies for event in read_events(body)]
    assert len(events) > 90
    assert {event.texts["e"] for event in events} >= {"ps", "t", "bc", "pr", "rr"}
    assert all(event.is_valid and event.integers["ts"] for event in events)
    assert not any("edge.example" in repr(event) for event in events)  # addresses are not kept


def test_a_number_for_all_and_one_for_each_type_are_told_apart() -> None:
    cmcd = read_text(
        "ab=(700;v 64;a),bl=(4000;v 3200;a),br=(600;v),mtp=(9000 100;a),v=2", mode="query"
    )
    assert cmcd.measure("br", "v", "av") == 600
    assert cmcd.measure("bl", "a") == 3200
    assert cmcd.measure("mtp", "v") == 9000
    assert cmcd.measure("ab", "tt") == 700
    assert cmcd.measure("tb", "v") is None


def test_of_several_members_with_one_key_the_last_counts() -> None:
    assert read_text("bl=100,bl=200", mode="query").measure("bl") == 200


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ('nor="..%2Fb%2F2.m4s"', [NextObject("../b/2.m4s")]),
        ('nor="a.m4s",nrr="100-199"', [NextObject("a.m4s", 100, 199)]),
        ('nrr="100-199"', [NextObject(None, 100, 199)]),
        ('nor="a.m4s",nrr="199-100"', []),
        ('nor="a.m4s",nrr="100-"', []),
        ('nor="a.m4s",nrr="-100"', []),
        (
            'v=2,nor=("a 1.m4s" "b.m4s";r="0-99")',
            [NextObject("a 1.m4s"), NextObject("b.m4s", 0, 99)],
        ),
        ('v=2,nor="..%2Fb.m4s"', [NextObject("../b.m4s")]),
        ('v=2,nor=("a%20b.m4s")', [NextObject("a%20b.m4s")]),
        ("nor=()", []),
        ("bl=100", []),
    ],
)
def test_what_comes_next(said: str, wanted: list[NextObject]) -> None:
    assert list(read_text(said, mode="query").next_objects()) == wanted


def test_so_many_next_objects_are_enough() -> None:
    said = "v=2,nor=(" + " ".join(f'"{n}.m4s"' for n in range(100)) + ")"
    assert len(read_text(said, mode="query").next_objects()) == 8


@pytest.mark.parametrize(
    ("said", "is_urgent"),
    [("su", True), ("bs", True), ("bs=?0,su=?0", False), ("bl=0", False)],
)
def test_who_waits_for_an_object_is_in_a_hurry(said: str, is_urgent: bool) -> None:
    assert read_text(said, mode="query").is_urgent is is_urgent


def test_a_json_object_says_the_same() -> None:
    members = {
        "bl": [{"value": 4000, "params": {"v": True}}, {"value": 3000, "params": {"a": True}}],
        "br": [600],
        "bs": True,
        "su": False,
        "d": 4000,
        "ec": ["E1"],
        "nor": ["2.m4s"],
        "ot": "v",
        "pr": 1.5,
        "sid": "s",
        "com.x-y": "z",
        "v": 2,
    }
    text = 'bl=(4000;v 3000;a),br=(600),bs,su=?0,d=4000,ec=("E1"),nor=("2.m4s"),ot=v,pr=1.5,sid="s",v=2'
    from_json, from_text = read(quote(json.dumps(members))), read_text(text, mode="query")
    assert from_json.is_valid
    assert from_text.is_valid
    assert from_json.to_json() == from_text.to_json()
    assert from_json.next_objects() == from_text.next_objects()
    assert from_json.mode == "json"


@pytest.mark.parametrize(
    "members",
    [
        {"bl": "x"},
        {"bl": -1},
        {"bl": 10**400},
        {"d": 1.5},
        {"bs": "yes"},
        {"ot": "zz"},
        {"sid": 5},
        {"nor": 3},
        {"pr": "fast"},
        {"unheard": 1},
        {"v": 9},
        [],
        5,
        None,
    ],
)
def test_a_json_object_with_something_wrong_is_not_valid(members: object) -> None:
    cmcd = read(quote(json.dumps(members)))
    assert not cmcd.is_valid


def test_fields_are_one_dictionary_whatever_the_case_of_their_names() -> None:
    fields = {
        "cmcd-request": "bl=2100,su",
        "CMCD-Object": "br=600,ot=v",
        "CMCD-Status": "",
        "X": "d=1",
    }
    headers = CIMultiDict(fields)
    wanted = {"bl": [[2100, ""]], "su": True, "br": [[600, ""]], "ot": "v"}
    said = read_request(None, headers)
    assert said is not None
    assert said.to_json() == wanted
    assert said.mode == "fields"


def test_the_query_counts_before_fields_and_nothing_is_nothing() -> None:
    said = read_request("bl%3D100", CIMultiDict({"CMCD-Request": "bl=200"}))
    assert said is not None
    assert said.measure("bl") == 100
    assert read_request(None, CIMultiDict({"Accept": "*/*"})) is None


def test_a_plus_in_fields_is_a_plus() -> None:
    assert read(' cid="a+b%20c"').texts["cid"] == "a+b%20c"
    assert read('cid%3D"a+b%20c"').texts["cid"] == "a b c"


def test_too_much_is_not_read() -> None:
    assert read("bl%3D100%2C" * 1000).faults == ("length",)
    assert read("bl=1," + "x" * 300, most=256).faults == ("length",)
    assert read(",".join(["bl=100"] * 200)).faults == ("number",)
    assert read(quote(json.dumps({f"c-{n}": 1 for n in range(129)}))).faults == ("number",)


def test_events_one_a_line() -> None:
    body = b'e=ps,sta=p,ts=1,v=2\r\n\n  \ne=t,ts=2,v=2\n{"e":"t","ts":3,"v":2}\nbad=,\n'
    events = read_events(body)
    assert [event.integers.get("ts") for event in events] == [1, 2, 3, None]
    assert [event.is_valid for event in events] == [True, True, True, False]
    assert all(event.mode == "event" for event in events)


def test_events_in_a_json_array() -> None:
    events = read_events(b' [{"e":"t","ts":3,"v":2}, 5]')
    assert [event.is_valid for event in events] == [True, False]
    assert not read_events(b"[[[[")[0].is_valid


def test_no_more_events_are_read_than_are_wanted() -> None:
    assert len(read_events(b"e=t,ts=1,v=2\n" * 1000, most=10)) == 10
    assert len(read_events(b'[{"e":"t"}' + b',{"e":"t"}' * 1000 + b"]", most=10)) == 10
    assert len(read_events(b"\n" * 60_000, most=10)) == 0
    assert read_events(b"a=" + b"x" * 60_000)[0].faults == ("length",)


# Of arbitrary text.

KEYS = st.sampled_from([*KINDS, "x", "com.a-b", "BR", ""])
SCRAPS = st.sampled_from(
    [
        ",",
        "=",
        '"',
        "(",
        ")",
        ";",
        " ",
        "\\",
        "\t",
        "é",
        "\x00",
        "?1",
        "%",
        "%2C",
        "-",
        ".",
        ":",
        "{",
        "[",
        "1",
        "99",
        "v",
    ]
)
TEXTS = st.lists(st.one_of(KEYS, SCRAPS, st.text(max_size=4)), max_size=200).map("".join)


def looked_at(cmcd: Cmcd) -> None:
    """Everything that can be asked of it."""
    json.dumps(cmcd.to_json())
    assert len(cmcd.next_objects()) <= 8
    assert cmcd.version in (1, 2)
    assert all(0 <= number <= 10**15 for number in cmcd.integers.values())
    assert all(0 <= n <= 10**15 for found in cmcd.measures.values() for n, _ in found)
    assert all(len(found) <= 16 for found in cmcd.measures.values())


@given(st.one_of(TEXTS, st.text()))
def test_no_text_is_too_strange(text: str) -> None:
    for cmcd in (read(text), read(quote(text)), read(" " + text), read_text(text, mode="event")):
        looked_at(cmcd)


@given(st.one_of(TEXTS, st.text()))
def test_the_quick_way_through_escapes_leads_to_the_same(text: str) -> None:
    for raw in (text, quote(text), quote_plus(text), quote(quote(text)), quote(text).lower()):
        assert unescaped(raw) == unquote_plus(raw)


@given(st.binary(max_size=2000))
def test_no_body_is_too_strange(body: bytes) -> None:
    for cmcd in read_events(body):
        looked_at(cmcd)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(KEYS | st.text(), inner),
        max_leaves=20,
    )
)
def test_no_json_is_too_strange(value: object) -> None:
    looked_at(read(quote(json.dumps(value))))
    looked_at(read(quote("{" + json.dumps(value))))
    for cmcd in read_events(json.dumps([value]).encode()):
        looked_at(cmcd)


@given(TEXTS)
def test_what_is_no_dictionary_by_the_rfc_is_not_valid(text: str) -> None:
    try:
        parse_dictionary(text)
    except BadStructuredField:
        assert not read_text(text, mode="query").is_valid or text.lstrip(" ").startswith("{")


def seconds_of(form: str) -> float:
    """Of this thread, so that nobody else's work counts; the least of a few, as the first may collect garbage."""
    found = []
    for _ in range(3):
        started = time.thread_time()
        read(form)
        read_text(form, mode="event")
        found.append(time.thread_time() - started)
    return min(found)


@pytest.mark.parametrize(
    "unit",
    [
        ",", "a", "(", ")", '"', "\\", "a=(", 'a="', 'a="\\"', "a=((", '("', 'a=("', "bl=(1 ", "bl=(1;", ";a", "a;",
        "a;b=", 'a="x",', "bl=1,", "a=:", "=", " ", "\t", "nor=(", 'nor=("a" ', 'nor=("a";r=', 'nor=("a";r="0-9"',
        "%", "%2", "%25", "{", '{"a":', "[", '{"bl":[', "-", "9", "9.", "v=2,", "é", "\ud800", "a-", "a.", "-a", "*",
    ],
)  # fmt: skip
def test_the_time_is_bounded(unit: str) -> None:
    longest = 0.0
    for size in (128, MOST_CHARS):
        for end in ("", '"', ")", ","):
            text = (unit * (size // len(unit)))[: size - 1] + end
            for form in (text, " " + text[1:], "bl=(" + text[4:], 'nor="' + text[5:]):
                longest = max(longest, seconds_of(form))
    assert longest < LONGEST_SECONDS


def test_deep_json_ends() -> None:
    looked_at(read('{"a":' * 600))
    looked_at(read('{"bl":' + "[" * 2000))
    assert not read_events(b"[" * 60_000)[0].is_valid
