-- Sends a random request body each time; prints what was measured as one line of JSON.
-- wrk -t1 -c32 -d3s -s load.lua URL -- FILE SEED        FILE: one JSON body a line

local prepared = {}

function init(args)
  math.randomseed(tonumber(args[2]))
  local headers = { ["content-type"] = "application/json" }
  for body in io.lines(args[1]) do
    prepared[#prepared + 1] = wrk.format("POST", nil, headers, body)
  end
end

function request()
  return prepared[math.random(#prepared)]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f, "errors": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
  ))
end
