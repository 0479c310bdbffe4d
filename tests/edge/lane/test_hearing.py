"""What players say with requests that the hot lane answers reaches whoever fetches ahead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from config.runtime.keys import KeySet, make_key_file
from config.settings.load import Settings
from edge import keys
from edge.sessions.cmcd.values import Cmcd
from tests.edge.lane.everything import origin_of_everything
from tests.edge.lane.lanes import edge_in_thread
from tests.edge.lane.test_alike import get


def references(said: Cmcd | None) -> list[str | None]:
    return [] if said is None else [each.reference for each in said.next_objects()]


@pytest.mark.parametrize(
    ("accept", "heard"),
    [
        pytest.param(True, [["next.m4s"], ["other.m4s"]], id="read"),
        pytest.param(False, [], id="not read"),
    ],
)
def test_the_next_segment_is_heard_of_once_for_each_that_lies_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accept: bool, heard: list[list[str]]
) -> None:
    with origin_of_everything() as port:
        cdn = {"kind": "http", "url": f"http://127.0.0.1:{port}", "public": True, "private": True}
        settings = Settings.model_validate(
            {
                "var_dir": tmp_path / "var",
                "edge": {"origins": {"cdn": cdn}},
                "sessions": {"cmcd": {"accept": accept}},
            }
        )
        make_key_file(settings.keys_file)
        with edge_in_thread(settings, KeySet.read(settings.keys_file)) as edge:
            for path in ("/cdn/a/1.m4s", "/cdn/a/2.m4s"):
                edge.ask(*[get(path)] * 3, hot=False)
            found: list[list[str | None]] = []

            def asked(*arguments: object) -> None:
                said = arguments[-1]
                assert said is None or isinstance(said, Cmcd)
                found.append(references(said))

            pass_on: Callable[[], None] = edge.lane.pass_on
            monkeypatch.setattr(edge.app[keys.PREFETCHER], "asked", asked)
            monkeypatch.setattr(edge.lane, "pass_on", lambda: None)  # not by its own timer
            first = get("/cdn/a/1.m4s?CMCD=nor%3D%22next.m4s%22")
            second = get("/cdn/a/2.m4s", 'CMCD-Request: nor="other.m4s"')
            edge.ask(first, first, first, second, hot=True)
            assert found == []
            edge.run(pass_on)
            edge.run(pass_on)

    assert found == heard
