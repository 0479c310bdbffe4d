from __future__ import annotations

import inspect

import aiohttp
import pytest
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParser
from aiohttp.web_protocol import RequestHandler
from prometheus_client import CollectorRegistry, Histogram

from edge.lane.counts import observe_many

# What edge/lane/protocol.py and server.py lean on; an aiohttp that lacks one of these must be read before it is used.
SLOTS = {
    "_parser",
    "_waiter",
    "_messages",
    "_upgraded",
    "_payload_parser",
    "_close",
    "_force_close",
    "_request_count",
    "_keepalive_timeout",
    "_next_keepalive_close_time",
    "_loop",
    "_buffer_paused",
    "_logging_enabled",
    "access_logger",
    "transport",
}


def test_aiohttp_still_has_the_names_that_the_hot_lane_leans_on() -> None:
    slots = {*RequestHandler.__slots__, *BaseProtocol.__slots__}
    assert slots >= SLOTS
    for name in (
        "_process_keepalive",
        "_drain_helper",
        "_pause_reading_for_buffer",
        "_resume_reading_for_buffer",
    ):
        assert inspect.isfunction(getattr(RequestHandler, name))
    assert inspect.iscoroutinefunction(web.AppRunner._make_server)
    assert hasattr(HttpRequestParser, "message_consumed")


@pytest.mark.parametrize(
    ("function", "lines"),
    [
        pytest.param(
            RequestHandler.data_received,
            [
                "messages, upgraded, tail = self._parser.feed_data(data)",
                "self._messages.append((msg, payload))",
            ],
            id="what is parsed is queued",
        ),
        pytest.param(
            RequestHandler.start,
            [
                "self._waiter = loop.create_future()",
                "message, payload = self._messages.popleft()",
                "self._parser.message_consumed()",
            ],
            id="the queue is read by one task",
        ),
        pytest.param(
            RequestHandler._process_keepalive,
            [
                "close_time = self._next_keepalive_close_time",
                "if self._waiter and not self._waiter.done():",
            ],
            id="idle connections are closed by one timer",
        ),
    ],
)
def test_aiohttp_still_does_what_the_hot_lane_takes_for_granted(
    function: object, lines: list[str]
) -> None:
    source = inspect.getsource(function)  # type: ignore[arg-type]
    assert [line for line in lines if line not in source] == [], aiohttp.__version__


def test_many_observations_are_counted_as_if_one_by_one() -> None:
    one, many = (
        Histogram(name, "h", buckets=(0.001, 0.01, 1), registry=CollectorRegistry())
        for name in "ab"
    )
    for value in (0.0005, 0.005, 0.5, 5):
        for _ in range(7):
            one.observe(value)
        observe_many(many, value, 7)

    def values(histogram: Histogram) -> list[tuple[str, float]]:
        [metric] = histogram.collect()
        return [
            (str(s.labels), round(s.value, 6))
            for s in metric.samples
            if not s.name.endswith("_created")
        ]

    assert values(one) == values(many)
