-- SPDX-License-Identifier: MIT
-- For wrk: what each request is, by the arguments behind "--", and the result as one line of JSON.
--   get PATH          the same path every time
--   rows PREFIX N     PREFIX and a number from 1 to N, at random
--   order             POST /api/v1/orders

local order = '{"user_id": 1, "product": "测试商品", "amount": 99.99}'
local kind, path, rows

function init(args)
  kind, path, rows = args[1], args[2], tonumber(args[3])
  math.randomseed(os.time())
end

function request()
  if kind == "order" then
    return wrk.format("POST", "/api/v1/orders", {["Content-Type"] = "application/json"}, order)
  elseif kind == "rows" then
    return wrk.format("GET", path .. math.random(rows))
  end
  return wrk.format("GET", path)
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format('{"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.status)) -- what is late counts in p99
end
