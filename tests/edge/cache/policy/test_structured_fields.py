from __future__ import annotations

import base64
import json
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.structured_fields import (
    MAX_CHARS,
    BadStructuredField,
    Date,
    DisplayString,
    InnerList,
    Item,
    Member,
    Parameters,
    Token,
    parse_dictionary,
    parse_item,
    parse_list,
    write_dictionary,
    write_item,
    write_list,
)

VECTORS = [
    pytest.param(vector, id=f"{path.stem}: {vector['name']}")
    for path in sorted((Path(__file__).parent / "vectors").glob("*.json"))
    for vector in json.loads(path.read_text(encoding="utf-8"))
]


def bare(value: object) -> Any:
    """A value as the vectors write it."""
    match value:
        case bytes():
            return {"__type": "binary", "value": base64.b32encode(value).decode("ascii")}
        case Token(text):
            return {"__type": "token", "value": text}
        case Date(at):
            return {"__type": "date", "value": at}
        case DisplayString(text):
            return {"__type": "displaystring", "value": text}
        case Decimal():
            return float(value)
    return value


def params(parameters: Parameters) -> list[Any]:
    return [[key, bare(value)] for key, value in parameters.items()]


def plain(member: Member) -> list[Any]:
    if isinstance(member, InnerList):
        return [[plain(item) for item in member.items], params(member.parameters)]
    return [bare(member.value), params(member.parameters)]


def read_and_write(kind: str, raw: str) -> tuple[Any, str]:
    if kind == "item":
        item = parse_item(raw)
        return plain(item), write_item(item)
    if kind == "list":
        members = parse_list(raw)
        return [plain(member) for member in members], write_list(members)
    dictionary = parse_dictionary(raw)
    shown = [[key, plain(member)] for key, member in dictionary.items()]
    return shown, write_dictionary(dictionary)


@pytest.mark.parametrize("vector", VECTORS)
def test_a_published_vector_is_read_and_written_as_published(vector: dict[str, Any]) -> None:
    raw = ", ".join(vector["raw"])
    if vector.get("must_fail"):
        with pytest.raises(BadStructuredField):
            read_and_write(vector["header_type"], raw)
        return
    try:
        value, text = read_and_write(vector["header_type"], raw)
    except BadStructuredField:
        assert vector.get("can_fail")
        return
    assert value == vector["expected"]
    assert text == ", ".join(vector.get("canonical", vector["raw"]))


keys = st.from_regex(r"[a-z*][a-z0-9_.*-]{0,8}", fullmatch=True)
visible = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
bare_items = st.one_of(
    st.booleans(),
    st.integers(-(10**15) + 1, 10**15 - 1),
    st.decimals(-(10**12) + 1, 10**12 - 1, places=3),
    visible,
    st.binary(max_size=20),
    st.from_regex(r"[A-Za-z*][A-Za-z0-9:/!#$%&'*+.^_`|~-]{0,8}", fullmatch=True).map(Token),
    st.integers(-(10**15) + 1, 10**15 - 1).map(Date),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(DisplayString),
)
parameters = st.dictionaries(keys, bare_items, max_size=3)
items = st.builds(Item, bare_items, parameters)
members = items | st.builds(InnerList, st.lists(items, max_size=3).map(tuple), parameters)


@given(st.dictionaries(keys, members, max_size=4))
def test_what_is_written_reads_the_same(dictionary: dict[str, Member]) -> None:
    assert parse_dictionary(write_dictionary(dictionary)) == dictionary
    assert parse_list(write_list(dictionary.values())) == tuple(dictionary.values())


@given(st.text(max_size=60) | st.text('"\\%:;=,()?@*ab01- \t.', max_size=60))
def test_any_text_is_a_value_or_a_refusal(text: str) -> None:
    for parse in (parse_item, parse_list, parse_dictionary):
        try:
            parse(text)
        except BadStructuredField:
            continue


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(10**15, id="integer of 16 digits"),
        pytest.param(Decimal(10) ** 12, id="decimal of 13 digits"),
        pytest.param(Decimal("999999999999.9995"), id="decimal that rounds up to 13 digits"),
        pytest.param(Decimal("NaN"), id="not a number"),
        pytest.param(Decimal("Infinity"), id="infinity"),
        pytest.param("tab\t", id="control character in a string"),
        pytest.param("é", id="letter outside ASCII in a string"),
        pytest.param(Token("1a"), id="token that starts with a digit"),
        pytest.param(Token(""), id="empty token"),
        pytest.param(DisplayString("\ud800"), id="half a character"),
    ],
)
def test_a_value_that_has_no_text_is_refused(value: Any) -> None:
    with pytest.raises(BadStructuredField):
        write_item(Item(value))


def test_a_bad_key_is_refused() -> None:
    with pytest.raises(BadStructuredField):
        write_dictionary({"Upper": Item(1)})


@pytest.mark.parametrize(
    ("value", "text"),
    [(Decimal("0.0015"), "0.002"), (Decimal("0.0025"), "0.002"), (Decimal("-7"), "-7.0")],
)
def test_decimals_are_rounded_to_the_even_neighbour(value: Decimal, text: str) -> None:
    assert write_item(Item(value)) == text


def test_a_field_longer_than_the_bound_is_refused() -> None:
    with pytest.raises(BadStructuredField):
        parse_item("a" * (MAX_CHARS + 1))


@pytest.mark.parametrize(
    "part", ['"\\"', '"', "%", ":", "(", "a;", "a=", "a,", "?0,", "1", "%00", ";a"]
)
def test_hostile_repetition_takes_no_time(part: str) -> None:
    text = (part * MAX_CHARS)[:MAX_CHARS]
    started = time.process_time()
    for prefix in ("", '"', '%"', "a=", "("):
        for parse in (parse_item, parse_list, parse_dictionary):
            try:
                parse(prefix + text[: MAX_CHARS - len(prefix)])
            except BadStructuredField:
                continue
    assert time.process_time() - started < 2.0
