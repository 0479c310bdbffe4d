"""Running streams in figures for Prometheus, told apart by what has few values only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

if TYPE_CHECKING:
    from edge.sessions.control import SessionControl


def live_metrics(control: SessionControl | None) -> list[Metric]:
    """What runs now.

    Not kept in the library's own gauges: with several processes these never forget a title that nobody watches.
    """
    if control is None:
        return []
    counts = control.counts()
    by_state = {"open": counts.sessions - counts.paused, "paused": counts.paused}
    return [
        _gauge("edge_sessions", "Streams that run.", "state", by_state),
        _gauge("edge_sessions_by_content", "By what is played.", "content", counts.contents),
        _gauge("edge_sessions_by_country", "By where viewers are.", "country", counts.countries),
        _gauge("edge_sessions_by_device", "By class of device.", "device", counts.devices),
        _gauge(
            "edge_sessions_by_rendition",
            "By the rendition given last.",
            "rendition",
            counts.renditions,
        ),
    ]


def _gauge(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
