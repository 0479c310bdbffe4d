"""Everything the edge counts. Labels have few values: never a path, a session or a token."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from config.runtime.metrics import SECONDS_BUCKETS

REQUESTS = Counter(
    "edge_http_requests_total", "Requests answered.", ["route", "method", "status_class"]
)
REQUEST_SECONDS = Histogram(
    "edge_http_request_duration_seconds",
    "From the request head to the last byte handed to the socket.",
    ["route"],
    buckets=SECONDS_BUCKETS,
)
BYTES_SENT = Counter("edge_bytes_sent_total", "Body bytes handed to the socket.", ["route"])
REFUSALS = Counter("edge_refusals_total", "Requests refused, by the code in the answer.", ["code"])
TOKENS_VERIFIED = Counter(
    "edge_token_verify_total", "Signature checks of tokens not seen before.", ["result"]
)
TOKENS_REMEMBERED = Counter("edge_token_remembered_total", "Token checks answered from memory.")
ORIGIN_REQUESTS = Counter(
    "edge_origin_requests_total", "Questions to an origin.", ["origin", "result"]
)
BYTES_FROM_ORIGIN = Counter(
    "edge_bytes_from_origin_total", "Body bytes read from an origin.", ["origin"]
)
BODIES_CUT = Counter(
    "edge_bodies_cut_total", "Bodies that ended early, so that the client can tell.", ["reason"]
)
MANIFEST_SECONDS = Histogram(
    "edge_manifest_rewrite_seconds",
    "Making one form of a manifest: filter, rewrite, compress.",
    ["format"],
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
)
MANIFEST_REJECTS = Counter(
    "edge_manifest_rejects_total", "Manifests that players could not use, by reason.", ["reason"]
)
MANIFESTS_STALE = Counter(
    "edge_manifest_stale_total", "Manifests served from the last good copy, the origin failing."
)
MANIFEST_BYTES = Gauge(
    "edge_manifest_cache_bytes", "Memory held by manifests.", multiprocess_mode="livesum"
)
REQUESTS_RUNNING = Gauge(
    "edge_requests_running", "Requests being answered now.", multiprocess_mode="livesum"
)
