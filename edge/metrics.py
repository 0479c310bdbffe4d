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
REFUSALS = Counter("edge_refusals_total", "Requests refused, by cause.", ["code"])
TOKENS_VERIFIED = Counter(
    "edge_token_verify_total", "Signature checks of tokens not seen before.", ["result"]
)
CONTENT_KEYS = Counter(
    "edge_content_keys_total",
    "Content keys asked for under a token, by whether there was one: given, unknown.",
    ["kind", "result"],
)
TOKENS_REMEMBERED = Counter("edge_token_remembered_total", "Token checks answered from memory.")
KEYS_LOADED = Gauge(
    "edge_keys_loaded",
    "Keys of a signer that are in use; 0: none of its tokens is accepted.",
    ["source"],
    multiprocess_mode="livemin",
)
KEYS_TIMESTAMP = Gauge(
    "edge_keys_timestamp_seconds",
    "When a signer's keys were last known to be what its file or URL gives.",
    ["source"],
    multiprocess_mode="livemin",
)
KEYS_REFRESHES = Counter(
    "edge_keys_refresh_total",
    "Times that a signer's keys were read again: ok, or why the old ones were kept.",
    ["source", "result"],
)
TOKENS_RENEWED = Counter("edge_tokens_renewed_total", "Tokens followed by the next.", ["result"])
GEO_FILES = Counter(
    "edge_geo_files_total",
    "Files of places opened: read, or broken (the one before is used on).",
    ["result"],
)
GEO_LOOKUPS = Counter(
    "edge_geo_lookups_total",
    "Addresses looked up in files of places, not answered from memory: found, unknown, broken.",
    ["result"],
)
GEO_BUILT = Gauge(
    "edge_geo_built_timestamp_seconds",
    "When the data of a file of places was made.",
    ["file"],
    multiprocess_mode="max",
)
ORIGIN_REQUESTS = Counter(
    "edge_origin_requests_total", "Requests to an origin, by how they ended.", ["origin", "result"]
)
ORIGIN_SECONDS = Histogram(
    "edge_origin_duration_seconds",
    "From a question to an origin to the whole head of its answer.",
    ["origin"],
    buckets=SECONDS_BUCKETS,
)
ORIGIN_CONNECTIONS = Gauge(
    "edge_origin_connections",
    "Connections to an origin that are busy, and questions that wait for one.",
    ["origin", "state"],
    multiprocess_mode="livesum",
)
BREAKER_STATE = Gauge(
    "edge_breaker_state",
    "0 closed, 1 one question finds out, 2 open: nothing is asked.",
    ["dep"],
    multiprocess_mode="livemax",
)
RETRIES = Counter(
    "edge_retry_total", "Questions that were asked again, by reason.", ["origin", "reason"]
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
ADS_BREAKS = Counter(
    "edge_ads_breaks_total",
    "Ad breaks found in manifests, each once for every process that met it, by the rule that decided.",
    ["rule"],
)
ADS_SIGNALS = Counter(
    "edge_ads_signals_total", "Signals that spoke for those breaks, by their kind.", ["signal"]
)
ADS_REMOVED = Counter(
    "edge_ads_removed_total",
    "Segments or Periods taken out of versions of manifests or marked as gaps, by policy.",
    ["policy"],
)
ADS_STATE = Counter(
    "edge_ads_state_total",
    "What became of the state of live windows: stored, conflict (another edge was first), epoch (begun anew), "
    "restored (Redis had lost it), raised (numbers went forward to agree with it), island (gone on without Redis), "
    "gap (no state to be had: gaps instead of cuts), held (the last good playlist once more), early, redis-failed.",
    ["event"],
)
ADS_STATE_SECONDS = Histogram(
    "edge_ads_state_duration_seconds",
    "Agreeing on one version of a live playlist.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
)
REQUESTS_RUNNING = Gauge(
    "edge_requests_running", "Requests being answered now.", multiprocess_mode="livesum"
)
CACHE_ANSWERS = Counter(
    "edge_cache_answers_total",
    "Answers of the shared cache: hit, stale, revalidated, collapsed, miss, bypass.",
    ["result"],
)
CACHE_NOT_STORED = Counter(
    "edge_cache_not_stored_total", "Answers of origins that were not kept, by reason.", ["reason"]
)
CACHE_STALE = Counter(
    "edge_cache_stale_served_total", "Answers that were no longer fresh, by reason.", ["why"]
)
CACHE_PURGED = Counter("edge_cache_purged_total", "Files purged.", ["kind"])
CACHE_BYTES = Gauge(
    "edge_cache_bytes", "Bytes of files that are kept.", ["tier"], multiprocess_mode="livesum"
)
CACHE_OBJECTS = Gauge(
    "edge_cache_objects", "Files that are kept.", ["tier"], multiprocess_mode="livesum"
)
CACHE_EVICTIONS = Counter(
    "edge_cache_evictions_total", "Files that made room for others.", ["tier"]
)
CACHE_DISK_WRITES = Counter(
    "edge_cache_disk_writes_total",
    "Files given to the disk: stored, or the reason why not (busy, off, too_large, overtaken, full, readonly, io, …).",
    ["result"],
)
CACHE_DISK_READS = Counter(
    "edge_cache_disk_reads_total",
    "Files looked for on the disk: hit, or the reason why not (gone, damaged, io, late, busy, other).",
    ["result"],
)
CACHE_DISK_OFF = Gauge(
    "edge_cache_disk_off",
    "Processes that leave their disk alone for a while because it failed.",
    multiprocess_mode="livesum",
)
PREFETCH = Counter(
    "edge_prefetch_total",
    "Segments that would be asked for next: fetched, told (to the worker that owns it), or the reason why not "
    "(already, refused_budget, busy, gave_way, outside, unkept, failed).",
    ["result"],
)
PREFETCHED = Counter(
    "edge_prefetched_files_total",
    "Files fetched ahead, by whether a viewer asked for them: used, unused (forgotten before).",
    ["outcome"],
)
FILL_BYTES = Gauge(
    "edge_cache_fill_bytes", "Memory held by bodies that are arriving.", multiprocess_mode="livesum"
)
FILLS = Gauge("edge_cache_fills_running", "Files being fetched now.", multiprocess_mode="livesum")
FILLS_ABANDONED = Counter(
    "edge_cache_fills_abandoned_total", "Fetches ended because nobody waited any more."
)
FILLS_RESUMED = Counter(
    "edge_cache_fills_resumed_total", "Fetches that broke off and went on with the missing bytes."
)
WORKER_RESTARTS = Counter(
    "edge_worker_restarts_total",
    "Worker processes replaced, by why: ended, not_ready, watchdog, reload, restart.",
    ["reason"],
)
LOOP_LAG = Histogram(
    "edge_loop_lag_seconds",
    "How late a worker's event loop comes to what is due; asked four times a second.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
RELOAD_SUCCESS = Gauge(
    "edge_config_last_reload_success",
    "1 if the settings read last are in use, 0 if they were refused.",
    multiprocess_mode="max",
)
RELOAD_TIMESTAMP = Gauge(
    "edge_config_last_reload_timestamp_seconds",
    "When the settings in use were read.",
    multiprocess_mode="max",
)
PEER_FAILURES = Counter(
    "edge_peer_failures_total", "Questions to a sibling process that it did not answer.", ["reason"]
)
PURGES = Counter("edge_purges_total", "Purges carried out, by where they came from.", ["source"])
PURGE_GAPS = Counter("edge_purge_gaps_total", "Times that purges of other edges were missed.")
PURGES_LOST = Counter(
    "edge_purges_lost_total", "Purges that could not be told to other edges: the queue was full."
)
PURGE_FEED_TIMESTAMP = Gauge(
    "edge_purge_feed_timestamp_seconds",
    "When the purges of other edges were last known to be complete.",
    multiprocess_mode="max",
)
CONNECTIONS = Gauge(
    "edge_connections", "Connections of viewers that are open.", multiprocess_mode="livesum"
)
CONNECTIONS_REFUSED = Counter(
    "edge_connections_refused_total", "Connections beyond a limit, answered with 503.", ["limit"]
)
SLOW_CLIENTS = Counter(
    "edge_slow_clients_total", "Connections parted from because the client took too little."
)
PEERS_BYPASSED = Counter(
    "edge_peers_bypassed_total", "Fetches made here because the worker that owns the key was away."
)
REVOCATIONS = Gauge(
    "edge_revocations", "Revocations that are in force here.", ["kind"], multiprocess_mode="max"
)
REVOCATION_STALENESS = Gauge(
    "edge_revocation_staleness_seconds",
    "Age of the last moment at which every worker certainly knew all that was revoked anywhere; +Inf: there was none.",
    multiprocess_mode="max",
)
REVOCATION_GAPS = Counter(
    "edge_revocation_gaps_total",
    "Times that revocations were missed or lost in Redis, and the whole list was read and mended.",
)
REVOCATIONS_REFUSED = Counter(
    "edge_revocations_refused_total",
    "Revocations not taken, by reason: full, malformed.",
    ["reason"],
)
REVOCATION_COPY_FAILURES = Counter(
    "edge_revocation_copy_failures_total", "Times that the copy on the disk could not be written."
)
FIRST_USES = Counter(
    "edge_token_first_use_total",
    "One-time tokens: first, used, or decided without Redis (machine), or refused undecided "
    "(late, away, busy, full, failed).",
    ["result"],
)
SESSION_ENTRIES = Counter(
    "edge_session_entries_total",
    "Sessions that a worker opened with its parent: admitted, joined, refused, ended, or let in unasked because the "
    "parent did not answer (unsure).",
    ["result"],
)
SESSION_TELLS_FAILED = Counter(
    "edge_session_tells_failed_total",
    "Times that a worker could not tell its parent what its sessions were given; it is told later.",
)
SESSIONS_PUSHED_OUT = Counter(
    "edge_sessions_pushed_out_total",
    "Sessions that a worker stopped following because there were more than sessions.most.",
)
SESSIONS_ACTIVE = Gauge(
    "edge_sessions_active", "Stream sessions that play now.", multiprocess_mode="livesum"
)
SESSION_STARTS = Counter(
    "edge_session_starts_total",
    "Stream sessions that wanted to begin: admitted, joined (it played elsewhere before), back (it had ended), "
    "provisional (Redis was away), rejected (as many play as may), barred (it had been ended), undecided (Redis was "
    "away, policy deny), full (this edge follows as many as it can).",
    ["result"],
)
SESSION_ENDS = Counter("edge_session_ends_total", "Stream sessions that ended.", ["reason"])
SESSION_FLUSHES = Counter(
    "edge_session_flushes_total",
    "Times that up to 200 sessions were told to Redis, or it could not be done: ok, failed.",
    ["result"],
)
SESSION_FLUSH_SECONDS = Histogram(
    "edge_session_flush_seconds",
    "Telling Redis of up to 200 sessions.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
)
SESSION_FLUSH_LAG = Gauge(
    "edge_session_flush_lag_seconds",
    "Age of what Redis knows of running sessions; more than two flush intervals: it is late.",
    multiprocess_mode="max",
)
SESSION_EVENTS = Counter(
    "edge_session_events_total", "Events made for the catalog, by kind.", ["kind"]
)
SESSION_EVENTS_WAITING = Gauge(
    "edge_session_events_waiting",
    "Events that the catalog has not stored yet.",
    multiprocess_mode="livesum",
)
SESSION_DROPPED = Counter(
    "edge_session_dropped_total",
    "What was given up since there was no room or the disk failed: event, figures, journal, order.",
    ["what"],
)
SESSION_JOURNAL_BYTES = Gauge(
    "edge_session_journal_bytes",
    "Size of the file of what the catalog has not stored yet.",
    multiprocess_mode="livesum",
)
SESSION_JOURNAL_FAILURES = Counter(
    "edge_session_journal_failures_total", "Times that the journal could not be written."
)
SESSION_ORDER_GAPS = Counter(
    "edge_session_order_gaps_total", "Times that orders of other edges about sessions were missed."
)
CMCD_REPORTS = Counter(
    "edge_cmcd_reports_total",
    "What players said of themselves that was read, by version, by how it came (query, fields, json, event), and by "
    "whether all of it was as CTA-5004 wants it.",
    ["version", "mode", "valid"],
)
CMCD_POSTS = Counter(
    "edge_cmcd_posts_total",
    "Batches of events that players posted: taken, too_many (429), too_large (413), ended or off (410).",
    ["result"],
)
CMCD_FAULTS = Counter(
    "edge_cmcd_faults_total",
    "What was wrong with it, once a report: length, syntax, key, value, version, number (of members).",
    ["fault"],
)
CMCD_SKIPPED = Counter(
    "edge_cmcd_skipped_total",
    "What players said that went unread because they said more before anybody had time to read it.",
)
