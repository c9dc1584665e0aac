-- Sends the lines of a file in turn, each as the body of a request:
--   wrk --script load.lua URL -- FILE PAUSE
-- PAUSE is how many milliseconds a connection waits on average between an answer and
-- the next request; each wait is drawn at random between none and twice as long.
local requests, turn = {}, 0

function init(arguments)
  for body in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("POST", nil, nil, body)
  end
  local pause = tonumber(arguments[2])
  if pause > 0 then
    math.randomseed(7)
    function delay()
      return math.floor(math.random() * 2 * pause + 0.5)
    end
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local errors = summary.errors
  io.write("\n", string.format(
    '{"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "errors": %d}',
    summary.requests,
    summary.duration / 1e6,
    latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout
  ), "\n")
end
