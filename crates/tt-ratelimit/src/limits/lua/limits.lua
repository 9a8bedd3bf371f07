-- Decides a request by all of its rules, and counts it in all of them or in none. minute.rs and day.rs do the same in
-- Rust.
--
-- KEYS[i]      the counter of rule i; all hold the hash tag of their user
-- ARGV[1]      as common.lua has it
-- ARGV[2i]     the window of rule i: m (minute) or d (UTC day)
-- ARGV[2i+1]   its limit
--
-- Returns {1, i, remaining, reset} for an admitted request, where rule i has the fewest requests remaining, or
-- {0, i, retry_after} for a refused one, where rule i refuses longest. Times are in milliseconds from now.

local function set(key, value, ttl)
  redis.call('SET', key, value, 'PX', string.format('%.0f', ttl))
end

-- Both windows return remaining, reset, new value, milliseconds to keep it; or nil, retry_after.
-- If the clock was set back, the kept value is moved at once, also by a request that is refused: otherwise each refusal
-- would begin the wait anew.

local function minute(key, limit)
  local kept, sum, newest, moved = read_minute(redis.call('GET', key))
  if moved then set(key, cmsgpack.pack(moved), 62000) end
  if sum >= limit then
    local i = -1
    repeat
      i = i + 2
      sum = sum - kept[i + 1]
    until sum < limit
    return nil, leaves(kept[i])
  end
  if kept[#kept - 1] == newest then
    kept[#kept] = kept[#kept] + 1
  else
    kept[#kept + 1] = newest
    kept[#kept + 1] = 1
  end
  return limit - sum - 1, leaves(kept[1]), cmsgpack.pack(kept), (newest + 62) * 1000 - now
end

-- A day is kept for an hour longer than it lasts, in case the clock is set back.
local function packed_day(number, count)
  return string.format('%.0f:%.0f', number, count), (number + 1) * 86400000 - now + 3600000
end

local function day(key, limit)
  local number, count = read_day(redis.call('GET', key))
  if not number then
    number, count = today, 0
  elseif number * 86400000 - now > 60000 then
    -- A request just before midnight counts for the day that has begun already. A clock further back was set back.
    number = today
    set(key, packed_day(number, count))
  end
  local reset = (number + 1) * 86400000 - now
  if count >= limit then return nil, reset end
  return limit - count - 1, reset, packed_day(number, count + 1)
end

local values, keep = {}, {}
local full, wait
local nearest, remaining, reset
for i, key in ipairs(KEYS) do
  local window = ARGV[2 * i] == 'm' and minute or day
  local left, ms, value, ttl = window(key, tonumber(ARGV[2 * i + 1]))
  if not left then
    if not full or ms > wait then full, wait = i, ms end
  else
    if not nearest or left < remaining then nearest, remaining, reset = i, left, ms end
    values[i], keep[i] = value, ttl
  end
end
if full then return {0, full, wait} end
for i, key in ipairs(KEYS) do set(key, values[i], keep[i]) end
return {1, nearest, remaining, reset}
