-- Raises a day's count to what the store knows of it. A count that is higher, or of a later day, stays.
--
-- KEYS[1]  the counter, in the format of common.lua: NUMBER:COUNT
-- ARGV     the day's number, its count, milliseconds to keep it

local number, count = tonumber(ARGV[1]), tonumber(ARGV[2])
local kept = redis.call('GET', KEYS[1])
if kept then
  local n, c = string.match(kept, '^(%d+):(%d+)$')
  n, c = tonumber(n), tonumber(c)
  if n and (n > number or n == number and c >= count) then return end
end
redis.call('SET', KEYS[1], string.format('%.0f:%.0f', number, count), 'PX', ARGV[3])
