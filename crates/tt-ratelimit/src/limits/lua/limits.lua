-- Decides a request by all of its rules, and counts it in all of them or in none. minute.rs and day.rs do the same in
-- Rust.
--
-- KEYS[i]      the counter of rule i; all hold the hash tag of their user
-- ARGV[1]      now in Unix milliseconds, for tests; otherwise empty, and the clock of Redis counts
-- ARGV[2i]     the window of rule i: m (minute) or d (UTC day)
-- ARGV[2i+1]   its limit
--
-- Returns {1, i, remaining, reset} for an admitted request, where rule i has the fewest requests remaining, or
-- {0, i, retry_after} for a refused one, where rule i refuses longest. Times are in milliseconds from now.

local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local second = math.floor(now / 1000)
local today = math.floor(now / 86400000)

local function set(key, value, ttl)
  redis.call('SET', key, value, 'PX', string.format('%.0f', ttl))
end

-- Both windows return remaining, reset, new value, milliseconds to keep it; or nil, retry_after.
-- If the clock was set back, the kept value is moved at once, also by a request that is refused: otherwise each refusal
-- would begin the wait anew.

-- A minute is kept as cmsgpack of {second, count, second, count, ...}, oldest first, without empty seconds.
local function minute(key, limit)
  local kept, sum, newest = {}, 0, second
  local packed = redis.call('GET', key)
  if packed then
    local old = cmsgpack.unpack(packed)
    local last = old[#old - 1]
    if last > second + 60 then
      -- Counts become a second younger: the seconds of the two clocks need not begin at the same moment.
      for i = 1, #old, 2 do old[i] = math.min(old[i] - last + second + 1, second) end
      set(key, cmsgpack.pack(old), 62000)
    elseif last > second then
      newest = last
    end
    for i = 1, #old, 2 do
      if old[i] > newest - 61 then
        kept[#kept + 1] = old[i]
        kept[#kept + 1] = old[i + 1]
        sum = sum + old[i + 1]
      end
    end
  end
  if sum >= limit then
    local i = -1
    repeat
      i = i + 2
      sum = sum - kept[i + 1]
    until sum < limit
    return nil, (kept[i] + 61) * 1000 - now
  end
  if kept[#kept - 1] == newest then
    kept[#kept] = kept[#kept] + 1
  else
    kept[#kept + 1] = newest
    kept[#kept + 1] = 1
  end
  return limit - sum - 1, (kept[1] + 61) * 1000 - now, cmsgpack.pack(kept), (newest + 62) * 1000 - now
end

-- A day is kept as NUMBER:COUNT, for an hour longer than it lasts, in case the clock is set back.
local function packed_day(number, count)
  return string.format('%.0f:%.0f', number, count), (number + 1) * 86400000 - now + 3600000
end

local function day(key, limit)
  local number, count = today, 0
  local kept = redis.call('GET', key)
  if kept then
    local n, c = string.match(kept, '^(%d+):(%d+)$')
    n, c = tonumber(n), tonumber(c)
    if n and n >= today then
      count = c
      -- A request just before midnight counts for the day that has begun already. A clock further back was set back.
      if n * 86400000 - now <= 60000 then number = n else set(key, packed_day(today, c)) end
    end
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
