from __future__ import annotations

import pytest

from tests.edge.tokens.wycheproof import (
    LOOSER,
    SETS,
    STRICTER,
    Case,
    accepted_though_invalid,
    jws,
)


@pytest.fixture(scope="module", params=SETS)
def of(request: pytest.FixtureRequest) -> tuple[str, list[Case]]:
    name: str = request.param
    return name, SETS[name]()


def test_nothing_invalid_is_accepted(of: tuple[str, list[Case]]) -> None:
    name, cases = of

    assert {case.tc_id for case in accepted_though_invalid(cases)} == LOOSER.get(name, {}).keys()


def test_of_what_is_valid_only_what_is_listed_is_refused(of: tuple[str, list[Case]]) -> None:
    name, cases = of
    refused = {case.tc_id for case in cases if case.is_valid and case.reason != "ok"}

    assert refused == STRICTER[name].keys()


def test_the_sets_are_whole(of: tuple[str, list[Case]]) -> None:
    name, cases = of
    counts = {"jws": (401, 46), "jwk": (26, 5), "ed25519": (151, 88), "hmac_sha256": (174, 66)}

    assert (len(cases), sum(case.is_valid for case in cases)) == counts[name.split(" ")[0]]


@pytest.mark.parametrize("by", ["uri-signing", "kawa"])
def test_two_cases_of_padding_are_written_like_the_valid_one(by: str) -> None:
    # The set means tokens with '=', and writes them without: nothing can tell them from case 357.
    cases = {case.tc_id: case for case in jws(by)}

    assert cases[367].what == cases[370].what == cases[357].what
    assert cases[357].is_valid
