"""The whole suite's requests, and new ones made of their parts, get the same bytes with the hot lane on and off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge.lane.everything import origin_of_everything
from tests.edge.lane.replay import combined, hits_counted, kept_alive, pair_of_edges
from tests.edge.lane.shapes import Recorded, read_shapes

RECORDED = read_shapes()
GENERATED = 120  # for each kind of edge


@pytest.fixture(scope="module")
def origin_port() -> Iterator[int]:
    with origin_of_everything() as port:
        yield port


@pytest.mark.parametrize(
    ("kind", "least", "hits"),
    [
        pytest.param("tokens redirect", 400, 600, id="with tokens"),
        pytest.param("tokens in-place", 5, 50, id="tokens in the query"),
        pytest.param("public redirect", 60, 200, id="public"),
        pytest.param("root safe", 60, 0, id="plain proxy"),
        pytest.param("root generic-cache", 60, 0, id="plain proxy, generic cache"),
    ],
)
def test_recorded_and_generated_requests_get_the_same_bytes_from_both_lanes(
    kind: str,
    least: int,
    hits: int,
    origin_port: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorded = [each for each in RECORDED if each.edge == kind]
    assert len(recorded) >= least
    requests = recorded + kept_alive(recorded) + combined(recorded, GENERATED, seed=1)
    differing: list[tuple[Recorded, bytes, bytes]] = []
    with (
        hits_counted(monkeypatch) as counted,
        pair_of_edges(kind, requests, tmp_path, origin_port) as pair,
    ):
        for each in requests:
            hot, ordinary = pair.answers(each)
            assert all(answer.startswith(b"HTTP/1.") for answer in ordinary), each
            differing += [(each, a, b) for a, b in zip(hot, ordinary, strict=True) if a != b]
        assert counted[pair.without] == 0
        sessions_hot, sessions_ordinary = pair.counted()
    assert differing == []
    assert counted[pair.with_lane] >= hits
    assert sessions_hot == sessions_ordinary
    assert (sessions_ordinary.requests > 0) == kind.startswith("tokens")
