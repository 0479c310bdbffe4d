from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.contracts.tokens import MAX_TOKEN_CHARS
from edge.errors import TokenMalformed
from edge.target import parse_target
from edge.tokens.links.link import Link, signer_of
from edge.tokens.strict import to_base64url

LINK = Link.of("nginx", path="/vod/a.m4s", query="a=1", fields={"hash": "x", "expires": "17"})
_PLAIN = st.text(st.sampled_from(string.ascii_letters + string.digits + "/._~!$&'()*+,;=:@-%"))


def encoded(text: str) -> str:
    return "l." + to_base64url(text.encode())


def test_a_link_comes_back_as_it_was() -> None:
    assert Link.decode(LINK.encode()) == LINK
    assert signer_of(LINK.encode()) == "nginx"


def test_a_link_may_stand_in_a_path() -> None:
    target = parse_target(f"/t/{LINK.encode()}/vod/a.m4s")
    assert target.token == LINK.encode()
    assert "~" not in LINK.encode()


@given(path=_PLAIN.map(lambda text: f"/{text}"), query=_PLAIN, value=_PLAIN)
def test_every_plain_link_comes_back(path: str, query: str, value: str) -> None:
    link = Link.of("signer-1", path=path, query=query, fields={"a": value, "B": "", "c.d": value})
    assert Link.decode(link.encode()) == link


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("l.", id="only the mark"),
        pytest.param("L." + LINK.encode()[2:], id="mark in capitals"),
        pytest.param(LINK.encode() + "=", id="padding"),
        pytest.param(LINK.encode() + "\n", id="line end"),
        pytest.param(LINK.encode()[:-1] + "~", id="another alphabet"),
        pytest.param(encoded("nginx\n/a\n"), id="no fields"),
        pytest.param(encoded("nginx\n/a\n\nb=1\na=1"), id="fields not in their order"),
        pytest.param(encoded("nginx\n/a\n\na=1\na=1"), id="a field twice"),
        pytest.param(encoded("nginx\n/a\n\na"), id="a field without a value"),
        pytest.param(encoded("nginx\n/a\n\n=1"), id="a field without a name"),
        pytest.param(encoded("nginx\na\n\na=1"), id="path without its slash"),
        pytest.param(encoded("nginx\n/a b\n\na=1"), id="space in the path"),
        pytest.param(encoded("nginx\n/a\n\na=1\r"), id="carriage return"),
        pytest.param(encoded("nginx\n/é\n\na=1"), id="not ASCII"),
        pytest.param(encoded("Nginx\n/a\n\na=1"), id="signer in capitals"),
        pytest.param(encoded("\n/a\n\na=1"), id="no signer"),
        pytest.param(encoded("nginx\n/a\n\na=1\n"), id="line end at the end"),
        pytest.param(encoded("nginx\n/a\n\n" + "\n".join(f"f{n:02d}=" for n in range(17))), id="too many fields"),
        pytest.param(encoded("nginx\n/" + "a" * MAX_TOKEN_CHARS + "\n\na=1"), id="too long"),
    ],
)  # fmt: skip
def test_every_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(TokenMalformed):
        Link.decode(text)


@given(st.text())
def test_any_text_is_a_link_or_malformed(text: str) -> None:
    signer_of("l." + text)
    for candidate in (text, "l." + text, encoded(text)):
        try:
            link = Link.decode(candidate)
        except TokenMalformed:
            continue
        assert link.encode() == candidate
