-- Adds to several counters, or to none of them when one would flow over.
--
-- KEYS     the counters; a key holds when its counter will be empty, in microseconds
-- ARGV[1]  microseconds to add to the clock, 0 but in tests
-- ARGV[2i], ARGV[2i + 1]  what counter i takes in all, and what is to be added to it
--
-- Answers {1 or 0, now, when each counter will be empty}. All numbers are whole and below 2^53,
-- which a number of Lua holds exactly; %.0f writes them without an exponent.

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2] + ARGV[1]
local answer = {1, now}

for i, key in ipairs(KEYS) do
  local full, cost = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  -- What is no number is as if it were not there.
  local empty_at = tonumber(redis.call('GET', key) or now) or now
  if empty_at ~= empty_at then
    empty_at = now
  end
  -- Further off than that comes from a clock that was turned back, or from a larger limit.
  empty_at = math.min(math.max(empty_at, now), now + full)
  if empty_at + cost > now + full then
    answer[1] = 0
  end
  answer[i + 2] = empty_at
end

if answer[1] == 1 then
  for i, key in ipairs(KEYS) do
    local empty_at = answer[i + 2] + ARGV[2 * i + 1]
    local lifetime = math.ceil((empty_at - now) / 1000)
    redis.call('SET', key, string.format('%.0f', empty_at), 'PX', string.format('%.0f', lifetime))
    answer[i + 2] = empty_at
  end
end

-- A refusal changes nothing, but for a time that is too far off: it would stay so.
if answer[1] == 0 then
  for i, key in ipairs(KEYS) do
    if answer[i + 2] == now + ARGV[2 * i] then
      local lifetime = math.ceil(ARGV[2 * i] / 1000)
      redis.call('SET', key, string.format('%.0f', answer[i + 2]), 'PX', string.format('%.0f', lifetime))
    end
  end
end

return answer
