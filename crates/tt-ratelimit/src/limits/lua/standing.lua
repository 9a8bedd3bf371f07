-- Reads the state of rules, and counts nothing. KEYS and ARGV are those of limits.lua.
--
-- Returns for each rule {count, reset}: the requests counted, and the milliseconds until the count falls; 0 while it is 0.

local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local second = math.floor(now / 1000)
local today = math.floor(now / 86400000)

local function minute(packed)
  local kept = cmsgpack.unpack(packed)
  local last = kept[#kept - 1]
  -- Seconds further ahead than a window are from before the clock was set back, and keep their age.
  local ahead = last > second + 60 and last - second or 0
  local newest = math.max(last - ahead, second)
  local count, reset = 0, 0
  for i = 1, #kept, 2 do
    local s = kept[i] - ahead
    if s > newest - 61 then
      if count == 0 then reset = (s + 61) * 1000 - now end
      count = count + kept[i + 1]
    end
  end
  return count, math.max(reset, 0)
end

local function day(kept)
  local number, count = string.match(kept, '^(%d+):(%d+)$')
  number, count = tonumber(number), tonumber(count)
  if not number or number < today or count == 0 then return 0, 0 end
  return count, (today + 1) * 86400000 - now
end

local states = {}
for i, key in ipairs(KEYS) do
  local kept = redis.call('GET', key)
  local count, reset = 0, 0
  if kept then
    local read = ARGV[2 * i] == 'm' and minute or day
    count, reset = read(kept)
  end
  states[i] = {count, reset}
end
return states
