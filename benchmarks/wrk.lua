-- For wrk: counts {n} in the path up, and ends with one line of JSON.
local path = os.getenv("BENCH_PATH")
local turn = tonumber(os.getenv("BENCH_TURN")) or 0

if path then
  local first = tonumber(os.getenv("BENCH_FIRST"))
  local n = first
  local before, after = path:match("^(.-){n}(.*)$")
  request = function()
    local asked = before .. n .. after
    n = n + 1
    if turn > 0 and n >= first + turn then n = first end
    return wrk.format("GET", asked)
  end
end

done = function(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "microseconds": %d, "errors": %d, "p50": %d, "p99": %d}\n',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
