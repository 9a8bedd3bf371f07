-- Reads the state of rules, and counts nothing. KEYS and ARGV are those of limits.lua.
--
-- Returns for each rule {count, reset}: the requests counted, and the milliseconds until the count falls; 0 while it is 0.

local function minute(packed)
  local kept, sum = read_minute(packed)
  return sum, sum > 0 and leaves(kept[1]) or 0
end

local function day(kept)
  local _, count = read_day(kept)
  if not count or count == 0 then return 0, 0 end
  return count, (today + 1) * 86400000 - now
end

local states = {}
for i, key in ipairs(KEYS) do
  local read = ARGV[2 * i] == 'm' and minute or day
  states[i] = {read(redis.call('GET', key))}
end
return states
