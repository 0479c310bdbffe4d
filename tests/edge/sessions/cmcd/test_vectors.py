from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from multidict import CIMultiDict

from edge.sessions.cmcd.cut import cut
from edge.sessions.cmcd.events import read_events
from edge.sessions.cmcd.keys import FORGOTTEN, KINDS, PLAIN_IN_V1, TOKENS
from edge.sessions.cmcd.read import read, read_request, read_text
from edge.sessions.cmcd.values import Cmcd
from edge.structured_fields import InnerList, Item, Member, Token, write_dictionary
from tests.edge.sessions.cmcd.reference import Refused, asked

SIGNS = "abcXYZ019 -_.~/?&=+%\\\"(),;:#@*'"
MANY = 300


def something(rng: random.Random, version: int) -> dict[str, Any]:
    """What a player might say of itself, as the package takes it."""
    keys = [key for key in KINDS if key not in FORGOTTEN | {"v", "e", "ts", "cen", "nrr"}]
    makers: dict[str, Callable[[str], Any]] = {
        "integer": lambda _: rng.choice((0, 1, rng.randrange(10**5), 10**14)),
        "number": lambda _: rng.choice((0.5, 1.5, 2, 1.08)),
        "boolean": lambda _: True,
        "token": lambda key: rng.choice(sorted(TOKENS[key])),
        "string": lambda _: "".join(rng.choices(SIGNS, k=rng.randrange(1, 30))),
        "strings": lambda _: [f"seg {n}(1).m4s" for n in range(rng.randrange(1, 4))],
    }
    said: dict[str, Any] = {"v": version}
    for key in rng.sample(keys, rng.randrange(1, 24)):
        kind = KINDS[key]
        if kind == "measures":
            values = [100 * rng.randrange(1, 500) for _ in range(rng.randrange(1, 3))]
            of = [[value, {rng.choice("va"): True}] for value in values]
            said[key] = values if rng.random() < 0.6 or version == 1 else of
        else:
            said[key] = makers[kind](key)
    return said


def shown(cmcd: Cmcd) -> dict[str, Any]:
    """What was read, in the package's way of saying it."""
    found = cmcd.to_json()
    for key in cmcd.measures:
        values = [[value, {of: True}] if of else value for value, of in cmcd.measures[key]]
        found[key] = values if cmcd.version == 2 or key not in PLAIN_IN_V1 else values[0]
    if cmcd.following:
        references = [reference for reference, _ in cmcd.following]
        found["nor"] = references if cmcd.version == 2 else cmcd.next_objects()[0].reference
    return found


def expected(answer: dict[str, Any]) -> dict[str, Any]:
    """The same of what the package read."""
    kept = {
        key: value
        for key, value in answer.items()
        if key in KINDS and key not in FORGOTTEN | {"v", "nrr"}
    }
    if isinstance(kept.get("nor"), list):
        kept["nor"] = [one[0] if isinstance(one, list) else one for one in kept["nor"]]
    return kept


def comparable(cmcd: Cmcd) -> dict[str, Any]:
    return {key: value for key, value in shown(cmcd).items() if key != "nrr"}


@pytest.fixture(scope="module", params=[1, 2])
def version(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


@pytest.fixture(scope="module")
def encoded(version: int) -> list[Any]:
    rng = random.Random(version)
    data = [something(rng, version) for _ in range(MANY)]
    return asked([{"do": "encode", "data": one, "version": version} for one in data])


def test_what_the_package_writes_is_read_as_it_reads_it_itself(
    version: int, encoded: list[Any]
) -> None:
    assert not [one for one in encoded if isinstance(one, Refused)]
    texts = [one["text"] for one in encoded]
    answers = asked([{"do": "decode", "text": text} for text in texts])
    for text, answer in zip(texts, answers, strict=True):
        cmcd = read_text(text, mode="query")
        assert cmcd.is_valid, (text, cmcd.faults)
        assert cmcd.version == version
        if "nor" in answer and version == 1:
            answer["nor"] = cmcd.next_objects()[0].reference  # it decodes that, or does not
        assert comparable(cmcd) == expected(answer), text


def test_query_fields_and_text_say_the_same(encoded: list[Any]) -> None:
    for one in encoded:
        plain = read_text(one["text"], mode="query")
        target, raw = cut(f"/t/x/a/1.m4s?{one['query']}&b=c")
        assert target == "/t/x/a/1.m4s?b=c"
        assert raw is not None
        in_query, in_fields = read(raw), read_request(None, CIMultiDict(one["fields"]))
        assert in_query == plain
        assert (in_fields is None) == (not one["fields"])  # a report may have nothing to say
        if in_fields is None:
            continue
        assert shown(in_fields) == shown(plain)
        assert in_fields.is_valid
        joined = read(" " + ",".join(one["fields"].values()))
        assert shown(joined) == shown(plain)


def test_what_comes_next_is_what_the_player_meant() -> None:
    names = ["../b/2.m4s", "seg 7(1).m4s", "seg-é.m4s", "2.m4s?x=1&y=a%20b", "7%2F8.m4s"]
    tasks = [
        {"do": "encode", "version": version, "data": {"nor": [name], "sid": "s", "v": version}}
        for name in names
        for version in (1, 2)
    ]
    wanted = [name for name in names for _ in (1, 2)]
    for name, task, one in zip(wanted, tasks, asked(tasks), strict=True):
        if isinstance(one, Refused):
            assert task["version"] == 2  # a list of strings holds ASCII only
            continue
        [found] = read_text(one["text"], mode="query").next_objects()
        if name == "7%2F8.m4s" and task["version"] == 2:
            assert found.reference == "7/8.m4s"  # such a name could not be asked for
        else:
            assert found.reference == name


def test_events_are_read_as_the_package_reads_them() -> None:
    rng = random.Random(3)
    tasks = [
        {
            "do": "encode",
            "event": True,
            "version": 2,
            "data": something(rng, 2)
            | {"e": event, "ts": 1_700_000_000_000 + n, "sta": "p", "url": "https://x/t/TOKEN/1"},
        }
        for n, event in enumerate(sorted(TOKENS["e"]))
    ]
    lines = [one["text"] for one in asked(tasks)]
    body = "\n".join(lines)
    [answer] = asked([{"do": "events", "text": body}])
    events = read_events(body.encode())
    assert len(events) == len(answer["data"]) == len(lines)
    for cmcd, data in zip(events, answer["data"], strict=True):
        assert cmcd.is_valid
        assert comparable(cmcd) == expected(data)
        assert "TOKEN" not in repr(cmcd)


def test_what_our_writer_of_structured_fields_makes_the_package_reads_alike() -> None:
    rng = random.Random(4)
    texts = [write_dictionary(members(something(rng, 2))) for _ in range(MANY)]
    answers = asked([{"do": "decode", "text": text} for text in texts])
    queries = [f"CMCD={quote(text, safe='')}" for text in texts]
    same = asked([{"do": "query", "query": query} for query in queries])
    for text, query, answer, again in zip(texts, queries, answers, same, strict=True):
        cmcd = read_text(text, mode="query")
        assert comparable(cmcd) == expected(answer) == expected(again)
        assert comparable(read(query.removeprefix("CMCD="))) == comparable(cmcd)


def members(said: dict[str, Any]) -> dict[str, Member]:
    found: dict[str, Member] = {}
    for key, value in said.items():
        if isinstance(value, list):
            items = (Item(*one) if isinstance(one, list) else Item(one) for one in value)
            found[key] = InnerList(tuple(items))
        elif isinstance(value, float):
            found[key] = Item(Decimal(str(value)))
        else:
            found[key] = Item(Token(value) if KINDS[key] == "token" else value)
    return found


# Each stands for a fault of its own; what follows is whether the package takes it for a dictionary at all.
BROKEN = [
    "br=3200,,bl=100",
    "br=3200,",
    ",br=3200",
    "br=",
    "br",
    "BR=3200",
    "br = 3200",
    "br=3200 ,\tbl=100",
    "br=+3200",
    "br=0x10",
    "br=32e2",
    "br=-3200",
    "br=3200.5",
    "br=3200.",
    "br=3200.1234",
    "br=.5",
    "bl=12345678901234567",
    "bl=999999999999999",
    "bl=(100",
    "bl=100)",
    "bl=()",
    "v=2,bl=()",
    "v=2,bl=(100)",
    "v=2,bl=(100 200)",
    "v=2,bl=(100;v 200;a)",
    "v=2,bl=(100;v200;a)",
    "v=2,bl=(100,200)",
    "v=2,bl=100",
    "v=2,bl=(x)",
    'v=2,bl=("x")',
    "bl=(100)",
    'sid="x',
    'sid=x"',
    'sid=""',
    "sid=x",
    "sid=7",
    "sid",
    'sid="a\\b"',
    'sid="a\\"b"',
    'sid="a\\\\"',
    'sid="' + "x" * 64 + '"',
    'sid="' + "x" * 65 + '"',
    'cid="' + "x" * 129 + '"',
    "bs=?1",
    "bs=?0",
    "bs=?2",
    "bs=1",
    "bs=true",
    "bs;x",
    "su=?1;y=2",
    "ot=v",
    "ot=zz",
    "ot=V",
    'ot="v"',
    "ot=?1",
    "sta=p,v=2",
    "sta=x,v=2",
    "v=1",
    "v=2",
    "v=3",
    "v=two",
    "pr=1.08",
    "pr=1.0800",
    "pr=2",
    "pr=x",
    'nor="a.m4s"',
    "nor=a.m4s",
    'nor=("a" "b")',
    'v=2,nor=("a" "b";r="0-99")',
    'v=2,nor="a"',
    "v=2,nor=(a b)",
    'v=2,ec=("E1" "E2")',
    'v=2,ec="E1"',
    "com.x-y=z",
    "com.x-y=5",
    'com.x-y="' + "z" * 65 + '"',
    "bl=100,bl=200",
    "d=4004.17",
    "rtp=12000;x;y=1",
    "cid=:YWJj:",
    "cid=:YWJj",
    "cid=@1659578233",
    'cid=%"f%c3%bc"',
    " br=3200 ",
    "",
]
# The package takes these; a duration below nought, or a token for a string, is no CMCD all the same.
STRICTER = ("br=-3200", 'ot="v"', "v=2,nor=(a b)")
# RFC 9651 has these for values, and the package knows them by it; CMCD has no key for one.
NOT_OF_CMCD = ("cid=@1659578233", 'cid=%"f%c3%bc"')


def test_the_verdict_on_broken_texts_is_the_packages() -> None:
    decoded = asked([{"do": "decode", "text": text} for text in BROKEN])
    judged = asked([{"do": "judge", "text": text} for text in BROKEN])
    for text, data, issues in zip(BROKEN, decoded, judged, strict=True):
        cmcd = read_text(text, mode="query")
        if text in NOT_OF_CMCD:
            assert not cmcd.is_valid
            continue
        is_refused = isinstance(data, Refused)
        assert ("syntax" in cmcd.faults) == is_refused, (text, data, cmcd.faults)
        if text in STRICTER:
            assert not issues
            assert not cmcd.is_valid
        elif not is_refused:
            assert cmcd.is_valid == (not issues), (text, issues, cmcd.faults)


def test_what_is_good_in_a_text_that_the_package_refuses_is_read_all_the_same() -> None:
    broken = [text for text in BROKEN if text.strip()]
    texts = [f"bl=4200,{text},tb=9000,BAD =,mtp=2500" for text in broken if "bl" not in text]
    assert all(
        isinstance(one, Refused) for one in asked([{"do": "decode", "text": t} for t in texts])
    )
    for text in texts:
        cmcd = read_text(text, mode="query")
        assert cmcd.measure("bl") == 4200, text
        assert cmcd.measure("mtp") == 2500, text
        if "tb" in text and '"x,' not in text:
            assert cmcd.measure("tb") == 9000, text
