"""What the catalog counts."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

from config.runtime.metrics import SECONDS_BUCKETS

REQUESTS = Counter(
    "catalog_requests_total",
    "Answered requests by route template, method and class of status.",
    ["route", "method", "status"],
)
REQUEST_SECONDS = Histogram(
    "catalog_request_seconds",
    "Time from the request head to the end of the answer.",
    ["route", "method"],
    buckets=SECONDS_BUCKETS,
)
CRASHES = Counter("catalog_crashes_total", "Requests that ended in an unexpected exception.")
LOGINS = Counter("catalog_logins_total", "Logins by result.", ["result"])
LIMITER_FALLBACKS = Counter(
    "catalog_login_limit_fallbacks_total", "Logins that were counted locally as Redis was away."
)
UPLOAD_BYTES = Counter("catalog_upload_bytes_total", "Bytes of uploads written to the spool.")
UPLOADS = Counter("catalog_uploads_total", "Uploads by what became of them.", ["result"])
STREAMS = Counter("catalog_streams_total", "Playback URLs handed out.")
EVENTS = Counter(
    "catalog_worker_events_total", "Events of workers by name and result.", ["name", "result"]
)
EVENT_LAG_SECONDS = Histogram(
    "catalog_worker_event_lag_seconds",
    "Time from an event's commit to its effect.",
    buckets=(*SECONDS_BUCKETS, 30, 60, 300),
)
STREAM_EVENTS = Counter(
    "catalog_stream_events_total", "Events of edges by kind and result.", ["kind", "result"]
)
STREAM_EVENT_LAG_SECONDS = Histogram(
    "catalog_stream_event_lag_seconds",
    "How long the oldest event of a batch had waited in Redis.",
    buckets=(*SECONDS_BUCKETS, 30, 60, 300),
)
STREAM_STORE_FAILURES = Counter(
    "catalog_stream_store_failures_total",
    "Times that storing the events of edges stopped, as Redis or PostgreSQL was away.",
)
STREAM_STARTS = Counter(
    "catalog_stream_places_total",
    "Places of streams that were not simply given: refused, or uncounted as Redis did not say.",
    ["result"],
)
