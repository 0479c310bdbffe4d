from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from catalog.streams.reading import read
from config.contracts.stream_events import StreamPart
from tests.catalog.edges import entries, part, start_of
from tests.catalog.harness import Api


def test_a_viewer_who_asks_for_more_renditions_than_are_told_apart_is_counted_too() -> None:
    told = part(start_of("abc", subject="user:1"), 5)
    told = replace(told, counted=replace(told.counted, renditions={"720p": 3, "": 40}))
    (entry,) = entries("boot", told)
    event = read(entry).event
    assert isinstance(event, StreamPart)
    assert event.counted.renditions == {"720p": 3, "": 40}


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_a_name_that_no_stream_can_have_is_refused_and_does_not_reach_the_database(
    admin: Api, method: str
) -> None:
    body: dict[str, Any] | None = {} if method == "PATCH" else None
    reply = await admin(method, "/api/v1/media/streams/a%00b", body)
    assert reply.status in (404, 422)
