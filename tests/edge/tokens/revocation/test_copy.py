from __future__ import annotations

from pathlib import Path

import pytest

from config.contracts.revocations import Revocation
from edge.tokens.revocation.copy import Copy


def some(*values: str) -> list[Revocation]:
    return [
        Revocation(kind="session", value=value, at=at, until=2_000_000_000)
        for at, value in enumerate(values, 1)
    ]


def test_what_is_appended_is_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    assert list(Copy(path).read()) == []
    copy = Copy(path)
    copy.append(some("a", "b"))
    copy.append(some("c\n"))
    assert list(Copy(path).read()) == some("a", "b") + some("c\n")


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    copy = Copy(path)
    copy.append(some("a"))
    assert path.stat().st_mode & 0o777 == 0o600
    copy.write_anew(some("a"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["copy"]


def test_a_line_that_broke_off_costs_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    Copy(path).append(some("a", "b", "c"))
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        whole = data[: length + 1].count(b"\n") if data[length : length + 1] == b"\n" else 0
        found = list(Copy(path).read())
        assert found == some("a", "b", "c")[: max(whole, data[:length].count(b"\n"))]


def test_damage_in_the_middle_costs_that_line_only(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    Copy(path).append(some("a", "b", "c"))
    lines = path.read_bytes().splitlines(keepends=True)
    for damage in (b"\n", b"\xff\x00\n", b"x" * 100_000 + b"\n", b"00000000000001 {}\n"):
        path.write_bytes(lines[0] + damage + lines[2])
        assert [held.value for held in Copy(path).read()] == ["a", "c"]


def test_it_is_written_anew_when_most_of_it_is_out_of_date(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    copy = Copy(path)
    for _ in range(11):
        copy.append(some("a") * 100)
    assert copy.needs_writing_anew(1)
    copy.touch(1_700_000_000)
    copy.write_anew(some("a"))
    assert not copy.needs_writing_anew(1)
    assert list(Copy(path).read()) == some("a")
    assert Copy(path).certain_at == 1_700_000_000


def test_what_cannot_be_written_is_said_and_the_old_copy_stays(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    copy = Copy(path)
    copy.append(some("a"))
    (tmp_path / "copy.new").mkdir()
    with pytest.raises(OSError):
        copy.write_anew(some("b"))
    assert list(Copy(path).read()) == some("a")


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("")
    (tmp_path / "copy").symlink_to(other)
    with pytest.raises(OSError):
        Copy(tmp_path / "copy").append(some("a"))
    assert other.read_text() == ""
