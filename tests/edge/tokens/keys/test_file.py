from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from config.runtime.key_files import Content, read_file
from config.runtime.key_rotation import replace_now, rotate
from config.runtime.keys import BadKeys, KeySet, make_key_file
from config.settings.tokens import TokenSettings
from edge.tokens.keys import file as module
from edge.tokens.keys.open import open_keys
from edge.tokens.keys.source import KeySource
from tests.edge.tokens.keys.publishing import Clock, private_jwk, public_jwk, until
from tests.logs import logs_of

Open = Callable[..., AbstractAsyncContextManager[KeySource]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.touch(0o600)
    write(path, private_jwk("a"))
    return path


@pytest.fixture
def opened(path: Path, clock: Clock, tmp_path: Path) -> Open:
    def open_(*, checked: Path | None = None, on_gone: Any = lambda _: None) -> Any:
        return open_keys(
            "kawa",
            file=path,
            settings=TokenSettings(),
            state=tmp_path / "state",
            checked=checked,
            on_gone=on_gone,
            clock=clock,
            timer=clock.timer,
        )

    return open_


def write(path: Path, *keys: dict[str, Any]) -> None:
    path.write_text(json.dumps({"keys": keys}))


def names(source: KeySource) -> list[str]:
    return sorted(source.current().keys)


async def test_a_file_that_changes_is_read_again_by_itself(
    opened: Open, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    gone: list[frozenset[str]] = []
    async with opened(on_gone=gone.append) as source:
        write(path, private_jwk("b"))
        await until(lambda: names(source) == ["b"])

    assert gone == [frozenset({"a"})]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.write_text("{"), id="broken"),
        pytest.param(lambda path: path.write_text(""), id="empty"),
        pytest.param(lambda path: path.unlink(), id="gone"),
        pytest.param(lambda path: path.chmod(0o644), id="others can read it"),
        pytest.param(lambda path: (path.unlink(), path.mkdir()), id="a folder"),
        pytest.param(
            lambda path: write(path, private_jwk("b"), private_jwk("b")), id="a name twice"
        ),
    ],
)
async def test_a_bad_file_is_kept_out_and_a_good_one_let_in_again(
    spoil: Callable[[Path], object], opened: Open, path: Path
) -> None:
    async with opened() as source:
        spoil(path)
        with logs_of("edge.tokens.keys.file") as logs:
            assert not await source.refresh()
            assert not await source.refresh()
        assert names(source) == ["a"]
        assert [line["event"] for line in logs] == ["new keys cannot be used, the old ones are"]

        if path.is_dir():
            path.rmdir()
        path.touch(0o600)
        path.chmod(0o600)
        write(path, private_jwk("c"))
        assert await source.refresh()
        assert names(source) == ["c"]


async def test_a_mode_that_was_mended_is_noticed_though_the_text_is_the_same(
    opened: Open, path: Path, clock: Clock
) -> None:
    async with opened() as source:
        write(path, private_jwk("b"))
        path.chmod(0o644)
        clock.go_on(1)
        assert not await source.wanted("b")
        path.chmod(0o600)
        clock.go_on(1)
        assert await source.wanted("b")


async def test_an_unknown_key_is_looked_for_at_once(opened: Open, path: Path, clock: Clock) -> None:
    async with opened() as source:
        clock.go_on(1)
        assert not await source.wanted("b")
        replace_now(path, key_id="b", now=clock())
        clock.go_on(1)
        assert await asyncio.gather(*(source.wanted("b") for _ in range(20))) == [True] * 20


async def test_a_key_that_came_a_moment_after_a_look_is_waited_for_and_not_refused(
    opened: Open, path: Path, clock: Clock
) -> None:
    async with opened() as source:
        clock.go_on(1)
        assert not await source.wanted("b")
        replace_now(path, key_id="b", now=clock())
        clock.go_on(0.15)
        assert await asyncio.gather(*(source.wanted("b") for _ in range(20))) == [True] * 20


async def test_unknown_keys_do_not_make_the_disk_busy(
    opened: Open, path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    looks: list[Path] = []
    true = module._version

    def counted(path: Path) -> module.Version | None:
        looks.append(path)
        return true(path)

    monkeypatch.setattr(module, "_version", counted)
    async with opened() as source:
        clock.go_on(1)
        looks.clear()
        await asyncio.gather(*(source.wanted(f"k{number}") for number in range(500)))

    assert len(looks) == 1


async def test_a_key_that_ends_is_let_go_without_a_change_of_the_file(
    opened: Open, path: Path, clock: Clock
) -> None:
    gone: list[frozenset[str]] = []
    write(path, private_jwk("a"), private_jwk("b", exp=int(clock()) + 50))
    async with opened(on_gone=gone.append) as source:
        assert names(source) == ["a", "b"]
        clock.go_on(50)
        assert names(source) == ["a"]

    assert gone == [frozenset({"b"})]


async def test_without_a_good_file_it_does_not_start(opened: Open, path: Path) -> None:
    path.write_text("{")

    with pytest.raises(BadKeys, match="not JSON"):
        async with opened():
            pass


async def test_it_starts_with_what_was_good_last(opened: Open, path: Path, tmp_path: Path) -> None:
    checked = tmp_path / "checked.json"
    checked.touch(0o600)
    write(checked, private_jwk("old"))

    async with opened(checked=checked) as source:
        write(path, private_jwk("b"))
        assert await source.refresh()
    path.write_text("{")

    async with opened(checked=checked) as source:
        assert names(source) == ["b"]  # not "old", which may be in wrong hands
        write(path, private_jwk("c"))
        assert await source.refresh()
        assert names(source) == ["c"]
    assert stat.S_IMODE(checked.stat().st_mode) == 0o600


async def test_no_token_is_refused_over_rotations(opened: Open, path: Path) -> None:
    path.unlink()
    make_key_file(path)
    clock = Clock()
    made = KeySet.read(path, now=0)
    signed = {made.signing_key(now=clock()).key_id}
    async with opened() as source:
        for _ in range(5):
            rotate(path, publish_seconds=900, overlap_seconds=8 * 86400, now=clock())
            for _ in range(24):
                clock.go_on(3600)
                signer = KeySet.read(path, now=clock()).signing_key(now=clock()).key_id
                signed.add(signer)
                assert await source.refresh()
                assert signed <= set(names(source))

    assert len(signed) == 6


async def test_public_keys_alone_verify(opened: Open, path: Path) -> None:
    write(path, public_jwk("p"))
    path.chmod(0o644)

    async with opened() as source:
        assert source.current().to_verify("p") is not None


async def test_a_file_that_is_replaced_while_it_is_read_is_read_again(
    opened: Open, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [private_jwk("b"), private_jwk("c")]

    def replaced(path: Path) -> Content:
        content = read_file(path)
        if left:
            write(path, left.pop(0))
        return content

    monkeypatch.setattr(module, "read_file", replaced)
    async with opened() as source:
        assert names(source) == ["c"]
