from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.manifests.ads.matching import Pattern, Sieve

SOURCES = (
    r"(^|/)segment/[0-9a-f]{4}/",
    r"^dai\.google\.com$",
    r"(?i)^(amazon|advertisement)\b",
    r"(^|&)source=ads(&|$)",
    r"^$",
    r"x*",
    r"ads?/|[0-9]+k/",
    r"a",
)
WORDS = (
    "segment/00ff/", "SEGMENT/", "dai.google.com", "DAI.Google.com", "amazon", "AMAZON x",
    "source=ads", "?", "&", "/", "\n", "a", "ad/", "9k/", "\u017fegment/00ff/", "\u212a", "\xe9",
)  # fmt: skip


@given(st.lists(st.sampled_from(WORDS), max_size=8).map("".join))
def test_nothing_that_is_found_in_a_part_of_a_text_falls_through(text: str) -> None:
    patterns = [Pattern(source) for source in SOURCES]
    left = Sieve(patterns).left(text.encode())
    found = {
        pattern
        for pattern in patterns
        for line in (text.lower(), *text.split("\n"), *text.lower().split("\n"))
        if pattern.found_in(line)
    }
    assert found <= left


@pytest.mark.parametrize("text", [b"", b"https://cdn.example/segments/1.ts\n" * 9])
def test_patterns_whose_words_are_not_there_fall_through(text: bytes) -> None:
    wanting = [Pattern(source) for source in SOURCES[:4]]
    assert Sieve(wanting).left(text) == frozenset()


def test_of_what_is_not_ascii_nothing_falls_through() -> None:
    pattern = Pattern("segment/")
    assert Sieve([pattern]).left(b"\xff") == {pattern}


def test_a_sieve_without_patterns_leaves_none() -> None:
    assert Sieve([]).left(b"text") == frozenset()
