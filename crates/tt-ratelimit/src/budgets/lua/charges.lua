-- The charges of a user that were made before a time.
--
-- KEYS  as common.lua has them
-- ARGV  1 the time, in Unix milliseconds
--
-- Returns request, process, counts_from, settled and held of each charge, as text.

local before = tonumber(ARGV[1])
local all, found = redis.call('HGETALL', KEYS[2]), {}
for i = 1, #all, 2 do
  local charge = cmsgpack.unpack(all[i + 1])
  if charge[3] < before then
    found[#found + 1] = all[i]
    found[#found + 1] = charge[1]
    for field = 3, 5 do found[#found + 1] = string.format('%.0f', charge[field]) end
  end
end
return found
