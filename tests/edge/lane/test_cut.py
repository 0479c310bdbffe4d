from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import BadDirective
from edge.query import Query, parse_query
from edge.sessions.cmcd.cut import cut, cut_fields, is_clean, said_by

ITEMS = st.sampled_from(
    [
        *("CMCD=br%3D3200%2Cbs", "CMCD=", "CMCD", "CMCD=a=b", "CMCD=second"),
        *("cmcd=x", "%43MCD=x", "CMCDx=1", "xCMCD=1", "a=CMCD", "a=b", "", "=", "_HLS_msn=7"),
        *(
            "_HLS_part=1",
            "_HLS_skip=YES",
            "f=height:..400",
            "token=CMCD",
            "_kawa_patch=x",
            "a=?CMCD=x",
        ),
    ]
)
QUERIES = st.lists(ITEMS, max_size=70).map("&".join) | st.text(
    st.sampled_from("CMD=&?#a%"), max_size=30
)


def parsed(query: str) -> Query | None:
    try:
        return parse_query(query)
    except BadDirective:
        return None


@given(query=QUERIES, path=st.sampled_from(["/a", "/t/x/a/CMCD=1", "/"]))
def test_to_the_edge_a_target_without_cmcd_means_what_it_meant_before(
    query: str, path: str
) -> None:
    before = parsed(query)

    plain, value = cut(f"{path}?{query}" if query else path)

    assert plain.partition("?")[0] == path
    after = parsed(plain.partition("?")[2])
    if before is None or after is None:
        assert before is after
        return
    assert replace(after, cmcd=None) == replace(before, cmcd=None)
    if query.count("&") < 64:
        assert (value, after.cmcd) == (before.cmcd, None)


@pytest.mark.parametrize(
    ("target", "plain", "value"),
    [
        pytest.param("/a?CMCD=bs", "/a", "bs", id="alone"),
        pytest.param("/a?CMCD=bs&b=1", "/a?b=1", "bs", id="first"),
        pytest.param("/a?b=1&CMCD=bs&c", "/a?b=1&c", "bs", id="in the middle"),
        pytest.param("/a?b=1&CMCD=bs", "/a?b=1", "bs", id="last"),
        pytest.param("/a?CMCD=bs&CMCD=su", "/a", "bs", id="repeated"),
        pytest.param("/a?CMCD", "/a", "", id="without a value"),
        pytest.param("/a?CMCD=a?b=c", "/a", "a?b=c", id="with all kinds of signs"),
        pytest.param("/a?cmcd=bs", "/a?cmcd=bs", None, id="in lower case"),
        pytest.param("/a?%43MCD=bs", "/a?%43MCD=bs", None, id="encoded"),
        pytest.param("/a/CMCD=bs", "/a/CMCD=bs", None, id="in the path"),
        pytest.param("/a?b=CMCD=bs", "/a?b=CMCD=bs", None, id="in a value"),
    ],
)
def test_what_is_cut(target: str, plain: str, value: str | None) -> None:
    assert cut(target) == (plain, value)


@pytest.mark.parametrize("value", ["bl%3D2100", '"<>[]^`{|}\\', "", "a=b?c/d+e"])
def test_a_value_that_all_servers_read_alike_is_clean(value: str) -> None:
    assert is_clean(value)


@pytest.mark.parametrize("value", ["a b", "a#b", "a\r\nb", "a\x00", "a\x7f", "ä", "a\tb", "\x85"])
def test_any_other_is_not(value: str) -> None:
    assert not is_clean(value)


def head(*fields: str, after: str = "") -> bytes:
    return ("\r\n".join([" HTTP/1.1", *fields, "", ""]) + after).encode("latin-1")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param(["CMCD-Request: bl=2100,su"], " bl=2100,su", id="one"),
        pytest.param(
            ["CMCD-Object: br=1", "Accept: */*", "CMCD-Status: bs"], " br=1,bs", id="two, apart"
        ),
        pytest.param(["cmcd-session:sid=1", "cmcd-object:  ot=v"], " sid=1,ot=v", id="lower case"),
        pytest.param(["CMCD-Status: "], " ", id="empty"),
    ],
)
def test_fields_are_cut_out_of_a_head(fields: list[str], said: str) -> None:
    others = [each for each in fields if not each.lower().startswith("cmcd-")]

    assert cut_fields(head("Host: a", *fields, "DNT: 1")) == (
        head("Host: a", *others, "DNT: 1"),
        said,
    )


@pytest.mark.parametrize(
    "whole",
    [
        pytest.param(head("Host: a"), id="none"),
        pytest.param(head("CMCD-Custom: a"), id="another name"),
        pytest.param(head("CMCD-Request : a"), id="a space before the colon"),
        pytest.param(head("CMCD-Request: ä"), id="not ASCII"),
        pytest.param(head("CMCD-Request: a\tb"), id="a tab"),
        pytest.param(head("CMCD-Request: a\x00"), id="NUL"),
        pytest.param(head("CMCD-Request: a\nX: b"), id="a bare line feed"),
        pytest.param(head("CMCD-Request: " + "a" * 1001), id="long"),
        pytest.param(head(*["CMCD-Request: a"] * 5), id="many"),
        pytest.param(head("Host: a", after="CMCD-Request: a\r\n"), id="behind the head"),
        pytest.param(head("Host: a", "CMCD-Request: a")[:-2], id="not the whole head"),
    ],
)
def test_what_is_not_plainly_cmcd_is_left_to_the_parser(whole: bytes) -> None:
    assert cut_fields(whole) == (whole, None)


PIECES = st.sampled_from(
    [b"\r\n", b"\r\nCMCD-Request: a", b"\r\nHost: a", b"\r\n\r\n", b"\n", b"GET / HTTP/1.1", b"\r"]
)


@given(pieces=st.lists(PIECES, max_size=9))
def test_what_is_left_is_one_head_only_if_it_was_one(pieces: list[bytes]) -> None:
    whole = b" HTTP/1.1" + b"".join(pieces)

    left, _ = cut_fields(whole)

    if left.find(b"\r\n\r\n") == len(left) - 4:
        assert whole.find(b"\r\n\r\n") == len(whole) - 4


def test_both_ways_of_reading_fields_find_the_same() -> None:
    fields = {"CMCD-Object": "br=1,ot=v", "Accept": "*/*", "CMCD-Status": "bs"}

    _, said = cut_fields(head(*(f"{name}: {value}" for name, value in fields.items())))

    assert said == said_by(None, fields) == " br=1,ot=v,bs"
    assert said_by("bl%3D1", fields) == "bl%3D1"
    assert said_by(None, {"Accept": "*/*"}) is None
