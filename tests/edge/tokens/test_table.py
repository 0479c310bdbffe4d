from __future__ import annotations

import pytest

from tests.edge.tokens.table import MARKED, README, Row, rows, table


@pytest.fixture(scope="module")
def found() -> list[Row]:
    return list(rows())


def test_every_case_comes_out_as_it_should(found: list[Row]) -> None:
    assert [row for row in found if row.outcomes["differs"]] == []
    assert all(row.outcomes.total() for row in found)


def test_no_scheme_is_missing(found: list[Row]) -> None:
    schemes = {"uri-signing", "cat", "url-sig", "access-control", "secure-link", "cloudfront"}

    assert {row.scheme for row in found} >= schemes | {"akamai", "kawa"}


def test_the_table_in_the_readme_is_the_one_that_the_command_prints(found: list[Row]) -> None:
    [shown] = MARKED.findall(README.read_text())

    assert shown == f"\n{table(found)}\n", "python -m tests.edge.tokens.table write"
