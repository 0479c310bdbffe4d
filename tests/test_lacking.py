from __future__ import annotations

import pytest

from tests.lacking import lacking


def test_what_is_lacking_is_skipped_by_a_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no node: make setup-test"):
        lacking("no node: make setup-test")


def test_what_is_lacking_fails_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no node: make setup-test"):
        lacking("no node: make setup-test")
